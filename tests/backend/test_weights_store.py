"""Bundles on disk: what is there, what is missing, and how far each is trusted."""

from __future__ import annotations

import hashlib
import importlib
import os
import shutil
import types
from pathlib import Path

import pytest

from backend import catalog, reports, weights
from backend.weights import lock, store
from backend.weights.imports import import_weights
from fleximo import FleximoError
from tests.fixtures import make_standin_weights, standins


@pytest.fixture(autouse=True)
def _models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLEXIMO_MODELS", str(tmp_path))


def place(folder: Path, name: str) -> Path:
    """The required files of a bundle, with made-up content."""
    for file in weights.locked(name).files:
        if file.required:
            path = folder / name / file.name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(file.name.encode())
    return folder / name


def test_nothing_is_there_at_first() -> None:
    for name in weights.locked_bundles():
        assert not weights.available(name)
        with pytest.raises(FleximoError, match=f"fleximo models pull {name}") as caught:
            weights.bundle(name)
        assert caught.value.code == "weights_missing"


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(FleximoError, match="mimicmotion") as caught:
        weights.bundle("mimic")
    assert caught.value.code == "unknown_bundle"


def test_a_half_bundle_names_what_it_lacks(tmp_path: Path) -> None:
    (place(tmp_path, "svd") / "vae/diffusion_pytorch_model.fp16.safetensors").unlink()
    assert not weights.available("svd")
    with pytest.raises(FleximoError, match=r"lack vae/diffusion_pytorch_model\.fp16\.safetensors"):
        weights.bundle("svd")


def test_files_placed_by_hand_are_unverified_and_summed(tmp_path: Path) -> None:
    folder = place(tmp_path, "dwpose")
    found = weights.bundle("dwpose")
    assert found.state == "unverified"
    assert found.file("pose.onnx") == folder / "pose.onnx"
    assert found.sha256["pose.onnx"] == hashlib.sha256(b"pose.onnx").hexdigest()
    with pytest.raises(FleximoError, match=r"lack other\.onnx"):
        found.file("other.onnx")


def test_a_file_with_the_published_sum_is_verified(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    published(monkeypatch, "dwpose")
    folder = place(tmp_path, "dwpose")
    assert weights.bundle("dwpose").state == "verified"
    (folder / "pose.onnx").write_bytes(b"other pose")
    assert weights.bundle("dwpose").state == "unverified"
    assert weights.bundle("dwpose").sha256["pose.onnx"] == hashlib.sha256(b"other pose").hexdigest()


def test_an_unchanged_file_is_not_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = place(tmp_path, "dwpose")
    weights.bundle("dwpose")
    monkeypatch.setattr(store, "file_sha256", lambda path: pytest.fail(f"{path} was read again"))
    weights.bundle("dwpose")
    os.utime(folder / "pose.onnx", ns=(1, 1))
    with pytest.raises(pytest.fail.Exception, match="read again"):
        weights.bundle("dwpose")


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"origin": "x", "files": {"pose.onnx": {"size": 9}}}', "\0"])
def test_a_broken_record_costs_only_time(tmp_path: Path, content: str) -> None:
    folder = place(tmp_path, "dwpose")
    (folder / store.RECORD).write_text(content)
    assert weights.bundle("dwpose").state == "unverified"


