"""What the original experiment manager called its paths, for those who come from it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sweeper.tree import RunRecord, Tree

from .run import Run


class OriginalNames:
    """The original's names for what belongs to the current run; see docs/experiment-manager.md.

    Each raises UsageError before ``prepare`` or ``resume_run``.
    """

    tree: Tree

    @property
    def run(self) -> Run:
        """The current run; the manager says which."""
        raise NotImplementedError

    @property
    def params(self) -> dict[str, Any]:
        """The parameters of the current run."""
        return self.run.params

    @property
    def run_id(self) -> str:
        """The name of the current run's directory, ``run--…``."""
        return self.run.path.name

    def get_run_id(self) -> str:
        """As ``run_id``."""
        return self.run_id

    def get_experiment_id(self) -> str:
        """As ``experiment_id``."""
        return self.run.path.parent.name

    def get_run_path(self) -> Path:
        """As ``run_path``."""
        return self.run.path

    def get_csv_path(self) -> Path:
        """``training-logs.csv``."""
        return self.run.paths.training_logs

    def get_param_path(self) -> Path:
        """``hyperparameters.json``."""
        return self.run.paths.hyperparameters

    def get_best_perf_path(self) -> Path:
        """``performances.json``."""
        return self.run.paths.performances

    def get_best_model_path(self) -> Path:
        """The directory of the saved models."""
        return self.run.paths.models

    def get_last_checkpoint_path(self) -> Path | None:
        """The latest saved model, None without one."""
        return RunRecord.at(self.run.path).latest_checkpoint

    def get_log_error_path(self) -> Path:
        """``output.log``."""
        return self.run.paths.output

    def get_debug_path(self) -> Path:
        """Where runs with ``debug: True`` are."""
        return self.tree.debug.base
