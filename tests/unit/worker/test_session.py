"""A session's directory: whose it is, and when it goes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from sweeper.worker import MARK
from sweeper.worker import session as session_module
from sweeper.worker.session import Session, remove_abandoned


@pytest.fixture
def session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Session:
    monkeypatch.setattr(session_module, "_root", lambda: tmp_path)
    monkeypatch.setattr(session_module, "STOP_SECONDS", 0.1)
    return Session(f"test{os.getpid()}", None, "train", "train", str(tmp_path))


def test_what_nobody_holds_is_removed_with_its_processes(session: Session) -> None:
    first, second = session.hold(), session.hold()  # the launch and its fork server
    with subprocess.Popen(
        [sys.executable, "-c", "input()"],
        env={**os.environ, MARK: session.token},
        stdin=subprocess.PIPE,
    ) as left:
        os.close(first)
        remove_abandoned()
        assert session.directory.is_dir()
        assert left.poll() is None
        os.close(second)
        remove_abandoned()
        assert not session.directory.exists()
        left.wait(10)  # it has read nothing yet


def test_a_signal_that_stops_a_job_is_no_crash_if_the_launch_ends_too(session: Session) -> None:
    os.close(session.hold())
    assert not session.ended_by(signal.SIGTERM)
    session.end()
    assert session.ended_by(signal.SIGTERM)
    assert session.ended_by(None)
