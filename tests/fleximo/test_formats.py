"""Each row of docs/formats.md: a file of that program, made here, gives back the motion that went in."""

from __future__ import annotations

import io
import pickle
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from fleximo import FleximoError, Motion
from fleximo import rotations as rot
from fleximo.formats import Imported, bvh, import_motion, read_motion, save_motion, sniff
from fleximo.rig import DEFAULT_RIG
from tests.fleximo import motion_files as files


def codes(imported: Imported) -> list[str]:
    return [notice.code for notice in imported.notices]


def assert_same_rotations(motion: Motion, joints: int, degrees: float = 0.01) -> None:
    """The rotations went through unchanged, the pelvis' too."""
    off = rot.angle_between(motion.rotations[:, :joints], files.truth().rotations[:, :joints])
    assert np.degrees(off).max() < degrees


def assert_same_path(motion: Motion, m: float = 1e-4) -> None:
    """The path went through, but for the constant that puts another body on the floor."""
    off = motion.root - files.truth().root
    assert np.ptp(off, axis=0).max() < m
    assert np.abs(off[0, [0, 2]]).max() < m and abs(off[0, 1]) < 0.05


def test_smpl_h_of_amass_keeps_its_hands_and_turns_z_up() -> None:
    imported = import_motion(files.amass(files.truth()))
    assert imported.kind == "AMASS, SMPL-H" and imported.motion.fps == 20 and not imported.notices
    assert_same_rotations(imported.motion, 52)
    assert_same_path(imported.motion)


@pytest.mark.parametrize("parts", [False, True])
def test_smpl_x_of_amass_spells_its_rate_otherwise_and_has_a_face(parts: bool) -> None:
    imported = import_motion(files.amass(files.truth(), smplx=True, parts=parts))
    assert imported.kind == "AMASS, SMPL-X" and imported.motion.fps == 20
    assert_same_rotations(imported.motion, 52)
    assert_same_path(imported.motion)


def test_amass_without_a_rate_says_what_it_assumed() -> None:
    content = files.npz(poses=np.zeros((3, 156)), trans=np.zeros((3, 3)))
    assert codes(import_motion(content)) == ["frame_rate_assumed"]
    told = import_motion(content, fps=60)
    assert told.motion.fps == 60 and not told.notices


def test_what_is_asked_in_vain_is_told() -> None:
    content = files.amass(files.truth())
    asked = import_motion(content, fps=60)
    assert asked.motion.fps == 20 and codes(asked) == ["rate_in_file"]
    for single in (content, files.aist(files.truth()), files.npy(files.body_joints(files.truth()))):
        with pytest.raises(FleximoError, match="one motion") as told:
            import_motion(single, item=1)
        assert told.value.code == "no_such_item"
    for content, expected in (
        (files.truth().to_bytes(), "the up axis given was not used. Only SMPL"),
        (files.npy(files.body_joints(files.truth())), "Only SMPL"),
    ):
        (notice,) = import_motion(content, up="y", model=Path("SMPL.pkl")).notices
        assert notice.code == "given_in_vain" and expected in notice.message


def test_a_script_or_a_note_is_no_mesh() -> None:
    for content in (b"#!/bin/sh\necho\n", b"# Notes\nv of all kinds\n"):
        with pytest.raises(FleximoError, match="no motion format"):
            sniff(content)
    for content in (b"# Blender\no body\nv 1.0 -2 3e-1\n", b"mtllib a.mtl\r\nv 1 2 3\r\n", b"v 1 2 3 .5 .5 .5\n"):
        assert sniff(content) == "obj"


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_aist_divides_its_path_by_its_scaling(protocol: int) -> None:
    imported = import_motion(files.aist(files.truth(), protocol=protocol))
    assert imported.kind == "AIST++, SMPL" and imported.motion.fps == 60
    assert_same_rotations(imported.motion, 22)
    assert_same_path(imported.motion)


