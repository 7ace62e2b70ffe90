"""Mesh clips of 6890 vertices become motions in three ways, judged against the skeleton that moved the mesh."""

from __future__ import annotations

import functools
import pickle
import tracemalloc
from fractions import Fraction
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import scipy.sparse

from fleximo import FleximoError, Motion, MotionPlan, Notice, Segment, moves
from fleximo import rotations as rot
from fleximo.formats import import_motion
from fleximo.formats.clips import MeshClip
from fleximo.formats.mesh_joints import MeshJoints, estimate_joints
from fleximo.formats.smpl_fit import fit_model
from fleximo.formats.smpl_mesh import joints_beside, motion_from_mesh
from fleximo.formats.smpl_model import SmplModel, load_model
from fleximo.rig import BODY_JOINTS
from tests.fixtures import synthetic_body
from tests.fixtures.synthetic_body import Body
from tests.fleximo import motion_files

FPS = Fraction(10)
FRAMES = 60
Clip = tuple[np.ndarray, np.ndarray, np.ndarray]  # vertices (T,6890,3) float32, joints (T,24,3), rotations (T,24,4)

body = functools.cache(synthetic_body.make_body)


@functools.cache
def random_clip(seed: int) -> Clip:
    """All joints of the body number `seed` move."""
    local, pelvis = synthetic_body.random_pose(FRAMES, seed + 1, fps=float(FPS))
    vertices, joints = body(seed).skin(local, pelvis)
    return vertices.astype(np.float32), joints, local


@functools.cache
def move_clip(name: str, seed: int = 1) -> Clip:
    """The body number `seed` does one of our moves."""
    motion = moves.generate(MotionPlan((Segment(name, 5.0),)), fps=FPS)
    local = np.tile(rot.IDENTITY, (len(motion), 24, 1))
    local[:, :22] = motion.rotations[:, :22]
    vertices, joints = body(seed).skin(local, motion.root.astype(np.float64))
    return vertices.astype(np.float32), joints, local


@functools.cache
def estimate(name: str) -> MeshJoints:
    return estimate_joints(move_clip(name)[0])


def imported(vertices: np.ndarray, model: Path | None = None) -> tuple[Motion, Notice]:
    motion, (notice,), mesh = motion_from_mesh(MeshClip(vertices, FPS), model)
    assert mesh.vertices.shape == vertices.shape
    return motion, notice


def joint_errors(found: np.ndarray, true: np.ndarray) -> np.ndarray:
    """(T,22) m, heights compared to within a constant: the importer puts the mesh on the floor."""
    off = found[:, :22] - true[:, :22]
    off[..., 1] -= np.median(off[..., 1])
    return np.asarray(np.linalg.norm(off, axis=-1))


@pytest.fixture(scope="module")
def model_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "body.npz"
    np.savez(path, **body(1).arrays())
    return path


# By the model


@pytest.mark.parametrize("noise_m", [0.0, 0.001])
@pytest.mark.parametrize("shaped", [False, True])
def test_the_model_gives_the_pose_back(shaped: bool, noise_m: float) -> None:
    generator = np.random.default_rng(4)
    local, pelvis = synthetic_body.random_pose(16, 6, fps=float(FPS))
    betas = generator.normal(0.0, 1.5, 10) if shaped else np.zeros(10)
    vertices, joints = body(1).skin(local, pelvis, betas)
    vertices += generator.normal(0.0, 1.0, vertices.shape) * noise_m
    fit = fit_model(SmplModel.from_arrays(body(1).arrays()), vertices.astype(np.float32))
    limit = 1.0 if noise_m else 0.01
    assert np.linalg.norm(fit.joints - joints, axis=-1).max() < 0.002 * limit
    assert np.degrees(rot.angle_between(fit.rotations, local)).max() < 1.0 * limit
    assert np.allclose(fit.rest_joints - fit.rest_joints[0], _from_pelvis(body(1), betas), atol=0.002 * limit)
    assert fit.error_m.max() == pytest.approx(np.sqrt(3.0) * noise_m, abs=2e-5)


def _from_pelvis(one: Body, betas: np.ndarray) -> np.ndarray:
    rest = one.rest_joints(betas)
    return np.asarray(rest - rest[0])


def test_blend_shapes_of_the_pose_are_taken_off() -> None:
    """A fit that ignored them would be off by more than the bar."""
    vertices, joints, _ = random_clip(1)
    arrays = body(1).arrays()
    without = fit_model(SmplModel.from_arrays({k: v for k, v in arrays.items() if k != "posedirs"}), vertices[:8])
    fit = fit_model(SmplModel.from_arrays(arrays), vertices[:8])
    assert np.linalg.norm(without.joints - joints[:8], axis=-1).max() > 0.002
    assert np.linalg.norm(fit.joints - joints[:8], axis=-1).max() < 1e-4


