"""The experiment manager: from a parameter dict to a run's directory and its Keras callbacks."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

from sweeper.errors import UsageError
from sweeper.tree import (
    Monitored,
    RunRecord,
    Tree,
    explain,
    groups_as_stored,
    other_experiment,
)

from . import failures, opening, provenance
from .keras_session import keras_callbacks
from .libraries import derived_seed
from .provenance import Origin
from .run import ReportFunction, Run
from .settings import Settings


def _path(name: str) -> Callable[[ExperimentManager], Path]:
    """A method that gives a path of the current run; ``name`` is its name in RunPaths."""
    return lambda manager: Path(getattr(manager.run.paths, name))


class ExperimentManager:
    """Keeps a tidy tree of runs; see docs/experiment-manager.md.

    ``monitored_param_keys``: the top-level keys whose values identify an experiment; an element may
    be a tuple of keys that are hashed together. By default every key that holds a mapping, and all
    others as one more; see :func:`default_monitored`.
    ``checkpoint_params``: ``monitor``, ``mode``, ``format`` (``keras`` or ``h5``), ``keep``
    (``best``, ``last``, ``all``, a number, or a list of them) and any argument of
    ``ModelCheckpoint``. ``seed``: the seed of the runs; by default the one that
    ``keras.utils.set_random_seed`` was given before the first ``fit``, else a new one for each run.
    ``reproducible``: seed every epoch, so that a resumed run is exact. ``backup_every``: back up
    after so many batches too, for long epochs; or ``"epoch"``, after each epoch whatever it costs
    (by default a twentieth of the time, or once a minute). ``report`` receives
    ``{"epoch": n, "metrics": {…}}`` after each epoch.
    """

    def __init__(
        self,
        exp_base_dir: str | os.PathLike[str] = "experiments",
        monitored_param_keys: Monitored | None = None,
        checkpoint_params: Mapping[str, Any] | None = None,
        *,
        seed: int | None = None,
        reproducible: bool = True,
        backup_every: int | Literal["epoch"] | None = None,
        report: ReportFunction | None = None,
    ) -> None:
        if isinstance(monitored_param_keys, str):
            raise UsageError(
                f"monitored_param_keys: expected a list of keys, found the string "
                f"{monitored_param_keys!r}: write [{monitored_param_keys!r}]"
            )
        if monitored_param_keys is not None and not list(monitored_param_keys):
            raise UsageError(
                "monitored_param_keys: expected at least one key, found none: leave it out to "
                "monitor every group"
            )
        if seed is not None and (not isinstance(seed, int) or not 0 <= seed < 2**32):
            raise UsageError(f"seed: expected an integer from 0 to 2**32 - 1, found {seed!r}")
        self.tree = Tree(Path(exp_base_dir))
        self.monitored = None if monitored_param_keys is None else tuple(monitored_param_keys)
        self.settings = Settings.parse(
            checkpoint_params, reproducible=reproducible, backup_every=backup_every
        )
        self._seed = seed
        self._report = report
        self._program = provenance.main_program()
        self._run: Run | None = None
        self._resumes = False  # the run was named to resume_run

    # -- a script or a notebook -------------------------------------------------------------

    def prepare(self, params: Mapping[str, Any]) -> list[Any]:
        """Make a new run of ``params`` and return the callbacks for ``model.fit``.

        After ``resume_run`` it is that run's, until it ends. Raises UsageError for parameters that
        cannot be identified or stored or are not the resumed run's, TreeError when the storage
        cannot be written.
        """
        if self._resumed():
            self._check_same(params)
            return self.callbacks
        self._leave()
        seed = self._seed if self._seed is not None else _user_seed()
        origin = Origin(seed, program=self._program)
        monitored = self._monitored(params)
        run = opening.new_run(self.tree.of(params), params, monitored, origin, self.settings)
        self._own(run, origin)
        callbacks = self.callbacks
        if self._seed is None:
            run.settle_seed = functools.partial(_settle_seed, run)
        return callbacks

    def resume_run(self, experiment_id: str, run_id: str | os.PathLike[str]) -> Path | None:
        """Continue a run, by its name or path; returns its latest checkpoint, None without one.

        Then fit with ``callbacks``: training goes on after the last epoch backed up. Of a run that
        is over nothing is trained again. Raises UsageError if there is no such run, RunBusy if a
        living process owns it.
        """
        record = self._record(experiment_id, Path(run_id).name)
        self._leave()
        origin = Origin(0, program=self._program)
        run = opening.continue_run(record, self.settings, origin)
        if run is not None:
            self._own(run, origin)
        else:
            self._run = opening.reopen(record, self.settings)
        self._resumes = True
        return record.latest_checkpoint

    @property
    def callbacks(self) -> list[Any]:
        """The callbacks of the current run, for ``model.fit``."""
        self.run.go_on()
        if self.run.settle_seed is not None:
            self.run.settle_seed()
        return keras_callbacks(self.run, self._report)

    # -- what there is ----------------------------------------------------------------------

    @property
    def run(self) -> Run:
        """The current run. Raises UsageError before prepare or resume_run."""
        if self._run is None:
            raise UsageError("no run yet: call prepare(params) or resume_run(…) first")
        return self._run

    @property
    def run_path(self) -> Path:
        """The directory of the current run."""
        return self.run.path

    @property
    def experiment_id(self) -> str:
        """The experiment of the current run."""
        return self.run.path.parent.name

    @property
    def params(self) -> dict[str, Any]:
        """The parameters of the current run."""
        return self.run.params

    def explain(self, experiment_id: str) -> str:
        """What identifies an experiment, and how its neighbours in the tree differ, as text.

        Raises UsageError if there is no such experiment.
        """
        tree = self.tree if self.tree.runs(experiment_id) else self.tree.debug
        return explain(tree, experiment_id)

    # -- what the original called its paths, for those who come from it ----------------------

    get_run_path = _path("root")
    get_csv_path = _path("training_logs")
    get_param_path = _path("hyperparameters")
    get_best_perf_path = _path("performances")
    get_best_model_path = _path("models")
    get_log_error_path = _path("output")

    @property
    def run_id(self) -> str:
        """The name of the current run's directory, ``run--…``."""
        return self.run.path.name

    def get_run_id(self) -> str:
        return self.run_id

    def get_experiment_id(self) -> str:
        return self.experiment_id

    def get_last_checkpoint_path(self) -> Path | None:
        return RunRecord.at(self.run.path).latest_checkpoint

    def get_debug_path(self) -> Path:
        return self.tree.debug.base

    # ---------------------------------------------------------------------------------------

    def _monitored(self, params: Mapping[str, Any]) -> Monitored:
        if not isinstance(params, Mapping):
            raise UsageError(f"params: expected a mapping, found {type(params).__name__}")
        return _monitored(params) if self.monitored is None else self.monitored

    def _record(self, experiment: str, run: str) -> RunRecord:
        for name, what in ((experiment, "experiment"), (run, "run")):
            if "/" in name or name.startswith("."):
                raise UsageError(f"{what}: expected a directory's name, found {name!r}")
        for tree in (self.tree, self.tree.debug):
            for record in tree.runs(experiment):
                if record.run == run:
                    return record
        known = [r.run for r in self.tree.runs(experiment)] or list(self.tree.experiments())
        raise UsageError(
            f"{self.tree.base}: no run {experiment}/{run}; there is "
            f"{', '.join(known[-5:]) or 'nothing'}"
        )

    def _own(self, run: Run, origin: Origin) -> None:
        """``run`` is this script's or notebook's, which may fail and use it again."""
        self._run = run
        run.another_attempt = lambda: opening.continue_run(
            RunRecord.at(run.path), self.settings, origin
        )
        failures.watch(run)

    def _leave(self) -> None:
        if self._run is not None and not self._run.closed and self._run.lease.held:
            self._run.interrupt("left for another run")
        self._run = None
        self._resumes = False

    def _resumed(self) -> bool:
        """Whether the current run is one to resume, which has not ended since."""
        return self._resumes and (self.run.reopened or RunRecord.at(self.run.path).outcome is None)

    def _check_same(self, params: Mapping[str, Any]) -> None:
        """Raise UsageError if ``params`` are of another experiment than the current run."""
        record, monitored = RunRecord.at(self.run.path), self._monitored(params)
        default = groups_as_stored(_monitored(record.params))
        if self.monitored is None and record.monitored != default:
            monitored = record.monitored  # whoever made it monitored other keys
        found = "; ".join(map(str, other_experiment(record, params, monitored)))
        if found:
            raise UsageError(
                f"prepare: expected the parameters of {record.experiment}/{record.run}, which "
                f"resume_run has named, found others: {found}; to go on with it call "
                "prepare(manager.run.params), for a new run prepare(…) of another "
                "ExperimentManager"
            )


_chosen: dict[str, int] = {}


def _user_seed() -> int:
    """The seed that the user gave Keras; for further runs one that follows from it; else a new one.

    So a script that seeds once gives the same runs each time, different from each other.
    """
    if "keras" not in sys.modules:
        return int.from_bytes(os.urandom(4), "little")
    from .backend import user_seed

    seed = user_seed()
    if seed is not None:
        _chosen["seed"] = seed % 2**32
    elif "seed" in _chosen:
        _chosen["seed"] = derived_seed(_chosen["seed"], 1)
    return _chosen.get("seed", int.from_bytes(os.urandom(4), "little"))


def _settle_seed(run: Run) -> None:
    """Until the first fit a seed that the user gives Keras counts as one given before."""
    from .backend import take_user_seed

    seed = take_user_seed()
    if seed is not None:
        _chosen["seed"] = run.seed = run._record["seed"] = seed
        run._write_record()


def _monitored(params: Mapping[str, Any]) -> Monitored:
    from sweeper.sweepfile import default_monitored  # long to load, and a script's fit needs it not

    return default_monitored(params)
