"""The fork server and its warm children, without Ray."""

from __future__ import annotations

import json
import os
import secrets
import signal
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from sweeper.errors import UsageError
from sweeper.tree import Program, RunRecord, Tree
from sweeper.worker import Child, ServerControl, Session

PLAIN = """
import os
def train(params, callbacks, run):
    if params.get("chdir"):
        os.chdir("/"); os.environ["LEFT"] = "behind"
    run.report(epoch=1, loss=params["x"], pid=os.getpid(), left="LEFT" in os.environ)
    if params.get("kill"):
        os.kill(os.getpid(), 9)
    if params.get("sleep"):
        os.system("sleep 1000")
"""
KERAS = """
import keras
import numpy as np
{extra}
def train(params, callbacks):
    if params["model"].get("mixed"):
        keras.config.set_dtype_policy("mixed_float16")
    generator = np.random.default_rng(0)
    x = generator.normal(size=(64, 8)).astype("float32")
    y = (x.sum(axis=1) > 0).astype("float32")
    model = keras.Sequential([
        keras.layers.Input((8,)), keras.layers.Dense(params["model"]["units"], "relu"),
        keras.layers.Dropout(0.3), keras.layers.Dense(1, "sigmoid", dtype="float32")])
    model.compile("adam", "binary_crossentropy")
    model.fit(x, y, batch_size=16, epochs=3, callbacks=callbacks, verbose=2)
"""


class Bench:
    """A session of a train module in ``directory``, its server held by this process."""

    def __init__(self, directory: Path, source: str) -> None:
        program = directory / "trainee.py"
        program.write_text(source)
        self.base = directory / "base"
        self.session = Session(
            secrets.token_hex(6), str(program), None, "train", cwd=str(directory)
        )
        self.control = ServerControl(self.session)
        self._children: list[Child] = []

    def child(self, **env: str) -> Child:
        self._children.append(Child(self.session, {"CUDA_VISIBLE_DEVICES": "", **env}))
        return self._children[-1]

    def close(self) -> None:
        for child in self._children:
            child.kill()
        self.control.close()

    def request(self, trial: int, params: dict[str, Any], **more: Any) -> dict[str, Any]:
        return {
            "trial": trial,
            "params": params,
            "replicate": 0,
            "seed": 7,
            "base": str(self.base),
            "sweep": "bench",
            "monitored": [list(params)],
            "checkpoint": {},
            "metric": "loss",
            "cpus": 1,
            "gpus": [],
            "program": Program.at(self.session.path).to_json(),
            **more,
        }

    def run(
        self, child: Child, trial: int, params: dict[str, Any], **more: Any
    ) -> list[dict[str, Any]]:
        child.start(self.request(trial, params, **more))
        messages = []
        while not messages or messages[-1]["kind"] not in ("end", "exit"):
            message = child.receive(120)
            assert message is not None, "the child says nothing"
            messages.append(message)
        return messages

    def record(self, trial: int) -> RunRecord:
        (record,) = (r for r in Tree(self.base).all_runs() if r.trial == trial)
        return record


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Callable[[str], Bench]]:
    made: list[Bench] = []

    def make(source: str) -> Bench:
        made.append(Bench(tmp_path, source))
        return made[-1]

    yield make
    for one in made:
        one.close()
        assert not one.session.directory.exists()


def test_one_child_runs_many_trials_and_none_leaves_a_trace(bench: Callable[[str], Bench]) -> None:
    here = bench(PLAIN)
    assert here.control.wait_ready()["takes_run"] is True
    child = here.child()
    first = here.run(child, 0, {"x": 1.0, "chdir": True})
    second = here.run(child, 1, {"x": 2.0})
    assert [m["kind"] for m in first] == ["run", "report", "end"]
    assert first[-1]["outcome"] == second[-1]["outcome"] == "finished"
    assert first[1]["metrics"]["pid"] == second[1]["metrics"]["pid"] == child.pid
    assert second[1]["metrics"]["left"] == 0
    record = here.record(1)
    assert record.status == "finished"
    assert str(record.path) == second[0]["path"]
    child.kill()
    assert not psutil.pid_exists(child.pid)