def test_stand_ins_say_so_whatever_their_sums(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    published(monkeypatch, "dwpose")
    maker = types.ModuleType("maker")
    maker.make = lambda folder, *, tiny: [  # type: ignore[attr-defined]
        (folder / name).write_bytes(name.encode()) for name in ("detector.onnx", "pose.onnx")
    ]
    monkeypatch.setattr(make_standin_weights, "makers", lambda: ["dwpose"])
    monkeypatch.setattr(importlib, "import_module", {f"{standins.__name__}.dwpose": maker}.__getitem__)
    for _ in range(2):  # the second takes the first one's place
        make_standin_weights.make_standins(["dwpose"], tmp_path, tiny=True)
        assert weights.bundle("dwpose").state == "stand_in"
    shutil.rmtree(tmp_path / "dwpose")
    (tmp_path / "dwpose" / ".source").mkdir(parents=True)  # a pull that never reached its host leaves this
    make_standin_weights.make_standins(["dwpose"], tmp_path, tiny=True)
    (tmp_path / "dwpose" / store.RECORD).unlink()
    with pytest.raises(FleximoError, match="left alone"):
        make_standin_weights.make_standins(["dwpose"], tmp_path, tiny=True)


def published(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """As if the sums of what `place` writes had been published."""
    real = weights.locked(name)
    files = tuple(
        lock.LockedFile(**{**vars(file), "sha256": hashlib.sha256(file.name.encode()).hexdigest()})
        for file in real.files
    )
    changed = lock.LockedBundle(**{**vars(real), "files": files})
    monkeypatch.setattr(store, "locked", lambda wanted: changed if wanted == name else lock.locked(wanted))


@pytest.mark.parametrize(
    ("states", "fidelity"),
    [
        ((), "full"),
        (("verified", "verified"), "full"),
        (("verified", "unverified"), "stand_in"),
        (("stand_in",), "stand_in"),
    ],
)
def test_a_report_is_full_only_on_verified_weights(states: tuple[str, ...], fidelity: str, tmp_path: Path) -> None:
    bundles = [store.Bundle(f"b{i}", tmp_path, state, {"x.onnx": str(i)}) for i, state in enumerate(states)]
    assert reports.fidelity_with("full", bundles) == fidelity
    assert reports.file_sums(bundles) == {f"b{i}/x.onnx": str(i) for i in range(len(states))}


def test_how_a_bundle_stands_is_told_without_reading_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert weights.standing("dwpose") == ("absent", ["detector.onnx", "pose.onnx"])
    published(monkeypatch, "dwpose")
    folder = place(tmp_path, "dwpose")
    assert weights.standing("dwpose") == ("unverified", [])  # nobody has looked yet
    weights.bundle("dwpose")
    monkeypatch.setattr(store, "file_sha256", lambda path: pytest.fail(f"{path} was read"))
    assert weights.standing("dwpose") == ("verified", [])
    os.utime(folder / "pose.onnx", ns=(1, 1))
    assert weights.standing("dwpose") == ("unverified", [])
    (folder / "pose.onnx").unlink()
    assert weights.standing("dwpose") == ("incomplete", ["pose.onnx"])


@pytest.mark.parametrize("name", make_standin_weights.makers())
def test_every_stand_in_is_whole_by_the_lock_file(name: str, tmp_path: Path) -> None:
    assert make_standin_weights.main([name, "--tiny", "--to", str(tmp_path)]) == 0
    found = weights.bundle(name)
    assert found.state == "stand_in"
    tensors = {path for path in found.folder.rglob("*") if path.suffix in (".safetensors", ".onnx", ".npy")}
    assert tensors <= {found.folder / file.name for file in weights.locked(name).files}


def test_the_stand_in_script_refuses_in_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert make_standin_weights.main(["nope", "--to", str(tmp_path)]) == 1
    assert "Choose one of" in capsys.readouterr().err


def test_an_import_that_finds_nothing_leaves_the_stand_ins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLEXIMO_MODELS", str(tmp_path / "models"))
    make_standin_weights.make_standins(["dwpose"], tmp_path / "models", tiny=True)
    before = sorted(path.name for path in (tmp_path / "models" / "dwpose").iterdir())
    (tmp_path / "wrong").mkdir()
    (tmp_path / "wrong" / "notes.txt").write_text("no weights")
    with pytest.raises(FleximoError):
        import_weights("dwpose", tmp_path / "wrong")
    assert sorted(path.name for path in (tmp_path / "models" / "dwpose").iterdir()) == before
    assert weights.bundle("dwpose").state == "stand_in"


def test_missing_weights_of_a_motion_model_are_told_before_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLEXIMO_MODELS", str(tmp_path))
    with pytest.raises(FleximoError, match="fleximo models pull t2m_gpt"):
        catalog.motion_model("t2m-gpt")
