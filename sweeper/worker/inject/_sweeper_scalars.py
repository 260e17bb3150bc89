"""Scalars that a script writes for TensorBoard, or logs to MLflow: the sweep hears of them.

They are the last to count: what the script reports or logs to W&B by the same name comes before.
Imports nothing that a script would not.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import sys
from collections.abc import Callable
from typing import Any

_KERAS = ("keras.", "tf_keras.")  # its callback TensorBoard
_directories: list[str] = []  # that have a writer, in order
_prefixes: dict[str, str] = {}  # of the names of what goes into a directory, once something has


def _note(path: str) -> None:
    if path not in _directories:
        _directories.append(path)


def _prefix(path: str) -> str:
    """Tells apart what goes into several directories: it stays as it was at the first scalar."""
    _note(path)
    if path not in _prefixes:
        below = os.path.relpath(path, os.path.commonpath(_directories))
        _prefixes[path] = "" if below == "." else f"{below}/"
    return _prefixes[path]


@functools.cache
def _metric() -> Any:
    return json.loads(os.environ["SWEEPER_ADOPT"])["metric"]


def _tell(metrics: dict[str, Any], step: Any, place: str) -> None:
    hook = sys.modules["_sweeper_hook"]
    metrics = hook.numbers(metrics)
    if not hook.first_rank():
        return
    if fits := sys.modules.get("sweeper.script_fit"):
        metrics = fits.hear_scalars(metrics)
    if metrics:
        hook.told.update({_metric()} & metrics.keys())
        hook.tell_modules()
        steps = hook.numbers({"step": step})
        hook.write({**metrics, **steps, "sweeper": {"scalars": place}})


def _after(
    function: Any, names: tuple[str, ...], then: Callable[[dict[str, Any], Any, str], Any]
) -> Any:
    """``function``, after which ``then`` gets what it was given by these names, its result, and
    the name of the module that has called it.
    """

    @functools.wraps(function)
    def called(*args: Any, **kwargs: Any) -> Any:
        result = function(*args, **kwargs)
        with contextlib.suppress(Exception):
            given = dict(zip(names, args), **kwargs)  # noqa: B905 (Python 3.9)
            then(given, result, str(sys._getframe(1).f_globals.get("__name__")))
        return result

    return called


def _summary_writer(module: Any) -> None:
    """``SummaryWriter`` of PyTorch and of tensorboardX."""
    kind = module.SummaryWriter

    def begun(given: dict[str, Any], _: Any, caller: str) -> None:
        writer = given["self"]
        directory = getattr(writer, "logdir", None) or writer.log_dir
        writer._sweeper_directory = os.path.abspath(os.fspath(directory))
        if caller != module.__name__:  # else it is for add_hparams alone
            _note(writer._sweeper_directory)

    def added(given: dict[str, Any], _: Any, caller: str) -> None:
        place = given["self"]._sweeper_directory
        prefix = "" if caller == module.__name__ else _prefix(place)
        _tell({f"{prefix}{given['tag']}": given["scalar_value"]}, given.get("global_step"), place)

    def added_several(given: dict[str, Any], _: Any, caller: str) -> None:
        place = given["self"]._sweeper_directory
        main = f"{_prefix(place)}{given['main_tag']}"
        several = {f"{main}/{tag}": value for tag, value in given["tag_scalar_dict"].items()}
        _tell(several, given.get("global_step"), place)

    kind.__init__ = _after(kind.__init__, ("self",), begun)
    kind.add_scalar = _after(kind.add_scalar, ("self", "tag", "scalar_value", "global_step"), added)
    kind.add_scalars = _after(
        kind.add_scalars, ("self", "main_tag", "tag_scalar_dict", "global_step"), added_several
    )


def _file_writers(module: Any) -> None:
    """TensorFlow's writers: each knows its directory."""

    def created(given: dict[str, Any], writer: Any, caller: str) -> None:
        writer._sweeper_directory = os.path.abspath(os.fspath(given["logdir"]))
        if not caller.startswith(_KERAS):
            _note(writer._sweeper_directory)

    module.create_file_writer_v2 = _after(module.create_file_writer_v2, ("logdir",), created)


def _summary(module: Any) -> None:
    """``tf.summary.scalar``; in a function that TensorFlow compiles nobody can hear it."""

    def written(given: dict[str, Any], is_written: Any, caller: str) -> None:
        if not is_written:
            return
        state = sys.modules["tensorflow.python.ops.summary_ops_v2"]._summary_state
        step = state.step if given.get("step") is None else given["step"]
        directory, name = state.writer._sweeper_directory, given["name"]
        if not caller.startswith(_KERAS):
            _tell({f"{_prefix(directory)}{name}": given["data"]}, step, directory)
        elif f"{os.path.basename(directory)}/{name}" == _metric():
            _tell({_metric(): given["data"]}, step, directory)  # the callbacks tell the others

    module.scalar = _after(module.scalar, ("name", "data", "step"), written)


def _mlflow(module: Any) -> None:
    def logged(given: dict[str, Any], _: Any, caller: str) -> None:
        metrics = given.get("metrics") or {given["key"]: given["value"]}
        active = module.active_run()
        run = given.get("run_id") or (active and active.info.run_id)
        _tell(dict(metrics), given.get("step"), f"MLflow's run {run}")

    module.log_metric = _after(module.log_metric, ("key", "value", "step"), logged)
    module.log_metrics = _after(module.log_metrics, ("metrics", "step"), logged)


LOADED = {
    "torch.utils.tensorboard.writer": _summary_writer,
    "tensorboardX.writer": _summary_writer,
    "tensorflow.python.ops.summary_ops_v2": _file_writers,
    "tensorflow.python.summary.tb_summary": _summary,
    "mlflow.tracking.fluent": _mlflow,
}
