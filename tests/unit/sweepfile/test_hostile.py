"""Sweep files made to crash or to hang their reader: each has an answer with its place."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path

import pytest

from sweeper.errors import SpecError, UsageError
from sweeper.sweepfile import Sweep, check_command, check_program, load_sweep
from sweeper.tree import Program

HEAD = "method: random\nrun_cap: 3\nparameters:\n"
DIGITS = "9" * 400
NAME = "n" * 5000
DEEP = '{"k":' * 900 + "1" + "}" * 900


def tree(depth: int, *, wide: int) -> str:
    """Merges of merges: ``wide ** depth`` mappings."""
    text = "base:\n  a0: &a0 {k: 1}\n"
    for level in range(1, depth):
        merged = ", ".join([f"*a{level - 1}"] * wide)
        text += f"  a{level}: &a{level} {{<<: [{merged}], k{level}: 1}}\n"
    return text


def many(count: int, body: str) -> str:
    return "".join(f"  p{index}: {body}\n" for index in range(count))


REFUSED = {
    "zip of unequal lengths beside a constraint": (
        "method: grid\nparameters:\n  a: {values: [1, 2, 3]}\n  b: {values: [1, 2]}\n"
        "zip: [[a, b]]\nconstraints: ['a < b']\n",
        "5:7: zip[0]: expected the same number of values, but a has 3, b has 2",
    ),
    "an empty key": (": {x: 1}\n", "1:1: not valid YAML"),
    "a base of no user": ("method: random\nbase: ~nouser/x\n", "2:7: base: there is no file"),
    "trials of no user": ("method: list\ntrials: ~nouser/x.csv\n", "2:9: trials: there is no"),
    "a storage of no user": (f"storage: ~nouser/x\n{HEAD}  a: 1\n", "1:10: storage: there is no"),
    "a long base": (f"method: random\nbase: {NAME}\n", "2:7: base: there is no file"),
    "long trials": (f"method: list\ntrials: {NAME}.csv\n", "2:9: trials: there is no file"),
    "a long storage": (f"storage: {NAME}\n{HEAD}  a: 1\n", "1:10: storage: expected names of at"),
    "a BOM before Latin-1": (b"\xef\xbb\xbf# caf\xe9\n", "1:6: not UTF-8 text (byte 0xe9)"),
    "hexadecimal without end": (
        f"{HEAD}  a: {{value: 0x{'f' * 5000}}}\n",
        "4:14: parameters.a.value: expected a number of at most 1.8e+308, found 0xfff",
    ),
    "a duration beyond numbers": (
        f"budget: {{wall: {DIGITS}h}}\n{HEAD}  a: 1\n",
        "1:16: budget.wall: expected a duration",
    ),
    "a size beyond numbers": (
        f"budget: {{disk: {DIGITS}GB}}\n{HEAD}  a: 1\n",
        "1:16: budget.disk: expected a size",
    ),
    "steps of nothing": (
        "metric: {name: l}\nearly_terminate: {type: asha, max_iter: 9, eta: 1.0000001}\n"
        f"{HEAD}  a: 1\n",
        "2:49: early_terminate.eta: expected a number of 1.01 or more",
    ),
    "a long number in a constraint": (
        f"{HEAD}  a: {{min: 0, max: 9}}\nconstraints: ['a < {DIGITS}.0']\n",
        "5:20: constraints[0]: the number 999",
    ),
    "a constraint of 2,000 terms": (
        f"{HEAD}  a: {{min: 0, max: 9}}\nconstraints: ['{'+'.join('a' * 1998)}>3']\n",
        "constraints[0]: more than 200 additions",
    ),
    "merges of merges": (tree(60, wide=2), "aliases multiply beyond reason"),
    "wide merges of merges": (tree(12, wide=9), "aliases multiply beyond reason"),
    "tabs in a broken file": (
        f"{HEAD}  a: {{values: [1]}}\n" + "  b:\t{values: [1]}\n" * 5000 + "  c: [\n",
        "not valid YAML",
    ),
    "a complaint in every line": (
        f"{HEAD}{many(5000, '[1]')}",
        "there may be more: these are mended first",
    ),
    "unknown names in zip": (
        f"method: grid\nparameters:\n{many(2000, '{values: [1, 2]}')}"
        f"zip: [{list('abcdefgh' * 300)}]",
        "zip[0][0]: expected the name of a parameter",
    ),
}
READ = {
    "a grid of 20,000 parameters": f"method: grid\nparameters:\n{many(20_000, '{values: [1, 2]}')}",
    "3,000 conditions": (
        f"{HEAD}  z: {{values: [1, 2]}}\n{many(3000, '{values: [1, 2], when: z == 1}')}"
    ),
    "5,000 names in zip": (
        f"method: grid\nparameters:\n{many(5000, '{values: [1, 2]}')}"
        f"zip: [[{', '.join(f'p{index}' for index in range(5000))}]]\n"
    ),
    "a wide base": (
        f"base: {json.dumps({f'b{i}': 1 for i in range(5000)})}\n{HEAD}{many(2000, '1')}"
    ),
    "5,000 monitored names": (
        f"{HEAD}{many(5000, '1')}monitored: [{', '.join(f'p{i}' for i in range(5000))}]\n"
    ),
    "constraints beside 5,000 parameters": (
        f"{HEAD}{many(5000, '{values: [1, 2]}')}constraints: ['p1 + p2 > 2', 'p3 + p4 > 3']\n"
    ),
}


def load(path: Path, text: str | bytes) -> Sweep:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return load_sweep(path)


@pytest.mark.parametrize("name", REFUSED)
def test_is_refused_with_its_place(name: str, tmp_path: Path) -> None:
    text, message = REFUSED[name]
    with pytest.raises(SpecError) as caught:
        load(tmp_path / "sweep.yaml", text)
    assert message in str(caught.value)


@pytest.mark.parametrize("name", READ)
def test_is_read(name: str, tmp_path: Path) -> None:
    sweep = load(tmp_path / "sweep.yaml", READ[name])
    assert len(next(iter(sweep.trials())).params) >= 1
    assert sweep.size() is None or len(str(sweep.size())) < 400


def places_of_numbers() -> list[str]:
    keys = ["run_cap", "seed", "repeats", "parallel", "budget.wall", "budget.trials", "retry.max"]
    keys += ["budget.disk", "checkpoint.top", "metric.target", "resources.cpu", "resources.gpu"]
    stops = {"hyperband": ("min_iter", "max_iter", "s", "eta"), "asha": ("max_iter", "brackets")}
    keys += [f"early_terminate.{kind}.{key}" for kind in stops for key in stops[kind]]
    return keys


@pytest.mark.parametrize("number", ["1" + "0" * 300, DIGITS, "7" * 5000, "1e308", f"1e{DIGITS}"])
@pytest.mark.parametrize("place", places_of_numbers())
def test_a_number_beyond_reason_is_used_or_refused(place: str, number: str, tmp_path: Path) -> None:
    key, *inner = place.split(".")
    body = number
    if inner:
        kind = f"type: {inner[0]}, min_iter: 1, " if len(inner) > 1 else ""
        kind = kind.replace("min_iter: 1, ", "") if inner[-1] == "min_iter" else kind
        body = f"{{{'name: l, ' if key == 'metric' else ''}{kind}{inner[-1]}: {number}}}"
    head = "" if key == "metric" else "metric: {name: l}\n"
    cap = "" if key == "run_cap" else "run_cap: 3\n"
    text = f"{key}: {body}\n{head}{cap}method: random\nparameters: {{a: {{values: [1, 2]}}}}\n"
    said = ":1:"
    try:
        sweep = load(tmp_path / "sweep.yaml", text)
        assert next(iter(sweep.trials())).params["a"] in (1, 2)
        if sweep.early_terminate is not None:
            assert sweep.early_terminate.bands(1000) is not None
    except SpecError as error:
        said = str(error)
    assert ":1:" in said


@pytest.mark.parametrize("text", [DEEP, '{"a": 1e999}', f'{{"a": {DIGITS}}}', "[" * 100_000])
@pytest.mark.parametrize("name", ["base.json", "base.yaml"])
def test_a_base_beyond_reason_is_refused(name: str, text: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(SpecError, match=r"sweep.yaml:3:7: base: "):
        load(tmp_path / "sweep.yaml", f"method: random\nrun_cap: 3\nbase: {name}\n")


def test_a_name_that_no_file_can_have_is_one_of_no_file(tmp_path: Path) -> None:
    for name in (NAME, "~nouser/train"):
        sweep = load(tmp_path / "sweep.yaml", f"program: {name}.py\n{HEAD}  a: 1\n")
        assert sweep.program is not None
        assert not os.path.exists(str(sweep.program.path))
        with pytest.raises(UsageError):
            check_program(sweep)
    for word in (NAME, f"{NAME}.py"):
        text = f"command: [python, {word}]\nprogram: {NAME}\n{HEAD}  a: 1\n"
        with suppress(UsageError):
            check_command(load(tmp_path / "sweep.yaml", text))
    sweep = load(tmp_path / "sweep.yaml", f"program: {NAME}/{NAME}.py\n{HEAD}  a: 1\n")
    assert Program.of(sweep).root == str(tmp_path / NAME)