def test_a_child_that_dies_says_how(bench: Callable[[str], Bench]) -> None:
    here = bench(PLAIN)
    child = here.child()
    messages = here.run(child, 0, {"x": 1.0, "kill": True})
    assert messages[-1].pop("peak") > 1e6
    assert messages[-1] == {"kind": "exit", "signal": signal.SIGKILL, "code": None}
    assert here.record(0).status == "interrupted"
    assert here.record(0).rows == [{"epoch": 1, **messages[1]["metrics"]}]


def test_a_child_goes_when_its_owner_hangs_up(bench: Callable[[str], Bench]) -> None:
    here = bench(PLAIN)
    child = here.child()
    child.start(here.request(0, {"x": 1.0, "sleep": True}))
    while child.receive(30)["kind"] != "report":  # type: ignore[index]
        pass
    family = [psutil.Process(child.pid)]
    family += family[0].children(recursive=True)
    child._connection.sock.shutdown(socket.SHUT_RDWR)
    _, alive = psutil.wait_procs(family, timeout=10)
    assert not alive


REPORTS_ON = """
import time
def train(params, callbacks, run):
    for epoch in range(100):
        time.sleep(0.2)
        run.report(loss=1.0)
"""


def test_a_report_to_an_owner_that_is_gone_is_no_failure(bench: Callable[[str], Bench]) -> None:
    one = bench(REPORTS_ON)
    child = one.child()
    child.start(one.request(0, {"x": 1}))
    while child.receive(120)["kind"] != "report":
        pass
    process = psutil.Process(child.pid)
    server = process.parent()
    assert server is not None
    server.suspend()  # which would end it first
    try:
        child._connection.close()
        deadline = time.monotonic() + 30
        while process.status() != psutil.STATUS_ZOMBIE:
            assert time.monotonic() < deadline
            time.sleep(0.05)
    finally:
        server.resume()
    assert one.record(0).status == "interrupted"


def test_a_server_goes_with_its_driver(bench: Callable[[str], Bench]) -> None:
    here = bench(PLAIN)
    child = here.child()
    family = [psutil.Process(child.pid)]
    server = family[0].parent()
    assert server is not None
    family.append(server)
    here.control._connection.sock.shutdown(socket.SHUT_RDWR)
    _, alive = psutil.wait_procs(family, timeout=10)
    assert not alive


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("import not_to_be_found", "ModuleNotFoundError: No module named 'not_to_be_found'"),
        ("def other(a, b): pass", "found only other"),
        ("raise SystemExit(3)", "the train module does not import"),
    ],
)
def test_a_module_that_cannot_train(
    bench: Callable[[str], Bench], source: str, message: str
) -> None:
    here = bench(source)
    with pytest.raises(UsageError) as caught:
        here.control.wait_ready()
    assert message in str(caught.value)
    assert "trainee.py" in str(caught.value)
    assert "loader.py" not in str(caught.value)
    with pytest.raises(UsageError):
        here.child()


def test_what_is_in_the_environment_of_a_trial(bench: Callable[[str], Bench]) -> None:
    here = bench(
        "import os, json\ndef train(params, callbacks, run):\n"
        "    run.report(loss=1)\n    print(json.dumps(dict(os.environ)))\n"
    )
    child = here.child(CUDA_VISIBLE_DEVICES="3,1")
    here.run(child, 0, {"x": 1})
    seen = json.loads(here.record(0).paths.output.read_text())
    assert seen["CUDA_VISIBLE_DEVICES"] == "3,1"
    assert seen["OMP_NUM_THREADS"] == os.environ.get("OMP_NUM_THREADS", "1")


def training_log(record: RunRecord) -> str:
    return record.paths.training_logs.read_text()


def test_a_result_does_not_depend_on_what_ran_before(bench: Callable[[str], Bench]) -> None:
    here = bench(KERAS.format(extra=""))
    assert here.control.wait_ready()["forkable"] is True
    params = {"model": {"units": 4}}
    alone = here.child()
    assert here.run(alone, 0, params)[-1]["outcome"] == "finished"
    expected = training_log(here.record(0))
    here.base = here.base.with_name("warm")
    warm = here.child()
    ends = [
        here.run(warm, 1, {"model": {"units": 7, "mixed": True}})[-1],
        here.run(warm, 2, {"model": {"units": 5}})[-1],
        here.run(warm, 3, params)[-1],
    ]
    assert [end["outcome"] for end in ends] == ["finished"] * 3
    assert [end["clean"] for end in ends] == [True] * 3
    assert warm.trials == 3
    assert training_log(here.record(3)) == expected


