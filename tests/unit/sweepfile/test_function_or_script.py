"""Whether a program is called or run: decided on its text alone."""

from __future__ import annotations

import pytest

from sweeper.sweepfile.function_or_script import detect_mode

GUARD = "if __name__ == '__main__':\n    "
FUNCTION = {
    "the convention": "def train(params, callbacks): ...\n",
    "with run": "def train(params, callbacks, run): ...\n",
    "with a guard": f"def train(params, callbacks): ...\n{GUARD}train({{}}, [])\n",
    "called": "def train(params, callbacks): ...\ntrain({}, [])\n",
    "with argparse": "import argparse\ndef train(hp, cbs): ...\nargparse.ArgumentParser()\n",
    "more with defaults": f"def train(params, callbacks, epochs=3): ...\n{GUARD}main()\n",
    "callbacks by default": f"def train(config, callbacks=()): ...\n{GUARD}main()\n",
    "longer names": f"def train(trial_params, keras_callbacks): ...\n{GUARD}main()\n",
    "hyperparameters": f"def train(hyperparameters, cb): ...\n{GUARD}main()\n",
    "a dict": f"def train(params_dict, callbacks): ...\n{GUARD}main()\n",
    "decorated": f"@timed\ndef train(params, callbacks): ...\n{GUARD}main()\n",
    "rebound": "def train(params, callbacks): ...\ntrain = timed(train)\n",
    "in a branch": "import sys\nif sys.platform:\n    def train(p, callbacks): ...\n",
    "in a try": "try:\n    from a import train\nexcept ImportError:\n    from b import train\n",
    "other names": "def train(p, c): ...\n",
    "other names and helpers": "import tensorflow as tf\ntf.random.set_seed(1)\n"
    "def train(model, loader): ...\n",
    "any arguments": "def train(*args, **kwargs): ...\n",
    "imported": "from helper import train\n",
    "imported under its name": "from helper import fit as train\n",
    "assigned": "train = make()\n",
    "a lambda": "train = lambda params, callbacks: 0\n",
    "a wrong one, in a file that would do nothing": "def train(params): ...\n",
}
SCRIPT = {
    "nothing": "",
    "no train": "import argparse\nprint('train')\n",
    "no Python": "not python at all (\n",
    "a method": "class A:\n    def train(self, params, callbacks): ...\n",
    "a local function": "def main():\n    def train(params, callbacks): ...\n",
    "W&B's": f"import wandb\ndef train():\n    run = wandb.init()\n{GUARD}train()\n",
    "W&B's with config": "import wandb\ndef train(config=None):\n"
    f"    with wandb.init(config=config): ...\n{GUARD}train()\n",
    "W&B's without a guard": "def train(config=None): ...\ntrain()\n",
    "PyTorch's": "def train(args, model, device, loader, optimizer, epoch): ...\n"
    "def main(): ...\nmain()\n",
    "PyTorch's with a guard": "def train(args, model, device, loader, optimizer, epoch): ...\n"
    f"def main(): ...\n{GUARD}main()\n",
    "an older PyTorch's": "def train(epoch): ...\nfor epoch in range(3):\n    train(epoch)\n",
    "two of its own": f"def train(model, loader): ...\n{GUARD}train(1, 2)\n",
    "two of its own, called": "def train(model, loader): ...\nloss = train(1, 2)\n",
    "two of its own, called by main": "def train(model, loader): ...\ndef main(): ...\nmain()\n",
    "two of its own, in a loop": "def train(model, loader): ...\nfor _ in x:\n    train(1, 2)\n",
    "a guard reversed": "def train(model, loader): ...\n"
    "if '__main__' == __name__:\n    train(1, 2)\n",
    "exit with main": "import sys\ndef train(a, b): ...\ndef main(): ...\nsys.exit(main())\n",
    "two and argparse": "import argparse\ndef train(model, loader): ...\n"
    "args = argparse.ArgumentParser().parse_args()\n",
    "two and wandb.init": "import wandb\ndef train(model, loader): ...\nrun = wandb.init()\n",
    "two and sys.argv": "import sys\ndef train(model, loader): ...\nrate = float(sys.argv[1])\n",
    "only keywords": f"def train(model, loader, *, rate): ...\n{GUARD}main()\n",
    "async": f"async def train(params, callbacks): ...\n{GUARD}main()\n",
    "a command": "import click\n@click.command()\ndef train(rate, epochs): ...\n",
    "Hydra's": "import hydra\n@hydra.main(config_path='conf')\ndef train(cfg): ...\n",
    "imported, with a guard": f"from helper import train\n{GUARD}train(1)\n",
    "imported and called": "from helper import train\ntrain(1)\n",
    "imported and called by main": "from helper import train\ndef main():\n    train(1)\nmain()\n",
    "imported for type checkers": "from typing import TYPE_CHECKING\n"
    "if TYPE_CHECKING:\n    from helper import train\n",
    "a module": "import train\nimport mine as train\n",
    "data": "import pandas as pd\ntrain = pd.read_csv('train.csv')\nmodel.fit(train)\n",
    "data in two": "train, test = load()\nprint(len(test))\n",
    "none": "train = None\n",
    "only for the script": f"{GUARD}train = print\n",
}


@pytest.mark.parametrize("source", FUNCTION.values(), ids=FUNCTION)
def test_what_is_called(source: str) -> None:
    assert detect_mode(source.encode()).mode == "function"


@pytest.mark.parametrize("source", SCRIPT.values(), ids=SCRIPT)
def test_what_is_run(source: str) -> None:
    assert detect_mode(source.encode()).mode == "script"


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("import wandb\nwandb.init()\n", ""),
        ("def train(params, callbacks): ...\n", ""),
        (SCRIPT["W&B's with config"], "its train(config=None) (line 2) does not take"),
        (SCRIPT["two of its own"], "its train(model, loader) (line 1) is taken for its own"),
        (SCRIPT["two of its own, called by main"], "as the file runs itself (line 3)"),
        (SCRIPT["imported and called"], "the train that it imports (line 1) is taken for its own"),
        (SCRIPT["async"], "its async train(params, callbacks) (line 1) is async"),
        (SCRIPT["a command"], "its train(rate, epochs) (line 3) is a command of its own"),
        (FUNCTION["other names"], "its train(p, c) (line 1) is called, as the file runs nothing"),
    ],
)
def test_the_reason_is_given_where_it_may_be_doubted(source: str, why: str) -> None:
    found = detect_mode(source.encode()).why
    assert found.startswith(why) or (why and why in found)
    assert bool(found) == bool(why)


def test_doubtful_escapes_are_not_our_business(recwarn: pytest.WarningsRecorder) -> None:
    assert detect_mode(b"def train(params, callbacks):\n    return '\\d'\n").mode == "function"
    assert not recwarn.list


def test_a_long_sum_is_no_trouble() -> None:
    source = "text = " + " + ".join(["'a'"] * 900) + "\ndef train(model, loader): ...\n"
    assert detect_mode(source.encode()).mode == "function"
