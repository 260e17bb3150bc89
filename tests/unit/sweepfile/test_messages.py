"""Every complaint, word for word: ``messages.txt`` holds files and what is said about them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from sweeper.errors import SpecError
from sweeper.sweepfile import load_sweep

TABLE = (Path(__file__).parent / "messages.txt").read_text(encoding="utf-8")


def cases() -> list[tuple[str, str, str]]:
    found = []
    for block in TABLE.removeprefix("=== ").split("\n=== "):
        name, _, rest = block.partition("\n")
        text, _, message = rest.partition("\n---\n")
        found.append((name, text + "\n", message.rstrip("\n")))
    return found


CASES = cases()


@pytest.mark.parametrize(("name", "text", "message"), CASES, ids=[case[0] for case in CASES])
def test_the_message(name: str, text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "sweep.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(SpecError) as caught:
        load_sweep(path)
    said = str(caught.value).replace(str(path), "sweep.yaml").replace(str(tmp_path), "DIR")
    assert said.rstrip("\n") == message
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(("name", "text", "message"), CASES, ids=[case[0] for case in CASES])
def test_the_caret_stands_under_what_the_message_means(name: str, text: str, message: str) -> None:
    lines = message.split("\n")
    for head, source, caret in zip(lines, lines[1:], lines[2:], strict=False):
        if head.startswith("sweep.yaml:"):
            line, column = map(int, head.split(":")[1:3])
            assert source[4:] == text.split("\n")[line - 1].expandtabs(1).rstrip()
            assert caret == " " * (4 + column - 1) + "^"


def test_all_problems_come_at_once_in_file_order(complaints: Callable[..., list[str]]) -> None:
    found = complaints(
        """
        method: gird
        metric: {name: loss, goal: maximise}
        parameters:
          a: [1, 2]
          b: {min: 3, max: 1}
        rn_cap: 3
        """
    )
    assert [problem.split(":")[1] for problem in found] == ["2", "3", "5", "6", "7"]


def test_options_have_no_place_in_the_file(complaints: Callable[..., list[str]]) -> None:
    text = "method: random\nparameters:\n  lr: {min: 0.1, max: 1}\n"
    assert complaints(text, ("parameters.lr.max=x",)) == [
        'parameters.lr.max: expected a number, found the string "x"'
    ]
    assert complaints(text, ("parameters.lrr.max=2",)) == [
        "parameters.lrr.max: no parameter `lrr` for the override `parameters.lrr.max=2`\n"
        "    did you mean `lr`?"
    ]
    assert complaints(text, ("lr=2",)) == [
        "lr: unknown key `lr` in the override `lr=2`\n    did you mean `parameters.lr.value=2`?"
    ]
    assert complaints(text, ("run_cap",)) == [
        "run_cap: expected KEY=VALUE\n    for example parameters.training.epochs.value=3"
    ]


def test_an_override_of_what_the_base_has_is_shown_the_way(
    complaints: Callable[..., list[str]],
) -> None:
    text = "method: grid\nbase: {top: 1, g: {x: 2}}\nparameters: {a: {values: [1]}}\n"
    for given, right in (("top", "top"), ("g.x", "g.x"), ("a", "a")):
        assert complaints(text, (f"{given}=7",)) == [
            f"{given}: unknown key `{given.split('.')[0]}` in the override `{given}=7`\n"
            f"    did you mean `parameters.{right}.value=7`?"
        ]
