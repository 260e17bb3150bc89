"""What tells one fit of a program from another: its data, and the model that it begins with.

A program that has noted what it has done (folds, seeds) skips that when it is started again, so its
fits count otherwise; then a chapter must not be given back to the next one's model.
"""

from __future__ import annotations

import contextlib
import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from .backup import BackupStore
from .variables import value_of

ROWS, VALUES = 200_000, 64  # so many of each array, at most
VARIABLES, SAMPLE = 32, 8
SLACK = 0.01  # by which weights may differ that were computed twice, and by half of what they are

_ODD = np.uint64(0x9E3779B97F4A7C15)

Fingerprint = dict[str, Any]


def of_model(model: Any) -> Fingerprint:
    """Of the model that a fit is given, before callbacks such as BackupAndRestore change it."""
    found: Fingerprint = {"settings": None, "weights": []}
    with contextlib.suppress(Exception):  # here and below: knowing less is no failure
        found["weights"] = [_sample(v) for v in _some(model.trainable_variables, VARIABLES)]
    with contextlib.suppress(Exception):
        settings = {**model.optimizer.get_config(), "name": None}
        text = json.dumps(settings, sort_keys=True, default=lambda o: type(o).__name__)
        found["settings"] = zlib.crc32(text.encode())
    return found


def of_data(source: Any) -> Fingerprint:
    """Of the input of a fit; ``source`` is Keras's data adapter."""
    with contextlib.suppress(Exception):
        return {"data": sum(_sum(*held) for held in _arrays(source)) % 2**64 or None}
    return {"data": None}


@dataclass(frozen=True)
class Chapter:
    """What is kept of a fit: after which epoch of the run it stands, and what it began with.

    ``has_returned``: so the program may skip it from then on; ``has_end``: how it ended is kept.
    """

    epoch: int
    has_end: bool
    has_returned: bool
    fingerprint: Fingerprint

    def differs(self, now: Fingerprint, skipped: Chapter | None = None) -> str:
        """Why the fit that begins ``now`` is surely another one, or nothing.

        To one that has not returned any model may come: another one where nothing is seeded, or
        what the program itself has saved of it. Where there are fits that it would have
        ``skipped``, it must be the same one, unless they have other data: then those tell.
        """
        before = self.fingerprint
        if _other("data", before, now):
            return "it is of a fit with other data"
        if not self.has_returned and (skipped is None or _other("data", skipped.fingerprint, now)):
            return ""
        if _other("settings", before, now):
            return "it is of a fit with another optimizer"
        if any(map(_apart, before["weights"], now["weights"])):
            return "it is of a fit that began with other weights"
        return ""


def chapters(backups: BackupStore, returned: int) -> dict[int, Chapter]:
    """What there is of each fit of a run, by its number; those up to ``returned`` have."""
    found: dict[int, Chapter] = {}
    for manifest, is_end in backups.manifests():
        state = manifest.get("state", {})
        if print_ := state.get("fingerprint"):
            over = is_end or state["fit"] <= returned
            found.setdefault(state["fit"], Chapter(manifest["epoch"], is_end, over, print_))
    return found


def _other(what: str, one: Fingerprint, two: Fingerprint) -> bool:
    return None not in (one[what], two[what]) and bool(one[what] != two[what])


def _apart(one: list[float], two: list[float]) -> bool:
    if len(one) != len(two):
        return False  # of another shape, which is told elsewhere
    distance = float(np.linalg.norm(np.subtract(one, two)))
    return distance > SLACK + 0.5 * float(np.linalg.norm(one))


def _some(items: Any, most: int) -> Any:
    return items[:: -(-len(items) // most) or 1]


def _sample(variable: Any) -> list[float]:
    return [float(f"{number:.6g}") for number in value_of(variable).ravel()[:SAMPLE]]


def _arrays(source: Any) -> Iterator[tuple[str, list[Any]]]:
    """The arrays that an input is made from, and where; those in a list row by row together."""
    if hasattr(source, "_inputs"):
        yield "", keras.tree.flatten(source._inputs)
    for name in ("py_dataset", "_dataset", "_dataloader"):
        yield from _held(getattr(source, name, None))


def _held(dataset: Any) -> Iterator[tuple[str, list[Any]]]:
    kind = type(dataset).__name__
    if hasattr(dataset, "_inputs"):  # of tf.data
        for one in dataset._inputs():
            yield from _held(one)
        for name in ("_tensors", "_filenames", "_count", "_num_shards", "_index"):
            if (value := getattr(dataset, name, None)) is not None:
                yield kind + name, keras.tree.flatten(value)
        return
    for name, value in getattr(dataset, "__dict__", {}).items():
        if name in ("dataset", "sampler"):  # of PyTorch
            yield from _held(value)
        elif hasattr(value, "shape"):
            yield kind + name, [value]
        elif isinstance(value, (list, tuple, range)) and value:
            yield kind + name, list(value) if hasattr(value[0], "shape") else [value]


def _sum(where: str, arrays: list[Any]) -> int:
    """Of the rows in any order, as a program may shuffle them otherwise each time."""
    with contextlib.suppress(Exception):  # no array, after all
        sums: Any = np.array([zlib.crc32(where.encode())], np.uint64)
        for array in arrays:
            if array is not None:
                sums = sums * _ODD + _row_sums(array)
                sums = (sums ^ (sums >> np.uint64(29))) * _ODD
        return int(sums.sum())
    return 0


def _row_sums(array: Any) -> Any:
    array = np.asarray(array.cpu() if type(array).__module__ == "torch" else array)
    rows = _some(array if array.ndim else array[None], ROWS)
    rows = rows.reshape(len(rows), -1)
    begin = max(0, rows.shape[1] - VALUES) // 2  # of an image the middle
    rows = rows[:, begin : begin + VALUES]
    if rows.dtype.hasobject:
        rows = np.array([zlib.crc32(repr(row.tolist()).encode()) for row in rows])[:, None]
    octets = np.ascontiguousarray(rows).view(np.uint8)
    words = np.pad(octets, ((0, 0), (0, -octets.shape[1] % 8))).view(np.uint64)
    return words @ np.random.default_rng(0).integers(1 << 63, size=words.shape[1], dtype=np.uint64)
