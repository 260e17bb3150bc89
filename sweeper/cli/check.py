"""``sweeper check``: what is wrong with a sweep file and its program, before anything runs.

The user's program is imported in a process of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sweeper.errors import Problem, SpecError, SweeperError, UsageError

from . import options
from .messages import say_nothing, tell

if TYPE_CHECKING:
    from sweeper.sweepfile import Metric, Sweep
    from sweeper.worker import ProgramCheck

MOST_CORNERS = 64
Tell = Callable[[str], None]


@click.command()
@options.sweep_options
@click.option("--spec-only", is_flag=True, help="Judge the file alone; its program may be absent.")
@click.option(
    "--corners", is_flag=True, help="Train one batch at the extreme corners of the space."
)
@click.option(
    "--isolation",
    is_flag=True,
    help="Train a trial twice in one process and once in a fresh one: is it the same?",
)
@click.option(
    "--corner-seconds",
    type=click.FloatRange(min=0, min_open=True),
    default=120.0,
    show_default=True,
    metavar="X",
    help="The time that a corner, or each training of --isolation, may take.",
)
@click.option("--json", "as_json", is_flag=True, help="Print what was found as JSON.")
@options.verbose_option
def check(spec: Path, spec_only: bool, as_json: bool, **given: Any) -> int:
    """Say what is wrong with SPEC, all of it at once, and run nothing.

    The program must be there, and its train function is imported and looked at in a process of its
    own. Exit code 0: a launch would start. 2: it would not, or a corner failed, or a
    trial changes the next one. With --json what is wrong is `problems` on standard output as well.

    \b
    sweeper check sweep.yaml
    sweeper check sweep.yaml --spec-only     the program may be absent
    sweeper check sweep.yaml --corners       does every extreme of the space train?
    sweeper check sweep.yaml --isolation     does a trial leave something for the next one?
    """
    for name in ("corners", "isolation"):
        if spec_only and given[name]:
            raise click.UsageError(
                f"--{name} needs the program, --spec-only does without it: not both"
            )
    try:
        return _check(spec, spec_only, as_json, **given)
    except SweeperError as error:
        if as_json:
            _print_json({"problems": [_problem_row(problem) for problem in _problems(error)]})
        raise


def _check(
    spec: Path,
    spec_only: bool,
    as_json: bool,
    corners: bool,
    isolation: bool,
    corner_seconds: float,
    **given: Any,
) -> int:
    from sweeper.search import remarks
    from sweeper.sweepfile import check_early_terminate

    told = say_nothing if as_json else tell
    sweep = options.load(spec, **given)
    found = _found(sweep)
    found["warnings"] += remarks(sweep)
    if not spec_only:
        from sweeper.results import read_warm_start

        found["warnings"] += read_warm_start(sweep)[1]
    tried: list[dict[str, Any]] = []
    if spec_only:
        check_early_terminate(sweep)
        _show(sweep.title, found, told)
    else:
        with _checked_program(sweep) as program:
            found["program"] = _program(sweep, program)
            _show(sweep.title, found, told)
            if corners:
                tried = list(_corners(sweep, program, corner_seconds, told))
                found["corners"] = tried
            if isolation:
                found["isolation"] = _isolation(sweep, program, corner_seconds, told)
    if as_json:
        _print_json(found)
    bad = sum(corner["error"] is not None for corner in tried)
    if corners:
        told(f"corners  {len(tried) - bad} ok, {bad} failed")
    return 2 if bad or (isolation and not found["isolation"]["ok"]) else 0


def _checked_program(sweep: Sweep) -> ProgramCheck:
    """The program that a launch would run. Raises UsageError with all that is wrong at once."""
    from sweeper.search import check_installed
    from sweeper.sweepfile import check_launchable
    from sweeper.worker import ProgramCheck

    wrong: list[UsageError] = []
    for check in (partial(check_launchable, sweep), partial(check_installed, sweep.method)):
        try:
            check()
        except UsageError as error:
            wrong.append(error)
    try:
        program = ProgramCheck(sweep)
    except UsageError as error:
        wrong.append(error)
    else:
        if not wrong:
            return program
        program.close()
    if len(wrong) == 1:
        raise wrong[0]
    raise SpecError([problem for error in wrong for problem in _problems(error)])


def _problems(error: SweeperError) -> list[Problem]:
    return error.problems if isinstance(error, SpecError) else [Problem(str(error))]


def _problem_row(problem: Problem) -> dict[str, Any]:
    names = ("path", "line", "column", "key", "message", "mend")
    return {name: getattr(problem, name) or None for name in names}


def _found(sweep: Sweep) -> dict[str, Any]:
    metric = sweep.metric
    return {
        "sweep": sweep.sweep_name,
        "method": sweep.method,
        "size": sweep.size(),
        "points": sweep.points(),
        "metric": metric and _metric(metric),
        "warnings": list(sweep.warnings),
        "program": None,
    }


def _metric(metric: Metric) -> dict[str, Any]:
    others = [f"{goal.goal} {goal.name}" for goal in metric.others]
    others += map(str, metric.limits)
    return {"name": metric.name, "goal": metric.goal, **({"others": others} if others else {})}


def _program(sweep: Sweep, program: ProgramCheck) -> str:
    why = f": {program.why}" if program.why else ""
    if program.mode == "script":
        where = sweep.program.text if sweep.program else str((sweep.command or [""])[0])
        return f"{where}, a script{why}"
    assert sweep.program is not None
    where = str(sweep.program.path or sweep.program.module)
    run = ", run" * program.takes_run
    return f"{where}: {sweep.program.function}(params, callbacks{run}){why}"


def _show(title: str, found: Mapping[str, Any], tell: Tell) -> None:
    size, metric = found["size"], found["metric"]
    trials = "without end" if size is None else f"{size:,}"
    tell(f"sweep    {title}")
    tell(f"trials   {trials}, method {found['method']}")
    goals = (
        [f"{metric['goal']} {metric['name']}", *metric.get("others", ())] if metric else ["none"]
    )
    tell(f"metric   {', '.join(goals)}")
    if found["program"]:
        tell(f"program  {found['program']}")
    for warning in found["warnings"]:
        tell(f"warning  {warning}")


def _corners(
    sweep: Sweep, program: ProgramCheck, limit: float, tell: Tell
) -> Iterator[dict[str, Any]]:
    """Try each corner, and print it as it comes, with the parameters that vary."""
    from sweeper.results import ParameterNames, flatten
    from sweeper.space import corners

    from .tables import show

    extremes = list(corners(sweep.space, MOST_CORNERS))
    names = ParameterNames(extremes).varying
    for corner in program.try_corners(extremes, limit):
        params = flatten(corner.params)
        point = " ".join(f"{show(name)}={show(params[name])}" for name in names if name in params)
        tell(f"{'ok    ' if corner.error is None else 'failed'}   {point}")
        if corner.error is not None:
            tell(f"         {corner.error}")
        seconds = round(corner.seconds, 3)
        yield {"params": corner.params, "error": corner.error, "seconds": seconds}


def _isolation(sweep: Sweep, program: ProgramCheck, limit: float, tell: Tell) -> dict[str, Any]:
    """Whether a trial leaves something behind that changes the next one in its process."""
    from sweeper.space import corners

    params = next((trial.params for trial in sweep.trials()), None)
    tried = program.try_isolation(params or next(corners(sweep.space)), limit)
    differs = tried.difference
    equal = tried.error is None and differs is None
    if tried.error is not None:
        said = f"unknown: {tried.error}"
        if tried.unsteady:
            said += ": seed what draws them (see docs/experiment-manager.md), then check again"
    elif tried.why is not None:
        said = f"equal: {tried.why}"
    elif differs is None:
        said = f"equal: {tried.epochs} epochs, first and second in one process, and in a fresh one"
    else:
        said = (
            f"differs: epoch {differs.epoch}, {differs.metric}: {differs.fresh} in a fresh process,"
            f" {differs.warm} after the same trial in one process"
        )
        mend = "make within the train function what it changes, not at the top of the module"
        if sweep.isolation == "process":
            mend = "`isolation: process` keeps it from other trials: each has its own process"
        else:
            mend += ", or write `isolation: process`"
        said += f"\n         {mend}"
    if tried.unsteady and tried.error is None:
        said += f"\n         not compared, as fresh processes differ: {', '.join(tried.unsteady)}"
    tell(f"isolation  {said}")
    return {
        "equal": equal,
        "ok": equal or (differs is not None and sweep.isolation == "process"),
        "epochs": tried.epochs,
        "difference": differs and differs._asdict(),
        "unsteady": list(tried.unsteady),
        "said": said,
    }


def _print_json(value: Mapping[str, Any]) -> None:
    from .formatting import json_text

    print(json_text(value, indent=2))
