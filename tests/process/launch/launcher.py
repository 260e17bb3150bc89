"""One sweep in a directory of its own, and the commands on it as a user gives them."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import yaml

from sweeper.tree import RunRecord, Tree
from sweeper.worker import MARK
from tests.stores import serving

TRAINEE = Path(__file__).with_name("trainee.py")


class Launcher:
    """One sweep in a directory of its own, and the commands on it.

    ``tmp`` is the /tmp of what is started, if it has one of its own.
    """

    def __init__(self, directory: Path, tmp: Path | None = None) -> None:
        self.directory = directory
        self.file = directory / "case.yaml"
        self.base = directory / "experiments" / "case"
        self.cgroup: Path | None = None  # for what is started
        self.before: Callable[[], object] = lambda: None  # called in what is started
        self.prefix: tuple[str, ...] = ()
        self.env: dict[str, str] = {"TMPDIR": str(tmp)} if tmp else {}
        self._tmp = tmp
        self._tokens: set[str] = set()

    def write(self, do: Mapping[str, Any], trials: int = 4, **keys: Any) -> None:
        parameters = {"x": {"values": list(range(1, trials + 1))}, "do": {"value": dict(do)}}
        sweep = {
            "program": str(TRAINEE),
            "method": "grid",
            "metric": {"name": "loss", "goal": "minimize"},
            "parameters": parameters,
            **keys,
        }
        self.file.write_text(yaml.safe_dump(sweep))

    def start(self, *words: str, command: str = "launch") -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*self.prefix, sys.executable, "-m", "sweeper", command, str(self.file), *words],
            cwd=self.directory,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **self.env},
            preexec_fn=self._before,
        )

    def elsewhere(self, name: str) -> Launcher:
        """The same sweep, to be launched from another directory."""
        directory = self.directory / name
        directory.mkdir()
        other = Launcher(directory, self._tmp)
        other.file, other.base = self.file, self.base
        return other

    def _before(self) -> None:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)  # not as under nohup
        if self.cgroup is not None:
            (self.cgroup / "cgroup.procs").write_text(str(os.getpid()))
        self.before()

    def run(
        self, *words: str, command: str = "launch", timeout: float = 240
    ) -> subprocess.CompletedProcess[str]:
        process = self.start(*words, command=command)
        out, err = process.communicate(timeout=timeout)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def read(self, command: str) -> Any:
        return json.loads(self.run("--json", command=command).stdout)

    def records(self) -> list[RunRecord]:
        return list(Tree(self.base).all_runs())

    def wait_for(self, what: Callable[[list[RunRecord]], bool], timeout: float = 240) -> None:
        deadline = time.monotonic() + timeout
        while not (self.base.is_dir() and what(self.records())):
            assert time.monotonic() < deadline, "what the test waits for did not happen"
            time.sleep(0.05)

    def processes(self, name: str = "") -> list[psutil.Process]:
        """The living processes of this launch, those with ``name`` in their command line.

        Ray's are in the directory of the session, whose name is known from the others.
        """
        found: list[tuple[str, psutil.Process]] = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if process.status() != "zombie":
                    found.append((process.cwd(), process))
                    if found[-1][0] == str(self.directory):
                        self._tokens.update(filter(None, [process.environ().get(MARK)]))
        places = (str(self.directory), *(f"-{token}" for token in self._tokens))
        with_name = []
        for place, process in found:
            with contextlib.suppress(psutil.Error):
                if place.endswith(places) and name in " ".join(process.cmdline()):
                    with_name.append(process)
        return with_name

    def drivers(self, launch: subprocess.Popen[str]) -> list[psutil.Process]:
        """Told by their parent: where process numbers begin again, the youngest is not the last."""
        found = []
        for process in self.processes("sweeper launch"):
            with contextlib.suppress(psutil.Error):
                if process.ppid() == launch.pid:
                    found.append(process)
        return found

    def left(self) -> list[str]:
        """What still lives of this launch after ten seconds, and its directories in /tmp."""
        for _ in range(40):
            found = [str(process) for process in self.processes()]
            found += [str(p) for token in self._tokens for p in Path("/tmp").glob(f"*-{token}")]
            found += os.listdir(self._tmp) if self._tmp else []
            if not found:
                break
            time.sleep(0.25)
        return found


@contextmanager
def own_tmp() -> Iterator[Path]:
    """A directory for a launch's temporary files; Ray's sockets below it need a short path."""
    path = Path("/tmp", secrets.token_hex(2))
    path.mkdir()
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


@contextmanager
def ray_cluster(source: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A process that runs ``source``, which starts a Ray cluster, and the address it prints."""
    with serving(source) as process:
        assert process.stdout is not None
        yield process, process.stdout.readline().strip()
