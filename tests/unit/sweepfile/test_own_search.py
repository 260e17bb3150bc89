"""A program that starts W&B's agent in every trial: seen in its text alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from sweeper.errors import SpecError
from sweeper.sweepfile import Sweep, check_command, check_program
from sweeper.sweepfile.own_search import find_own_search

GUARD = "if __name__ == '__main__':\n    "
TRAIN = "import wandb\ndef train():\n    wandb.init()\n"
MAIN = "import sys, wandb\ndef main(args):\n    {}\n    wandb.agent('x', function=train)\n"

SURE = {
    "at module level": (f"{TRAIN}wandb.agent(wandb.sweep({{}}), train)\n", "wandb.agent", 4),
    "below the guard": (f"{TRAIN}{GUARD}wandb.agent('x', function=train)\n", "wandb.agent", 5),
    "in main": (f"{MAIN.format('pass')}{GUARD}main(1)\n", "wandb.agent", 4),
    "in main, without a guard": (f"{MAIN.format('pass')}sys.exit(main(1))\n", "wandb.agent", 4),
    "in main, after a check": (
        MAIN.format("if not args:\n        raise ValueError") + "main(1)\n",
        "wandb.agent",
        5,
    ),
    "in a with": ("import wandb\nwith open('x') as f:\n    wandb.agent('x')\n", "wandb.agent", 3),
    "in a try": (
        "import wandb\ntry:\n    wandb.agent('x')\nexcept OSError:\n    pass\n",
        "wandb.agent",
        3,
    ),
    "a sweep alone": ("import wandb\nsweep_id = wandb.sweep({})\n", "wandb.sweep", 2),
    "the agent that matters more": (
        "import wandb\ni = wandb.sweep({})\nwandb.agent(i)\n",
        "wandb.agent",
        3,
    ),
    "a sweep made on demand": (
        "import wandb\nif x:\n    i = wandb.sweep({})\nwandb.agent(i)\n",
        "wandb.agent",
        4,
    ),
}
SILENT = {
    "a switch": f"{TRAIN}{GUARD}if args.sweep:\n        wandb.agent(1)\n    train()\n",
    "a switch in an expression": "import wandb\nargs.sweep and wandb.agent('x')\n",
    "a function that nobody calls": f"{MAIN.format('pass')}train()\n",
    "in a comment": "import wandb\n# wandb.agent('x')\nwandb.init()\n",
    "unreachable": "import sys, wandb\nsys.exit(0)\nwandb.agent('x')\n",
    "another's agent": "import rl\nagent = rl.agent\nagent('x')\nrl.agent('x')\n",
    "one of its own": "from wandb import agent\ndef agent(x): ...\nagent('x')\n",
    "a lambda": "import wandb\nlater = lambda: wandb.agent('x')\n",
    "W&B as it should be": f"{TRAIN}{GUARD}train()\n",
    "in a loop": "import wandb\nfor i in x:\n    wandb.agent(i)\n",
    "after a way out": MAIN.format("if args:\n        return train()") + "main(1)\n",
    "after an exit in another function": (
        "import sys, wandb\ndef look():\n    if x:\n        sys.exit()\nlook()\nwandb.agent(1)\n"
    ),
    "handed to another": f"{MAIN.format('pass')}app.run(main)\n",
    "no Python": "not python (\n",
}


@pytest.mark.parametrize(("text", "call", "line"), SURE.values(), ids=SURE)
def test_an_agent_in_every_trial_is_sure(text: str, call: str, line: int) -> None:
    found = find_own_search(text.encode(), None)
    assert found is not None
    assert (found.call, found.line) == (call, line)


@pytest.mark.parametrize("text", SILENT.values(), ids=SILENT)
def test_what_is_no_search_is_left_alone(text: str) -> None:
    assert find_own_search(text.encode(), None) is None


def test_of_a_train_function_the_import_and_the_function_count() -> None:
    guarded = f"import wandb\ndef train(params, callbacks): ...\n{GUARD}wandb.agent('x', train)\n"
    assert find_own_search(guarded.encode(), "train") is None
    assert find_own_search(guarded.encode(), None) is not None
    bare = "import wandb\ndef train(params, callbacks): ...\nwandb.agent('x', train)\n"
    assert find_own_search(bare.encode(), "train") is not None
    inside = "import wandb\ndef train(params, callbacks):\n    wandb.agent('x')\n"
    assert find_own_search(inside.encode(), "train") is not None


PROGRAM = "program: p.py\nmethod: grid\nparameters: {x: {values: [1]}}\n"


def refused(check: Callable[[Sweep], None], sweep: Sweep) -> str:
    with pytest.raises(SpecError) as caught:
        check(sweep)
    return str(caught.value)


def test_a_sweep_of_such_a_program_is_refused(load: Callable[..., Sweep], tmp_path: Path) -> None:
    program = tmp_path / "p.py"
    program.write_text(SURE["below the guard"][0])
    text = refused(check_program, load(PROGRAM))
    assert f"{program}:5: wandb.agent(…) would start W&B's own agent in every trial" in text
    assert "call train() once there" in text
    program.write_text("import wandb\ndef train(params, callbacks): ...\nwandb.agent('x', train)\n")
    assert "move it below `if __name__" in refused(check_program, load(PROGRAM))


@pytest.mark.parametrize(
    ("words", "what"),
    [
        ('["${env}", wandb, agent, me/project/id]', "W&B's own agent"),
        ('["${interpreter}", -m, sweeper, launch, sweep.yaml]', "a launch of sweeper's"),
        ('["${interpreter}", p.py]', "W&B's own agent"),
    ],
)
def test_a_command_that_starts_another_search_is_refused(
    load: Callable[..., Sweep],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    words: str,
    what: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "p.py").write_text(SURE["below the guard"][0])
    assert what in refused(check_command, load(f"command: {words}\n{PROGRAM}"))
