"""What ``sweeper launch`` is measured against, each in a process of its own.

    python -m tests.benchmarks.contenders NAME TRIALS DIRECTORY [OFFSET STEP]

Nothing here imports Ray or TensorFlow before the contender that needs it does.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

AT_ONCE = 2  # trials


def ray_as_documented(trials: int, directory: Path) -> None:
    """Ray Tune as its documentation shows it: a function, its Keras callback, the defaults."""
    import ray
    from ray import tune

    def train_digits(config: dict[str, Any]) -> None:
        import tensorflow  # noqa: F401  (the documentation imports it here)
        from ray.tune.integration.keras import TuneReportCheckpointCallback

        from tests.benchmarks import digits_train

        params = digits_train.trial_params(config["index"])
        digits_train.train(params, [TuneReportCheckpointCallback()])

    ray.init(num_cpus=AT_ONCE)
    tuner = tune.Tuner(
        train_digits,
        param_space={"index": tune.grid_search(list(range(trials)))},
        tune_config=tune.TuneConfig(metric="val_accuracy", mode="max"),
        run_config=tune.RunConfig(name="digits", storage_path=str(directory)),
    )
    _check(tuner.fit(), trials)


def ray_by_hand(trials: int, directory: Path) -> None:
    """Ray Tune tuned by hand: the actor that trains is reused, nothing is logged or saved."""

    def train_digits(config: dict[str, Any]) -> None:
        import keras
        from ray import tune

        from tests.benchmarks import digits_train

        class Report(keras.callbacks.Callback):  # type: ignore[misc]
            def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
                tune.report(dict(logs or {}))

        digits_train.train(digits_train.trial_params(config["index"]), [Report()])

    _reused(train_digits, "val_accuracy", "max", trials, directory)


def ray_by_hand_noop(trials: int, directory: Path) -> None:
    """The same with trials that do nothing but report once."""

    def nothing(config: dict[str, Any]) -> None:
        from ray import tune

        from tests.benchmarks import noop_train

        tune.report({"val_loss": noop_train.loss(config["index"])})

    _reused(nothing, "val_loss", "min", trials, directory)


def _reused(trainable: Any, metric: str, mode: str, trials: int, directory: Path) -> None:
    os.environ["TUNE_DISABLE_AUTO_CALLBACK_LOGGERS"] = "1"
    os.environ["RAY_AIR_NEW_OUTPUT"] = "0"
    import ray
    from ray import tune

    ray.init(num_cpus=AT_ONCE, include_dashboard=False, log_to_driver=False)
    tuner = tune.Tuner(
        trainable,
        param_space={"index": tune.grid_search(list(range(trials)))},
        tune_config=tune.TuneConfig(metric=metric, mode=mode, reuse_actors=True),
        run_config=tune.RunConfig(name="trials", storage_path=str(directory), verbose=0),
    )
    _check(tuner.fit(), trials)


def _check(results: Any, trials: int) -> None:
    ended = len(results) - results.num_errors
    if ended != trials:
        raise SystemExit(f"expected {trials} trials to end well, found {ended}")


def loop(trials: int, directory: Path, offset: int = 0, step: int = 1) -> None:
    """A plain loop: every ``step``-th trial from ``offset``, one after the other."""
    from tests.benchmarks import digits_train

    for index in range(offset, trials, step):
        digits_train.train(digits_train.trial_params(index), [])


CONTENDERS = {
    "ray-as-documented": ray_as_documented,
    "ray-by-hand": ray_by_hand,
    "ray-by-hand-noop": ray_by_hand_noop,
    "loop": loop,
}


def command(name: str, trials: int, directory: Path, *more: int) -> list[str]:
    """The command line that runs contender ``name``."""
    arguments = [name, str(trials), str(directory), *map(str, more)]
    return [sys.executable, "-m", "tests.benchmarks.contenders", *arguments]


if __name__ == "__main__":
    _name, _trials, _directory, *_more = sys.argv[1:]
    CONTENDERS[_name](int(_trials), Path(_directory), *map(int, _more))
