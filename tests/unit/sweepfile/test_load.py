"""Every key of a sweep file, what it becomes, and that a stored sweep loads back equal."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from sweeper.errors import SpecError, UsageError
from sweeper.sweepfile import (
    EarlyTerminate,
    Metric,
    Sweep,
    check_command,
    check_launchable,
    check_program,
    load_sweep,
    program_mode,
    save_trials,
)
from sweeper.sweepfile.sweep import Budget, Resources, Retry
from sweeper.tree import identity as tree

Load = Callable[..., Sweep]
MINIMAL = "method: grid\nparameters: {a: {values: [1, 2]}}\n"

FULL = """
name: notedetection
sweep_name: first
program: notedetection.py
method: bayes
metric: {name: val_loss, goal: minimize, target: 0.02, mode: last}
run_cap: 200
seed: 17
description: all of it
project: ours
base: hyperparameters.json
parameters:
  training:
    parameters:
      optimizer: {values: [sgd, adam]}
      batch_size: {values: [64, 128, 256]}
      epochs: {value: 12}
      learning-rate: {distribution: log_uniform_values, min: 1e-4, max: 1e-1}
      momentum: {min: 0.0, max: 0.99, when: "training.optimizer == 'sgd'"}
  model.dropout_0: {min: 0.0, max: 0.5}
  model.conv_0: {values: [16, 32]}
  model.conv_1: {values: [32, 64]}
  comment: VGG net