FIRST_WITHIN = {
    "seeded": "    import sys\n    import numpy\n"
    "    run.report(loss=float(numpy.random.random()), keras='keras' in sys.modules)\n",
    "prepared": "    import tensorflow as tf\n"
    "    run.report(loss=len(callbacks), k=tf.keras.__version__ > '')\n",
}


@pytest.mark.parametrize("body", FIRST_WITHIN.values(), ids=FIRST_WITHIN)
def test_what_is_first_imported_within_a_train_function_is_there_for_all_trials(
    bench: Callable[[str], Bench], body: str
) -> None:
    here = bench(f"def train(params, callbacks, run):\n{body}")
    child = here.child()
    for trial in (0, 1):
        assert here.run(child, trial, {"a": trial})[-1]["outcome"] == "finished"
    logs = [training_log(here.record(trial)) for trial in (0, 1)]
    assert logs[0] == logs[1] != ""


def test_a_module_that_starts_tensorflow_is_not_forked(bench: Callable[[str], Bench]) -> None:
    here = bench(KERAS.format(extra="import tensorflow as tf; tf.constant(1) + 1"))
    assert here.control.wait_ready()["forkable"] is False
    child = here.child()
    assert here.run(child, 0, {"model": {"units": 4}})[-1]["outcome"] == "finished"
    assert here.run(child, 1, {"model": {"units": 5}})[-1]["outcome"] == "finished"
    child.kill()
    assert not psutil.pid_exists(child.pid)


def test_leaving_with_zero_is_returning(bench: Callable[[str], Bench]) -> None:
    here = bench(
        "import os, sys\ndef train(params, callbacks, run):\n"
        "    run.report(loss=1)\n    if os.fork():\n        os.wait()\n"
        "        sys.exit(params['code'])\n"  # the user's own fork returns from here
    )
    child = here.child()
    assert here.run(child, 0, {"code": 0})[-1]["outcome"] == "finished"
    end = here.run(child, 1, {"code": 3})[-1]
    assert (end["outcome"], end["error"]["type"]) == ("failed", "SystemExit")


@pytest.mark.parametrize("then", ["raise RuntimeError('saved')", "sys.exit(0)"])
def test_a_handler_of_the_users_does_not_end_a_trial_that_the_launch_ends(
    bench: Callable[[str], Bench], then: str
) -> None:
    here = bench(
        "import signal, sys, time\ndef train(params, callbacks, run):\n"
        f"    def stop(*a):\n        {then}\n"
        "    signal.signal(signal.SIGTERM, stop)\n"
        "    run.report(loss=1)\n    time.sleep(params['seconds'])\n"
    )
    child = here.child()
    assert here.run(child, 0, {"seconds": 0})[-1]["clean"] is True
    child.start(here.request(1, {"seconds": 99}))
    while child.receive(30)["kind"] != "report":  # type: ignore[index]
        pass
    os.kill(child.pid, signal.SIGTERM)
    here.session.end()  # the launch hears of it a little later
    assert child.receive(30)["kind"] == "exit"  # type: ignore[index]
    assert here.record(1).status == "interrupted"


def test_a_trial_whose_storage_fails_goes_on_another_time(bench: Callable[[str], Bench]) -> None:
    here = bench(
        "def train(params, callbacks, run):\n    run.report(loss=1)\n"
        "    log = run.path / 'training-logs.csv'\n"
        "    kept = log.rename(log.with_suffix('.kept'))\n    log.mkdir()\n"
        "    try:\n        run.report(loss=2)\n"
        "    finally:\n        log.rmdir()\n        kept.rename(log)\n"
    )
    end = here.run(here.child(), 0, {"x": 1})[-1]
    assert (end["outcome"], end["error"]["type"], end["clean"]) == ("failed", "TreeError", False)
    assert here.record(0).status == "interrupted"


