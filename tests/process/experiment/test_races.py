"""Many processes at one directory in the same instant."""

from __future__ import annotations

import json
import multiprocessing
import os
from pathlib import Path

import pytest

from sweeper.errors import LeaseLost, RunBusy, TreeError
from sweeper.experiment import Origin, Settings, opening, staging
from sweeper.tree import Tree
from tests.opened import open_run

PARAMS = {"training": {"rate": 0.1}, "model": {"units": 8}}
PROCESSES = 64

fork = multiprocessing.get_context("fork")


def at_once(target, base, number=PROCESSES, *extra):
    """Call ``target(base, index, barrier, *extra)`` in many processes; the sorted results."""
    barrier, results = fork.Barrier(number), fork.SimpleQueue()

    def body(index):
        try:
            results.put(target(base, index, barrier, *extra))
        except BaseException as error:
            barrier.abort()  # or the others wait for this one
            results.put(["error", repr(error)])

    processes = [fork.Process(target=body, args=(i,)) for i in range(number)]
    for process in processes:
        process.start()
    found = [results.get() for _ in processes]
    for process in processes:
        process.join(60)
    return sorted(found, key=lambda entry: ("BrokenBarrier" in str(entry), str(entry)))


def prepare(base, index, barrier):
    barrier.wait(60)
    tree, origin = Tree(base), Origin(seed=index)
    run = opening.new_run(tree, PARAMS, ("model", "training"), origin, Settings())
    run.report(loss=float(index))
    run.close("finished")
    return ["made", run.path.name]


def test_the_same_parameters_in_many_processes(tmp_path):
    found = at_once(prepare, tmp_path)
    assert len({name for _, name in found}) == PROCESSES
    assert {what for what, _ in found} == {"made"}
    records = list(Tree(tmp_path).all_runs())
    assert len(records) == PROCESSES
    assert {r.status for r in records} == {"finished"}
    assert [r.torn for r in records] == [[]] * PROCESSES
    assert sorted(r.rows[0]["loss"] for r in records) == [float(i) for i in range(PROCESSES)]
    assert not [name for name in os.listdir(tmp_path) if name.startswith(".")]


def open_one(base, index, barrier, locks):
    if not locks:  # storage on which flock does nothing
        staging.fcntl.flock = lambda *_: None
    barrier.wait(60)
    try:
        run = open_run(base, PARAMS)
    except RunBusy as error:
        barrier.wait(60)
        return ["refused", str(error)]
    try:
        barrier.wait(60)  # own it until everyone has tried
        run.report(loss=1.0)
    except LeaseLost:
        return ["lost", ""]
    return ["owner", str(os.getpid())]


@pytest.mark.parametrize("locks", [True, False])
@pytest.mark.parametrize("resumed", [False, True])
def test_the_same_trial_in_many_processes(tmp_path, locks, resumed):
    if resumed:
        run = open_run(tmp_path, PARAMS)
        run.report(loss=2.0)
        run.interrupt()
    found = at_once(open_one, tmp_path, PROCESSES, locks)
    owners = [entry for entry in found if entry[0] == "owner"]
    assert len(owners) == 1, found
    assert len([entry for entry in found if entry[0] == "refused"]) == PROCESSES - 1, found
    assert all("alive" in text for what, text in found if what == "refused")
    (record,) = Tree(tmp_path).all_runs()
    assert record.torn == []
    assert record.provenance["attempts"][-1]["pid"] == int(owners[0][1])


def take_over(base, index, barrier):
    barrier.wait(60)
    written = 0
    try:
        run = open_run(base, PARAMS, take_over=True)
        for _ in range(20):
            run.report(loss=float(index))
            written += 1
    except LeaseLost:
        return ["lost", written]
    except TreeError as error:
        return ["tree error", str(error)]
    return ["kept", run.lease.number]


def test_everybody_takes_over_and_one_keeps(tmp_path):
    open_run(tmp_path, PARAMS).interrupt()
    found = at_once(take_over, tmp_path, 16)
    assert {what for what, _ in found} <= {"lost", "kept"}, found
    assert [what for what, _ in found].count("kept") >= 1
    (record,) = Tree(tmp_path).all_runs()
    assert record.torn == []
    numbers = [a["number"] for a in record.provenance["attempts"]]
    assert numbers == sorted(set(numbers))


def collide(base, index, barrier):
    params = [{"training": {"rate": n}} for n in json.loads((base / "pair").read_text())]
    barrier.wait(60)
    tree = Tree(base)
    run = opening.new_run(tree, params[index % 2], ("training",), Origin(seed=1), Settings())
    run.close("finished")
    return ["made", run.path.parent.name]


def test_two_colliding_experiments_at_once(tmp_path):
    seen, number = {}, 0
    from sweeper.tree.identity import canonical, digits_of

    while (digits := digits_of(canonical({"rate": number}))) not in seen:
        seen[digits] = number
        number += 1
    (tmp_path / "pair").write_text(json.dumps([seen[digits], number]))
    at_once(collide, tmp_path, 16)
    for experiment in Tree(tmp_path).experiments():
        assert len({json.dumps(r.params) for r in Tree(tmp_path).runs(experiment)}) == 1
    assert len(list(Tree(tmp_path).all_runs())) == 16


def test_the_lease_of_a_launch(tmp_path):
    from sweeper.tree import Lease

    directory = Tree(tmp_path).home("digits")
    directory.mkdir(parents=True)
    lease = Lease.acquire(directory)
    reader, writer = os.pipe()
    if os.fork() == 0:
        try:
            Lease.acquire(directory)
            os.write(writer, b"two owners")
        except RunBusy as error:
            os.write(writer, str(error).encode())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        assert f"process {os.getpid()}" in pipe.read()
    os.wait()
    lease.release()
    assert Path(directory).is_dir()
