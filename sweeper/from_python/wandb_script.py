"""The sweep of a script that calls ``wandb.sweep(dict)`` and ``wandb.agent``, found offline."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from sweeper.call import FIND
from sweeper.errors import UsageError
from sweeper.sweepfile import AGENT, call_command, to_yaml

_ASKS = re.compile(rb"\b(sweep|agent)\s*\(")


def sweep_of_script(script: Path) -> tuple[str, str] | None:
    """The text of the sweep file that ``script`` asks for, and a sentence on how it is understood.

    The script is run in a process of its own, up to ``wandb.agent``, with neither account nor
    server. None for one that does not ask W&B for a sweep; UsageError if it does not come to it.
    """
    try:
        text = script.read_bytes()
    except OSError:
        return None
    if b"wandb" not in text or not _ASKS.search(text):
        return None
    found = _find(script)
    asked, sweeps = found.get("sweep"), found["sweeps"]
    if asked is None and "sweep_id" in found:
        raise UsageError(
            f"{script}:{found['line']}: the sweep {found['sweep_id']} of wandb.agent is W&B's "
            "server's: write its dict into wandb.sweep(…), or as a sweep file"
        )
    if asked is None and sweeps and "program" in sweeps[-1]:
        asked = sweeps[-1]  # for an agent on the command line
    if not isinstance(asked, dict):
        raise UsageError(
            f"{script}: expected wandb.sweep(dict) and wandb.agent(sweep_id, function), found that "
            "it ends without: name it as `program` in a sweep file"
        )
    said = f"{script}: the sweep of its wandb.sweep(…)"
    if found.get("calls"):
        asked["program"] = str(script.absolute())
        asked["command"] = call_command(AGENT)
        said = (
            f"{script}:{found['line']}: the function of wandb.agent(…) is called once in each trial"
        )
    if found.get("count"):
        asked["run_cap"] = min(found["count"], asked.get("run_cap") or found["count"])
    return to_yaml(asked), f"{said}; what the script does after it is not run"


def _find(script: Path) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "found.json"
        env = {
            "WANDB_SILENT": "true",
            "WANDB_DIR": directory,
            **os.environ,
            "WANDB_MODE": "offline",
            FIND: str(file),
        }
        words = [sys.executable, "-m", "sweeper.call", AGENT, str(script.absolute())]
        code = subprocess.run(words, stdin=subprocess.DEVNULL, stdout=2, env=env).returncode
        if not file.exists():
            raise UsageError(
                f"{script}: expected that it comes to wandb.agent(…), found that it ended with "
                f"exit code {code} before: see above"
            )
        found: dict[str, Any] = json.loads(file.read_text())
        return found
