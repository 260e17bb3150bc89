"""What a trial may change in its process beyond its own objects: noted, and put back after it."""

from __future__ import annotations

import builtins
import contextlib
import gc
import locale
import logging
import multiprocessing
import os
import resource
import signal
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from sweeper.tree import HEARTBEAT

_LIBRARY = os.path.dirname(os.__file__)  # Python's own
_STREAMS = ("stdin", "stdout", "stderr")
_SYS = ("excepthook", "displayhook", "unraisablehook", "tracebacklimit", "dont_write_bytecode")
_LISTS = ("argv", "path", "meta_path", "path_hooks")
_LIMITS = [getattr(resource, name) for name in dir(resource) if name.startswith("RLIMIT_")]
_TIMERS = (signal.ITIMER_REAL, signal.ITIMER_VIRTUAL, signal.ITIMER_PROF)
_SIGNALS = sorted(signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP})


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def _put_environment(before: dict[str, str]) -> None:
    os.environ.clear()
    os.environ.update(before)
    time.tzset()


def _put_builtins(before: dict[str, Any]) -> None:
    for name in vars(builtins).keys() - before.keys():
        delattr(builtins, name)
    vars(builtins).update(before)


def _streams() -> list[tuple[Any, ...]]:
    names = ("encoding", "errors", "line_buffering", "write_through")
    return [tuple(getattr(s, n, None) for n in names) for s in (sys.stdout, sys.stderr)]


def _put_streams(before: list[tuple[Any, ...]]) -> None:
    for stream, (encoding, errors, lines, through) in zip(
        (sys.stdout, sys.stderr), before, strict=True
    ):
        stream.reconfigure(  # type: ignore[union-attr]
            encoding=encoding, errors=errors, line_buffering=lines, write_through=through
        )


_Logger = tuple[int, list[logging.Handler], bool, bool]
_UNSET: _Logger = (logging.NOTSET, [], True, False)


def _loggers() -> dict[logging.Logger, _Logger]:
    """How loggers are set, but for those of libraries: the import that sets them is done once."""
    found = [logging.root, *logging.root.manager.loggerDict.values()]
    states = {
        one: (one.level, one.handlers[:], one.propagate, one.disabled)
        for one in found
        if isinstance(one, logging.Logger) and not _of_library(one.name.partition(".")[0])
    }
    return {one: state for one, state in states.items() if state != _UNSET}


def _of_library(module: str) -> bool:
    file = getattr(sys.modules.get(module), "__file__", None) or ""
    return module == "sweeper" or "-packages" in file or file.startswith(_LIBRARY)


def _put_loggers(before: dict[logging.Logger, _Logger]) -> None:
    for one in {**_loggers(), **before}:
        level, one.handlers[:], one.propagate, one.disabled = before.get(one, _UNSET)
        one.setLevel(level)


def _half_full() -> bool:
    """Whether half of the files that the process may open are open, or more."""
    with contextlib.suppress(OSError):
        return len(os.listdir("/dev/fd")) > resource.getrlimit(resource.RLIMIT_NOFILE)[0] / 2
    return False


def _wakeup() -> int:
    fd = signal.set_wakeup_fd(-1)
    _put_wakeup(fd)
    return fd


def _put_wakeup(fd: int) -> None:
    signal.set_wakeup_fd(fd, warn_on_full_buffer=False)


# What libraries that are loaded hold open or changed; none is imported for it.


def _figures() -> list[int]:
    """pyplot's open figures: what the next trial draws would go into the last one."""
    pyplot = sys.modules.get("matplotlib.pyplot")
    return pyplot.get_fignums() if pyplot is not None else []


def _close_figures(before: list[int]) -> None:
    for number in {*_figures()} - {*before}:
        sys.modules["matplotlib.pyplot"].close(number)


def _style() -> dict[str, Any]:
    """In what matplotlib's parameters differ from those of its import."""
    found = sys.modules.get("matplotlib")
    if found is None:
        return {}
    given = found.rcParamsOrig
    now = found.rcParams.copy()  # which does not choose a backend, as looking at it does
    return {k: v for k, v in dict.items(now) if k != "backend" and v != dict.get(given, k)}


def _put_style(before: dict[str, Any]) -> None:
    found = sys.modules["matplotlib"]
    given = {k: v for k, v in dict.items(found.rcParamsOrig) if k != "backend"}
    dict.update(found.rcParams, {**given, **before})


