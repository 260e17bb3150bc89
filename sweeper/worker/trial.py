"""Opening and ending a trial's run, the same for a train function and a script."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sweeper.errors import LeaseLost, SweeperError
from sweeper.experiment import Origin, Run, Settings, begins_again, describe_error, open_trial
from sweeper.tree import Lease, Program, RunRecord, Tree, files

from .messages import End, RunOpened, TrialRequest


def run_trial(
    request: TrialRequest, send: Callable[[RunOpened], None], train: Callable[[Run], End]
) -> End:
    """Open the trial's run, ``send`` which it is, and let ``train`` end it; the ``end`` message.

    A run that had ended before its launch heard of it is not trained.
    """
    run: Run | None = None
    try:
        run = _open_run(request)
        send(
            {
                "kind": "run",
                "path": str(run.path),
                "resumed_epoch": run.resumed_epoch,
                "elapsed": run.elapsed,
            }
        )
        if run.reopened:
            return {"kind": "end", "outcome": RunRecord.at(run.path).status}
        with run.capture_output():
            return train(run)
    except LeaseLost as error:
        return {"kind": "end", "outcome": "lost", "error": describe_error(error)}
    except (SweeperError, OSError) as error:
        if run is not None:
            with contextlib.suppress(SweeperError, OSError):
                run.interrupt(f"failed: {error}")
        return {"kind": "end", "outcome": "failed", "error": describe_error(error)}


def _open_run(request: TrialRequest) -> Run:
    """The run of the trial in ``request``, continued or new.

    One that begins again from its beginning has no rows. One that is over is ``reopened``. Raises
    LeaseLost where another launch has taken the trial over: what it runs is not to be taken back.
    """
    lease = request.get("lease")
    guard = (lambda: None) if lease is None else Lease(Path(lease[0]), lease[1]).check
    params = request["params"]
    run = open_trial(
        Tree(request["base"]).of(params),
        params,
        request["monitored"],
        Origin(
            request["seed"],
            request["sweep"],
            request["trial"],
            request["replicate"],
            Program.from_json(request["program"]),
            request["cpus"],
            request["gpus"],
        ),
        Settings.parse(request["checkpoint"], backup_every=request.get("backup_every")),
        passed_over=request.get("passed_over", ()),
        continues=request.get("continues"),
        take_over=True,
        guard=guard,
        anew=lease is None,  # `sweeper check` tries it: no launch has made a tree
    )
    if run.log.rows and not run.reopened and begins_again(run.paths):
        run.rewind(0)  # its rows are those of an attempt that has come to nothing
    return run


def start_directory(run: Run, request: TrialRequest) -> Path:
    """Where the trial starts: where the launch did, or in a directory of its run, with its links.

    Raises TreeError for what does not belong there, such as a link in place of a directory.
    """
    here, links = Path.cwd(), request.get("links")
    if links is None:
        return here
    work = run.paths.work
    _own_directory(work)
    for link in links:
        place = work
        for part in Path(link).parts[:-1]:
            place /= part
            _own_directory(place)
        files.make_link(work / link, here / link)
    return work


def _own_directory(place: Path) -> None:
    files.refuse_link(place)
    files.make_directory(place)


def finish(run: Run, metric: str | None) -> End:
    """Close the run of a trial that came to its end; it must have reported ``metric``.

    Unless it has begun from the last epoch of another: then nothing was left to train.
    """
    names = {name for row in run.log.rows for name in row} - {"epoch"}
    nothing_left = run.parent is not None and not names
    if metric is not None and metric not in names and not nothing_left:
        run.interrupt(f"trained to its end without reporting {metric}")
        return {"kind": "end", "outcome": "no-metric", "reported": sorted(names)}
    run.close("finished")
    return {"kind": "end", "outcome": "finished"}


def fail(run: Run, outcome: str, error: dict[str, Any], request: TrialRequest) -> End:
    """Close the run of a trial that failed, or leave it open for a retry to continue."""
    if outcome in request.get("retried", ()):
        run.interrupt(f"{outcome}: {error['type']}: {error['message']}")
    else:
        run.close(outcome, error)
    return {"kind": "end", "outcome": outcome, "error": error}