def test_rotations_of_mdm_are_rows() -> None:
    for content in (files.mdm_rotations(files.truth()), files.mdm_smpl_params(files.truth())):
        imported = import_motion(content)
        assert imported.kind.startswith("MDM") and len(imported.motion) == len(files.truth())
        assert_same_rotations(imported.motion, 22, degrees=0.1)
        assert_same_path(imported.motion)


@pytest.mark.parametrize("kind", ["pkl", "npz"])
def test_with_the_user_s_model_file_the_joints_are_exact(kind: str, tmp_path: Path) -> None:
    """Bone lengths from the file's shape, the pelvis where SMPL puts it, nothing moved to the floor."""
    betas = [0.8, -0.6]
    rest = files.body().rest_joints(betas)
    clip = files.truth()[:12]
    content = files.amass(clip, betas=betas, origin=-rest[0])
    arrays = files.body().arrays()
    (tmp_path / "model.npz").write_bytes(files.npz(**arrays))
    (tmp_path / "model.pkl").write_bytes(files.body_model(arrays))
    motion = import_motion(content, model=tmp_path / f"model.{kind}").motion
    expected = files.mesh(clip, betas)[1][:, :22]
    assert np.abs(motion.joints()[:, :22] - expected).max() < 1e-4


def test_meshes_of_mdm_give_way_to_their_parameters(tmp_path: Path) -> None:
    (tmp_path / "sample00_rep00_obj").mkdir()
    (tmp_path / "sample00_rep00_obj" / "frame000.obj").write_bytes(files.obj_frame(np.zeros((6890, 3))))
    (tmp_path / "sample00_rep00_smpl_params.npy").write_bytes(files.mdm_smpl_params(files.truth()))
    imported = import_motion(tmp_path / "sample00_rep00_obj")
    assert imported.kind == "MDM, SMPL parameters" and codes(imported) == ["read_beside"]
    assert len(imported.motion) == len(files.truth())


def test_the_caption_of_mdm_comes_along() -> None:
    assert import_motion(files.mdm_smpl_params(files.truth())).text == "a person waves"


def test_results_of_mdm_are_cut_to_their_lengths_and_chosen_by_number() -> None:
    clips = [files.truth()[:20], files.truth()[10:60], files.truth()[:33]]
    content = files.mdm_results(clips)
    for item, clip in enumerate(clips):
        imported = import_motion(content, item=item)
        assert (imported.items, imported.text, len(imported.motion)) == (3, f"clip {item}", len(clip))
        assert "several_motions" in codes(imported) and "3 motions" in imported.notices[0].message
        assert np.abs(imported.motion.joints()[:, :22] - clip.joints()[:, :22]).max() < 0.02
    for item in (3, -1):
        with pytest.raises(FleximoError, match="3 motions") as told:
            import_motion(content, item=item)
        assert told.value.code == "no_such_item"


def test_joints2smpl_is_a_folder_of_one_file_a_frame(tmp_path: Path) -> None:
    for frame in range(12):
        (tmp_path / f"{frame:04d}.pkl").write_bytes(files.joints2smpl_frame(files.truth(), frame))
        (tmp_path / f"{frame:04d}.ply").write_bytes(b"ply")
    imported = import_motion(tmp_path)
    assert imported.kind == "joints2smpl" and len(imported.motion) == 12 and codes(imported) == ["frame_rate_assumed"]
    off = rot.angle_between(imported.motion.rotations[:, :22], files.truth().rotations[:12, :22])
    assert np.degrees(off).max() < 0.05
    assert len(import_motion(files.joints2smpl_frame(files.truth(), 3), fps=20).motion) == 1


