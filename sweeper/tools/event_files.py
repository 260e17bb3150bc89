"""TensorBoard's event files of runs: scalars by epoch, and the parameters for its HParams page.

Written with tensorboardX's messages, which Ray Tune brings along; TensorFlow is never imported.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import json
import math
import shlex
import struct
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sweeper.results import Index, flatten, local_time, score
from sweeper.sweepfile import Metric, Sweep, is_number
from sweeper.tree import FAILED, RunRecord, Tree, files
from sweeper.wording import shortened

from .libraries import library

_STATE = "sweeper.json"


def tensorboard_directory(sweep: Sweep, base: Path) -> Path:
    """Where `tensorboard: true` and the command write."""
    return Tree(base).home(sweep.sweep_name) / "tensorboard"


def how_to_look(directory: Path) -> str:
    there = importlib.util.find_spec("tensorboard") is not None
    install = "" if there else "pip install tensorboard; "
    return f"to look at it: {install}tensorboard --logdir {shlex.quote(str(directory))}"


class EventFiles:
    """Logs below ``directory``, in a folder for each run, brought up to date run by run.

    What a file holds is noted beside it, so that nothing is written twice, whichever process
    does it. Where a run has forgotten epochs, or a trial has another run, it is begun anew.

    Raises UsageError if tensorboardX is not installed.
    """

    def __init__(self, directory: Path, metric: Metric | None) -> None:
        self.directory = directory
        self._metric = metric
        self._over: dict[str, Path] = {}  # folder -> its run, which is written to its end
        self._crc: Any = library("tensorboardX.crc32c", "tensorboard").crc32c
        self._hparams: Any = library("tensorboardX.proto.plugin_hparams_pb2", "tensorboard")
        self._summary: Any = library("tensorboardX.proto.summary_pb2", "tensorboard")
        self._event: Any = library("tensorboardX.proto.event_pb2", "tensorboard")

    def write_all(self, index: Index) -> int:
        """Bring every run up to date; how many have changed."""
        changed = 0
        for entry in index.entries:
            if entry.record is not None:
                number = entry.trial
                name = f"{entry.experiment}/{entry.run}" if number is None else f"trial-{number}"
                changed += self.write(name, entry.record)
        return changed

    def write(self, folder: str, record: RunRecord) -> bool:
        """Bring one run up to date; whether anything was new. Raises TreeError."""
        if self._over.get(folder) == record.path:
            return False
        place = self.directory / folder
        ended = record.status if record.outcome is not None else None
        rows, run = record.rows, f"{record.path.parent.name}/{record.path.name}"
        found: dict[str, Any] = {}
        with contextlib.suppress(files.TornFile):
            found = files.read_json(place / _STATE) or {}
        number = found.get("file", 0) if isinstance(found.get("file"), int) else 0
        path, done = _events(place, number), found.get("rows", -1)
        goes_on = (
            found.get("run") == run
            and found.get("size") == (len(files.read_bytes(path) or b"") if number else 0)
            and found.get("ended") in (None, ended)
            and isinstance(done, int)
            and 0 <= done <= len(rows)
            and found.get("digest") == _digest(rows[:done])
        )
        data = b""
        start, step = _times(record)
        if not goes_on:
            files.make_directory(place, parents=True)
            files.remove(path)  # TensorBoard, which may have it open, looks for later names only
            found, done, number = {}, 0, number + 1
            path = _events(place, number)
            data += self._record(start, file_version="brain.Event:2")
            given = {_text(k): _value(v) for k, v in flatten(record.params).items()}
            data += self._session(start, "start", given, start_time_secs=start)
        for at, row in enumerate(rows[done:], done + 1):
            values = {name: value for name, value in row.items() if name != "epoch"}
            data += self._scalars(start + at * step, int(row["epoch"]), values)
        best = score(record, self._metric) if self._metric is not None else None
        if best is not None and found.get("best") != [best.epoch, best.value]:
            assert self._metric is not None
            values = {f"best/{self._metric.name}": best.value}
            data += self._scalars(start + len(rows) * step, best.epoch, values)
        if ended is not None and found.get("ended") is None:
            end = start + len(rows) * step
            data += self._session(end, "end", status=2 if ended in FAILED else 1, end_time_secs=end)
        if data:
            files.append(path, data, durable=False)
            state = {"run": run, "file": number, "rows": len(rows), "digest": _digest(rows)}
            state |= {"ended": ended, "best": [best.epoch, best.value] if best else None}
            size = (found.get("size") or 0) + len(data)
            files.write_json(place / _STATE, {**state, "size": size}, durable=False)
        if ended is not None:
            self._over[folder] = record.path
        return bool(data)

    def _scalars(self, at: float, step: int, values: Mapping[str, float]) -> bytes:
        make = self._summary.Summary
        found = [make.Value(tag=_text(k), simple_value=v) for k, v in values.items()]
        return self._record(at, step=step, summary=make(value=found))

    def _session(
        self, at: float, which: str, hparams: Mapping[str, Any] | None = None, **fields: Any
    ) -> bytes:
        """What the HParams page knows a run by: its beginning with the parameters, or its end."""
        data = self._hparams.HParamsPluginData(version=0)
        info = getattr(data, f"session_{which}_info")
        for name, value in fields.items():
            setattr(info, name, value)
        for name, value in (hparams or {}).items():
            kind = "bool" if isinstance(value, bool) else "number"
            kind = "string" if isinstance(value, str) else kind
            setattr(info.hparams[name], f"{kind}_value", value)
        make = self._summary
        plugin = make.SummaryMetadata.PluginData(
            plugin_name="hparams", content=data.SerializeToString()
        )
        tag = f"_hparams_/session_{which}_info"
        value = make.Summary.Value(tag=tag, metadata=make.SummaryMetadata(plugin_data=plugin))
        return self._record(at, summary=make.Summary(value=[value]))

    def _record(self, at: float, **fields: Any) -> bytes:
        """An event as a record of a TFRecord file."""
        data = self._event.Event(wall_time=at, **fields).SerializeToString()
        length = struct.pack("<Q", len(data))
        return length + self._check(length) + bytes(data) + self._check(data)

    def _check(self, data: bytes) -> bytes:
        crc = self._crc(data)
        return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)


def _events(place: Path, number: int) -> Path:
    return place / f"events.out.tfevents.{number:010d}.sweeper"


def _digest(rows: list[Any]) -> str:
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()


def _times(record: RunRecord) -> tuple[float, float]:
    """When the run began, and how long an epoch has taken, in seconds."""
    began = local_time(record.attempts[0].get("start")) if record.attempts else None
    step = record.elapsed / max(1, len(record.rows))
    start = began.timestamp() if began else time.time()
    return start, step if math.isfinite(step) else 0.0


def _value(value: Any) -> Any:
    if isinstance(value, bool):
        return value
    if is_number(value) and abs(value) < 1e300:
        return float(value)
    return _text(value if isinstance(value, str) else json.dumps(value))


def _text(text: str) -> str:
    return shortened(text, 1000).encode(errors="replace").decode()
