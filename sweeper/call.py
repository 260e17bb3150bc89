"""``python -m sweeper.call FUNCTION PROGRAM [ARGUMENT …]``: a trial that calls a function once.

FUNCTION is ``train()``, which asks for its parameters itself, or ``train(config)``, which is given
them; PROGRAM is the file that has it, or ``-m MODULE``. Of ``wandb.agent`` it is the function that
PROGRAM, run as ever, gives to W&B's agent. Light, as every trial of such a sweep begins with it.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import json
import os
import runpy
import sys
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

from sweeper import script_api
from sweeper.errors import LaunchReached, UsageError

FIND = "SWEEPER_FIND"  # the file for what the program asks of W&B; nothing is trained then


def main() -> None:
    """Call the function, with the program's own arguments in ``sys.argv``."""
    function, program, *arguments = sys.argv[1:]
    if hook := sys.modules.get("_sweeper_keras"):
        hook.begin(True)  # what it starts itself is another process of the script's
    module = None
    if program == "-m":
        module, *arguments = arguments
    else:
        sys.path.insert(0, os.path.dirname(os.path.abspath(program)))
    sys.argv = [module or program, *arguments]
    if function == "wandb.agent":
        _be_agent(program)
    name, _, given = function.partition("(")
    loaded = importlib.import_module(module) if module else load_file(program)
    getattr(loaded, name)(*([script_api.params()] if given != ")" else []))


def load_file(file: str) -> Any:
    """Import a file under its own stem, so that what it defines is found again by name elsewhere.

    What stands below its ``__main__`` guard does not run, nor what comes after ``sweeper.launch``.
    Raises UsageError for a file that is no Python by its name.
    """
    name = Path(file).stem
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise UsageError(f"{file}: expected a Python file (.py)")
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    with contextlib.suppress(LaunchReached):
        spec.loader.exec_module(module)
    return module


def _be_agent(program: str) -> NoReturn:
    """Run the program up to ``wandb.agent(…)``, and be that agent for the trial's one run."""
    import wandb

    file = os.environ.pop(FIND, "")
    sweeps: dict[str, Any] = {}

    def find(asked: Mapping[str, Any]) -> None:
        Path(file).write_text(json.dumps({"sweeps": list(sweeps.values()), **asked}))

    def sweep(sweep: Any, *_: Any, **__: Any) -> str:
        name = f"sweep{len(sweeps) + 1}"
        sweeps[name] = plain(sweep() if callable(sweep) else sweep) if file else None
        return name

    def agent(
        sweep_id: str,
        function: Any = None,
        entity: Any = None,
        project: Any = None,
        count: int | None = None,
        **_: Any,
    ) -> NoReturn:
        if file:
            line = sys._getframe(1).f_lineno
            found = {"sweep": sweeps.get(sweep_id), "sweep_id": str(sweep_id), "line": line}
            find({**found, "calls": function is not None, "count": count})
            sys.exit()
        try:
            function()
        except Exception:  # W&B's agent goes on, and what is around its call sees nothing of it
            traceback.print_exc()
            sys.exit(1)
        sys.exit()

    replaced: dict[str, Any] = {"sweep": sweep, "agent": agent}
    if os.environ.get("WANDB_MODE") == "offline":
        replaced["login"] = lambda *_, **__: True
    vars(wandb).update(replaced)
    runpy.run_path(program, run_name="__main__")
    if not file:
        sys.exit(f"{program}: expected that it calls wandb.agent(…), found that it has ended")
    find({})
    sys.exit()


def plain(value: Any) -> Any:
    """``value`` as JSON has it: tuples and ranges are lists, NumPy's numbers and arrays plain."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, range)):
        return [plain(item) for item in value]
    if hasattr(value, "tolist"):
        return value.tolist()
    return os.fspath(value) if isinstance(value, os.PathLike) else value


if __name__ == "__main__":
    main()
