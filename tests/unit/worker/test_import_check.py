"""A train module whose import is likely to fail is told by its text, before Ray starts."""

from __future__ import annotations

from pathlib import Path

import pytest

from sweeper.worker.import_check import looks_broken

TRAIN = "def train(params, callbacks):\n    import later\n"


@pytest.mark.parametrize(
    ("text", "broken"),
    [
        (TRAIN, False),
        (f"import json, keras.losses\nfrom numpy import linspace\n{TRAIN}", False),
        (f"import helper\nfrom . import x\n{TRAIN}", False),
        (f"try:\n    import no_such\nexcept ImportError:\n    pass\n{TRAIN}", False),
        (f"import no_such.sub\n{TRAIN}", True),
        (f"from no_such import x\n{TRAIN}", True),
        ("def other(params, callbacks):\n    pass\n", True),
        ("from helper import *\n", False),
        ("from helper import f as train\n", False),
        ("if True:\n    train = make()\n", False),
        ("def train(:\n", True),
    ],
)
def test_what_looks_broken(tmp_path: Path, text: str, broken: bool) -> None:
    (tmp_path / "helper.py").touch()
    file = tmp_path / "train.py"
    file.write_text(text)
    assert looks_broken(file, "train", []) is broken
