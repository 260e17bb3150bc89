"""What sweeper.launch takes for a train function, and what it refuses with a reason."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import pytest

import sweeper
from sweeper.errors import LaunchReached, UsageError
from sweeper.from_python.carry import carry
from sweeper.worker import MARK


def train(params: Any, callbacks: Any) -> None: ...
def with_run(params: Any, callbacks: Any, run: Any) -> None: ...
def lenient(params: Any, callbacks: Any = ()) -> None: ...
def wandb_style() -> None: ...
def wandb_optional(config: Any = None) -> None: ...
def with_config(hp: Any) -> None: ...
def with_default(epochs: int = 3) -> None: ...
def four(a: int, b: int, c: int, d: int) -> None: ...
async def later(config: Any) -> None: ...


def build(hp: Any) -> Any:
    return hp.Float("lr", 0, 1)


def nested() -> Callable[..., None]:
    def inner(config: Any) -> None: ...

    return inner


class Trainer:
    def train(self, config: Any) -> None: ...


@pytest.mark.parametrize(
    ("function", "called"),
    [
        (train, None),
        (with_run, None),
        (lenient, None),
        (wandb_style, "wandb_style()"),
        (wandb_optional, "wandb_optional(config)"),
        (with_config, "with_config(config)"),
        (with_default, "with_default()"),
    ],
)
def test_each_shape_is_called_as_it_is_meant(function: Any, called: str | None) -> None:
    found = carry(function)
    assert found.file is not None
    if called is None:
        assert found.command is None
        assert found.program.endswith(f":{function.__name__}")
    else:
        assert found.command is not None
        assert found.command[2:4] == ["sweeper.call", called]


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        (lambda config: None, "a lambda"),
        (nested(), "inner, which is defined inside another function"),
        (Trainer().train, "method"),
        (Trainer.train, "the method Trainer.train"),
        (functools.partial(four, 1), "partial"),
        (print, "builtin_function_or_method"),
        (3, "int 3"),
        (four, "train\\(params, callbacks\\).*found four\\(a"),
        (later, "found later\\("),
        (build, "builds a model for KerasTuner.*sweeper convert --from keras-tuner"),
    ],
)
def test_what_cannot_be_carried_is_refused_with_the_reason(function: Any, reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        sweeper.launch(function, method="grid", parameters={"x": {"value": 1}})


def test_a_function_that_another_one_has_replaced_is_refused() -> None:
    namespace: dict[str, Any] = {"__name__": __name__}
    exec("def train(config): pass", namespace)  # noqa: S102
    with pytest.raises(UsageError, match=r"but train of .* is another one"):
        carry(namespace["train"])


def test_a_program_that_a_trial_imports_goes_no_further_than_its_launch(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(MARK, "a launch")
    with pytest.raises(LaunchReached):
        sweeper.launch(train, method="grid", parameters={"x": {"value": 1}})
