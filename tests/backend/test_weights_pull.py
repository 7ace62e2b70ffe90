"""Whole bundles: pulled from a bad server, imported from zips and folders, verified, and told on one page."""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import struct
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from backend import model_commands, weights
from backend.cli import main
from backend.parser import build_parser
from backend.weights import lock, overview, store
from backend.weights.fetch import Patience
from backend.weights.headers import shapes_of
from backend.weights.imports import import_weights
from backend.weights.lock import Licence, LockedBundle, LockedFile
from backend.weights.manifest import Manifest, matches
from backend.weights.pull import pull, to_fetch
from backend.weights.tokens import hub_tokens, save_token, token_file
from fleximo import FleximoError
from tests.backend import bad_server
from tests.backend.bad_server import FAULTS, BadServer, answering, page, running

CONTENT = b"weights of the model " * 4000
SUM = hashlib.sha256(CONTENT).hexdigest()
QUICK = Patience(timeout_s=0.2, tries=3, wait_s=0.0)
FREE = Licence("Free", "yes", "https://terms/free")
HOME = Licence("Not for sale", "no", "https://terms/home")
CONVERTER = "tests.backend.fake_converter:convert"
STATISTICS = np.linspace(0.5, 1.5, 263)


@pytest.fixture(autouse=True)
def _own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLEXIMO_MODELS", str(tmp_path / "models"))
    monkeypatch.setenv("FLEXIMO_DATA", str(tmp_path / "data"))
    for variable in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
        monkeypatch.delenv(variable, raising=False)


@pytest.fixture
def server() -> Iterator[BadServer]:
    with running(CONTENT) as found:
        yield found


def file(name: str, **given: Any) -> LockedFile:
    usual = {"purpose": "a model", "url": None, "size": None, "sha256": None, "licence": FREE}
    return LockedFile(name=name, **(usual | given))


def know(monkeypatch: pytest.MonkeyPatch, *files: LockedFile, **given: Any) -> LockedBundle:
    """A lock file with one bundle, called `thing`."""
    usual = {"title": "A thing", "giver": "someone", "page": "https://hub/thing", "gated": False, "by_hand": ""}
    bundle = LockedBundle(name="thing", files=files, **(usual | given))
    monkeypatch.setattr(lock, "locked_bundles", lambda: {"thing": bundle})
    monkeypatch.setattr(weights, "locked_bundles", lambda: {"thing": bundle})
    monkeypatch.setattr(overview, "locked_bundles", lambda: {"thing": bundle})
    return bundle


def folder() -> Path:
    return weights.models_folder() / "thing"


def get(server: BadServer) -> weights.Bundle:
    return pull("thing", tokens={}, policy=server.policy, patience=QUICK)


# --- pull


def test_a_pulled_file_with_its_published_sum_is_verified(server: BadServer, monkeypatch: pytest.MonkeyPatch) -> None:
    know(monkeypatch, file("sub/model.onnx", url=server.url, size=len(CONTENT), sha256=SUM))
    found = get(server)
    assert found.state == "verified"
    assert found.file("sub/model.onnx").read_bytes() == CONTENT
    get(server)
    assert len(server.seen) == 1  # the second pull had nothing to fetch


def test_without_a_published_sum_it_says_unverified(server: BadServer, monkeypatch: pytest.MonkeyPatch) -> None:
    know(monkeypatch, file("model.onnx", url=server.url))
    assert get(server).state == "unverified"
    (folder() / "model.onnx").unlink()
    server.extra = {"X_Linked_Etag": f'"{SUM}"'}  # the hub's own word is a published sum
    assert get(server).state == "verified"
    assert overview.verify("thing")[0]["state"] == "verified"


def test_what_was_altered_is_fetched_again(server: BadServer, monkeypatch: pytest.MonkeyPatch) -> None:
    know(monkeypatch, file("model.onnx", url=server.url, size=len(CONTENT), sha256=SUM))
    get(server)
    (folder() / "model.onnx").write_bytes(b"altered")
    assert overview.verify("thing")[0]["state"] == "altered"
    assert get(server).state == "verified"


def test_a_file_that_differs_from_the_published_one_is_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    know(monkeypatch, file("model.npy", sha256=SUM), file("more.npy"))
    folder().mkdir(parents=True)
    for name in ("model.npy", "more.npy"):
        (folder() / name).write_bytes(b"of another precision")
    assert [row["state"] for row in overview.verify("thing")] == ["differs", "unverified"]
    assert weights.bundle("thing").state == "unverified"