LEAVES = """
import asyncio, builtins, gc, io, locale, logging, multiprocessing, os, resource, signal, subprocess
import sys, threading, time, warnings
def state():
    asyncio.get_event_loop().run_until_complete(asyncio.sleep(0))
    return repr((sys.stdout, sys.path, sys.argv, os.umask(0o22), os.nice(0), os.getcwd(),
        [signal.getsignal(s) for s in (15, 2, 14)], signal.getitimer(signal.ITIMER_REAL)[1],
        locale.setlocale(locale.LC_ALL), resource.getrlimit(resource.RLIMIT_NOFILE),
        resource.getrlimit(resource.RLIMIT_CORE), len(warnings.filters), gc.isenabled(),
        sys.getrecursionlimit(), logging.root.handlers, "LEFT" in os.environ,
        logging.getLogger("mine").handlers, logging.getLogger("mine").level, builtins.print,
        hasattr(builtins, "LEFT"), sys.stdout.encoding, sys.gettrace(), threading.excepthook,
        multiprocessing.get_start_method(allow_none=True), sys.getswitchinterval()))
FIRST = []
def train(params, callbacks, run):
    FIRST.append(state())
    soft, hard = resource.getrlimit(resource.RLIMIT_CORE)
    run.report(loss=1.0, pid=os.getpid(), same=state() == FIRST[0])
    exec(params["do"])
"""


LEAVES_IN_LIBRARIES = """
import decimal, os
decimal.getcontext()
def train(params, callbacks, run):
    import matplotlib.pyplot as plt, mlflow, numpy
    run.report(loss=len(plt.get_fignums()), width=plt.rcParams["lines.linewidth"],
        open=mlflow.active_run() is not None, strict=numpy.geterr()["over"] == "raise",
        digits=numpy.get_printoptions()["precision"] + decimal.getcontext().prec, pid=os.getpid())
    exec(params["do"])
"""


def all_equal(here: Bench, dos: list[str]) -> None:
    """Whether a child finds, after each trial, what the first one has found."""
    child, first = here.child(), None
    for trial, do in enumerate([*dos, ""]):
        _, report, end = here.run(child, trial, {"do": do})
        first = first or report["metrics"]
        assert report["metrics"] == first, do
        assert (end["outcome"], end["clean"]) == ("finished", True), (do, end)


def test_what_a_trial_leaves_in_libraries_is_put_back(bench: Callable[[str], Bench]) -> None:
    all_equal(bench(LEAVES_IN_LIBRARIES), [
        "plt.plot([1]); plt.rcParams['lines.linewidth'] = 9",
        "mlflow.set_tracking_uri('sqlite:///' + os.getcwd() + '/m.db'); mlflow.start_run()",
        "numpy.seterr(all='raise'); numpy.set_printoptions(precision=2)",
        "decimal.getcontext().prec = 5",
    ])  # fmt: skip


def test_what_a_trial_leaves_in_its_process_is_put_back(bench: Callable[[str], Bench]) -> None:
    all_equal(bench(LEAVES), [
        "sys.stdout = io.StringIO(); sys.stderr = None",
        "sys.path.insert(0, '/nowhere'); sys.argv = []",
        "os.umask(0o777); os.nice(1) if os.getuid() == 0 else None",
        "signal.signal(15, lambda *a: None); signal.setitimer(signal.ITIMER_REAL, 99, 99)",
        "locale.setlocale(locale.LC_ALL, 'C.UTF-8')",
        "resource.setrlimit(resource.RLIMIT_CORE, (0, hard)); sys.setrecursionlimit(333)",
        "warnings.simplefilter('error'); logging.basicConfig(); gc.disable()",
        "os.environ.clear(); os.environ['LEFT'] = '1'; os.chdir('/')",
        "logging.getLogger('mine').addHandler(logging.FileHandler('mine.log'))",
        "logging.getLogger('mine').setLevel(50); logging.disable(50)",
        "builtins.print = repr; builtins.LEFT = 1; sys.stdout.reconfigure(encoding='latin-1')",
        "sys.settrace(lambda *a: None); threading.excepthook = repr; sys.setswitchinterval(1)",
        "multiprocessing.set_start_method('spawn', force=True); asyncio.get_event_loop().close()",
    ])  # fmt: skip


@pytest.mark.parametrize(
    "do",
    [
        "sys.stdout.close()",
        "threading.Thread(target=time.sleep, args=(99,), daemon=True).start()",
        "subprocess.Popen(['sleep', '99'])",
        "FIRST.extend(os.dup(0) for _ in range(resource.getrlimit(7)[0] // 2))",  # NOFILE
    ],
)
def test_a_process_in_which_a_trial_leaves_what_stays_is_not_clean(
    bench: Callable[[str], Bench], do: str
) -> None:
    here = bench(LEAVES)
    end = here.run(here.child(), 0, {"do": do})[-1]
    assert (end["outcome"], end["clean"]) == ("finished", False)


