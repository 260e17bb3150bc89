"""Keras in a script: the callbacks of the trial's run join those that ``Model.fit`` is given.

Imports nothing that a script would not, until a model is fitted.
"""

from __future__ import annotations

import functools
import os
import sys
from typing import Any

_OUTER = "SWEEPER_PYTHON"  # the process of the script, for those that it starts
_process = os.getpid()
_inner = False
_said: set[str] = set()


def begin(own_file: bool) -> None:
    """Note whether this process is the script's, or one that a script has started."""
    global _inner
    outer = os.environ.get(_OUTER, "")
    _inner = outer not in ("", str(_process)) and "RANK" not in os.environ
    if own_file and not outer:
        os.environ[_OUTER] = str(_process)


def say(sentence: str) -> None:
    """Say something once, where the run's output goes."""
    if sentence not in _said:
        _said.add(sentence)
        sys.stderr.write(f"sweeper: {sentence}\n")


def is_childs() -> bool:
    """Whether another process of the script has started this one."""
    processes = sys.modules.get("multiprocessing.process")
    spawned = processes is not None and processes.parent_process() is not None
    return _inner or os.getpid() != _process or spawned


def loaded(module: Any) -> None:
    """Meet every ``fit`` of ``module``, which is Keras."""
    import inspect  # Keras has

    name = f"{module.__name__} {getattr(module, '__version__', '')}".rstrip()
    try:
        fit = module.Model.fit
        place = list(inspect.signature(fit).parameters).index("callbacks")
        known = int(module.__version__.split(".")[0]) >= 3
    except Exception:
        known = False
    if not known:
        say(
            f"model.fit of {name} is left as it is, for only Keras 3 is known: "
            "its epochs are not recorded; call sweeper.report"
        )
        return

    @functools.wraps(fit)
    def fits(*args: Any, **kwargs: Any) -> Any:
        given = args[place] if len(args) > place else kwargs.get("callbacks")
        joined = _join(given)
        if joined is None:
            return fit(*args, **kwargs)
        with joined as callbacks:
            if len(args) > place:
                args = (*args[:place], callbacks, *args[place + 1 :])
            else:
                kwargs["callbacks"] = callbacks
            return fit(*args, **kwargs)

    module.Model.fit = fits


def _join(given: Any) -> Any:
    try:
        from sweeper import script_fit

        return script_fit.join(given)
    except Exception as error:
        why = f"{type(error).__name__}: {error}"
        say(f"model.fit is left as it is, its epochs are not recorded: {why}")
        return None


LOADED = {"keras": loaded, "tf_keras": loaded}