def test_a_checkpoint_is_converted_and_not_kept(server: BadServer, monkeypatch: pytest.MonkeyPatch) -> None:
    know(monkeypatch, file("model.safetensors", url=server.url, sha256=SUM, convert=CONVERTER))
    assert get(server).state == "verified"
    assert (folder() / "model.safetensors").read_bytes() == CONTENT.upper()
    assert sorted(path.name for path in folder().iterdir()) == [store.RECORD, "model.safetensors"]
    get(server)
    assert len(server.seen) == 1
    (folder() / "model.safetensors").write_bytes(b"WEIGHTS that someone changed")
    assert weights.bundle("thing").state == "unverified"


@pytest.mark.parametrize(("content", "code"), [(b"nothing", "bad_checkpoint"), (b"crash", "bad_checkpoint")])
def test_a_checkpoint_that_cannot_be_converted_leaves_no_file(
    server: BadServer, monkeypatch: pytest.MonkeyPatch, content: bytes, code: str
) -> None:
    server.content = content
    know(monkeypatch, file("model.safetensors", url=server.url, convert=CONVERTER))
    with pytest.raises(FleximoError) as caught:
        get(server)
    assert caught.value.code == code
    assert not (folder() / "model.safetensors").exists()
    with pytest.raises(FleximoError):
        get(server)
    assert len(server.seen) == 1  # what was fetched whole is not fetched again