def test_a_motion_by_the_model_is_the_rotations_themselves(model_file: Path) -> None:
    vertices, joints, local = random_clip(1)
    motion, notice = imported(vertices, model_file)
    assert notice.code == "mesh_posed_by_model" and "body.npz" in notice.message
    assert joint_errors(motion.joints(), joints).max() < 0.002
    assert np.degrees(rot.angle_between(motion.rotations[:, :22], local[:, :22])).max() < 1.0
    assert not np.allclose(motion.rotations[:, 22:], rot.IDENTITY)  # SMPL has no fingers: the preset's


class _Text(pickle._Pickler):  # type: ignore[name-defined, misc]
    """Protocol 0 of Python 2, in which the released neutral model is written: arrays as quoted text."""

    dispatch: ClassVar[dict[type, Any]] = dict(pickle._Pickler.dispatch)  # type: ignore[attr-defined]
    _SPELLED: ClassVar[dict[int, str]] = {
        code: chr(code) if 32 <= code < 127 and chr(code) not in "'\\" else f"\\x{code:02x}" for code in range(256)
    }

    def save_bytes(self, obj: bytes) -> None:
        self.write(b"S'" + obj.decode("latin-1").translate(self._SPELLED).encode("ascii") + b"'\n")
        self.memoize(obj)

    dispatch[bytes] = save_bytes


@pytest.mark.parametrize("kind", ["npz", "chumpy", "text"])
def test_model_files_of_all_kinds_are_read(kind: str, tmp_path: Path) -> None:
    arrays: dict[str, Any] = body(0).arrays() | {"bs_type": "lrotmin"}
    path = tmp_path / "model"
    with path.open("wb") as file:
        if kind == "npz":
            np.savez(file, **arrays)
        else:
            arrays["J_regressor"] = scipy.sparse.csc_matrix(arrays["J_regressor"])
            if kind == "chumpy":
                file.write(motion_files.body_model(arrays))
            else:
                del arrays["posedirs"]  # 34 MB, three times that as text
                _Text(file, protocol=0).dump(arrays)
    model = load_model(path)
    assert np.array_equal(model.v_template, body(0).v_template)
    assert np.array_equal(model.shapedirs, body(0).shapedirs)
    assert np.allclose(model.j_regressor, body(0).J_regressor)
    assert np.allclose(model.weights, body(0).weights) and np.array_equal(model.faces, body(0).f)
    assert model.posedirs.shape[2] == (0 if kind == "text" else 207)
    assert model.parents.tolist() == list(synthetic_body.PARENTS)


def _replaced(**changes: Any) -> dict[str, Any]:
    arrays: dict[str, Any] = {name: value for name, value in body(0).arrays().items() if name not in ("posedirs",)}
    return {name: value for name, value in (arrays | changes).items() if value is not None}


@pytest.mark.parametrize(
    "changes",
    [
        {"weights": None},
        {"weights": np.zeros((6890, 24))},
        {"weights": np.full((6890, 52), 1 / 52)},
        {"v_template": np.full((6890, 3), np.nan)},
        {"v_template": np.zeros((10475, 3))},
        {"J_regressor": np.full((55, 6890), 1 / 6890)},
        {"J_regressor": "none"},
        {"shapedirs": np.zeros((6890, 10))},
        {"posedirs": np.zeros((6890, 3, 486), np.float32)},
        {"kintree_table": np.zeros((2, 24), np.uint32)},
        {"kintree_table": np.array([[4294967295] + [0] * 23] * 2)},
        {"f": np.zeros((5, 4))},
    ],
    ids=lambda changes: " ".join(f"{name} {np.shape(value)}" for name, value in changes.items()),
)
def test_what_is_no_smpl_model_is_told_in_one_sentence(changes: dict[str, Any]) -> None:
    with pytest.raises(FleximoError) as told:
        SmplModel.from_arrays(_replaced(**changes))
    assert "body model" in str(told.value)


def test_damaged_model_files_are_told(tmp_path: Path) -> None:
    whole = motion_files.body_model({"v_template": np.zeros((6890, 3)), "weights": np.zeros((6890, 24))})
    path = tmp_path / "model.pkl"
    generator = np.random.default_rng(0)
    for content in [b"", b"\x80", b"PK\x03\x04", b"garbage" * 9, pickle.dumps([1]), pickle.dumps(Path("x")), whole]:
        path.write_bytes(content)
        with pytest.raises(FleximoError):
            load_model(path)
    for cut in generator.integers(1, len(whole), 20).tolist():
        path.write_bytes(whole[:cut])
        with pytest.raises(FleximoError):
            load_model(path)
    for missing in (tmp_path / "none.pkl", tmp_path):
        with pytest.raises(FleximoError):
            load_model(missing)


