"""What is told of code that has raised, and how a run hears of it in a process that lives on.

Keras tells no callback that ``fit`` has raised (``callbacks.py`` looks after that), and a loop of
one's own has nobody to tell. The process tells it at its end; a notebook, at the end of the cell.
"""

from __future__ import annotations

import functools
import sys
import traceback
from types import TracebackType
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from sweeper.wording import uncoloured

if TYPE_CHECKING:
    from .run import Run

_TRACEBACK_LINES = 100  # Keras and TensorFlow put many below the line of the user
_MOST_CHARACTERS = 2000  # of a message, and of a line of a traceback

_watched: WeakSet[Run] = WeakSet()


def describe_error(error: BaseException | dict[str, Any]) -> dict[str, Any]:
    """Type, message and the last lines of the traceback, for outcome.json."""
    if isinstance(error, dict):
        return error
    try:
        message = str(error)
    except BaseException as failed:  # the user's __str__
        message = f"its text cannot be made: {type(failed).__name__}"
    lines = full_traceback(error).strip().splitlines()[-_TRACEBACK_LINES:]
    return {
        "type": _writable(type(error).__name__),
        "message": _writable(uncoloured(message)[:_MOST_CHARACTERS]),
        "traceback": [line[:_MOST_CHARACTERS] for line in lines],
    }


def full_traceback(error: BaseException) -> str:
    """The traceback as Python prints it, whatever the exception's own text does."""
    try:
        lines = traceback.format_exception(error)
    except BaseException:  # Python expects an Exception of a __str__
        lines = [*traceback.format_tb(error.__traceback__), f"{type(error).__name__}\n"]
    return _writable("".join(lines))


def _writable(text: str) -> str:
    return text.encode(errors="backslashreplace").decode()  # a lone surrogate is no UTF-8


def in_one_line(error: BaseException | dict[str, Any]) -> str:
    """Type and first line of the message."""
    found = describe_error(error)
    lines = str(found.get("message", "")).strip().splitlines()
    return ": ".join(filter(None, (str(found.get("type", "")), *lines[:1])))


def watch(run: Run) -> None:
    """Let ``run`` know when a cell fails, or a line of the interactive Python.

    Older runs of the same experiment in this process are left: it has begun again.
    """
    for other in _watched:
        if other.path.parent == run.path.parent and other.path != run.path:
            other.leave()
    _watched.add(run)
    _listen()


def _tell(error: BaseException) -> None:
    for run in list(_watched):
        run.leave(in_one_line(error))


@functools.cache
def _listen() -> None:
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    if shell is not None:
        shell.events.register("post_run_cell", _after_cell)
    elif hasattr(sys, "ps1"):
        before = sys.excepthook

        def told(
            kind: type[BaseException], error: BaseException, trace: TracebackType | None
        ) -> None:
            _tell(error)
            before(kind, error, trace)

        sys.excepthook = told


def _after_cell(result: Any) -> None:
    error = getattr(result, "error_in_exec", None)
    if error is not None:
        _tell(error)