@pytest.mark.parametrize(
    "shape",
    ["T2M-GPT (1, T, 22, 3)", "HumanML3D (T, 22, 3)", "SMPL's 24 joints", "SMPL-H's 52 joints", "MoMask, frames last"],
)
def test_joints_by_their_shape(shape: str) -> None:
    joints = files.truth().joints().astype(np.float32)
    if "24" in shape:
        joints = np.concatenate((joints[:, :22], joints[:, 20:22]), axis=1)
    elif "52" not in shape:
        joints = joints[:, :22]
    if "(1, T" in shape:
        joints = joints[None]
    if "last" in shape:
        joints = np.moveaxis(joints, 0, -1)
    imported = import_motion(files.npy(joints))
    assert imported.motion.fps == 20 and imported.items == 1 and not imported.notices
    assert np.abs(imported.motion.joints()[:, :22] - files.truth().joints()[:, :22]).max() < 0.02


def test_features_are_decoded_with_their_contacts() -> None:
    content = files.features(files.truth())
    imported = import_motion(content)
    assert imported.kind == "HumanML3D features" and len(imported.motion) == len(files.truth()) - 1
    columns = np.load(io.BytesIO(content))[:, [260, 262]] > 0.5  # left and right foot
    agree = [(imported.motion.contacts == given).mean() for given in (columns, columns[:, ::-1])]
    assert agree[0] > 0.8 and agree[0] > agree[1] + 0.1  # the foot lock may tell a few frames better
    # Features hold neither the place nor the heading of the start; distances between joints they do.
    ours, true = (motion.joints()[:-1, :22] for motion in (imported.motion, files.truth()[:-1]))
    reach = np.linalg.norm(ours[:, 20] - ours[:, 0], axis=-1), np.linalg.norm(true[:, 20] - true[:, 0], axis=-1)
    assert np.abs(reach[0] - reach[1]).max() < 0.02
    travelled = [np.linalg.norm(clip[-1, 0] - clip[0, 0]) for clip in (ours, true)]
    assert abs(travelled[0] - travelled[1]) < 0.01


def test_normalised_features_are_told() -> None:
    rows = np.random.default_rng(0).normal(size=(40, 263)).astype(np.float32)
    rows[:, 1:3] *= 3.0
    try:
        told = codes(import_motion(files.npy(rows)))
    except FleximoError as error:
        told = [error.code]
    assert told and told[0] in ("implausible_motion", "implausible_scale")


@pytest.mark.parametrize("unit", [("centimetres", 100.0), ("millimetres", 1000.0)])
def test_joints_in_another_unit_are_told_and_scaled(unit: tuple[str, float]) -> None:
    imported = import_motion(files.npy(files.body_joints(files.truth()) * unit[1]))
    assert codes(imported) == ["unit_guessed"] and unit[0] in imported.notices[0].message
    assert np.abs(imported.motion.joints()[:, :22] - files.truth().joints()[:, :22]).max() < 0.02


def test_joints_above_or_below_the_floor_are_put_on_it() -> None:
    for height in (-0.9, 0.5):
        joints = files.body_joints(files.truth()) + np.array([0.0, height, 0.0], np.float32)
        motion = import_motion(files.npy(joints)).motion
        assert np.abs(motion.joints()[:, :22] - files.truth().joints()[:, :22]).max() < 0.04


def test_joints_of_no_unit_are_refused() -> None:
    for factor in (1e-6, 7.0, 1e6):
        with pytest.raises(FleximoError) as told:
            import_motion(files.npy(files.body_joints(files.truth()) * factor))
        assert told.value.code == "implausible_scale"


def test_z_up_joints_are_told_and_turned_on_demand() -> None:
    joints = files.body_joints(files.truth())
    lying = files.npy(np.stack((joints[..., 0], -joints[..., 2], joints[..., 1]), axis=-1))
    assert codes(import_motion(lying)) == ["lying"]
    turned = import_motion(lying, up="z")
    assert not turned.notices
    assert np.abs(turned.motion.joints()[:, :22] - files.truth().joints()[:, :22]).max() < 0.02


