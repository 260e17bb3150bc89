"""The user's train function, as it is found and judged once its module is imported."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sweeper.errors import UsageError
from sweeper.sweepfile import load_sweep
from sweeper.worker import session_of
from sweeper.worker.load_train import TrainFunction, load_train_function

LoadText = Callable[[str], TrainFunction]


@pytest.fixture
def load(tmp_path: Path) -> Iterator[LoadText]:
    path, modules = list(sys.path), set(sys.modules)

    def make(source: str) -> TrainFunction:
        file = tmp_path / "loaded_by_a_test.py"
        file.write_text(source)
        return load_train_function(str(file), None, "train")

    yield make
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(tmp_path)):
            del sys.modules[name]


@pytest.mark.parametrize(
    ("arguments", "takes_run"),
    [
        ("params, callbacks", False),
        ("params, callbacks, run", True),
        ("params, callbacks, third", True),
        ("params, callbacks, run=None", True),
        ("params, callbacks, epochs=10", False),
        ("params, callbacks=(), run=None, more=1", True),
        ("*args", True),
        ("params, callbacks, **more", False),
    ],
)
def test_who_gets_the_run(load: LoadText, arguments: str, takes_run: bool) -> None:
    assert load(f"def train({arguments}): ...\n").takes_run == takes_run


@pytest.mark.parametrize(
    ("source", "place", "found"),
    [
        ("\ndef train(config=None): ...\n", "loaded_by_a_test.py:2: ", "found train(config=None)"),
        ("def train(params, run): ...\n", "loaded_by_a_test.py:1: ", "found train(params, run)"),
        ("def train(a, b, c, d): ...\n", "loaded_by_a_test.py:1: ", "found train(a, b, c, d)"),
        (
            "import functools\n@functools.cache\ndef train(a): ...\n",
            "loaded_by_a_test.py:3: ",
            "found train(a)",
        ),
        ("from helper import train\n", "helper.py:3: ", "found train(model)"),
        ("async def train(p, callbacks): ...\n", "loaded_by_a_test.py:1: ", "found async train("),
        ("train = [1]\n", "loaded_by_a_test.py: ", "found list 'train'"),
    ],
)
def test_a_function_that_cannot_be_called(
    load: LoadText, tmp_path: Path, source: str, place: str, found: str
) -> None:
    (tmp_path / "helper.py").write_text("\n\ndef train(model): ...\n")
    with pytest.raises(UsageError) as caught:
        load(source)
    message = str(caught.value)
    assert place in message
    assert "expected train(params, callbacks) or train(params, callbacks, run)" in message
    assert found in message
    assert "give it these parameters" in message
    assert '`command: ["${interpreter}", "${program}", "${args}"]`' in message


def test_a_module_is_found_where_check_found_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "project" / "models_here"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "main.py").write_text("def train(params, callbacks): return 'ours'\n")
    file = tmp_path / "project" / "s.yaml"
    file.write_text("program: models_here.main\nmethod: grid\nparameters: {a: 1}\n")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    monkeypatch.setattr(sys, "path", list(sys.path))
    session = session_of(load_sweep(file))
    found = load_train_function(session.path, session.module, session.function, session.place)
    assert found.call({}, []) == "ours"
