"""Keras in a script that does not ask for callbacks: its fits are met, and recorded all the same.

The hook in the script's process calls :func:`join` at each ``Model.fit``. What the script tells the
sweep of an epoch by other ways joins the row of that epoch. Where the script tells the sweep's
metric itself, its word counts, not that of Keras: a test accuracy is no training accuracy.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from sweeper import script_api
from sweeper.experiment import Run, keras_callbacks

_fits: ScriptFits | None = None
_lock = threading.Lock()


def join(given: Any) -> AbstractContextManager[Any] | None:
    """What ``fit`` gets for the ``callbacks`` that it was ``given``, within the fit.

    None where it is left as it is, which is said if the script has not asked for it.
    """
    global _fits
    with _lock:
        if script_api.asked:
            return None  # the script has its callbacks, for the fits that it wants
        if _fits is None:
            _fits = _meet()
        return None if _fits is None else _fits.join(given)


def _forget() -> None:
    """In a fork: the fits, and the run, are those of the process that it is a fork of."""
    global _fits, _lock
    _lock = threading.Lock()
    if _fits is not None:
        _fits = script_api.listener = None
        script_api.enter(None)


os.register_at_fork(after_in_child=_forget)


def hear(metrics: Mapping[str, float], wandb_run: str, *, ended: bool) -> None:
    """What the hook tells the sweep of a W&B run; ``ended``: it is the run's summary."""
    if _fits is not None:
        _fits.hear(metrics, wandb_run, ended)


def hear_scalars(metrics: dict[str, float]) -> dict[str, float]:
    """The same of what goes to TensorBoard; what is left for the sweep's keeper to hear."""
    return metrics if _fits is None else _fits.hear_scalars(metrics)


def _meet() -> ScriptFits | None:
    hook, keras = sys.modules["_sweeper_hook"], sys.modules["_sweeper_keras"]
    metric = script_api.metric()
    told = script_api.told | hook.told
    why = None
    if keras.is_childs():
        why = "in a process that the script has started"
    elif not hook.first_rank():
        why = "in another process than the first of a distributed training"
    elif len(hook.known) > 1:
        why = "as the script has begun several W&B runs"
    elif metric in told or (told and metric is None):
        why = f"as the script reports {metric or 'its metrics'} itself"
    if why is not None:
        _leave(why)
        return None
    run = script_api.adopt_for_keras()
    return None if run is None else ScriptFits(run, metric, hook.known)


def _leave(why: str) -> None:
    sys.modules["_sweeper_keras"].say(
        f"model.fit is left as it is {why}: its epochs are not recorded; sweeper.callbacks() "
        "gives callbacks for it"
    )


class ScriptFits:
    """The fits of this process, which write into ``run``; ``wandb`` are its W&B runs so far."""

    def __init__(self, run: Run, metric: str | None, wandb: list[str]) -> None:
        self.run = run
        self._metric = metric
        self._wandb = wandb[0] if wandb else None
        self._fitting = self._over = False
        self._told: dict[str, float] = {}  # since the last row
        self._scalars: dict[str, float] = {}  # the same, of what goes to TensorBoard
        self._measured = any(metric in row for row in run.log.rows)
        self._heard: dict[str, float] = {}  # the last values of the W&B run
        self._own_word = self._wandb is not None  # the metric is what the script says it is
        run.amend = self._amend
        script_api.listener = self.tell

    def join(self, given: Any) -> AbstractContextManager[Any] | None:
        """The callbacks of a fit that begins now, ours among them; None, said why, without ours."""
        if self._over:
            _leave(f"as the script reports {self._metric or 'its metrics'} itself")
        elif self._fitting:
            _leave("within another one")
        else:
            ours = keras_callbacks(self.run, seed=False)
            if hasattr(given, "set_model"):  # a list of Keras's own, or a single callback
                given = getattr(given, "callbacks", [given])
            self._fitting = True
            return self._fits([*(given or ()), *ours])
        return None

    @contextmanager
    def _fits(self, callbacks: list[Any]) -> Iterator[list[Any]]:
        try:
            yield callbacks
        finally:
            self._fitting = False
            left, self._told = self._told, {}
            if left and not self.tell(left):
                script_api.append(os.environ[script_api.REPORT_FILE], left)

    def tell(self, metrics: Mapping[str, float]) -> bool:
        """The script reports ``metrics``; whether they are recorded here."""
        ours = self._metric is None or self._metric in metrics
        if self._fitting:
            self._told |= metrics
            self._own_word |= ours
        elif ours and not self._over:
            self._hand_back()
        return self._fitting

    def hear(self, metrics: Mapping[str, float], wandb_run: str, ended: bool) -> None:
        """A W&B run says ``metrics``, which it has told the sweep's keeper too."""
        if wandb_run != (self._wandb or wandb_run):
            if not self._over:
                self._hand_back()
            return
        self._wandb = wandb_run
        if ended:  # a summary repeats what was last logged
            metrics = {k: v for k, v in metrics.items() if repr(self._heard.get(k)) != repr(v)}
        self._heard |= metrics
        if metrics:
            self.tell(metrics)

    def hear_scalars(self, metrics: dict[str, float]) -> dict[str, float]:
        """What goes to TensorBoard is the last to count; what is left of it for the keeper."""
        if self._fitting:
            self._scalars |= metrics
            return {}
        if self._metric in metrics and not self._over:
            if self._measured:  # the history of a fit, say
                return {k: v for k, v in metrics.items() if k != self._metric}
            self._hand_back()
        return metrics

    def _amend(self, metrics: Mapping[str, Any]) -> dict[str, Any]:
        told, self._told = self._told, {}
        metrics, self._scalars = {**self._scalars, **metrics}, {}
        kept = {k: v for k, v in metrics.items() if k != self._metric or not self._own_word}
        self._measured |= self._metric in kept
        return kept | told

    def _hand_back(self) -> None:
        """Leave the recording to the trial's keeper: the script speaks for itself from now on."""
        self._over = True
        script_api.listener = None
        if not self._own_word and self._metric is not None and self.run.forget(self._metric):
            sys.modules["_sweeper_keras"].say(
                f"the script reports {self._metric} itself: the values of model.fit do not count"
            )
        script_api.enter(None)
        script_api.append(os.environ[script_api.REPORT_FILE], {script_api.MARK: "returned"})
