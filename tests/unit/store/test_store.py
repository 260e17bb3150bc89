"""What is in a store is brought as it is there; what cannot be had is said in words."""

from __future__ import annotations

import json
import os
import shutil
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from sweeper import store
from sweeper.cli.main import main
from sweeper.courier import Lost, SentRun
from sweeper.errors import StoreError, UsageError
from sweeper.store.mirror import Sent
from sweeper.store.objects import Bucket
from sweeper.tree import Lease, RunRecord
from tests import stores
from tests.conftest import MakeRun

BASE = stores.SCHEME + "://lab/{}/case"


@pytest.fixture
def address(store_port: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    for name, value in stores.use(store_port, tmp_path / "mirrors").items():
        monkeypatch.setenv(name, value)
    return BASE.format(tmp_path.name)


@pytest.fixture
def pushed(address: str, tmp_path: Path, make_run: MakeRun) -> Path:
    """The address's tree, as a directory has it."""
    for x in (1, 2, 3):
        make_run(tmp_path / "case", {"x": x}, ["x"], rows=[{"val_loss": 1 / x}], sweep="s", trial=x)
    for path in (tmp_path / "case").rglob("*"):
        os.utime(path, (1e9, 1e9))
    assert store.push(tmp_path / "case", address) > 10
    return tmp_path / "case"


def test_addresses_and_their_mirrors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SWEEPER_MIRRORS", str(tmp_path))
    for said in ("s3://lab/a/b", "s3://lab/a/b/", Path("s3://lab/a/b")):
        assert store.local(said) == tmp_path / "s3" / "lab" / "a" / "b"
    assert store.address_of(tmp_path / "s3" / "lab" / "a") == "s3://lab/a"
    assert store.address_of(tmp_path / "x") is None
    assert store.local("experiments/a") == Path("experiments/a")
    for wrong in ("hdfs://lab/x", "s3:///x", "s3://lab/../x", "http://host/x", "s3://../x"):
        with pytest.raises(UsageError, match=r"expected (a directory|s3://BUCKET)"):
            store.local(wrong)


def test_push_and_pull_bring_the_same_and_only_what_is_new(
    address: str, pushed: Path, tmp_path: Path
) -> None:
    assert store.push(pushed, address) == 0
    there = tmp_path / "there"
    brought = store.pull(address, there)
    files = {p.relative_to(pushed): p.read_bytes() for p in pushed.rglob("*") if p.is_file()}
    assert {p.relative_to(there): p.read_bytes() for p in there.rglob("*") if p.is_file()} == files
    assert brought == len(files)
    assert store.pull(address, there) == 0
    with pytest.raises(UsageError, match="found nothing there"):
        store.pull(f"{address}-x", there)


def test_a_reader_has_the_records_as_they_are_now(address: str, pushed: Path) -> None:
    base = store.local(address)
    store.refresh(base, now=True)
    runs = sorted(path.parent for path in base.glob("exp-*/run--*/run.json"))
    assert len(runs) == 3
    assert not list(base.rglob("*.keras"))
    record = RunRecord.at(runs[0])
    assert record.checkpoint is not None
    assert not record.checkpoint.exists()
    assert store.shown(record.checkpoint).startswith(address)
    store.bring(record.checkpoint)
    assert store.shown(record.checkpoint) == str(record.checkpoint)
    inodes = {path: path.stat().st_ino for path in base.rglob("run.json")}
    summary = runs[1].relative_to(base) / "performances.json"
    (pushed / summary).write_text(json.dumps({"epochs": 77}))
    os.utime(pushed / summary, (2e9, 2e9))
    store.push(pushed, address)
    bucket, key = store.bucket_at(runs[2])  # type: ignore[misc]
    for meta in bucket.list(key):
        bucket.delete(meta["path"])
    store.refresh(base, now=True)
    assert not runs[2].exists()
    assert RunRecord.at(runs[1]).performances == {"epochs": 77}
    assert {p: p.stat().st_ino for p in base.rglob("run.json")} == {
        p: inode for p, inode in inodes.items() if p.parent != runs[2]
    }


def test_the_commands_read_an_address(
    address: str, pushed: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main(["status", address, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["counts"]["finished"] == 3
    words = ["best", address, "--metric", "val_loss", "--goal", "minimize"]
    assert main([*words, "--copy-to", str(tmp_path / "copy"), "--json"]) == 0
    best = json.loads(capsys.readouterr().out)["trials"][0]
    assert best["checkpoint"].startswith(address)
    assert list((tmp_path / "copy").glob("*.keras"))
    assert main(["ls", address.rpartition("/")[0], "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["sweeps"]) == 1


def opened(address: str, make_run: MakeRun, **more: object) -> Path:
    run = make_run(store.local(address), {"x": 9}, ["x"], rows=[{"val_loss": 1.0}], **more)
    return run


def test_a_run_is_sent_whole_and_its_outcome_last(
    address: str, make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = opened(address, make_run, outcome=None)
    lease = Lease.acquire(run)
    sent = SentRun(run)
    assert not sent.step()
    bucket, key = store.bucket_at(run)  # type: ignore[misc]
    there = [meta["path"][len(key) + 1 :] for meta in bucket.list(key)]
    assert {"run.json", "training-logs.csv", lease.path.name} <= {*there}
    (run / "outcome.json").write_text('{"outcome": "finished"}')
    lease.release()
    put: list[str] = []
    bucket_put = bucket.put

    def noted(key: str, *given: Any, **named: Any) -> str | None:
        put.append(key)
        return bucket_put(key, *given, **named)

    monkeypatch.setattr(bucket, "put", noted)
    assert sent.step()
    assert put[-1].endswith("outcome.json")
    assert not any("lease." in meta["path"] for meta in bucket.list(key))
    assert not store.unsent(run)


@pytest.mark.skipif(stores.SCHEME != "s3", reason="it is S3 that makes and removes it")
def test_a_run_is_not_lost_with_its_bucket(
    store_port: int, address: str, make_run: MakeRun
) -> None:
    def ask(method: str) -> None:
        url = f"http://127.0.0.1:{store_port}/fleeting"
        urllib.request.urlopen(urllib.request.Request(url, method=method)).close()

    ask("PUT")
    run = opened("s3://fleeting/case", make_run, outcome=None)
    lease, sent = Lease.acquire(run), SentRun(run)
    sent.step()
    bucket, _ = store.bucket_at(run)  # type: ignore[misc]
    for meta in bucket.list(""):
        bucket.delete(meta["path"])
    ask("DELETE")
    (run / "training-logs.csv").write_text("epoch,val_loss\n1,5.0\n")
    with pytest.raises(StoreError, match="s3://fleeting: there is no such bucket"):
        sent.step()
    assert lease.held


def on_another_machine(
    run: Path, address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """Where the run is in another mirror, to which all belongs from now on."""
    monkeypatch.setenv("SWEEPER_MIRRORS", str(tmp_path / "elsewhere"))
    theirs = store.local(address) / run.relative_to(run.parent.parent)
    store.refresh(theirs.parent.parent, now=True)
    return theirs


def test_who_was_replaced_sends_no_more(
    address: str, make_run: MakeRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = opened(address, make_run, outcome=None)
    lease, sent = Lease.acquire(run), SentRun(run)
    sent.step()
    theirs = on_another_machine(run, address, tmp_path, monkeypatch)
    store.take(theirs)
    assert {p.name for p in theirs.iterdir() if p.is_file()} >= {"run.json", "training-logs.csv"}
    (run / "training-logs.csv").write_text("epoch,val_loss\n1,5.0\n")
    with pytest.raises(Lost):
        sent.step()
    sent.give_up()
    assert not lease.held
    Lease.acquire(theirs, take_over=True)
    assert not SentRun(theirs).step()
    assert (theirs / "training-logs.csv").read_text() != "epoch,val_loss\n1,5.0\n"


def test_a_run_that_was_not_sent_goes_when_nobody_has_gone_on_with_it(
    address: str, make_run: MakeRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = opened(address, make_run, outcome=None)
    Lease.acquire(run)
    SentRun(run).step()
    (run / "outcome.json").write_text('{"outcome": "finished"}')
    kept = tmp_path / "kept"
    shutil.copytree(run, kept)
    for path in run.glob("lease.*"):
        path.unlink()
    assert SentRun(run).step()  # by the lease under which it was sent
    theirs = on_another_machine(run, address, tmp_path, monkeypatch)
    assert RunRecord.at(theirs).status == "finished"
    assert Sent.of(theirs) is None


@pytest.mark.skipif(stores.SCHEME != "s3", reason="they are those of S3")
def test_failures_are_said_in_words(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(StoreError, match="s3://gone: there is no such bucket: create it"):
        store.refresh(store.local("s3://gone/x"))
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("SWEEPER_STORE_PATIENCE", "0.2")
    with pytest.raises(StoreError, match="s3://other: the store does not answer as it should"):
        store.refresh(store.local("s3://other/x"))


@pytest.mark.skipif(stores.SCHEME != "s3", reason="boto3 reads the profiles of S3")
def test_who_is_refused_reads_anew_who_he_is(
    address: str, store_port: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    profile = tmp_path / "credentials"

    def renew(name: str) -> None:
        profile.write_text(
            f"[default]\naws_access_key_id = {name}\naws_secret_access_key = secret\n"
        )

    faults = stores.Faults(store_port, 0, 0)
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{faults.port}")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(profile))
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    renew("old")
    bucket = Bucket("s3", "lab")
    bucket.put(f"{tmp_path.name}/small", b"old")
    faults.only = "Credential=new/"
    with pytest.raises(StoreError, match=r"access is refused \(ExpiredToken\)"):
        bucket.put(f"{tmp_path.name}/small", b"new")
    renew("new")
    large = tmp_path / "large"
    large.write_bytes(os.urandom(20 << 20))
    with large.open("rb") as file:
        bucket.put(f"{tmp_path.name}/large", file)
    assert bucket.get(f"{tmp_path.name}/large") == large.read_bytes()
    assert bucket.get(f"{tmp_path.name}/small") == b"old"
    faults.close()


def test_a_missing_library_is_named(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "obstore", None)
    with pytest.raises(UsageError, match=r"pip install 'sweeper\[store\]'"):
        store.refresh(store.local("s3://third/x"))


def test_nobody_takes_a_run_by_writing_into_it_that_he_does_not_know(
    address: str, make_run: MakeRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = opened(address, make_run, outcome=None)
    lease, sent = Lease.acquire(run), SentRun(run)
    sent.step()
    theirs = on_another_machine(run, address, tmp_path, monkeypatch)
    Lease.acquire(theirs, take_over=True)  # as the store's clock may say that its owner is gone
    with pytest.raises(Lost):
        SentRun(theirs).step()
    (run / "training-logs.csv").write_text("epoch,val_loss\n1,5.0\n")
    assert not sent.step()
    assert lease.held
    bucket, key = store.bucket_at(theirs)  # type: ignore[misc]
    leases = [meta["path"] for meta in bucket.list(key) if "/lease." in meta["path"]]
    assert leases == [f"{key}/{lease.path.name}"]
    assert bucket.get(f"{key}/training-logs.csv").endswith(b"5.0\n")