def test_the_converter_sees_no_token(server: BadServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_geheim")
    server.content = b"secret"
    know(monkeypatch, file("model.safetensors", url=server.url, convert=CONVERTER))
    get(server)
    assert (folder() / "model.safetensors").read_bytes() == b"WEIGHTS NO TOKEN"


def test_stand_ins_give_way_to_the_real_files(server: BadServer, monkeypatch: pytest.MonkeyPatch) -> None:
    know(monkeypatch, file("model.onnx", url=server.url, sha256=SUM), file("more.onnx", required=False))
    folder().mkdir(parents=True)
    for name in ("model.onnx", "more.onnx"):
        (folder() / name).write_bytes(CONTENT)
    store.write_record(folder(), "stand_in")
    assert weights.bundle("thing").state == "stand_in"
    assert to_fetch(weights.locked("thing"), folder())
    assert get(server).state == "verified"
    assert not (folder() / "more.onnx").exists()


def test_what_lies_in_its_place_is_not_fetched(server: BadServer, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = file("whole.npy", url=server.url, sha256=SUM)
    know(monkeypatch, whole, *(file(name, required=False, replaces=("whole.npy",)) for name in ("a.npy", "b.npy")))
    folder().mkdir(parents=True)
    (folder() / "a.npy").write_bytes(b"1")
    assert to_fetch(weights.locked("thing"), folder()) == {server.url: [whole]}
    (folder() / "b.npy").write_bytes(b"2")
    assert to_fetch(weights.locked("thing"), folder()) == {}


def test_a_bundle_that_nobody_gives_says_how(monkeypatch: pytest.MonkeyPatch, server: BadServer) -> None:
    know(monkeypatch, file("model.onnx"), by_hand="Train it yourself.")
    with pytest.raises(FleximoError, match="Train it yourself"):
        get(server)


def test_two_pulls_at_once_fetch_it_once(server: BadServer, monkeypatch: pytest.MonkeyPatch) -> None:
    know(monkeypatch, file("model.onnx", url=server.url, size=len(CONTENT), sha256=SUM))
    server.script = lambda number: bad_server.stall if number == 0 else None
    states: list[str] = []
    both = [threading.Thread(target=lambda: states.append(get(server).state)) for _ in range(2)]
    for one in both:
        one.start()
    for one in both:
        one.join()
    assert states == ["verified", "verified"]
    assert len(server.seen) == 2  # the stalled request and the one that went on; none of the second pull
    assert (folder() / "model.onnx").read_bytes() == CONTENT


def test_two_pulls_at_once_on_bad_days(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The right file or none, twenty of twenty, with two at work on every one."""
    for day in range(20):
        monkeypatch.setenv("FLEXIMO_MODELS", str(tmp_path / str(day)))
        dice = random.Random(1000 + day)
        faults = [dice.choice(FAULTS) if dice.random() < 0.7 else None for _ in range(40)]
        with running(CONTENT) as server:
            server.script = lambda number, faults=faults: faults[number] if number < len(faults) else None
            know(monkeypatch, file("model.onnx", url=server.url, size=len(CONTENT), sha256=SUM))

            def one(server: BadServer = server) -> None:
                try:
                    pull("thing", tokens={}, policy=server.policy, patience=Patience(0.1, 2, 0.0))
                except FleximoError:
                    return

            both = [threading.Thread(target=one) for _ in range(2)]
            for thread in both:
                thread.start()
            for thread in both:
                thread.join()
            path = folder() / "model.onnx"
            assert not path.exists() or path.read_bytes() == CONTENT
            server.script = lambda number: None
            assert get(server).state == "verified"


def test_a_pull_that_is_killed_goes_on(server: BadServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A real process, killed in the middle; its lock goes with it, its part stays."""
    code = (
        "import sys; from pathlib import Path; from backend.weights.pull import claimed;"
        "from backend.weights.fetch import fetch, Patience; from backend.weights.refusals import Source;"
        "from backend.weights.transport import Policy\n"
        "url, port, size, sum = sys.argv[1:]\n"
        "with claimed('thing') as folder:\n"
        "    print('claimed', flush=True)\n"
        "    fetch(Source(url, 'model.onnx', int(size), sum, '', 'thing'), folder / 'model.onnx',"
        " policy=Policy(frozenset({('http', '127.0.0.1', int(port))})), patience=Patience(60.0))\n"
    )
    killed = threading.Event()

    def hang(handler: bad_server.Handler) -> None:
        body = handler.open_body()
        handler.send(body[: len(body) // 2])
        killed.wait(20.0)

    server.script = lambda number: hang if number == 0 else None
    child = subprocess.Popen(
        [sys.executable, "-c", code, server.url, str(server.port), str(len(CONTENT)), SUM], stdout=subprocess.PIPE
    )
    assert child.stdout is not None
    assert child.stdout.readline() == b"claimed\n"
    part = folder() / "model.onnx.part"
    while child.poll() is None and not (part.is_file() and part.stat().st_size > 0):
        threading.Event().wait(0.02)
    child.kill()
    child.wait()
    child.stdout.close()
    killed.set()
    assert not (folder() / "model.onnx").exists()
    know(monkeypatch, file("model.onnx", url=server.url, size=len(CONTENT), sha256=SUM))
    assert get(server).state == "verified"
    assert server.seen[1]["Range"] != "bytes=0-"


# --- import


def tensors(path: Path, **shapes: tuple[int, ...]) -> Path:
    """A safetensors file of zeros."""
    header, at = {}, 0
    for name, shape in shapes.items():
        size = 4 * int(np.prod(shape))
        header[name.replace("__", ".")] = {"dtype": "F32", "shape": list(shape), "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(header).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(struct.pack("<Q", len(text)) + text + bytes(at))
    return path


UNET = {"conv_in__weight": (4, 3), "down_blocks__0__bias": (4,)}
POSE = {"scale": (1,), "final_proj__weight": (2, 2)}


def manifest(**shapes: tuple[int, ...]) -> Manifest:
    return Manifest.of({name.replace("__", "."): shape for name, shape in shapes.items()})


def test_a_folder_is_searched_by_tensors_and_not_copied(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    know(
        monkeypatch,
        file("vae/model.safetensors", manifest=manifest(**UNET)),
        file("vae/config.json"),
        file("scheduler/config.json", required=False),
    )
    comfy = tmp_path / "ComfyUI" / "models"
    other = dict.fromkeys(UNET, (9, 9))
    tensors(comfy / "checkpoints" / "other.safetensors", **other)
    source = tensors(comfy / "diffusers" / "vae" / "weird name.fp16.safetensors", **UNET)
    (comfy / "config.json").write_text("{}")
    (comfy / "diffusers" / "vae" / "config.json").write_text('{"right": 1}')
    (comfy / "broken.safetensors").write_bytes(b"\xff" * 100)
    taken = import_weights("thing", comfy)
    assert taken.missing == []
    assert taken.taken == {"vae/model.safetensors": source, "vae/config.json": source.parent / "config.json"}
    assert (folder() / "vae/model.safetensors").is_symlink()
    assert (folder() / "vae/model.safetensors").samefile(source)
    assert weights.bundle("thing").state == "unverified"
    source.unlink()
    assert not weights.available("thing")


@pytest.mark.parametrize("prefix", ["", "unet."])
def test_tensors_are_known_beside_others_and_below_a_prefix(prefix: str) -> None:
    shapes = {prefix + name.replace("__", "."): shape for name, shape in UNET.items()}
    assert matches(shapes | {"text_model.position_ids": (1, 77), "scale": (1,)}, manifest(**UNET))
    assert not matches(shapes | {f"{prefix}conv_in.bias": (4,)}, manifest(**UNET))
    changed = dict(shapes)
    changed[prefix + "conv_in.weight"] = (3, 4)
    assert not matches(changed, manifest(**UNET))


def test_a_header_made_to_cost_time_costs_none() -> None:
    assert not matches({f"{i}.x": (1,) for i in range(200_000)}, manifest(**POSE))


def test_the_released_manifests_know_the_released_layouts() -> None:
    """The three layouts of MimicMotion's checkpoint that are in use."""
    files = {entry.name: entry for entry in weights.locked("mimicmotion").files}
    whole, unet, pose = (
        files[name].manifest for name in ("mimicmotion.safetensors", "unet.safetensors", "pose_net.safetensors")
    )
    assert whole is not None and unet is not None and pose is not None
    assert (whole.tensors, unet.tensors, pose.tensors) == (1447, 1428, 19)


def test_pytorch_files_are_known_without_torch(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    torch.save({"net": {"vqvae.a": torch.zeros(2, 3), "vqvae.b": torch.zeros(4).half()}, "step": 3}, tmp_path / "x.pth")
    assert shapes_of(tmp_path / "x.pth") == {"net.vqvae.a": (2, 3), "net.vqvae.b": (4,)}
    assert matches(shapes_of(tmp_path / "x.pth") or {}, Manifest.of({"vqvae.a": (2, 3), "vqvae.b": (4,)}))


def test_a_wrong_file_is_not_taken_for_another(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    know(
        monkeypatch,
        file("unet.safetensors", manifest=manifest(**UNET)),
        file("pose.safetensors", manifest=manifest(**POSE)),
    )
    path = tensors(tmp_path / "some.safetensors", **POSE)
    assert list(import_weights("thing", path).taken) == ["pose.safetensors"]
    with pytest.raises(FleximoError) as caught:
        import_weights("thing", path, as_file="unet.safetensors")
    assert caught.value.code == "wrong_tensors"
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(FleximoError) as caught:
        import_weights("thing", path)
    assert caught.value.code == "nothing_found"
    with pytest.raises(FleximoError, match="has no file other"):
        import_weights("thing", path, as_file="other")


def test_two_candidates_are_not_guessed_between(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    know(monkeypatch, file("unet.safetensors", manifest=manifest(**UNET)))
    paths = [tensors(tmp_path / "in" / name / "model.safetensors", **UNET) for name in ("a", "b")]
    with pytest.raises(FleximoError) as caught:
        import_weights("thing", tmp_path / "in")
    assert caught.value.code == "ambiguous"
    assert str(paths[0]) in str(caught.value) and str(paths[1]) in str(caught.value)


def test_a_hint_keeps_models_apart_that_have_the_same_tensors(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    know(monkeypatch, file("unet.safetensors", manifest=manifest(**UNET), hint="mimic"))
    tensors(tmp_path / "in" / "svd" / "unet.safetensors", **UNET)
    with pytest.raises(FleximoError, match="holds nothing that thing needs"):
        import_weights("thing", tmp_path / "in")
    mine = tensors(tmp_path / "in" / "MimicMotion" / "merged.safetensors", **UNET)
    assert import_weights("thing", tmp_path / "in").taken == {"unet.safetensors": mine}


def test_a_single_file_survives_the_one_it_came_from(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    content = b"\x08\x07" + b"\x3a\xa0\x1f" + bytes(4000)  # version 7, a graph of 4000 bytes
    know(monkeypatch, file("model.onnx", size=len(content), sha256=hashlib.sha256(content).hexdigest()))
    download = tmp_path / "weird name (1).onnx"
    download.write_bytes(content)
    import_weights("thing", download)
    download.unlink()
    assert weights.bundle("thing").state == "verified"
    for wrong in (
        b"<!DOCTYPE html><html>please confirm",
        b"# Read me",
        content[:-1],
        content + b"\x08",
        b"\x08\x07",
        b"",
    ):
        download.write_bytes(wrong)
        with pytest.raises(FleximoError, match=r"is no model\.onnx"):
            import_weights("thing", download, as_file="model.onnx")
    assert weights.bundle("thing").state == "verified"


def test_what_is_missing_fits_what_is_there(tmp_path: Path) -> None:
    known = weights.locked("mimicmotion")
    assert known.missing(set()) == ["mimicmotion.safetensors"]
    assert known.missing({"pose_net.safetensors"}) == ["unet.safetensors"]
    assert known.missing({"pose_net.safetensors", "unet.safetensors"}) == []
    assert known.missing({"mimicmotion.safetensors"}) == []


def archive(path: Path, **members: bytes) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
        for name, content in members.items():
            made.writestr(name.replace("__", "/"), content)
    return path


ZIPPED = (
    file("vqvae.safetensors", url="https://drive/x.zip", member="pretrained/VQVAE/net_last.pth", convert=CONVERTER),
    file("mean.npy", also="meta/mean.npy"),
)


def statistics(tmp_path: Path, values: np.ndarray[Any, Any] = STATISTICS) -> bytes:
    np.save(tmp_path / "values.npy", values)
    return (tmp_path / "values.npy").read_bytes()


def test_the_zip_of_a_file_host_is_unpacked_by_known_names_only(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    know(monkeypatch, *ZIPPED)
    path = archive(
        tmp_path / "x.zip",
        **{
            "copy__pretrained__VQVAE__net_last.pth": b"weights 1",
            "..__..__..__escaped.txt": b"evil",
            "__absolute.txt": b"evil",
            "pretrained__VQVAE__run.log": b"log",
            "t2m__meta__mean.npy": statistics(tmp_path),
        },
    )
    taken = import_weights("thing", path)
    assert sorted(taken.taken) == ["mean.npy", "vqvae.safetensors"] and taken.missing == []
    assert (folder() / "vqvae.safetensors").read_bytes() == b"WEIGHTS 1"
    names = {found.name for found in tmp_path.rglob("*") if found.is_file()}
    assert names == {"x.zip", "values.npy", "vqvae.safetensors", "mean.npy", store.RECORD, ".thing.lock"}
    assert not (tmp_path.parent / "escaped.txt").exists()


def test_half_a_bundle_says_what_is_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    know(monkeypatch, *ZIPPED)
    taken = import_weights(
        "thing", archive(tmp_path / "x.zip", VQVAE__net_last__pth=b"", **{"VQVAE__net_last.pth": b"weights"})
    )
    assert taken.missing == ["mean.npy"]


def test_bad_zips_are_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    know(monkeypatch, *ZIPPED)
    good = archive(tmp_path / "good.zip", **{"VQVAE__net_last.pth": b"weights" * 9999}).read_bytes()
    bomb = archive(tmp_path / "bomb.zip", **{"VQVAE__net_last.pth": bytes(40_000_000)}).read_bytes()
    forged = bytearray(good)
    at = forged.rindex(b"PK\x01\x02")
    forged[at + 24 : at + 28] = struct.pack("<I", 10_000_000)  # the size that the directory declares
    locked_up = bytearray(good)
    locked_up[good.index(b"PK\x01\x02") + 8] |= 1
    twice = tmp_path / "twice.zip"
    archive(twice, **{"a__VQVAE__net_last.pth": b"weights", "b__VQVAE__net_last.pth": b"weights"})
    damaged = bytearray(good)
    damaged[60] ^= 0xFF
    cases = {
        "bomb": (bomb, "bad_archive"), "forged": (bytes(forged), "bad_archive"),
        "password": (bytes(locked_up), "bad_archive"),
        "twice": (twice.read_bytes(), "bad_archive"), "damaged": (bytes(damaged), "bad_archive"),
        "cut": (good[:-30], "nothing_found"), "empty": (b"", "nothing_found"),
        "strange": (archive(tmp_path / "s.zip", a=b"b").read_bytes(), "nothing_found"),
    }  # fmt: skip
    for name, (content, code) in cases.items():
        path = tmp_path / f"{name}.zip"
        path.write_bytes(content)
        with pytest.raises(FleximoError) as caught:
            import_weights("thing", path)
        assert caught.value.code == code, name
        assert ("absurd size" in str(caught.value)) == (name == "bomb")
        assert not (folder() / "vqvae.safetensors").exists()


@pytest.mark.parametrize("values", [np.zeros(10), np.full(263, np.nan), np.zeros(263, dtype=int), np.array({"a": 1})])
def test_statistics_that_are_none_are_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, values: np.ndarray[Any, Any]
) -> None:
    know(monkeypatch, *ZIPPED)
    path = tmp_path / "mean.npy"
    np.save(path, values)
    with pytest.raises(FleximoError, match=r"is no mean\.npy"):
        import_weights("thing", path)
    assert not (folder() / "mean.npy").exists()


# --- the page, the tables, the commands


def test_the_page_says_what_stands_between(server: BadServer, monkeypatch: pytest.MonkeyPatch) -> None:
    known = file("model.safetensors", url=server.url, size=2_500_000_000, sha256=SUM)
    setups = {"way": lock.Setup("way", "A way", ("thing",), {"hands": "made otherwise"})}
    monkeypatch.setattr(overview, "setups", lambda: setups)
    know(monkeypatch, known, gated=True)

    def verdict(tokens: dict[str, str]) -> tuple[str, str]:
        page_text, found, _ = overview.setup_page("way", tokens=tokens, policy=server.policy)
        assert page_text.splitlines()[-1] == f"{found.word}: {found.sentence}"
        assert len(page_text.splitlines()) < 20
        for told in (
            "2,500.0 MB",
            "gated",
            "paid work: yes",
            "2.50 GB",
            "Free: ",
            "https://terms/free",
            "made otherwise",
        ):
            assert told in page_text
        return found.word, found.sentence

    word, sentence = verdict({})
    assert word == "NEEDS YOU" and "https://hub/thing" in sentence and server.seen == []
    token = {"127.0.0.1": "hf_x"}
    server.script = lambda number: answering(403, X_Error_Code="GatedRepo")
    assert verdict(token)[0] == "NEEDS YOU"
    server.script = lambda number: answering(401)
    assert "does not accept the token" in verdict(token)[1]
    server.script = lambda number: None
    assert verdict(token)[0] == "READY"
    know(monkeypatch, LockedFile(**{**vars(known), "licence": HOME}), gated=True)
    found = overview.setup_page("way", tokens=token, policy=server.policy)[1]
    assert found.word == "NOT FOR PAID WORK" and "thing" in found.sentence
    monkeypatch.setattr(overview, "_free_bytes", lambda: 1_000_000)
    found = overview.setup_page("way", tokens=token, policy=server.policy)[1]
    assert found.word == "NEEDS YOU" and "make room" in found.sentence


def test_the_papers_page_fits_and_never_fetches_svds_unet() -> None:
    text, verdict, rows = overview.setup_page("paper", tokens={})
    assert len(text.splitlines()) <= 50
    assert verdict.word == "NEEDS YOU" and verdict.sentence.count("https://") == 1
    assert not [row for row in rows if row["bundle"] == "svd" and "unet" in row["name"]]
    assert all(not (entry.url or "").endswith("unet.safetensors") for entry in weights.locked("svd").files)
    assert sum(row["size"] or 0 for row in rows) > 5_000_000_000


def test_the_lock_file_holds_together() -> None:
    raw = json.loads((Path(lock.__file__).parent / "lock.json").read_text("utf-8"))
    for name, known in weights.locked_bundles().items():
        assert known.page.startswith("https://") and (known.by_hand or any(entry.url for entry in known.files))
        for entry, row in zip(known.files, raw["bundles"][name]["files"], strict=True):
            assert {"size", "sha256"} <= set(row), "null says that none was found; leaving it out says nothing"
            assert entry.url is None or entry.url.startswith("https://")
            assert entry.sha256 is None or len(bytes.fromhex(entry.sha256)) == 32
            assert entry.licence.commercial in ("yes", "conditions", "no")
            assert entry.purpose and entry.licence.text and entry.licence.page.startswith("https://")
            assert ".." not in entry.name and not entry.name.startswith("/")
            assert all(known.file(other) is not None for other in entry.replaces)
    for setup in lock.setups().values():
        assert all(weights.locked(name) for name in (*setup.bundles, *setup.instead))


def test_the_sizes_in_the_lock_file_fit_the_tensors() -> None:
    """A size copied wrongly would turn the right file away; the parameter counts are known from another source."""
    sizes = {entry.name: entry.size or 0 for name in ("svd", "mimicmotion") for entry in weights.locked(name).files}
    for name, parameters in (
        ("vae/diffusion_pytorch_model.fp16.safetensors", 97_742_847),
        ("image_encoder/model.fp16.safetensors", 632_076_800),
        ("mimicmotion.safetensors", 1_524_623_082 + 205_557),
    ):
        assert 0 <= sizes[name] - 2 * parameters < 400_000, name


def run(*arguments: str) -> dict[str, Any]:
    parsed: argparse.Namespace = build_parser().parse_args(["models", *arguments])
    actions = {name.removesuffix("_models"): getattr(model_commands, name) for name in model_commands.__all__}
    result: dict[str, Any] = actions[parsed.action](parsed)
    return result


def test_verify_ends_with_one_for_what_is_altered(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    know(monkeypatch, file("a.onnx"), file("b.onnx"))
    assert main(["models", "verify"]) == 0  # nothing there is no fault
    assert main(["models", "verify", "thing"]) == 1  # but asked for by name it is
    folder().mkdir(parents=True)
    (folder() / "a.onnx").write_bytes(b"1")
    assert main(["models", "verify", "--json"]) == 1
    assert '"missing"' in capsys.readouterr().out
    (folder() / "b.onnx").write_bytes(b"2")
    weights.bundle("thing")
    assert main(["models", "verify", "thing"]) == 0
    assert "unverified" in capsys.readouterr().out
    stamp = (folder() / "b.onnx").stat()
    (folder() / "b.onnx").write_bytes(b"3")  # same size, same date: only reading it tells
    os.utime(folder() / "b.onnx", ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    assert main(["models", "verify", "thing"]) == 1


def test_list_shows_the_bundled_models_and_the_bundles() -> None:
    listed = run("list")
    assert len(listed["models"]) == 6 and all(row["state"] == "there" for row in listed["models"])
    assert {row["name"] for row in listed["bundles"]} == set(weights.locked_bundles())
    assert all(row["state"] == "absent" for row in listed["bundles"])
    assert "mimicmotion" in listed["text_output"]


def test_convert_takes_checkpoints_that_lie_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    know(monkeypatch, *ZIPPED[:1])
    with pytest.raises(FleximoError, match=r"looked for: net_last\.pth"):
        run("convert", "thing")
    folder().mkdir(parents=True, exist_ok=True)
    (folder() / "net_last.pth").write_bytes(b"weights 2")
    assert run("convert", "thing")["made"] == ["vqvae.safetensors"]
    assert weights.bundle("thing").state == "unverified"


def test_a_confirmation_page_says_what_to_do_by_hand(server: BadServer, monkeypatch: pytest.MonkeyPatch) -> None:
    know(monkeypatch, file("a.onnx", url=server.url), by_hand="Open the page, then import x.zip.")
    server.script = lambda number: page("<html>Virus scan warning: can't scan this file. Download anyway</html>")
    with pytest.raises(FleximoError, match=r"Open the page, then import x\.zip"):
        get(server)


def test_tokens_come_from_the_environment_then_the_preferences(monkeypatch: pytest.MonkeyPatch) -> None:
    assert hub_tokens() == {}
    save_token("  hf_kept \n")
    assert hub_tokens() == {"huggingface.co": "hf_kept"}
    if os.name == "posix":
        assert token_file().stat().st_mode & 0o077 == 0
    monkeypatch.setenv("HUGGING_FACE_HUB_TOKEN", "hf_second")
    assert hub_tokens() == {"huggingface.co": "hf_second"}
    monkeypatch.setenv("HF_TOKEN", "hf_first")
    assert hub_tokens() == {"huggingface.co": "hf_first"}
    monkeypatch.setenv("HF_TOKEN", "hf_x\r\nHost: evil")
    with pytest.raises(FleximoError) as caught:
        hub_tokens()
    assert "evil" not in str(caught.value)
    save_token("")
    assert not token_file().exists()


def test_a_token_never_shows(
    server: BadServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    know(monkeypatch, file("a.onnx", url=server.url))
    for status in (401, 403, 404, 429, 500):
        server.script = lambda number, status=status: answering(status, X_Error_Message="hf_geheim")
        with pytest.raises(FleximoError) as caught:
            pull("thing", tokens={"127.0.0.1": "hf_geheim"}, policy=server.policy, patience=Patience(1.0, 1, 0.0))
        assert "hf_geheim" not in f"{caught.value}{caught.value.__dict__}{caught.value.__cause__}"
    assert server.seen[0]["Authorization"] == "Bearer hf_geheim"
    assert "hf_geheim" not in "".join(capsys.readouterr())