def test_a_daemon_of_a_trial_ends_with_its_process(bench: Callable[[str], Bench]) -> None:
    here = bench(
        "import os, time\ndef train(params, callbacks, run):\n"
        "    read, write = os.pipe()\n"
        "    if os.fork() == 0:\n        os.setsid()\n"
        "        if os.fork() == 0:\n            os.write(write, b'%d' % os.getpid())\n"
        "            os.execve('/bin/sleep', ['sleep', '99'], {})\n"
        "        os._exit(0)\n"
        "    os.wait()\n    run.report(loss=1, daemon=int(os.read(read, 9)))\n"
    )
    child = here.child()
    _, report, end = here.run(child, 0, {"x": 1})
    daemon = psutil.Process(int(report["metrics"]["daemon"]))
    assert daemon.is_running()
    assert end["clean"] is False
    child.kill()
    psutil.wait_procs([daemon], timeout=10)
    assert not daemon.is_running()


def test_numpys_integers_are_epochs(bench: Callable[[str], Bench]) -> None:
    here = bench(
        "import numpy\ndef train(params, callbacks, run):\n"
        "    for epoch in numpy.arange(1, 4):\n        run.report(epoch, loss=1.0)\n"
    )
    messages = here.run(here.child(), 0, {"x": 1})
    assert messages[-1]["outcome"] == "finished"
    assert [row["epoch"] for row in here.record(0).rows] == [1, 2, 3]


def test_a_fork_of_the_trials_process_writes_no_row(bench: Callable[[str], Bench]) -> None:
    here = bench(
        "import os\ndef train(params, callbacks, run):\n"
        "    run.report(loss=1)\n    pid = os.fork()\n"
        "    if pid:\n        os.waitpid(pid, 0)\n"
        "    run.report(loss=2 if pid else 3)\n"
    )
    assert here.run(here.child(), 0, {"x": 1})[-1]["outcome"] == "finished"
    assert training_log(here.record(0)).splitlines() == ["epoch,loss", "1,1.0", "2,2.0"]
    assert "expected to be written by process" in here.record(0).paths.output.read_text()


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("raise ValueError('no text')", "its text cannot be made: ValueError"),
        ("raise SystemExit(3)", "its text cannot be made: SystemExit"),
        ("return 'lone \\udc80'", "lone \\udc80"),
        ("return 'x' * 5_000_000", "x" * 2000),
    ],
)
def test_whatever_the_text_of_an_exception_is_it_is_told(
    bench: Callable[[str], Bench], body: str, message: str
) -> None:
    here = bench(
        f"class Bad(Exception):\n    def __str__(self): {body}\n"
        "def train(params, callbacks, run): raise Bad\n"
    )
    end = here.run(here.child(), 0, {"x": 1})[-1]
    assert (end["error"]["type"], end["error"]["message"]) == ("Bad", message)
    assert here.record(0).status == "failed"
    assert here.record(0).paths.outcome.stat().st_size < 10_000


PLACES = """
import os
import sweeper
from pathlib import Path
def train(params, callbacks, run):
    assert Path.cwd() == run.path / "work"
    assert sweeper.run_dir() == run.path
    Path("mine").touch(exist_ok=False)
    run.report(loss=float(Path("data").read_text()), pid=os.getpid())
"""


def test_a_trial_of_a_warm_child_has_a_directory_of_its_own(
    bench: Callable[[str], Bench], tmp_path: Path
) -> None:
    (tmp_path / "data").write_text("0.5")
    stage = bench(PLACES)
    child = stage.child()
    for trial in range(2):
        messages = stage.run(child, trial, {"x": trial}, links=["data"])
        assert (messages[-1]["outcome"], messages[-1]["clean"]) == ("finished", True), messages
    rows = [stage.record(trial).rows[0] for trial in range(2)]
    assert rows[0]["pid"] == rows[1]["pid"]
    assert [row["loss"] for row in rows] == [0.5, 0.5]
    assert not (tmp_path / "mine").exists()
