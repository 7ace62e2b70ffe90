"""Blobs and job folders: every damage is noticed, nothing half-written stands under a final name."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.jobs.records import CANCELED, DONE, FAILED, Outcome, OutputFile, Task, discard
from backend.jobs.store import BlobStore, file_digest, sweep_parts
from fleximo import FleximoError

CONTENT = b"a blob of some length" * 1000
DIGEST = hashlib.sha256(CONTENT).hexdigest()


def test_a_blob_comes_back(tmp_path: Path) -> None:
    store = BlobStore(tmp_path)
    assert store.size(DIGEST) is None
    assert store.write(CONTENT) == DIGEST
    assert store.write(CONTENT) == DIGEST
    assert store.size(DIGEST) == len(CONTENT)
    assert store.read(DIGEST) == CONTENT
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == [DIGEST[2:]]


@pytest.mark.parametrize("position", range(0, len(CONTENT), 4096))
def test_every_truncation_and_every_flipped_bit_is_noticed(tmp_path: Path, position: int) -> None:
    store = BlobStore(tmp_path)
    store.write(CONTENT)
    path = store.path(DIGEST)
    flipped = bytearray(CONTENT)
    flipped[position] ^= 1
    for damaged in (CONTENT[:position], bytes(flipped)):
        path.write_bytes(damaged)
        with pytest.raises(FleximoError) as raised:
            store.read(DIGEST)
        assert raised.value.code == "damaged_blob"
        assert not path.exists()
        path.write_bytes(damaged)
        assert store.size(DIGEST) is None
        assert not path.exists()


@given(name=st.text(max_size=80) | st.from_regex(r"[0-9a-f]{60,70}", fullmatch=True).filter(lambda s: len(s) != 64))
def test_only_digests_make_paths(name: str) -> None:
    with pytest.raises(FleximoError, match="64"):
        BlobStore(Path("/store")).path(name)


def test_a_link_out_of_the_store_is_not_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    store = BlobStore(tmp_path / "store")
    store.folder.mkdir()
    (store.folder / DIGEST[:2]).symlink_to(outside)
    with pytest.raises(FleximoError, match="outside"):
        store.path(DIGEST)


def test_an_unfinished_or_wrong_write_leaves_nothing(tmp_path: Path) -> None:
    store = BlobStore(tmp_path)
    with store.writer(DIGEST) as writer:
        writer.write(CONTENT)
    with pytest.raises(FleximoError) as raised, store.writer(DIGEST) as writer:
        writer.write(CONTENT[:-1])
        writer.commit()
    assert raised.value.code == "digest_mismatch"
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_a_full_disk_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = BlobStore(tmp_path)

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        store.write(CONTENT)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_the_sweep_takes_the_unfinished_alone(tmp_path: Path) -> None:
    store = BlobStore(tmp_path)
    store.write(CONTENT)
    for name in (".abc.part", "work/.master.part.mkv", "work/windows/.job.x1.part"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"half")
    assert sweep_parts(tmp_path) == 3
    assert store.read(DIGEST) == CONTENT
    assert sweep_parts(tmp_path) == 0


def test_unused_blobs_are_collected_after_a_while(tmp_path: Path) -> None:
    store = BlobStore(tmp_path)
    used, fresh, old = (store.write(name) for name in (b"used", b"fresh", b"old"))
    for digest in (used, old):
        os.utime(store.path(digest), (1, 1))
    assert store.collect({used}, older_than_s=60) == 1
    assert (store.size(used), store.size(fresh), store.size(old)) == (4, 5, None)


def task_in(folder: Path) -> Task:
    folder.mkdir(parents=True)
    task = Task("id-1", "plan", {"text": "wave"}, folder, folder.parents[1] / "store", 3, 12.5, "label", (DIGEST,))
    task.save()
    return task


def test_a_task_is_read_as_written_also_after_a_move(tmp_path: Path) -> None:
    task = task_in(tmp_path / "data" / "jobs" / "a")
    assert Task.load(task.folder / "task.json") == task
    (tmp_path / "data").rename(tmp_path / "elsewhere")
    moved = Task.load(tmp_path / "elsewhere" / "jobs" / "a" / "task.json")
    assert moved.store == tmp_path / "elsewhere" / "store"
    assert str(tmp_path) not in (moved.folder / "task.json").read_text()


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format_version": 1}', '{"format_version": 99}', "\x00"])
def test_what_is_no_task_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "task.json"
    path.write_text(text)
    with pytest.raises(FleximoError):
        Task.load(path)


def test_an_outcome_counts_only_with_its_files(tmp_path: Path) -> None:
    assert Outcome.load(tmp_path) is None
    made = tmp_path / "work" / "plan.json"
    made.parent.mkdir()
    made.write_bytes(b"{}")
    outcome = Outcome(DONE, {"plan": OutputFile.of(tmp_path, made)}, None, 5.0)
    outcome.save(tmp_path)
    assert Outcome.load(tmp_path) == outcome
    assert outcome.files["plan"] == OutputFile("work/plan.json", 2, file_digest(made))
    made.write_bytes(b"{")
    assert Outcome.load(tmp_path) is None
    made.unlink()
    assert Outcome.load(tmp_path) is None


@pytest.mark.parametrize("state", [FAILED, CANCELED])
def test_an_outcome_can_be_forgotten(tmp_path: Path, state: str) -> None:
    outcome = Outcome(state, {}, {"code": "x", "message": "y", "remedy": ""}, 1.0)
    outcome.save(tmp_path)
    assert Outcome.load(tmp_path) == outcome
    Outcome.forget(tmp_path)
    Outcome.forget(tmp_path)
    assert Outcome.load(tmp_path) is None


@pytest.mark.parametrize("damage", ["", "{", '{"state": "odd", "files": {}, "error": null, "finished": 0}', "[1]"])
def test_a_damaged_outcome_is_none(tmp_path: Path, damage: str) -> None:
    (tmp_path / "outcome.json").write_text(damage)
    assert Outcome.load(tmp_path) is None


def test_discarding_leaves_no_half_of_a_job(tmp_path: Path) -> None:
    task = task_in(tmp_path / "data" / "jobs" / "a")
    discard(task.folder)
    discard(task.folder)
    assert list(task.folder.parent.iterdir()) == []
