"""The training log as it grows: exact, without gaps, mended where it is torn."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from sweeper.experiment.training_log import TrainingLog
from sweeper.tree import as_row, read_rows


@settings(deadline=None)  # it flushes to a disk that others use
@given(st.lists(st.dictionaries(st.sampled_from("abc"), st.floats(), min_size=1), min_size=1))
def test_every_float_comes_back(tmp_path_factory, metrics):
    path = tmp_path_factory.mktemp("log") / "log.csv"
    log = TrainingLog(path)
    rows = [as_row(epoch, row) for epoch, row in enumerate(metrics, 1)]
    for row in rows:
        log.record(row)
    found, torn = read_rows(path)
    assert not torn
    assert repr(found) == repr(rows)
    assert repr(TrainingLog(path).rows) == repr(rows)


def test_odd_names_of_metrics(tmp_path):
    log = TrainingLog(tmp_path / "log.csv")
    names = ["", "a,b", 'say "hi"', "ünder", "two words", "two\nlines", "two\rlines", "\udcff", 7]
    rows = [as_row(epoch, dict.fromkeys(names, float(epoch))) for epoch in (1, 2)]
    for row in rows:
        log.record(row)
    assert len(rows[0]) == len(names) + 1
    assert read_rows(log.path) == (rows, False)
    assert TrainingLog(log.path).rows == rows


def test_a_repeated_epoch_replaces_its_row_and_a_new_column_rewrites(tmp_path):
    log = TrainingLog(tmp_path / "log.csv")
    for epoch, metrics in [(1, {"loss": 3.0}), (2, {"loss": 2.0}), (2, {"loss": 1.0})]:
        log.record(as_row(epoch, metrics))
    assert log.path.read_text() == "epoch,loss\n1,3.0\n2,1.0\n"
    log.record(as_row(3, {"loss": 0.5, "auc": 0.9}))
    assert log.path.read_text() == "epoch,auc,loss\n1,,3.0\n2,,1.0\n3,0.9,0.5\n"
    log.record(as_row(1, {"loss": 9.0}))
    assert [row["epoch"] for row in log.rows] == [1, 2, 3]
    log.cut(1)
    assert log.path.read_text() == "epoch,loss\n1,9.0\n"
    log.cut(0)
    assert not log.path.exists()


def test_a_torn_end_is_dropped_and_mended(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("epoch,loss\n1,0.5\n2,0.2")
    assert read_rows(path) == ([{"epoch": 1, "loss": 0.5}], True)
    log = TrainingLog(path)
    log.record(as_row(2, {"loss": 0.25}))
    assert path.read_text() == "epoch,loss\n1,0.5\n2,0.25\n"


def test_a_row_without_metrics_is_whole(tmp_path):
    log = TrainingLog(tmp_path / "log.csv")
    log.record(as_row(1, {"loss": "good"}))
    log.record(as_row(2, {}))
    assert read_rows(log.path) == ([{"epoch": 1}, {"epoch": 2}], False)
    log.record(as_row(3, {"loss": 1.0}))
    assert log.path.read_text() == "epoch,loss\n1,\n2,\n3,1.0\n"
