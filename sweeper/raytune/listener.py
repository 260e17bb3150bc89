"""Who is told how a launch goes: what shows it, for instance."""

from __future__ import annotations

from typing import Any, Protocol


class Listener(Protocol):
    """Is told by the launch's guardian; a context manager, entered at its start."""

    def __enter__(self) -> object: ...

    def __exit__(self, *exception: object) -> None:
        """No trial runs any more: Ray and what trains are about to be ended."""

    def started(self, total: int | None) -> None:
        """Trials are about to run: ``total`` of them, None if their number is not known."""

    def deadline(self, left: float | None, wall: float | None) -> None:
        """The launch ends in ``left`` seconds, as its budget of ``wall`` seconds says."""

    def more(self, trials: int | None) -> None:
        """There are so many more, or fewer; None if it is not known."""

    def trial_started(self, trial: int, params: dict[str, Any]) -> None:
        """A worker has taken the trial."""

    def trial_reported(self, trial: int, epoch: int, value: float | None, path: str) -> None:
        """The trial has ended an epoch, with this value of the sweep's metric; its run's path."""

    def trial_lost(self, trial: int) -> None:
        """The trial's worker is gone: it waits to go again."""

    def trial_ended(
        self, trial: int, end: str, result: dict[str, Any], value: float | None
    ) -> None:
        """The trial has ended: finished, stopped, failed, out-of-memory, timed-out or lost.

        ``value`` is its run's value of the metric, None if it failed or has none.
        """

    def warn(self, text: str) -> None:
        """There is something that the user should know now."""

    def stopping(self, signum: int) -> None:
        """A signal, or the alarm of its budget of time, ends the launch in order."""

    def abandon(self) -> None:
        """A second signal ends the process at once. From its handler: no lock may be taken."""


class GuardianListener(Listener, Protocol):
    """What the driver tells: it is sent to the guardian."""

    def ended(self, reason: str | None, early: bool, cut_off: str | None = None) -> None:
        """The trials have ended; see ``Ending``."""
