"""``launch --on …`` and ``launch -d``: a launch that runs elsewhere, or on when we are gone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from sweeper.errors import UsageError

from . import messages, options

if TYPE_CHECKING:
    from sweeper.submit import Request
    from sweeper.sweepfile import Sweep
    from sweeper.tree import Choices

PLACES = ("slurm", "ray-job", "kuberay")
_RERUN = ("rerun", "retry_failed", "reuse")
_OURS = ("on", "detach", "sbatch", "dry_run", "yes", "join")

submit_options = options.together(
    click.option("--on", type=click.Choice(PLACES), help="Hand the launch over to run there."),
    click.option(
        "--sbatch",
        multiple=True,
        metavar="KEY=VALUE",
        help="An option of sbatch, with --on slurm: time=04:00:00.",
    ),
    click.option("-d", "--detach", is_flag=True, help="Go on when this terminal is closed."),
)


def request_for(sweep: Sweep, given: dict[str, Any]) -> Request | None:
    """What is asked of the place that runs the launch; None to run it here and now."""
    from sweeper import submit

    on = given["on"]
    if given["sbatch"] and on != "slurm":
        raise click.UsageError("--sbatch: needs --on slurm")
    if on and (given["detach"] or (given["address"] and on != "ray-job")):
        other = "-d" if given["detach"] else "--address"
        raise click.UsageError(f"--on {on} and {other} do not go together: leave one out")
    if on == "slurm":
        at_a_time = _at_a_time(sweep, on)
        words = _words("parallel", *_RERUN)
        return submit.slurm_request(sweep, words, at_a_time, given["sbatch"])
    if on == "ray-job":
        from sweeper.raytune import token_path

        words = _words("address", "storage")
        return submit.ray_job_request(sweep, words, given["address"], token_path())
    if on == "kuberay":
        if any(given[option] for option in _RERUN):
            raise click.UsageError("--on kuberay: expected no --rerun: its tree is not here")
        return submit.kuberay_request(sweep, _at_a_time(sweep, on))
    joined = ["--join"] * bool(given.get("join"))
    return submit.detached_request(sweep, [*_words(), "-y", *joined]) if given["detach"] else None


def hand_over(request: Request, sweep: Sweep, given: dict[str, Any], choices: Choices) -> int:
    """Submit it and say what has come of it, and what can be done with it."""
    from sweeper.submit import submit
    from sweeper.tree import Choices, Tree

    if given["on"] == "slurm" and choices != Choices():
        # Said here and once: each member, whenever it is requeued, would say it anew.
        choices.write(Tree(sweep.base_dir), sweep.sweep_name)
    if given["detach"]:  # whom nobody hears is refused here
        from sweeper.raytune import check_request

        check_request(sweep, given["address"], given["join"])
    job = submit(request)
    messages.answer(job)
    messages.say(f"sweeper: submitted {request.path}")
    messages.say_notes(*(line.replace("JOB", job) for line in request.then))
    return 0


def _at_a_time(sweep: Sweep, on: str) -> int:
    if sweep.parallel is None:
        raise UsageError(f"--on {on}: how many trials at a time? Say it with -j N, or `parallel:`")
    return sweep.parallel


def _words(*without: str) -> list[str]:
    """The launch's own words of this command line, in the order in which help lists them."""
    context = click.get_current_context()
    given = click.core.ParameterSource.COMMANDLINE
    arguments: list[str] = []
    words: list[str] = []
    for one in context.command.params:
        name, value = str(one.name), context.params.get(str(one.name))
        if name in (*_OURS, *without) or context.get_parameter_source(name) is not given:
            continue
        several = value if isinstance(value, tuple) else [value]
        if isinstance(one, click.Argument):
            arguments += map(str, several)
        elif isinstance(one, click.Option) and one.is_flag:
            words.append(one.opts[-1])
        else:
            words += [f"{one.opts[-1]}={each}" for each in several]
    return [*arguments, *words]
