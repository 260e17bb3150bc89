"""A few seeds of ``python -m tests.fuzz tree``, which goes on for as long as one likes."""

from __future__ import annotations

import time

from tests.fuzz import tree


def test_no_spoilt_tree_stops_a_reader_or_reaches_outside() -> None:
    until = time.monotonic() + 10
    count, found = tree.rounds(20261128, lambda done: done >= 40 or time.monotonic() > until)
    assert count
    assert not found, "\n".join(found)
