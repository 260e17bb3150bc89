"""What a launch somewhere else is asked with: text that `--dry-run` prints, and what is refused."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from sweeper.cli.main import main
from sweeper.errors import SweeperError, UsageError
from sweeper.submit import Request, submit

Capture = pytest.CaptureFixture[str]
SHARED = Path(__file__).parents[4] / "shared/cluster/rayjob.yaml"


@pytest.fixture
def spec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("train.py").write_text("def train(params, callbacks):\n    ...\n")
    path = Path("s.yaml")
    path.write_text("program: train.py\nmethod: grid\nparameters: {x: {values: [1, 2, 3]}}\n")
    return path


def asked(capsys: Capture, *words: str) -> str:
    code = main(["launch", *words, "--dry-run"])
    said = capsys.readouterr()
    assert code == 0, said.err
    return said.out


def refused(capsys: Capture, *words: str) -> str:
    assert main(["launch", *words]) == 2
    return capsys.readouterr().err


def directives(text: str) -> list[str]:
    return [line.removeprefix("#SBATCH --") for line in text.splitlines() if line[:7] == "#SBATCH"]


def test_slurm_gets_an_array_of_joined_launches(spec: Path, capsys: Capture) -> None:
    text = asked(capsys, "s.yaml", "--on", "slurm", "-j4", "parameters.x.values=[1]", "-n", "2")
    assert directives(text)[:4] == ["job-name=sweep-s", "array=0-3", "ntasks=1", "cpus-per-task=1"]
    assert {"requeue", "signal=B:TERM@90", "open-mode=append"} < {*directives(text)}
    launch = " -m sweeper launch --join -y -j 1 s.yaml 'parameters.x.values=[1]' --max-trials=2 &\n"
    assert launch in text
    assert not Path("experiments").exists()
    subprocess.run(["bash", "-n"], input=text, text=True, check=True)


def test_what_is_asked_of_sbatch_counts_more(spec: Path, capsys: Capture) -> None:
    with spec.open("a") as file:
        file.write("slurm: {time: '01:00:00', exclusive: true, mem: 2G, skip: [requeue, signal]}\n")
        file.write("resources: {cpu: 2, gpu: 0.5}\nparallel: 6\n")
    words = ["--on", "slurm", "--sbatch", "mem=4G", "--sbatch", "nice"]
    text = asked(capsys, "s.yaml", *words)
    assert directives(text)[1:5] == ["array=0-2", "ntasks=1", "cpus-per-task=4", "gres=gpu:1"]
    assert directives(text)[-4:] == ["time=01:00:00", "exclusive", "mem=4G", "nice"]
    assert "requeue" not in directives(text)
    assert "--join -y -j 2 s.yaml &" in text
    text = asked(capsys, "s.yaml", "--on", "slurm", "-j", "5", "--gpus-per-trial", "0.4")
    assert directives(text)[1] == "array=0-2"  # of two at a time: five need three members


def test_an_array_does_not_share_a_population(capsys: Capture, spec: Path) -> None:
    text = "program: train.py\nmethod: random\nearly_terminate: {type: pbt}\nrun_cap: 4\n"
    metric = "metric: {name: loss, goal: minimize}\n"
    spec.write_text(f"{text}{metric}parameters: {{x: {{min: 1.0, max: 2.0}}}}\n")
    said = refused(capsys, "s.yaml", "--on", "slurm", "-j", "2", "--dry-run")
    assert "--on slurm: early_terminate: {type: pbt}: " in said


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("4", "slurm: expected a mapping, found the number 4"),
        ("{time: [1]}", "slurm.time: expected one line of text, a number or true"),
        ("{skip: requeue}", "slurm.skip: expected a list of names"),
        ("{skip: [time]}", "slurm.skip: expected job-name, array, ntasks, "),
        ('{time: "1\\n#SBATCH --x"}', "slurm.time: expected one line"),
    ],
)
def test_options_that_are_none_are_refused(
    spec: Path, capsys: Capture, value: str, said: str
) -> None:
    with spec.open("a") as file:
        file.write(f"slurm: {value}\n")
    assert said in refused(capsys, "s.yaml", "--on", "slurm", "-j", "1", "--dry-run")


def test_a_ray_job_ships_what_git_knows_and_not_the_storage(spec: Path, capsys: Capture) -> None:
    for name in ("data", "experiments"):
        Path(name).mkdir()
        Path(name, "large").write_bytes(b"x")
    Path(".gitignore").write_text("data\n")
    subprocess.run(["git", "init", "-q", "."], check=True)
    text = asked(capsys, "s.yaml", "--on", "ray-job", "--address", "http://head:8265", "-j", "2")
    assert "--address http://head:8265" in text
    assert '{"excludes": ["/data", "/experiments"]}' in text
    storage = Path.cwd() / "experiments"
    words = f"s.yaml --parallel=2 -y --address auto --storage {storage}\n"
    assert text.endswith(f"-- sweeper launch {words}")
    there = asked(capsys, str(spec.absolute()), "--on", "ray-job", "-j", "2")
    assert there.endswith(f"-- sweeper launch {words}")


def paths(value: Any, above: str = "") -> Iterator[str]:
    if isinstance(value, dict):
        for name, below in value.items():
            yield f"{above}.{name}"
            yield from paths(below, f"{above}.{name}")
    elif isinstance(value, list):
        for below in value:
            yield from paths(below, above)


def test_kuberay_gets_a_job_and_what_it_reads(spec: Path, capsys: Capture) -> None:
    text = asked(capsys, "s.yaml", "--on", "kuberay", "-j", "3", "parameters.x.values=[7]")
    config, job = yaml.safe_load_all(text)
    assert config["data"]["train.py"] == Path("train.py").read_text()
    sweep = yaml.safe_load(config["data"]["sweep.yaml"])
    assert sweep["program"] == "/sweep/train.py"
    assert sweep["parameters"] == {"x": {"values": [7]}}
    assert job["metadata"]["name"] == config["metadata"]["name"] == "sweep-s"
    if SHARED.exists():  # one that the CRD allows
        assert {*paths(job)} <= {*paths(yaml.safe_load(SHARED.read_text()))}
    with spec.open("a") as file:
        file.write("resources: {cpu: 2, gpu: 0.5}\n")
    text = asked(capsys, "s.yaml", "--on", "kuberay", "-j", "3")
    workers = [*yaml.safe_load_all(text)][1]["spec"]["rayClusterSpec"]["workerGroupSpecs"][0]
    assert workers["replicas"] == 2
    most = workers["template"]["spec"]["containers"][0]["resources"]["limits"]
    assert (most["cpu"], most["nvidia.com/gpu"]) == ("4", "1")


def test_pods_learn_from_their_own_volume(spec: Path, capsys: Capture) -> None:
    text = spec.read_text().replace("grid", "bayes").replace("[1, 2, 3]", "[1.0, 2.0]")
    text += "run_cap: 4\nmetric: {name: loss, goal: minimize}\n"
    spec.write_text(f"{text}warm_start: [/trees/other, 'optuna:////trees/study.db']\n")
    assert "- /trees/other\n" in asked(capsys, "s.yaml", "--on", "kuberay", "-j", "1")
    spec.write_text(f"{text}warm_start: [s.csv]\n")
    said = refused(capsys, "s.yaml", "--on", "kuberay", "-j", "1", "--dry-run")
    assert "warm_start: expected what lies on the volume claim trees, as /trees/NAME, " in said
    assert f"found {spec.parent.absolute()}/s.csv, which no pod sees" in said


def test_what_does_not_go_together_is_refused(spec: Path, capsys: Capture) -> None:
    assert "--on slurm: how many trials at a time?" in refused(capsys, "s.yaml", "--on", "slurm")
    assert "--sbatch: needs --on slurm" in refused(capsys, "s.yaml", "--sbatch", "time=1")
    again = refused(capsys, "s.yaml", "--on", "kuberay", "-j", "1", "--rerun", "failed")
    assert "--on kuberay: expected no --rerun" in again
    assert "-d do not go together" in refused(capsys, "s.yaml", "-d", "--on", "slurm", "-j", "1")
    assert "--address do not" in refused(
        capsys, "s.yaml", "--address", "a:1", "--on", "slurm", "-j", "1"
    )


def test_a_place_that_refuses_or_is_not_here(tmp_path: Path) -> None:
    path = tmp_path / "asked"
    with pytest.raises(SweeperError, match=r"false: refuses .*asked \(exit code 1\)"):
        submit(Request("text", path, ("false",)))
    with pytest.raises(UsageError, match=r"no-such-command: expected the command here.*: go there"):
        submit(Request("text", path, ("no-such-command",), needs="go there"))
    assert path.read_text() == "text"
    assert submit(Request("text", path, ("cat", str(path)))) == "text"
    assert submit(Request("text", path, ("cat", str(path)), job="t(.)x")) == "e"


def test_the_tree_is_not_kept_in_rays_copy_of_a_job(
    spec: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = Path("session/working_dir_files/_ray_pkg_4549d007")
    copy.mkdir(parents=True)
    for path in (spec, Path("train.py")):
        (copy / path.name).write_text(path.read_text())
    monkeypatch.chdir(copy)
    assert "found Ray's own copy of a job's directory" in refused(capsys, "s.yaml")