monitored: [training, [processing, model]]
constraints: ["model.conv_1 >= model.conv_0"]
zip: [[model.conv_0, model.conv_1]]
repeats: 3
early_terminate: {type: hyperband, min_iter: 3, eta: 2}
resources: {cpu: 2, gpu: 0.25}
isolation: process
parallel: 4
budget: {wall: 12h, trial: 90m, trials: 200, disk: 50GB}
retry: {max: 2, breaker: 5}
checkpoint: {keep: best, format: h5, monitor: val_accuracy, mode: max}
storage: store
"""
HYPERPARAMETERS = {
    "debug": False,
    "training": {"batch_size": 128, "epochs": 5, "learning-rate": 0.008},
    "processing": {"width": 128},
    "model": {"conv_0": 32, "conv_1": 64, "dropout_0": 0.25, "kernel": [3, 3]},
    "comment": "",
    "author": "john doe",
}


@pytest.fixture
def full(load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sweep:
    (tmp_path / "hyperparameters.json").write_text(json.dumps(HYPERPARAMETERS))
    monkeypatch.chdir(tmp_path)
    return load(FULL)


def test_every_key_is_typed(full: Sweep, tmp_path: Path) -> None:
    assert full.name == "notedetection"
    assert full.sweep_name == "first"
    assert full.program is not None
    assert full.program.path == tmp_path / "notedetection.py"
    assert full.program.function == "train"
    assert full.metric == Metric("val_loss", "minimize", 0.02, "last")
    assert (full.method, full.run_cap, full.seed, full.repeats) == ("bayes", 200, 17, 3)
    assert full.monitored == ("training", ("processing", "model"))
    assert full.resources == Resources(2, 0.25)
    assert (full.parallel, full.isolation) == (4, "process")
    assert full.budget == Budget(43200, 5400, 200, 50 * 10**9)
    assert full.retry == Retry(2, 5)
    assert full.checkpoint == {
        "keep": ["best"],
        "format": "h5",
        "monitor": "val_accuracy",
        "mode": "max",
    }
    assert full.storage == tmp_path / "store"
    assert full.base_dir == tmp_path / "store/notedetection"
    assert full.early_terminate == EarlyTerminate("hyperband", min_iter=3, eta=2)
    assert ("model.conv_0", "model.conv_1") in [axis.names for axis in full.space.axes]
    assert [one.text for one in full.space.constraints] == ["model.conv_1 >= model.conv_0"]
    assert full.description == "all of it"
    assert len(full.warnings) == 1
    assert "project" in full.warnings[0]


def test_defaults(load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    sweep = load(MINIMAL)
    name = f"{tmp_path.name}-sweep"
    assert (sweep.name, sweep.sweep_name, sweep.seed, sweep.repeats) == (name, name, 0, 1)
    assert sweep.storage == tmp_path / "experiments"
    assert sweep.isolation == "warm"
    assert (sweep.program, sweep.command, sweep.metric, sweep.parallel) == (None,) * 4
    assert (sweep.resources, sweep.retry, sweep.budget) == (Resources(1, 0), Retry(1, 10), Budget())
    assert sweep.warnings == ()


def test_a_stored_sweep_stands_alone_and_loads_back_equal(full: Sweep, tmp_path: Path) -> None:
    stored = tmp_path / "elsewhere" / "copy.yaml"
    stored.parent.mkdir()
    stored.write_text(full.to_yaml(), encoding="utf-8")
    (tmp_path / "hyperparameters.json").unlink()
    again = load_sweep(stored)
    assert again == full
    assert again.to_yaml() == full.to_yaml()
    assert again.document["project"] == "ours"


def test_overrides_and_options_are_part_of_what_is_stored(load: Load, tmp_path: Path) -> None:
    sweep = load(
        MINIMAL,
        ("parameters.a.values=[5, 1e-3]", "metric={name: loss}", "metric.goal=maximize"),
        name="other",
        storage=tmp_path / "s",
        seed=3,
        max_trials=7,
        parallel=2,
        cpus_per_trial=2,
        gpus_per_trial=0.5,
    )
    assert [t.params for t in sweep.trials()] == [{"a": 5}, {"a": 1e-3}]
    assert (sweep.name, sweep.storage, sweep.seed) == ("other", tmp_path / "s", 3)
    assert (sweep.run_cap, sweep.parallel, sweep.resources) == (7, 2, Resources(2, 0.5))
    assert load(MINIMAL, gpus_per_trial="auto").resources == Resources(1, 1, gpu_auto=True)
    assert sweep.metric == Metric("loss", "maximize")
    path = tmp_path / "stored.yaml"
    path.write_text(sweep.to_yaml())
    assert load_sweep(path) == sweep


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("parameters.training.epochs.value=3", {"epochs": 3, "opt": {"lr": 1}}),
        ("parameters.training.epochs=3", {"epochs": 3, "opt": {"lr": 1}}),
        ("parameters.training.opt.lr.value=0.5", {"epochs": 1, "opt": {"lr": 0.5}}),
        ("parameters.training.parameters.epochs.value=9", {"epochs": 9, "opt": {"lr": 1}}),
        ("parameters.training.opt.lr.values=[7]", {"epochs": 1, "opt": {"lr": 7}}),
    ],
)
def test_an_override_finds_nested_parameters(load: Load, override: str, expected: Any) -> None:
    text = """
        method: grid
        parameters:
          training:
            parameters:
              epochs: {values: [1]}
              opt: {parameters: {lr: {value: 1}}}
        """
    assert next(load(text, (override,)).trials()).params == {"training": expected}


def test_an_override_may_address_base(load: Load) -> None:
    text = "method: grid\nbase: {training: {epochs: 5}, b: 1}\nparameters: {b: {values: [2]}}\n"
    sweep = load(text, ("parameters.training.epochs.value=3", "base.c=4"))
    assert next(sweep.trials()).params == {"training": {"epochs": 3}, "b": 2, "c": 4}


def test_a_value_ends_what_the_parameter_was(load: Load) -> None:
    text = "method: random\nparameters: {lr: {distribution: log_uniform_values, min: 1, max: 2}}"
    assert next(load(text, ("parameters.lr.value=1",)).trials()).params == {"lr": 1}
    assert load(text, ("parameters.lr.max=3",)).space.parameters[0].distribution.high == 3


def test_storage_and_names(load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert load(MINIMAL, storage="../up").storage == tmp_path.parent / "up"
    assert load(MINIMAL, name="EST (FAN1VS3) only 500 epochs").name.startswith("EST (FAN")
    for bad in ("../x", "a/../../x", "/x", "", "  ", ".", "a\nb", "~/x", "x" * 300):
        with pytest.raises(UsageError):
            load(MINIMAL, name=bad)


def test_monitored_by_default(load: Load) -> None:
    nested = MINIMAL + "base: {model: {w: 1}, training: {e: 1}, comment: x, debug: false}\n"
    assert load(nested).monitored == ("model", "training", ("a",))
    assert load("method: grid\nparameters: {b: 1, debug: true, a: {values: [1]}}").monitored == (
        ("a", "b"),
    )
    listed = "method: list\ntrials: [{m: {w: 1}, lr: 1}, {m: {w: 2}, lr: 1}]"
    assert load(listed).monitored == ("m", ("lr",))


@pytest.mark.parametrize(
    "forms",
    [
        ("{value: 4}", "{values: [4]}", "{values: [4, 8]}", "{min: 4, max: 8}", "4"),
        ("{parameters: {w: {value: 4}}}", "{parameters: {w: {values: [4, 8]}}}", "{value: {w: 4}}"),
    ],
    ids=["lone", "group"],
)
def test_one_to_many_values_leave_identities_as_they_were(
    load: Load, forms: tuple[str, ...]
) -> None:
    text = "method: grid\nparameters: {{a: {}, model: {{parameters: {{width: {{values: [4]}}}}}}}}"
    sweeps = [load(text.format(form)) for form in forms]
    texts = [tree.group_canonicals(next(s.trials()).params, s.monitored) for s in sweeps]
    assert all(text == texts[0] for text in texts)


@pytest.mark.parametrize("name", ["comment", "author", "notes", "description", "tags"])
def test_a_note_counts_only_where_the_sweep_varies_it(load: Load, name: str) -> None:
    text = "method: grid\nparameters: {{a: 1, m: {{parameters: {{w: 1}}}}, {}: {}}}"
    assert load(text.format(name, "mine")).monitored == ("m", ("a",))
    varied = load(text.format(name, "{values: [x, y]}"))
    assert varied.monitored == ("m", tuple(sorted(("a", name))))


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "digits.yaml").write_text(MINIMAL)
    with pytest.raises(UsageError, match=r"there is no such file: did you mean .*digits\.yaml\?"):
        load_sweep(tmp_path / "digit.yaml")
    with pytest.raises(UsageError, match="found a directory"):
        load_sweep(tmp_path)
    for data, words in ((b"a: \xff\n", "not UTF-8"), ("a: 1".encode("utf-16"), "UTF-16")):
        (tmp_path / "bad.yaml").write_bytes(data)
        with pytest.raises(UsageError, match=words):
            load_sweep(tmp_path / "bad.yaml")
    (tmp_path / "empty.yaml").write_text("# nothing\n")
    with pytest.raises(UsageError, match="the file is empty"):
        load_sweep(tmp_path / "empty.yaml")


def test_windows_files_load(tmp_path: Path) -> None:
    path = tmp_path / "w.yaml"
    path.write_bytes(b"\xef\xbb\xbf---\r\n" + MINIMAL.replace("\n", "\r\n").encode())
    assert load_sweep(path).size() == 2


@pytest.mark.parametrize(
    ("text", "kind", "function", "mode"),
    [
        ("train.py", "path", "train", None),
        ("sub/train.py:fit", "path", "fit", "function"),
        ("pkg.mod", "module", "train", None),
        ("pkg.mod:fit", "module", "fit", "function"),
        ("algonauts-train", "path", "train", None),
        ("platalea\\\\x.py", "path", "train", None),
        ("../up/train.py", "path", "train", None),
    ],
)
def test_programs(load: Load, text: str, kind: str, function: str, mode: str | None) -> None:
    program = load(MINIMAL + f'program: "{text}"\n').program
    assert program is not None
    assert (program.path is not None) == (kind == "path")
    assert (program.module is not None) == (kind == "module")
    assert (program.function, program.mode) == (function, mode)
    for more in ("", "command: [x]\n"):
        sweep = load(MINIMAL + more + f'program: "{text}"\n')
        assert load(sweep.to_yaml()) == sweep


def test_a_program_is_checked_apart(load: Load, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="`program` is missing"):
        check_program(load(MINIMAL))
    (tmp_path / "train.py").write_text("def train(params, callbacks):\n    raise SystemExit\n")
    check_program(load(MINIMAL + "program: train.py\n"))
    with pytest.raises(UsageError, match=r"there is no file"):
        check_program(load(MINIMAL + "program: trian.py\n"))
    check_program(load(MINIMAL + "program: train\n"))
    check_program(load(MINIMAL + "program: json.decoder\n"))
    with pytest.raises(UsageError, match=r"there is no module nowhere\.at_all"):
        check_program(load(MINIMAL + "program: nowhere.at_all\n"))
    check_program(load(MINIMAL + "command: [python, main.py]\n"))


@pytest.mark.parametrize(
    ("source", "mode"),
    [
        ("def train(params, callbacks): ...\n", "function"),
        ("import argparse\nprint('train')\n", "script"),
        ("not python at all (\n", "script"),
    ],
)
def test_a_file_with_the_function_is_no_script(
    load: Load, tmp_path: Path, source: str, mode: str
) -> None:
    (tmp_path / "train.py").write_text(source)
    assert program_mode(load(MINIMAL + "program: train.py\n")) == mode
    assert program_mode(load(MINIMAL + "program: train.py\ncommand: ['${program}']\n")) == "script"


TRIALS = [
    {"a": 1, "s": "text", "g": {"lr": 1e-5, "on": True, "deep": {"x": None}}, "l": [1, [2]]},
    {"a": 2.5, "s": "1e-4", "g": {"lr": 0.1, "on": False, "deep": {"x": "y, z\n"}}, "l": []},
    {"a": 3, "s": "", "g": {"lr": 1, "deep": {"x": "ü"}}, "flat.name": "dot", "e": {}},
]


@pytest.mark.parametrize("ending", ["csv", "json", "yaml"])
def test_saved_trials_are_read_back_as_they_were(load: Load, tmp_path: Path, ending: str) -> None:
    assert save_trials(tmp_path / f"trials.{ending}", TRIALS) == 3
    sweep = load(f"method: list\ntrials: trials.{ending}\n")
    assert [trial.params for trial in sweep.trials()] == TRIALS
    (tmp_path / "stored.yaml").write_text(sweep.to_yaml(), encoding="utf-8")
    assert load_sweep(tmp_path / "stored.yaml") == sweep


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("t.csv", "", "expected a header"),
        ("t.csv", "a,a\n1,2\n", "stands twice in the header"),
        ("t.csv", "a,b\n1\n", r"t\.csv:2: expected 2 cells, found 1"),
        ("t.csv", "a,a.b\n1,2\n", "is a value and a group at once"),
        ("t.json", "[1, ", r"t\.json:1:5: not valid JSON"),
        ("t.json", '[{"a": NaN}]', "NaN is no JSON number"),
        ("t.json", '[{"a": 1, "a": 2}]', "a key stands twice"),
        ("t.json", "3", "expected a list of parameter dicts"),
        ("t.yaml", "- a: 1\n  a: 2\n", r"t\.yaml:2:3"),
        ("t.txt", "x", "expected a name ending in"),
    ],
)
def test_trials_that_cannot_be_read(
    load: Load, tmp_path: Path, name: str, text: str, words: str
) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(UsageError, match=words):
        load(f"method: list\ntrials: {name}\n")


def test_a_base_in_yaml_beside_the_sweep_file(load: Load, tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text("model: {lr: 1e-4}\n")
    assert next(load(MINIMAL + "base: base.yaml\n").trials()).params["model"] == {"lr": 1e-4}
    (tmp_path / "base.yaml").write_text("- 1\n")
    with pytest.raises(UsageError, match="expected a parameter dict, found a list"):
        load(MINIMAL + "base: base.yaml\n")


@pytest.mark.parametrize(("method", "count"), [("grid", 0), ("random", 1)])
def test_only_what_is_drawn_is_clipped(load: Load, method: str, count: int) -> None:
    body = "{distribution: q_uniform, min: 0.05, max: 0.5, q: 0.1}"
    sweep = load(f"method: {method}\nparameters:\n  a: {body}\n")
    assert len([warning for warning in sweep.warnings if "clipped" in warning]) == count


@pytest.mark.parametrize(
    "weights", [[1 / 3] * 2, [3, 3, 1], [1e-9, 5, 7], [0.33] * 3, [0, 2], [0.1] * 8]
)
def test_the_probabilities_that_are_advised_are_accepted(
    load: Load, complaints: Callable[..., list[str]], weights: list[float]
) -> None:
    text = "method: random\nparameters:\n  a: {values: VALUES, probabilities: WEIGHTS}\n"
    text = text.replace("VALUES", str(list(range(len(weights)))))
    (problem,) = complaints(text.replace("WEIGHTS", str(weights)))
    advised = problem.rpartition("would be ")[2]
    distribution = load(text.replace("WEIGHTS", advised)).space.axes[0].parameters[0].distribution
    assert sum(distribution.probabilities) == pytest.approx(1, abs=1e-12)
    assert [share > 0 for share in distribution.probabilities] == [w > 0 for w in weights]


@pytest.mark.parametrize(
    ("keys", "complaint"),
    [
        (
            "program: trian.py",
            "sweep.yaml:2:10: program: there is no file DIR/trian.py\n"
            "    program: trian.py\n"
            "             ^\n"
            "    did you mean `train.py`?",
        ),
        (
            "command: [x, '${program}']",
            "sweep.yaml: program: `program` is missing\n"
            "    add `program: train.py`, a file with train(params, callbacks), or a script",
        ),
    ],
)
def test_a_missing_program_is_shown_in_its_place(
    load: Load, tmp_path: Path, keys: str, complaint: str
) -> None:
    (tmp_path / "train.py").write_text("def train(params, callbacks): ...\n")
    sweep = load(f"method: random\n{keys}\nparameters: {{a: {{min: 1, max: 3}}}}\n")
    with pytest.raises(SpecError) as caught:
        check_program(sweep)
    said = str(caught.value).replace(str(sweep.path), "sweep.yaml").replace(str(tmp_path), "DIR")
    assert said == complaint


@pytest.mark.parametrize(
    ("method", "place"),
    [
        ("tpe", "sweep.yaml:1:9: run_cap: `method: tpe` goes on without end\n    method: tpe\n"),
        ("grid", "sweep.yaml:3:1: parameters: 9,999,999 trials are too many"),
    ],
)
def test_what_is_too_large_to_launch_is_shown_in_its_place(
    load: Load, method: str, place: str
) -> None:
    text = f"method: {method}\nmetric: {{name: x}}\nparameters: {{a: {{min: 1, max: 9999999}}}}\n"
    sweep = load(text)
    with pytest.raises(SpecError) as caught:
        check_launchable(sweep)
    assert str(caught.value).replace(str(sweep.path), "sweep.yaml").startswith(place)
    option = load(text, overrides=(f"method={method}",))
    with pytest.raises(SpecError) as caught:
        check_launchable(option)
    assert ("^" in str(caught.value)) == (method == "grid")  # whose `parameters` are in the file


@pytest.mark.parametrize(("cap", "most", "expected"), [(5, 3, 3), (3, 5, 3), (3.0, 5, 3)])
def test_an_option_never_raises_the_cap(load: Load, cap: float, most: int, expected: int) -> None:
    text = f"method: random\nrun_cap: {cap}\nparameters: {{a: {{min: 0.0, max: 1.0}}}}\n"
    assert load(text, max_trials=most).run_cap == expected


@pytest.mark.parametrize("cap", ["0", "5.5", "x"])
def test_an_invalid_cap_is_refused_under_an_option_too(load: Load, cap: str) -> None:
    text = f"method: random\nrun_cap: {cap}\nparameters: {{a: {{min: 0.0, max: 1.0}}}}\n"
    with pytest.raises(SpecError, match=r"sweep\.yaml:2:10: run_cap"):
        load(text, max_trials=5)


def test_a_name_that_the_base_nearly_has_is_warned_of(load: Load) -> None:
    sweep = load(
        """
        method: grid
        base: {training: {batch_size: 1, lr: 0.1}, model: {conv_0: 3, dropout: 0.5}}
        parameters:
          trainin: {parameters: {lr: {value: 1}}}
          model: {parameters: {droput: {value: 1}, conv_1: {value: 3}, dropout: {value: 0}}}
          fresh: {value: 1}
        """
    )
    assert [warning.partition("sweep.yaml:")[2] for warning in sweep.warnings] == [
        "5: parameters.trainin: `trainin` is not in `base` and is added to it: "
        "did you mean `training`?",
        "6: parameters.model.parameters.droput: `model.droput` is not in `base` and is added to "
        "it: did you mean `model.dropout`?",
    ]


def test_equal_rows_of_a_list_stand_once(load: Load) -> None:
    rows = "[{a: 1, g: {x: 2, y: 3}}, {a: 2}, {g: {y: 3.0, x: 2}, a: 1.0}, {a: 2}, {a: true}]"
    sweep = load(f"method: list\ntrials: {rows}\n")
    found = [trial.params for trial in sweep.trials()]
    assert found == [{"a": 1, "g": {"x": 2, "y": 3}}, {"a": 2}, {"a": True}]
    (warning,) = sweep.warnings
    assert "trials: 2 rows equal earlier ones and are left out" in warning
    based = load("method: list\nbase: {b: 5}\ntrials: [{a: 1}, {a: 1, b: 5}, {a: 1, b: 6}]\n")
    assert sweep.size() == based.size() + 1 == 3


def test_a_list_has_the_identities_of_its_grid(load: Load, tmp_path: Path) -> None:
    grid = load(
        """
        method: grid
        parameters:
          model: {parameters: {width: {values: [1, 2]}}}
          rate: {value: 0.1}
          depth: {values: [3, 4]}
          extra: {value: 5, when: "depth == 3"}
        """
    )
    assert grid.monitored == ("model", ("depth", "extra", "rate"))
    save_trials(tmp_path / "t.csv", (trial.params for trial in grid.trials()))
    listed = load("method: list\ntrials: t.csv\n")
    assert listed.monitored == grid.monitored
    constant = load("method: list\ntrials: [{m: {w: 1}, a: 1, b: 2}, {m: {w: 2}, a: 1, b: 3}]\n")
    assert constant.monitored == ("m", ("a", "b"))


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (
            "method: grid\nname: né\n".encode("latin-1"),
            "2:8: not UTF-8 text (byte 0xe9)\n    name: n\ufffd\n           ^\n    save",
        ),
        (
            "method: grid\n".encode("utf-16"),
            "1:1: the file is UTF-16 text\n    method: grid\n    ^\n    save it as UTF-8",
        ),
    ],
)
def test_text_that_is_not_utf_8_is_shown(tmp_path: Path, data: bytes, said: str) -> None:
    path = tmp_path / "sweep.yaml"
    path.write_bytes(data)
    with pytest.raises(SpecError) as caught:
        load_sweep(path)
    assert str(caught.value).startswith(f"{path}:{said}")


def test_an_override_of_what_the_trials_set_is_refused(
    load: Load, complaints: Callable[..., list[str]]
) -> None:
    text = "method: list\ntrials: [{x: 1, y: 2}, {y: 3}]\n"
    (complaint,) = complaints(text, ("parameters.x.value=9",))
    assert "`x` has a value of its own in 1 of the 2 trials of `trials`" in complaint
    assert [t.params for t in load(text, ("parameters.z.value=9",)).trials()] == [
        {"z": 9, "x": 1, "y": 2},
        {"z": 9, "y": 3},
    ]


@pytest.mark.parametrize(
    ("word", "place", "said"),
    [
        ("${envvar: NUM}", 11, "vanishes, as in W&B; the name of a variable is made of A-Z"),
        ("--x=${envvar:num}", 15, "stays as it is, as in W&B; the name of a variable"),
        ("pre${args}", 14, "a macro is a whole word"),
        ("${args} ", 11, "a macro is a whole word"),
        ("${interpereter}", 11, "did you mean `${interpreter}`?"),
        ("${envvar:NUM}", None, ""),
        ("--x=${envvar:NUM}", None, ""),
        ("echo ${HOME}", None, ""),
    ],
)
def test_what_looks_like_a_macro_and_is_none_is_said(
    load: Load, monkeypatch: pytest.MonkeyPatch, word: str, place: int | None, said: str
) -> None:
    monkeypatch.setenv("NUM", "1")
    sweep = load(f'command: ["{word}"]\nmethod: grid\nparameters: {{a: 1}}\n')
    if place is None:
        assert sweep.warnings == ()
        return
    (warning,) = sweep.warnings
    assert f"sweep.yaml:1:{place + 1}: command[0]: " in warning
    assert said in warning


def test_the_mend_for_a_command_that_is_text_is_yaml(complaints: Callable[..., list[str]]) -> None:
    (complaint,) = complaints("command: python x.py ${args}\nmethod: grid\nparameters: {a: 1}\n")
    (mend,) = re.findall(r"write `(.*)`", complaint)
    assert yaml.safe_load(mend) == {"command": ["python", "x.py", "${args}"]}


@pytest.mark.parametrize("stem", ["sweep", "config", "Sweep"])
def test_a_name_that_every_project_has_tells_its_folder(tmp_path: Path, stem: str) -> None:
    names = set()
    for folder in ("resnet", "vit"):
        file = tmp_path / folder / f"{stem}.yaml"
        file.parent.mkdir()
        file.write_text(MINIMAL)
        names.add((load_sweep(file).name, load_sweep(file).sweep_name))
    assert names == {(f"{folder}-{stem}",) * 2 for folder in ("resnet", "vit")}


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("train.py", "a program: name it in one, `program: train.py`"),
        ("train.sh", "a program: name it in one, `program: train.sh`"),
        ("digits.ipynb", "a notebook: save it as a script"),
        ("points.csv", "a table: name it in one, `trials: points.csv`"),
        ("binary.yaml", "a file that is no text"),
        ("folder", "a directory: did you mean .*folder/sweep.yaml"),
    ],
)
def test_what_is_no_sweep_file_is_called_what_it_is(tmp_path: Path, name: str, found: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "sweep.yaml").write_text(MINIMAL)
    if name != "folder":
        (tmp_path / name).write_bytes(b"x = 1\0\n")
    with pytest.raises(UsageError, match=f"found {found}"):
        load_sweep(tmp_path / name)


@pytest.mark.parametrize(
    ("program", "said"),
    [
        ("digits.ipynb", "is a notebook, which cannot be run as a program"),
        ("pdir/", r"is a directory, expected a file(.|\n)*did you mean pdir/train\.py\?"),
    ],
)
def test_what_is_no_program_is_refused(load: Load, tmp_path: Path, program: str, said: str) -> None:
    (tmp_path / "digits.ipynb").write_text("{}")
    (tmp_path / "pdir").mkdir()
    (tmp_path / "pdir" / "train.py").touch()
    with pytest.raises(SpecError, match=said):
        check_program(load(MINIMAL + f"program: {program}\n"))


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ('[nosuchprog, "${program}", "${args}"]', "there is no program `nosuchprog` to run"),
        ('["${env}", nosuchprog, "${args}"]', "there is no program `nosuchprog` to run"),
        ('["${interpreter}", nosuch.py, "${args}"]', r"there is no file .*/nosuch\.py"),
        ('["${env}", "${interpreter}", "${program}", "${args}"]', None),
        ('["${env}", "A=1", nosuchprog]', None),
        ('["${interpreter}", -m, nosuch]', None),
        ('[bash, -c, "echo nosuch.py"]', None),
    ],
)
def test_a_command_that_cannot_start_is_refused(
    load: Load, tmp_path: Path, command: str, said: str | None
) -> None:
    (tmp_path / "train.py").touch()
    sweep = load(MINIMAL + f"program: train.py\ncommand: {command}\n")
    if said is None:
        check_command(sweep)
        return
    with pytest.raises(SpecError, match=said):
        check_command(sweep)


def test_words_of_python_that_are_text_here_are_said(load: Load) -> None:
    text = "method: grid\nparameters: {a: {values: [None, 'True', true]}, b: None, c: {value: x}}\n"
    assert [warning.partition(": ")[2][:26] for warning in load(text).warnings] == [
        "parameters.a: 'None' is te",
        "parameters.a: 'True' is te",
        "parameters.b: 'None' is te",
    ]


def test_a_source_line_never_commands_the_terminal(complaints: Callable[..., list[str]]) -> None:
    (text,) = complaints('method: grid\nx: "\x1b[31m"\n')
    assert "\x1b" not in text


def test_words_of_python_among_values_are_warned_of(load: Load) -> None:
    text = "method: grid\nparameters: {a: {values: [None, 1]}, b: {value: 'True'}}\n"
    none, true = load(text).warnings
    assert none.endswith("'None' is text here: write null if Python's None is meant")
    assert true.endswith("'True' is text here: write true if Python's True is meant")


@pytest.mark.parametrize(
    "text",
    [
        "method: grid\nbase: {z: [None]}\nparameters: {a: 1}\n",
        "method: list\ntrials: [{x: {y: None}}]\n",
        "method: grid\nparameters: {a: {values: [[None, 1], [2]]}}\n",
    ],
)
def test_words_of_python_deep_within_are_warned_of(load: Load, text: str) -> None:
    (warning,) = load(text).warnings
    assert "'None' is text here" in warning


def test_a_goal_that_is_left_out_is_not_guessed(
    load: Load, complaints: Callable[..., list[str]]
) -> None:
    for metric in ("val_mean_io_u", "score"):
        (warning,) = load(MINIMAL + f"metric: {{name: {metric}}}\n").warnings
        assert f"{metric} is minimized, as in W&B, for want of a `goal`" in warning
    for metric in ("{name: val_mape}", "{name: auc, goal: minimize}"):
        assert load(MINIMAL + f"metric: {metric}\n").warnings == ()
    (text,) = complaints(MINIMAL + "checkpoint: {monitor: score}\n")
    assert "checkpoint.monitor: nothing says whether more or less of `score` is better" in text
    for more in ("monitor: val_auc", "monitor: score, mode: max"):
        load(MINIMAL + f"checkpoint: {{{more}}}\n")
    load(MINIMAL + "checkpoint: {monitor: score}\nmetric: {name: score}\n")