def _tracked() -> list[bool]:
    """Whether a run of MLflow's or W&B's is open: the next trial could not open its own."""
    mlflow, wandb = sys.modules.get("mlflow"), sys.modules.get("wandb")
    return [
        mlflow is not None and mlflow.active_run() is not None,
        getattr(wandb, "run", None) is not None,
    ]


def _end_tracked(before: list[bool]) -> None:
    """End them as they would be at the end of their process."""
    now = _tracked()
    while _tracked()[0] > before[0]:
        sys.modules["mlflow"].end_run()
    if now[1] > before[1]:
        sys.modules["wandb"].finish()


_Part = tuple[Callable[[], Any], Callable[[Any], Any]]


def _for_each(
    names: Iterable[Any], read: Callable[[Any], Any], put: Callable[[Any, Any], Any]
) -> list[_Part]:
    return [(partial(read, name), partial(put, name)) for name in names]


# How each is read and put back.
_PARTS: list[_Part] = [
    (os.getcwd, os.chdir),
    (lambda: dict(os.environ), _put_environment),
    (_umask, os.umask),
    (lambda: os.getpriority(os.PRIO_PROCESS, 0), lambda v: os.setpriority(os.PRIO_PROCESS, 0, v)),
    (lambda: locale.setlocale(locale.LC_ALL), lambda v: locale.setlocale(locale.LC_ALL, v)),
    (sys.getrecursionlimit, sys.setrecursionlimit),
    (socket.getdefaulttimeout, socket.setdefaulttimeout),
    (gc.get_threshold, lambda value: gc.set_threshold(*value)),
    (gc.isenabled, lambda on: gc.enable() if on else gc.disable()),
    (lambda: tempfile.tempdir, lambda value: setattr(tempfile, "tempdir", value)),
    (_loggers, _put_loggers),
    (lambda: logging.root.manager.disable, logging.disable),
    (logging.getLoggerClass, logging.setLoggerClass),
    (lambda: dict(vars(builtins)), _put_builtins),
    (sys.gettrace, sys.settrace),
    (sys.getprofile, sys.setprofile),
    (sys.getswitchinterval, sys.setswitchinterval),
    (sys.get_int_max_str_digits, sys.set_int_max_str_digits),
    (lambda: threading.excepthook, lambda hook: setattr(threading, "excepthook", hook)),
    (threading.stack_size, threading.stack_size),
    (
        lambda: multiprocessing.get_start_method(allow_none=True),
        lambda method: multiprocessing.set_start_method(method, force=True),
    ),
    (_figures, _close_figures),
    (_style, _put_style),
    (_tracked, _end_tracked),
    (_wakeup, _put_wakeup),
    (
        lambda: signal.pthread_sigmask(signal.SIG_BLOCK, ()),
        lambda value: signal.pthread_sigmask(signal.SIG_SETMASK, value),
    ),
    *_for_each((*_STREAMS, *_SYS), lambda n: getattr(sys, n, None), partial(setattr, sys)),
    (_streams, _put_streams),
    *_for_each(_LISTS, lambda n: list(getattr(sys, n)), lambda n, v: setattr(sys, n, list(v))),
    *_for_each(_TIMERS, signal.getitimer, lambda timer, value: signal.setitimer(timer, *value)),
    *_for_each(_SIGNALS, signal.getsignal, signal.signal),
    *_for_each(_LIMITS, resource.getrlimit, resource.setrlimit),
    (lambda: os.sched_getaffinity(0), lambda cpus: os.sched_setaffinity(0, cpus)),
]


class ProcessState:
    """How this process is before a trial."""

    def __init__(self) -> None:
        self._before = [read() for read, _ in _PARTS]
        self._threads = set(threading.enumerate())
        self._alone = _childless()

    def put_back(self) -> bool:
        """Put back what the trial has changed; False if it has left what cannot be."""
        for (read, put), before in zip(_PARTS, self._before, strict=True):
            if not _is(read, before):
                with contextlib.suppress(Exception):
                    put(before)
        if asyncio := sys.modules.get("asyncio"):
            asyncio.set_event_loop_policy(None)  # else a loop that is closed is found again
        left = {t for t in threading.enumerate() if t.name != HEARTBEAT} - self._threads
        return (
            all(_is(read, before) for (read, _), before in zip(_PARTS, self._before, strict=True))
            and not any(getattr(getattr(sys, name), "closed", False) for name in _STREAMS)
            and not left
            and (_childless() or not self._alone)
            and not _half_full()
        )


def _is(read: Callable[[], Any], before: Any) -> bool:
    try:
        return bool(read() == before)
    except Exception:  # the current directory is gone, say
        return False


def _childless() -> bool:
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return True
    return False