def test_another_body_s_model_is_refused(model_file: Path) -> None:
    """Its vertices come in another order."""
    with pytest.raises(FleximoError, match="not of this model") as told:
        imported(random_clip(0)[0][:2], model_file)
    assert told.value.code == "wrong_mesh"


# By the joints beside


@pytest.mark.parametrize("shift", [(0.0, 0.0, 0.0), (0.4, -1.1, 2.0)])
def test_joints_beside_the_mesh_are_used(tmp_path: Path, shift: tuple[float, float, float]) -> None:
    """T2M-GPT writes NAME_pred.npy beside NAME_pred.pt; the mesh may stand elsewhere by a constant."""
    vertices, joints, _ = move_clip("walk")
    path = tmp_path / "a_pred.pt"
    path.write_bytes(_torch_mesh(vertices + np.array(shift, dtype=np.float32)))
    np.save(tmp_path / "a_pred.npy", joints[None, :, :22].astype(np.float32))
    found = import_motion(path, fps=FPS)
    assert "mesh_joints_beside" in [notice.code for notice in found.notices]
    assert joint_errors(found.motion.joints(), joints).mean() < 0.010  # what the solver's foot lock moves
    assert found.mesh is not None
    inside = found.mesh.vertices.mean(axis=1) - found.motion.joints()[:, :22].mean(axis=1)
    assert np.abs(inside).max() < 0.10


def _torch_mesh(vertices: np.ndarray) -> bytes:
    torch = pytest.importorskip("torch")
    return motion_files.torch_file(torch.from_numpy(np.ascontiguousarray(vertices.transpose(1, 2, 0))[None]))


@pytest.mark.parametrize("beside", ["other clip", "other length", "no joints", "damaged"])
def test_what_else_lies_beside_is_not_taken(beside: str, tmp_path: Path) -> None:
    vertices, joints, _ = move_clip("dance")
    other = {
        "other clip": random_clip(1)[1][: len(vertices), :22] * 1.5,
        "other length": joints[:-1, :22],
        "no joints": np.zeros(5),
    }
    path = tmp_path / "a.npy"
    if beside == "damaged":
        path.write_bytes(b"\x93NUMPY")
    else:
        np.save(path, other[beside])
    assert joints_beside(MeshClip(vertices, FPS, tmp_path / "a.pt")) is None
    np.save(path, joints[:, :22])
    assert joints_beside(MeshClip(vertices, FPS, tmp_path / "a.pt")) is not None


# Estimated


def test_a_mesh_whose_z_points_up_is_turned_and_kept() -> None:
    vertices, joints, _ = random_clip(1)
    found = import_motion(motion_files.npy(vertices[..., [0, 2, 1]] * np.float32([1, -1, 1])), fps=FPS, up="z")
    assert joint_errors(found.motion.joints(), joints).mean() < 0.030
    assert found.mesh is not None
    low = np.percentile(vertices[..., 1].min(axis=1), 2.0)
    assert np.allclose(found.mesh.vertices, vertices - [0.0, low, 0.0], atol=1e-4)


@pytest.mark.parametrize("seed", range(3))
def test_the_estimate_where_everything_moves(seed: int) -> None:
    vertices, joints, _ = random_clip(seed)
    motion, notice = imported(vertices)
    assert notice.code == "mesh_estimated" and "estimated" in notice.message and "mm" in notice.message
    errors = joint_errors(motion.joints(), joints)
    assert errors.mean() < 0.030
    assert errors.mean(axis=0).max() < 0.060, BODY_JOINTS[int(errors.mean(axis=0).argmax())]


@pytest.mark.parametrize("name", ["walk", "dance", "golf_swing", "sit_down"])
def test_the_estimate_of_our_moves(name: str) -> None:
    """Arms hang beside the trunk, parts of the body hardly move."""
    joints = move_clip(name)[1]
    assert joint_errors(estimate(name).joints, joints).mean() < 0.030


def test_limbs_are_cut_where_they_bend_not_where_others_bend() -> None:
    odd = synthetic_body.make_body(0, stretch={"left_elbow": 0.7, "left_wrist": 1.25, "left_knee": 0.8})
    local, pelvis = synthetic_body.random_pose(FRAMES, 11, fps=float(FPS))
    vertices, joints = odd.skin(local, pelvis)
    errors = joint_errors(estimate_joints(vertices.astype(np.float32)).joints, joints).mean(axis=0)
    assert errors.mean() < 0.030
    assert all(
        errors[BODY_JOINTS.index(f"{side}_{name}")] < 0.015 for side in ("left", "right") for name in ("elbow", "knee")
    )


