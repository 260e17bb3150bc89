"""Storage that fails: full, read-only, gone. Mounts a tmpfs; skipped where that is not allowed."""

from __future__ import annotations

import json
import os
import subprocess

import pytest

from sweeper.errors import TreeError
from sweeper.tree import Tree
from tests.opened import open_run

PARAMS = {"training": {"rate": 0.1}, "model": {"units": 8}}


@pytest.fixture
def small(tmp_path):
    """A file system of 512 KiB; ``small.remount(options)`` changes it."""
    path = tmp_path / "small"
    path.mkdir()

    def mount(*options):
        return subprocess.run(
            ["mount", *options, str(path)], capture_output=True, check=False
        ).returncode

    try:
        failed = mount("-t", "tmpfs", "-o", "size=512k", "tmpfs")
    except OSError:
        failed = 1
    if failed:
        pytest.skip("mounting is not allowed here")
    yield path, mount
    subprocess.run(["umount", "-l", str(path)], check=True)


def opened(base):
    return open_run(base, PARAMS)


def fill(path):
    """Use up every byte; returns the file to remove."""
    ballast = path / "ballast"
    with open(ballast, "wb") as file:
        for size in (4096, 1):
            try:
                while True:
                    os.write(file.fileno(), b"x" * size)
            except OSError:
                pass
    return ballast


def test_a_full_disk(small, tmp_path):
    path, _ = small
    run = opened(path / "tree")
    state = tmp_path / "state"
    state.mkdir()
    (state / "weights").write_bytes(b"w" * 5000)
    for loss in (3.0, 2.0):
        run.report(loss=loss)
        run.save(state)
    ballast = fill(path)
    before = {p: p.read_bytes() for p in run.path.rglob("*") if p.is_file()}

    def report_until_full():
        for _ in range(1000):  # the last block of the log has some room left
            run.report(loss=1.0)

    with pytest.raises(TreeError, match="free some space") as caught:
        report_until_full()
    with pytest.raises(TreeError):
        run.save(state)
    with pytest.raises(TreeError):
        run.close("failed", caught.value)
    run.interrupt()
    (record,) = Tree(path / "tree").all_runs()
    assert record.status == "interrupted"
    assert record.torn == []
    assert record.rows[:2] == [{"epoch": 1, "loss": 3.0}, {"epoch": 2, "loss": 2.0}]
    for file, data in before.items():
        if file.exists() and file.name != "training-logs.csv":  # its lease may be gone
            assert file.read_bytes() == data
    assert not list(run.path.rglob(".*"))
    with pytest.raises(TreeError, match="free some space"):
        open_run(path / "tree", PARAMS, sweep="t")
    assert len(list(Tree(path / "tree").all_runs())) == 1

    ballast.unlink()
    run = opened(path / "tree")
    assert (run.restore() / "weights").read_bytes() == b"w" * 5000
    assert run.resumed_epoch == 2
    run.report(loss=1.0)
    assert run.close("finished")
    (record,) = Tree(path / "tree").all_runs()
    assert [r["loss"] for r in record.rows] == [3.0, 2.0, 1.0]


def test_space_for_the_outcome_alone(small):
    path, _ = small
    run = opened(path / "tree")
    run.report(loss=1.0)
    ballast = fill(path)
    ballast.write_bytes(ballast.read_bytes()[: -4 * 4096])
    error = OSError(28, "No space left on device")
    assert run.close("failed", error)
    (record,) = Tree(path / "tree").all_runs()
    assert record.status == "failed"
    assert "No space left" in json.loads(run.paths.outcome.read_text())["error"]["message"]


def test_read_only_storage(small):
    path, mount = small
    run = opened(path / "tree")
    run.report(loss=1.0)
    run.interrupt()
    assert mount("-o", "remount,ro") == 0
    (record,) = Tree(path / "tree").all_runs()
    assert record.status == "interrupted"
    assert record.rows
    assert record.torn == []
    Tree(path / "tree").tidy()
    for base in (path / "tree", path / "another"):
        with pytest.raises(TreeError, match=r"[Rr]ead-only"):
            opened(base)
    assert mount("-o", "remount,rw") == 0
    opened(path / "tree").close("finished")


def test_storage_that_goes_away(small):
    path, _ = small
    run = opened(path / "tree")
    run.report(loss=1.0)
    subprocess.run(["umount", "-l", str(path)], check=True)
    try:
        with pytest.raises(TreeError):
            run.report(loss=0.5)
        run.interrupt()
        assert os.listdir(path) == []
    finally:
        subprocess.run(["mount", "-t", "tmpfs", "tmpfs", str(path)], check=True)
