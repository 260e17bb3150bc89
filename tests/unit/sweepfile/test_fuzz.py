"""A few hundred of the mutations of ``python -m tests.fuzz spec``, always the same."""

from __future__ import annotations

from tests.fuzz.spec import fuzz


def test_mutated_sweep_files_are_read_or_refused() -> None:
    count, failed = fuzz(11, lambda count: count < 300)
    assert count == 300
    assert not failed, failed[0]