def test_the_order_of_the_vertices_tells_nothing() -> None:
    vertices, joints, _ = random_clip(1)
    shuffled = vertices[:, np.random.default_rng(9).permutation(6890)]
    assert joint_errors(estimate_joints(shuffled).joints, joints).mean() < 0.030


def test_the_mirror_image_swaps_the_sides() -> None:
    vertices, joints, _ = random_clip(2)
    swapped = [BODY_JOINTS.index(_other_side(name)) for name in BODY_JOINTS]
    flip = np.array([-1.0, 1.0, 1.0])
    found = estimate_joints(vertices * flip.astype(np.float32)).joints
    assert joint_errors(found, (joints * flip)[:, swapped]).mean() < 0.030


def _other_side(name: str) -> str:
    if name.startswith("left"):
        return name.replace("left", "right")
    return name.replace("right", "left")


def test_a_handstand_is_told_from_standing() -> None:
    """Sides and ends come from the body, not from the world's axes."""
    vertices, joints, _ = random_clip(3)
    turn = rot.to_matrix(rot.from_rotation_vector(np.array([2.9, 0.3, 0.4])))
    found = estimate_joints((vertices @ turn.T).astype(np.float32)).joints
    assert np.linalg.norm(found - (joints @ turn.T)[:, :22], axis=-1).mean() < 0.030


def test_noise_does_little() -> None:
    vertices, joints, _ = random_clip(0)
    noisy = vertices + np.random.default_rng(2).normal(0.0, 0.003, vertices.shape).astype(np.float32)
    assert joint_errors(estimate_joints(noisy).joints, joints).mean() < 0.030


@pytest.mark.parametrize("name", ["dance", "walk", "wave", "idle"])
def test_the_estimate_knows_how_far_off_it_is(name: str) -> None:
    found, joints = estimate(name), move_clip(name)[1]
    true = joint_errors(found.joints, joints).mean()
    assert 0.6 * true < found.errors_m.mean() < 2.5 * true


def test_who_stands_still_is_less_certain_than_who_moves() -> None:
    still, moving = (estimate(name).errors_m.mean() for name in ("idle", "dance"))
    assert still > 1.7 * moving


def test_the_head_turns_though_joints_do_not_tell() -> None:
    vertices, _, local = move_clip("shake_head")
    motion, _ = imported(vertices)
    true = local[:, 0]
    for name in ("spine1", "spine2", "spine3", "neck", "head"):
        true = rot.multiply(true, local[:, BODY_JOINTS.index(name)])
    seen, turned = (
        np.unwrap(rot.yaw(world)) for world in (motion.world_rotations()[:, BODY_JOINTS.index("head")], true)
    )
    assert np.ptp(turned) > np.radians(30.0)
    assert np.abs((seen - seen.mean()) - (turned - turned.mean())).max() < np.radians(5.0)


def test_one_frame_is_enough_for_a_guess() -> None:
    vertices, joints, _ = random_clip(0)
    found = estimate_joints(vertices[:1])
    assert joint_errors(found.joints, joints[:1]).mean() < 0.080
    assert found.errors_m.mean() > 0.035
    motion, _ = imported(vertices[:1])
    assert len(motion) == 1


@pytest.mark.parametrize(
    "vertices",
    [
        np.zeros((5, 6890, 3)),
        np.full((5, 6890, 3), np.nan),
        np.zeros((0, 6890, 3)),
        np.zeros((5, 10475, 3)),
        np.zeros((6890, 3)),
        np.random.default_rng(0).normal(size=(2, 6890, 3)) * 0.2,
        np.random.default_rng(0).normal(size=(1, 6890, 3)) * 100.0,
        np.random.default_rng(0).normal(size=6890 * 3).reshape(1, 6890, 3) * [0.001, 0.2, 0.001],
        np.where(np.arange(6890)[:, None] % 2, 0.0, 1.0) * np.ones((1, 6890, 3)),
        np.broadcast_to(np.float32(0.0), (1300, 6890, 3)),
        np.pad(np.full((4, 6889, 3), 1.0), ((0, 0), (0, 1), (0, 0)), constant_values=np.inf),
    ],
    ids=["points", "nan", "no frame", "SMPL-X", "no clip", "cloud", "huge", "needle", "two points", "long", "infinite"],
)
def test_what_is_no_body_gives_one_sentence(vertices: np.ndarray, model_file: Path) -> None:
    for model in (None, model_file):
        with pytest.raises(FleximoError):
            motion_from_mesh(MeshClip(vertices, FPS), model)


def test_memory_stays_small(model_file: Path) -> None:
    """Ten seconds at 20 fps, the longest that T2M-GPT makes."""
    vertices = np.concatenate([random_clip(1)[0]] * 4)[:200]
    tracemalloc.start()
    motion_from_mesh(MeshClip(vertices, FPS), model_file)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 250e6
