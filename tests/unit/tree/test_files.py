"""Whole files or none, as the umask says, and torn ones named."""

from __future__ import annotations

import json
import math
import os
import stat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweeper.errors import TreeError
from sweeper.tree import files


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_the_umask_is_honoured(tmp_path, umask, mode):
    before = os.umask(umask)
    try:
        files.write_bytes(tmp_path / "a", b"x")
        files.create_once(tmp_path / "b", b"x")
        files.append(tmp_path / "c", b"x")
        files.make_directory(tmp_path / "d")
    finally:
        os.umask(before)
    for name in "abc":
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == mode
    assert stat.S_IMODE((tmp_path / "d").stat().st_mode) == 0o777 & ~umask


def test_a_forbidden_change_leaves_nothing(tmp_path):
    path = tmp_path / "a"
    path.write_text("old")

    def guard():
        raise KeyError("no")

    for write in (files.write_bytes, files.create_once, files.append):
        with pytest.raises(KeyError):
            write(path, b"new", guard=guard)
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["a"]


def test_the_first_writer_wins(tmp_path):
    assert files.create_once(tmp_path / "a", b"first")
    assert not files.create_once(tmp_path / "a", b"second")
    assert (tmp_path / "a").read_bytes() == b"first"
    assert os.listdir(tmp_path) == ["a"]


def test_without_hard_links_the_first_writer_wins_too(tmp_path, monkeypatch):
    def link(*_):
        raise PermissionError(1, "no links here")

    monkeypatch.setattr(os, "link", link)
    test_the_first_writer_wins(tmp_path)


def test_nan_and_infinity_are_valid_json(tmp_path):
    path = tmp_path / "a.json"
    files.write_json(path, {"a": math.nan, "b": [math.inf, -math.inf], "c": "infinity"})

    def strict(name):
        raise AssertionError(name)

    found = json.loads(path.read_text(), parse_constant=strict)
    assert found == {"a": None, "b": [math.inf, -math.inf], "c": "infinity"}


@given(st.dictionaries(st.text(), st.integers() | st.text() | st.floats(allow_nan=False)))
def test_json_comes_back(tmp_path_factory, value):
    path = tmp_path_factory.mktemp("json") / "a.json"
    files.write_json(path, value)
    assert files.read_json(path) == value


def test_every_cut_of_a_json_file_is_seen(tmp_path):
    path = tmp_path / "a.json"
    files.write_json(path, {"a": 1, "b": {"c": [1, 2, "é"]}})
    data = path.read_bytes()
    for size in range(len(data) - 1):  # the last byte is a newline
        path.write_bytes(data[:size])
        with pytest.raises(files.TornFile, match=r"a\.json: expected a whole file"):
            files.read_json(path)


def test_a_missing_file_is_no_error(tmp_path):
    assert files.read_json(tmp_path / "none") is None
    assert files.names(tmp_path / "none") == []


def test_errors_name_the_file_and_the_mend(tmp_path):
    (tmp_path / "a").write_text("a file")
    with pytest.raises(TreeError, match="a/b"):
        files.write_bytes(tmp_path / "a" / "b", b"")
    with pytest.raises(TreeError, match=r"none/b.*removed or unmounted"):
        files.write_bytes(tmp_path / "none" / "b", b"")


def test_set_aside_keeps_everything(tmp_path):
    for content in "xy":
        (tmp_path / "a").write_text(content)
        files.set_aside(tmp_path / "a", tmp_path / "aside")
    assert sorted(p.read_text() for p in (tmp_path / "aside").iterdir()) == ["x", "y"]
    assert files.set_aside(tmp_path / "a", tmp_path / "aside") is None


def test_files_with_the_same_content_share_their_space(tmp_path):
    files.write_shared(tmp_path / "a", b"diff")
    files.write_shared(tmp_path / "b", b"diff")
    assert (tmp_path / "a").stat().st_ino == (tmp_path / "b").stat().st_ino
