"""A notebook's cells as a module: what the function needs of them, in order, and no more."""

from __future__ import annotations

from typing import Any

import pytest

from sweeper.errors import UsageError
from sweeper.from_python.cells import module_text, set_too_late

CELLS = (
    "import math, os\nos.environ['MINE'] = '1'",
    "SCALE = no_such_thing",  # a cell that failed, and the one that mended it
    "SCALE = 2",
    "table = []\nfor k in range(3):\n    table.append(k)",
    "table.append(SCALE)",
    "get_ipython().run_line_magic('matplotlib', 'inline')",
    "def helper(v):\n    return v * 0",
    "def helper(v):\n    return v * SCALE + len(table)",
    "helper(3)",
    "get_ipython().run_cell_magic('time', '', 'class Big:\\n    SIZE = SCALE\\n"
    "    def m(self):\\n        return math.floor(LATE)\\n')",
    "big = Big()",
    "LATE = 5",  # found when `big.m` is called, not before
    "unused = helper(1) / 0",
    "@str.__call__\ndef other(x): return x",
    "def train(params, callbacks, run):\n    x = params['x']\n    return helper(x) + big.m()",
    "train({'x': 1}, [], None)",
    "result = sweeper.launch(train, parameters={})",
    "not python at all",
)
KEPT = """\
import math, os
os.environ['MINE'] = '1'
SCALE = 2
table = []
for k in range(3):
    table.append(k)
table.append(SCALE)
def helper(v):
    return v * SCALE + len(table)
class Big:
    SIZE = SCALE
    def m(self):
        return math.floor(LATE)
big = Big()
LATE = 5
def train(params, callbacks, run):
    x = params['x']
    return helper(x) + big.m()
"""


def test_a_function_takes_along_what_it_needs_and_nothing_that_tries_it() -> None:
    text = module_text(CELLS, "train")
    assert text.partition("\n\n")[2] == KEPT
    found: dict[str, Any] = {}
    exec(text, found)  # noqa: S102
    assert found["train"]({"x": 3}, [], None) == 3 * 2 + 4 + 5


def test_running_a_cell_again_changes_nothing() -> None:
    again = [*CELLS[:4], *CELLS[4:], CELLS[7], CELLS[14]]
    first = module_text(CELLS, "train").splitlines()
    assert sorted(module_text(again, "train").splitlines()) == sorted(first)


def test_what_was_bound_before_is_kept_where_something_was_made_of_it() -> None:
    cells = ["a = 1", "b = a + 1", "a = 10", "a += 1", "def train(config): return a, b"]
    assert module_text(cells, "train").splitlines()[2:] == cells


def test_a_name_that_no_cell_defines_is_refused() -> None:
    with pytest.raises(UsageError, match="train needs display, missing, which no cell"):
        module_text(["def train(c):\n    display(c)\n    return [missing for _ in c]"], "train")


@pytest.mark.parametrize(
    ("cell", "kept"),
    [
        ("random.shuffle(data)", True),
        ("setattr(data, 'a', 1)", True),
        ("norm(data)", True),
        ("n = norm(x=data)", True),
        ("setup()", True),
        ("show(data)", False),
        ("train({'x': 1})", False),  # which counts for itself, as it will in a trial
        ("count()", False),
    ],
)
def test_a_call_that_changes_what_the_function_needs_is_taken_along(cell: str, kept: bool) -> None:
    cells = (
        "import random",
        "data, seen = [1, 2, 3], []",
        "def norm(x):\n    x[0] = 9",
        "def setup():\n    global data\n    data = [4]",
        "def show(x):\n    y = list(x)\n    y[0] = 1\n    print(x)",
        "def count():\n    seen.append(1)",
        "def train(config):\n    count()\n    return data[0], len(seen)",
        cell,
    )
    assert (cell in module_text(cells, "train").splitlines()) is kept


SCRIPT = """
import logging, sys
SCALE, CFG, OTHER, args, log = 1, {}, 2, None, logging.getLogger()
def helper(config): return config["x"] * SCALE
def train(config):
    local = 1
    log.info("x")
    return helper(config), %s
def setup():
    global args
    args = tmp = {}
    tmp["x"] = CFG["a"] = 1
def main():
    setup()
if __name__ == "__main__":
    import sys
    %s
"""


@pytest.mark.parametrize(
    ("reads", "guarded", "late"),
    [
        ("0", "SCALE = 3", {"SCALE"}),
        ("0", "for SCALE in (1, 2): pass", {"SCALE"}),
        ("0", "def helper(c): pass", {"helper"}),
        ("0", "def train(c): pass", {"train"}),
        ("args", "main()", {"args"}),
        ("CFG", "main()", {"CFG"}),
        ("CFG", "CFG.update(a=1)", {"CFG"}),
        ("0", "OTHER = 3; local = 3; main()", set()),
        ("sys", "log.warning('begins'); print(SCALE)", set()),
        ("args", "pass\nsweeper.launch(train)\nargs = 1", {"args"}),
        ("args", "pass\nargs = 1\nsweeper.launch(train)", set()),
    ],
)
def test_what_a_script_sets_where_no_trial_comes_is_known(
    reads: str, guarded: str, late: set[str]
) -> None:
    assert set_too_late(SCRIPT % (reads, guarded), "train") == late
