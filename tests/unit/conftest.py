"""What the tests of the sweep language share."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sweeper.errors import SpecError
from sweeper.sweepfile import Sweep, load_sweep

Load = Callable[..., Sweep]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Load a sweep from text, in a directory of its own."""

    def load_text(text: str, overrides: tuple[str, ...] = (), **changes: Any) -> Sweep:
        path = tmp_path / "sweep.yaml"
        path.write_text(textwrap.dedent(text), encoding="utf-8")
        return load_sweep(path, overrides, **changes)

    return load_text


@pytest.fixture
def complaints(load: Load, tmp_path: Path) -> Callable[..., list[str]]:
    """The problems of a text, without their directory."""

    def of(text: str, overrides: tuple[str, ...] = ()) -> list[str]:
        with pytest.raises(SpecError) as caught:
            load(text, overrides)
        return [
            str(problem).replace(str(tmp_path / "sweep.yaml"), "sweep.yaml")
            for problem in caught.value.problems
        ]

    return of
