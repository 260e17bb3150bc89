"""How a run is kept: what is monitored, which checkpoints stay, how exactly it resumes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from sweeper.errors import UsageError

_FORMATS = ("keras", "h5")
_ARGUMENTS = {
    "filepath",
    "verbose",
    "save_best_only",
    "save_weights_only",
    "save_freq",
    "initial_value_threshold",
}


@dataclass(frozen=True)
class Keep:
    """Which checkpoints of a run stay: the ``top`` best ones, the last one, or all."""

    top: int = 1
    last: bool = False
    all: bool = False

    @classmethod
    def parse(cls, value: Any) -> Keep:
        """From ``best``, ``last``, ``all``, a number, or a list. Raises UsageError."""
        items = list(value) if isinstance(value, (list, tuple)) else [value]
        numbers = [item for item in items if type(item) is int and item > 0]
        wrong = [item for item in items if item not in ("best", "last", "all", *numbers)]
        if wrong or not items:
            raise UsageError(
                "keep: expected best, last, all, a positive number, or a list of them, "
                f"found {wrong[0] if wrong else value!r}"
            )
        return cls(max([*numbers, int("best" in items)]), "last" in items, "all" in items)


@dataclass(frozen=True)
class Settings:
    """Everything a run needs to know besides its parameters."""

    monitor: str | None = None
    mode: str | None = None
    format: str = "keras"
    keep: Keep = field(default_factory=Keep)
    arguments: Mapping[str, Any] = field(default_factory=dict)
    reproducible: bool = True
    backup_every: int | Literal["epoch"] | None = None

    @classmethod
    def parse(
        cls,
        checkpoint: Mapping[str, Any] | None = None,
        *,
        reproducible: bool = True,
        backup_every: int | Literal["epoch"] | None = None,
    ) -> Settings:
        """From ``checkpoint_params``: mode, monitor, format, keep, any ModelCheckpoint argument.

        Raises UsageError, naming what is allowed.
        """
        given = dict(checkpoint or {})
        monitor, mode = given.pop("monitor", None), given.pop("mode", None)
        form, keep = given.pop("format", "keras"), given.pop("keep", None)
        unknown = sorted(set(given) - _ARGUMENTS)
        if unknown:
            known = ", ".join(sorted({"monitor", "mode", "format", "keep", *_ARGUMENTS}))
            raise UsageError(f"checkpoint_params: {unknown[0]!r} is unknown; expected {known}")
        if form not in _FORMATS:
            raise UsageError(f"checkpoint_params.format: expected keras or h5, found {form!r}")
        if mode not in (None, "auto", "min", "max"):
            raise UsageError(f"checkpoint_params.mode: expected min, max or auto, found {mode!r}")
        batches = isinstance(backup_every, int) and backup_every >= 1
        if not batches and backup_every not in (None, "epoch"):
            raise UsageError(
                f'backup_every: expected a positive number of batches, or "epoch", '
                f"found {backup_every!r}"
            )
        filepath = given.get("filepath")
        if filepath is not None and ("/" in str(filepath) or str(filepath).startswith(".")):
            raise UsageError(
                f"checkpoint_params.filepath: expected a file name such as "
                f"model.{{epoch:02d}}.keras (it goes into the run's models/), found {filepath!r}"
            )
        if keep is None:
            by_batches = given.get("save_freq", "epoch") != "epoch"
            keep = "all" if by_batches or given.get("save_best_only") is False else "best"
        return cls(monitor, mode, form, Keep.parse(keep), given, reproducible, backup_every)
