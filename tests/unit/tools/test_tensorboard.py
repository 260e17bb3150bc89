"""Event files are read back with TensorBoard itself."""

from __future__ import annotations

import json
import math
import shutil
import subprocess
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sweeper.cli.main import main
from sweeper.sweepfile import Sweep
from sweeper.tools import EventFiles
from sweeper.tree import RunRecord

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture(autouse=True)
def _without_tensorflow(monkeypatch: Any) -> None:
    """TensorBoard uses its own stub for TensorFlow where it finds this module."""
    name = "tensorboard.compat.notf"
    monkeypatch.setitem(sys.modules, name, types.ModuleType(name))


def read(directory: Path) -> dict[str, list[tuple[int, float]]]:
    """Tag -> (step, value) in order, as TensorBoard has them."""
    events = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    found = events.EventAccumulator(str(directory))
    found.Reload()
    return {
        tag: [(one.step, one.value) for one in found.Scalars(tag)]
        for tag in found.Tags()["scalars"]
    }


def test_scalars_and_hparams(
    grid: Sweep, grid_file: Path, run_trial: Callable[..., Path], capsys: Any
) -> None:
    for trial, outcome in zip(grid.trials(), ("finished", "failed", None), strict=False):
        rows = [{"val_loss": 2.0, "a/b c": math.nan}, {"val_loss": trial.index / 2}, {"loss": 1e99}]
        run_trial(grid, trial, rows=rows, outcome=outcome)
    assert main(["tensorboard", str(grid_file)]) == 0
    logs = grid.base_dir / "sweeps" / "grid" / "tensorboard"
    assert f"--logdir {logs}" in capsys.readouterr().err
    found = read(logs / "trial-1")
    assert found["val_loss"] == [(1, 2.0), (2, 0.5)]
    assert found["best/val_loss"] == [(2, 0.5)]
    assert found["loss"] == [(3, math.inf)]
    assert "a/b c" in found
    plugin = pytest.importorskip("tensorboard.backend.event_processing.plugin_event_multiplexer")
    from tensorboard.plugins.hparams import plugin_data_pb2

    runs = plugin.EventMultiplexer().AddRunsFromDirectory(str(logs))
    runs.Reload()
    params, ends = {}, {}
    for run, tags in runs.PluginRunToTagToContent("hparams").items():
        for content in tags.values():
            data = plugin_data_pb2.HParamsPluginData.FromString(content)
            if data.HasField("session_start_info"):
                given = data.session_start_info.hparams
                params[run] = {name: value.number_value for name, value in given.items()}
            else:
                ends[run] = data.session_end_info.status
    assert params["trial-1"] == {"model.width": 8, "training.epochs": 3, "training.rate": 0.2}
    assert ends == {"trial-0": 1, "trial-1": 2}  # the third may go on
    # Nothing new: nothing is written.
    before = [path.read_bytes() for path in sorted(logs.glob("*/*"))]
    assert main(["tensorboard", str(grid_file)]) == 0
    assert "0 runs brought up to date" in capsys.readouterr().err
    assert [path.read_bytes() for path in sorted(logs.glob("*/*"))] == before


def test_a_run_that_goes_on_is_appended_to_and_one_that_forgets_is_begun_anew(
    grid: Sweep, run_trial: Callable[..., Path], tmp_path: Path
) -> None:
    def at(values: list[float], outcome: str | None = None) -> RunRecord:
        shutil.rmtree(grid.base_dir, ignore_errors=True)
        rows = [{"val_loss": value} for value in values]
        return RunRecord.at(run_trial(grid, next(grid.trials()), rows=rows, outcome=outcome))

    logs = EventFiles(tmp_path / "tb", grid.metric)
    assert logs.write("t", at([3.0, 2.0]))
    assert not logs.write("t", at([3.0, 2.0]))
    files = sorted((tmp_path / "tb" / "t").glob("events*"))
    assert logs.write("t", at([3.0, 2.0, 1.0]))
    assert EventFiles(tmp_path / "tb", grid.metric).write("t", at([3.0, 2.0, 1.0, 4.0]))
    assert sorted((tmp_path / "tb" / "t").glob("events*")) == files
    assert read(tmp_path / "tb" / "t") == {
        "val_loss": [(1, 3.0), (2, 2.0), (3, 1.0), (4, 4.0)],
        "best/val_loss": [(2, 2.0), (3, 1.0)],
    }
    assert logs.write("t", at([3.0, 0.5], "finished"))
    assert sorted((tmp_path / "tb" / "t").glob("events*")) != files
    assert read(tmp_path / "tb" / "t")["val_loss"] == [(1, 3.0), (2, 0.5)]
    for damage in ("[]", "{", json.dumps({"file": "x", "rows": "y"})):
        (tmp_path / "tb" / "t" / "sweeper.json").write_text(damage)
        assert EventFiles(tmp_path / "tb", grid.metric).write("t", at([3.0, 0.5], "finished"))
        newest = max((tmp_path / "tb" / "t").glob("events*"))
        assert newest.stat().st_size > 100


def test_tensorflow_is_not_imported(grid: Sweep, grid_file: Path, run_trial: Any) -> None:
    run_trial(grid, next(grid.trials()), rows=[{"val_loss": 1.0}])
    code = (
        "import sys; from sweeper.cli.main import main\n"
        f"assert main(['tensorboard', {str(grid_file)!r}]) == 0\n"
        "print(sorted({n.partition('.')[0] for n in sys.modules} & {'tensorflow', 'keras', 'ray'}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_no_place_to_write_to(
    grid: Sweep, grid_file: Path, run_trial: Any, capsys: Any, monkeypatch: Any
) -> None:
    run_trial(grid, next(grid.trials()), rows=[{"val_loss": 1.0}], sweep=None)
    assert main(["tensorboard", str(grid_file), "-o", f"{grid_file}/x"]) == 1
    assert "cannot make the directory" in capsys.readouterr().err
    assert main(["tensorboard", str(grid.base_dir)]) == 2
    assert "say where to with -o" in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    monkeypatch.delitem(sys.modules, "tensorboardX.crc32c", raising=False)
    assert main(["tensorboard", str(grid_file)]) == 2
    assert "pip install 'sweeper[tensorboard]'" in capsys.readouterr().err
