"""Sweeps as an Optuna storage that only reads: what optuna-dashboard shows."""

from __future__ import annotations

from collections.abc import Container
from typing import Any, NoReturn

from optuna.storages import BaseStorage
from optuna.study import StudyDirection
from optuna.study._frozen import FrozenStudy
from optuna.trial import FrozenTrial, TrialState

from sweeper.results import LiveSweep, LiveSweeps
from sweeper.wording import tally

_PER_STUDY = 10_000_000  # trials: the number of one is unique in the storage


def _refuse(*_: Any, **__: Any) -> NoReturn:
    raise RuntimeError("sweeper ui reads only")


class TreeStorage(BaseStorage):
    """Each sweep is a study, under the number of its LiveSweep."""

    create_new_study = delete_study = set_study_user_attr = set_study_system_attr = _refuse
    create_new_trial = set_trial_param = set_trial_state_values = _refuse
    set_trial_intermediate_value = set_trial_user_attr = set_trial_system_attr = _refuse

    def __init__(self, sweeps: LiveSweeps) -> None:
        self._sweeps = sweeps

    def _study(self, study_id: int) -> FrozenStudy:
        sweep = self._sweeps.get(study_id)
        return _gone() if sweep is None else _frozen(sweep)

    def get_all_studies(self) -> list[FrozenStudy]:
        return [_frozen(sweep) for sweep in self._sweeps.all()]

    def get_study_id_from_name(self, study_name: str) -> int:
        found = (s._study_id for s in self.get_all_studies() if s.study_name == study_name)
        return next(found, None) or _gone()

    def get_study_name_from_id(self, study_id: int) -> str:
        return self._study(study_id).study_name

    def get_study_directions(self, study_id: int) -> list[StudyDirection]:
        return list(self._study(study_id).directions)

    def get_study_user_attrs(self, study_id: int) -> dict[str, Any]:
        return self._study(study_id).user_attrs

    def get_study_system_attrs(self, study_id: int) -> dict[str, Any]:
        return self._study(study_id).system_attrs

    def get_trial(self, trial_id: int) -> FrozenTrial:
        trials = self.get_all_trials(trial_id // _PER_STUDY, deepcopy=False)
        return next((t for t in trials if t._trial_id == trial_id), None) or _gone()

    def get_all_trials(
        self, study_id: int, deepcopy: bool = True, states: Container[TrialState] | None = None
    ) -> list[FrozenTrial]:
        found = self._sweeps.trials(study_id)
        if found is None:
            _gone()
        for trial in found:
            trial._trial_id = study_id * _PER_STUDY + trial.number
        return [trial for trial in found if states is None or trial.state in states]


def _gone() -> NoReturn:
    raise KeyError("no such study or trial")


def _frozen(sweep: LiveSweep) -> FrozenStudy:
    metric = sweep.metric
    note = f"[Trials, outcomes, repetitions, logs](/sweep/{sweep.number}) · [all sweeps](/)"
    attrs: dict[str, Any] = {"dashboard:note_ver": 1, "dashboard:note_str:0": note}
    if metric is not None:
        attrs["study:metric_names"] = [metric.name]
    direction = StudyDirection.MAXIMIZE if metric and metric.goal == "maximize" else None
    return FrozenStudy(
        study_name=sweep.name,
        direction=direction or StudyDirection.MINIMIZE,
        user_attrs={"trials": tally(sweep.row["counts"]), "path": sweep.row["path"]},
        system_attrs=attrs,
        study_id=sweep.number,
    )