@pytest.mark.parametrize("shape", [(30, 21, 3), (30, 251), (1, 30, 21, 3), (4, 21, 3, 30)])
def test_kit_ml_is_refused_with_a_sentence(shape: tuple[int, ...]) -> None:
    for content in (files.npy(np.zeros(shape)), files.torch_file(files.torch.zeros(shape))):
        with pytest.raises(FleximoError, match="KIT-ML") as told:
            import_motion(content)
        assert told.value.code == "kit_ml"


def test_kit_ml_in_results_of_mdm_is_refused() -> None:
    fields = {"motion": np.zeros((2, 251, 1, 40)), "lengths": np.array([40, 40]), "text": ["a", "b"]}
    with pytest.raises(FleximoError) as told:
        import_motion(files.npy(fields))
    assert told.value.code == "kit_ml"


def test_our_own_file_comes_back_as_it_is(tmp_path: Path) -> None:
    files.truth().save(tmp_path / "a.npz")
    motion = read_motion(tmp_path / "a.npz")
    for name in ("rotations", "root", "contacts"):
        assert np.array_equal(getattr(motion, name), getattr(files.truth(), name))


def test_a_bvh_of_ours_comes_back(tmp_path: Path) -> None:
    assert save_motion(files.truth(), tmp_path / "a.bvh") == ()
    motion = read_motion(tmp_path / "a.bvh")
    assert_same_rotations(motion, 52)
    assert np.abs(motion.joints() - files.truth().joints()).max() < 1e-4


def test_joints_and_features_are_written_for_others(tmp_path: Path) -> None:
    fast = files.truth().resample(30)
    assert [notice.code for notice in save_motion(fast, tmp_path / "joints.npy")] == ["resampled"]
    joints = np.load(tmp_path / "joints.npy")
    assert joints.dtype == np.float32 and joints.shape == (len(fast.resample(20)), 22, 3)
    assert np.abs(joints - fast.resample(20).joints()[:, :22]).max() < 1e-5
    assert save_motion(files.truth(), tmp_path / "vecs.npy", features=True) == ()
    assert np.load(tmp_path / "vecs.npy").shape == (len(files.truth()) - 1, 263)
    with pytest.raises(FleximoError, match="npy"):
        save_motion(fast, tmp_path / "a.bvh", features=True)
    with pytest.raises(FleximoError, match="ending"):
        save_motion(fast, tmp_path / "a.fbx")


def test_stance_stands_on_the_floor_whatever_the_file_says() -> None:
    content = pickle.loads(files.aist(files.truth()))  # noqa: S301 - made above
    content["smpl_trans"] = content["smpl_trans"] + np.array([0.0, 55.0, 0.0])
    motion = import_motion(pickle.dumps(content)).motion
    soles = motion.positions("left_heel", "right_heel", "left_toe_tip", "right_toe_tip")[..., 1]
    assert abs(float(np.percentile(soles.min(axis=1), 2))) < 1e-3
    assert motion.contacts.mean() > 0.3


def test_rotations_use_the_default_rig() -> None:
    motion = import_motion(files.amass(files.truth())).motion
    assert motion.rig is DEFAULT_RIG and motion.fps == Fraction(20)


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (b"", "empty"),
        (b"Kaydara FBX Binary  \x00", "FBX"),
        (b"glTF\x02\x00\x00\x00", "glTF"),
        (b"\x89PNG\r\n\x1a\n", "picture"),
        (b"\x00\x00\x00\x18ftypmp42", "video"),
        (b"<!DOCTYPE html><html>", "web page"),
        (b"version https://git-lfs.github.com/spec/v1", "git lfs"),
        (b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.", "PyTorch before 1.6"),
        (b"v 0 0 0\nv 1 0 0\n", "folder"),
        (b"hello", "no motion format"),
    ],
)
def test_other_files_are_named(content: bytes, named: str) -> None:
    with pytest.raises(FleximoError, match=named) as told:
        import_motion(content)
    assert told.value.code == "unknown_format"


