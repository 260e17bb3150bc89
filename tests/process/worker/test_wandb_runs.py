"""Of several W&B runs in a trial the sweep's own counts, with the real ``wandb``."""

from __future__ import annotations

import pytest

from tests.process.worker.conftest import Stage

pytest.importorskip("wandb")

# As W&B's own example of cross-validation does it, in a process for each fold.
FOLDS_IN_PROCESSES = """
import multiprocessing, os, wandb

def fold(k, go, lr, queue):
    go.wait()
    for name in list(os.environ):
        if name.startswith("WANDB_"):
            del os.environ[name]
    run = wandb.init(group="folds", job_type="fold", name=f"fold-{k}", config={"lr": lr})
    assert run.sweep_id is None
    run.log({"loss": float(k)})
    run.finish()
    queue.put(k)

if __name__ == "__main__":
    go, queue = multiprocessing.Event(), multiprocessing.Queue()
    folds = [
        multiprocessing.Process(target=fold, args=(k, go, 0.5, queue)) for k in range(3)
    ]
    for process in folds:
        process.start()
    run = wandb.init()
    assert run.sweep_id == "case" and run.name.startswith("exp-")
    go.set()
    values = [queue.get() for _ in folds]
    run.log({"loss": sum(values) / 3})
"""

# They inherit all, and begin before the run of the sweep does.
FOLDS_BEFORE = """
import os, subprocess, sys, wandb
if sys.argv[1] == "fold":
    with wandb.init() as run:
        run.log({"loss": float(sys.argv[2])})
        sys.exit()
for k in range(2):
    subprocess.run([sys.executable, __file__, "fold", str(k)], check=True)
run = wandb.init(job_type="mean")
run.log({"loss": 0.5})
"""

# They begin at once, and the run of the sweep while they go on.
FOLDS_IN_A_POOL = """
import multiprocessing, wandb
begun, over = multiprocessing.Event(), multiprocessing.Event()

def fold(k):
    run = wandb.init()
    run.log({"loss": float(k)})
    begun.set()
    over.wait()
    run.finish()

if __name__ == "__main__":
    process = multiprocessing.Process(target=fold, args=(0,))
    process.start()
    begun.wait()
    run = wandb.init()
    run.log({"loss": 0.5})
    over.set()
    process.join()
"""

ONE_SEVERAL_TIMES = """
import wandb
for epoch in range(3):
    run = wandb.init(id="mine", resume="allow")
    run.log({"loss": 1.0 + epoch})
    run.finish()
"""

BEGUN_FOR_ITS_PARAMETERS = """
import wandb
lr = wandb.init().config.lr
wandb.finish()
for k in range(2):
    wandb.init(name=f"{lr}-{k}", reinit=True).log({"loss": float(k)})
wandb.init(reinit=True)
wandb.log({"loss": 3.0})
"""

NESTED = """
import wandb
run = wandb.init()
for k in range(3):
    fold = wandb.init(reinit="create_new", config={"fold": k})
    fold.log({"loss": float(k)})
    run.log({"loss": 1 + k})
    fold.finish()
"""

ONE_AFTER_ANOTHER = """
import wandb
for k in range(2):
    wandb.init(config={"fold": k})
    for epoch in range(3):
        wandb.log({"loss": k + epoch})
    wandb.finish()
"""

IN_ANOTHER_PROCESS = """
import subprocess, sys, wandb
if sys.argv[1] == "train":
    with wandb.init() as run:
        run.log({"loss": 2.0})
        run.log({"loss": 1.0})
        sys.exit()
run = wandb.init()
subprocess.run([sys.executable, __file__, "train", str(run.config.lr)], check=True)
"""

IN_A_CHILD_THAT_ENDS_NOTHING = """
import multiprocessing, wandb

def train():
    run = wandb.init()
    run.log({"loss": 2.0})
    run.summary["loss"] = 1.0

process = multiprocessing.get_context("fork").Process(target=train)
process.start()
process.join()
"""

TEST_AFTERWARDS = """
import wandb
with wandb.init() as run:
    run.log({"loss": 2.0})
    run.log({"loss": 1.0})
with wandb.init(job_type="test") as run:
    run.log({"test": 5.0})
"""

RANKS = """
import os, subprocess, sys, wandb
rank = os.environ.get("RANK")
if rank is None:
    for rank in "2", "0", "1":
        subprocess.run([sys.executable, __file__], env={**os.environ, "RANK": rank}, check=True)
else:
    wandb.init()
    wandb.log({"loss": float(rank)})
    wandb.log({"loss": 10 + float(rank)})
"""


DISABLED = """
import wandb
wandb.init(mode="disabled").log({"loss": 0.0})
wandb.init(reinit=True).log({"loss": 1.0})
wandb.init(mode="disabled", reinit=True).log({"loss": 0.5})
"""


# Of the others tests/unit/worker/test_wandb_runs.py shows what counts, without their processes.
OFTEN = (FOLDS_IN_PROCESSES, FOLDS_IN_A_POOL, NESTED, IN_A_CHILD_THAT_ENDS_NOTHING, DISABLED)
SCRIPTS = {
    "folds in processes": (FOLDS_IN_PROCESSES, [1.0]),
    "folds before": (FOLDS_BEFORE, [0.5]),
    "folds in a pool": (FOLDS_IN_A_POOL, [0.5]),
    "one several times": (ONE_SEVERAL_TIMES, [1.0, 2.0, 3.0]),
    "begun for its parameters": (BEGUN_FOR_ITS_PARAMETERS, [3.0]),
    "folds within": (NESTED, [1.0, 2.0, 3.0]),
    "one after another": (ONE_AFTER_ANOTHER, [1.0, 2.0, 3.0]),
    "in another process": (IN_ANOTHER_PROCESS, [2.0, 1.0]),
    "in a child": (IN_A_CHILD_THAT_ENDS_NOTHING, [2.0, 1.0]),
    "test afterwards": (TEST_AFTERWARDS, [2.0, 1.0]),
    "disabled": (DISABLED, [1.0]),
    "ranks": (RANKS, [0.0, 10.0]),
}


@pytest.mark.parametrize(
    ("script", "losses"),
    [
        pytest.param(*case, marks=() if case[0] in OFTEN else pytest.mark.slow, id=name)
        for name, case in SCRIPTS.items()
    ],
)
def test_the_sweeps_own_run_counts(stage: Stage, script: str, losses: list[float]) -> None:
    stage.write("train.py", script)
    reports, end = stage.run()
    assert end["outcome"] == "finished", stage.output
    assert [row["loss"] for row in stage.record.rows] == losses, stage.output
    # Early stopping hears the same: a run that takes another's place counts from 1.
    heard = [(report["iteration"], report["metrics"]["loss"]) for report in reports]
    assert heard[-len(losses) :] == list(enumerate(losses, 1))
    if script in (FOLDS_IN_PROCESSES, BEGUN_FOR_ITS_PARAMETERS, NESTED):
        assert len(heard) == len(losses)
    if script is IN_A_CHILD_THAT_ENDS_NOTHING:
        stage.await_gone(60)  # W&B's helper, which looks after its parent now and then
    if script is TEST_AFTERWARDS:
        assert stage.record.rows[-1]["test"] == 5.0