def test_weights_are_told_from_motions() -> None:
    with pytest.raises(FleximoError, match="holds a model"):
        import_motion(files.torch_file({"net": {"a": files.torch.zeros(2)}}))
    with pytest.raises(FleximoError, match="these are not the fields"):
        import_motion(files.npz(a=np.zeros(3), b=np.zeros(3)))


def test_files_are_told_by_their_content_not_by_their_names(tmp_path: Path) -> None:
    (tmp_path / "walk.txt").write_bytes(files.amass(files.truth()))
    assert import_motion(tmp_path / "walk.txt").kind == "AMASS, SMPL-H"
    assert sniff(files.torch_file(files.torch.zeros(2))) == "torch"
    assert sniff(b"\xef\xbb\xbf\r\n hierarchy\r\nROOT a") == "bvh"


def test_a_folder_of_nothing_and_no_file_are_told(tmp_path: Path) -> None:
    with pytest.raises(FleximoError, match="no frames"):
        import_motion(tmp_path)
    with pytest.raises(FleximoError, match="no file"):
        import_motion(tmp_path / "absent.npz")
    with pytest.raises(FleximoError, match="up axis"):
        import_motion(files.amass(files.truth()), up="x")


def rows_of_the_page() -> list[str]:
    page = (Path(__file__).parents[2] / "docs" / "formats.md").read_text(encoding="utf-8")
    table = page.split("## What is read")[1].split("\n\n")[0]
    return [line.split("|")[1].strip() for line in table.splitlines() if line.startswith("| ")][1:]


def test_every_row_of_the_page_is_read(tmp_path: Path) -> None:
    clip = files.truth()[:6]
    joints = files.npy(files.body_joints(clip))
    vertices = files.mesh(clip)[0]
    mesh = files.torch_file(files.torch.from_numpy(np.moveaxis(vertices, 0, -1)[None]))
    (tmp_path / "obj").mkdir()
    for frame, surface in enumerate(vertices):
        (tmp_path / "obj" / f"frame{frame:03d}.obj").write_bytes(files.obj_frame(surface))
    (tmp_path / "pkl").mkdir()
    (tmp_path / "pkl" / "0000.pkl").write_bytes(files.joints2smpl_frame(clip, 0))
    samples: dict[str, tuple[bytes | Path, str]] = {
        "T2M-GPT": (files.npy(files.body_joints(clip)[None]), "joints, 22"),
        "T2M-GPT, mesh": (mesh, "mesh of 6890 vertices"),
        "HumanML3D, joints": (joints, "joints, 22"),
        "HumanML3D, features": (files.features(clip), "HumanML3D features"),
        "MDM, joints": (files.mdm_results([clip]), "MDM, joints"),
        "MDM, rotations": (files.mdm_rotations(clip), "MDM, rotations"),
        "MDM, SMPL parameters": (files.mdm_smpl_params(clip), "MDM, SMPL parameters"),
        "MoMask": (joints, "joints, 22"),
        "joints2smpl": (tmp_path / "pkl", "joints2smpl"),
        "AMASS, SMPL-H": (files.amass(clip), "AMASS, SMPL-H"),
        "AMASS, SMPL-X": (files.amass(clip, smplx=True), "AMASS, SMPL-X"),
        "AIST++": (files.aist(clip), "AIST++, SMPL"),
        "BVH": (bvh.to_text(clip).encode(), "BVH, 52 joints"),
        "SMPL meshes": (tmp_path / "obj", "folder of .obj meshes"),
        "Fleximo": (clip.to_bytes(), "Fleximo"),
    }
    assert rows_of_the_page() == list(samples)
    for name, (source, kind) in samples.items():
        imported = import_motion(source)
        assert imported.kind == kind, name
        assert len(imported.motion) == len(clip) - (name == "HumanML3D, features") or name == "joints2smpl"
