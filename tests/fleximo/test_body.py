"""The mannequin: closed, symmetric, of a person's size, skinned as graphics cards take it, and fitted to other rigs."""

from __future__ import annotations

import pickle
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fleximo import DEFAULT_RIG, FleximoError
from fleximo import rotations as rot
from fleximo.body import MOST_JOINTS, SkinnedBody, few_joints, fitted_body, mannequin, posed_body
from fleximo.body.controls import OUTLINES, clasp
from fleximo.body.subdivision import subdivided
from fleximo.formats.body_file import read_body
from fleximo.formats.smpl import rig_from_rest_joints
from tests.fixtures.synthetic_body import make_body

STILL = np.tile(rot.IDENTITY, (52, 1))


def volume(vertices: Any, faces: Any) -> float:
    triangles = np.concatenate((faces[:, :3], faces[:, [0, 2, 3]])) if faces.shape[1] == 4 else faces
    a, b, c = (vertices[triangles[:, corner]] for corner in range(3))
    return float(np.einsum("ij,ij->i", a, np.cross(b, c)).sum() / 6.0)


def inside(point: Any, vertices: Any, faces: Any) -> bool:
    """By the solid angle under which the surface is seen from `point` (Van Oosterom & Strackee 1983)."""
    triangles = np.concatenate((faces[:, :3], faces[:, [0, 2, 3]]))
    a, b, c = (vertices[triangles[:, corner]] - point for corner in range(3))
    la, lb, lc = (np.linalg.norm(each, axis=1) for each in (a, b, c))
    above = np.einsum("ij,ij->i", a, np.cross(b, c))
    below = la * lb * lc + (a * b).sum(1) * lc + (b * c).sum(1) * la + (c * a).sum(1) * lb
    return bool(2.0 * np.arctan2(above, below).sum() > 2.0 * np.pi)


def test_subdivision_of_a_cube_is_the_known_one() -> None:
    corners = np.array([[x, y, z] for x in (-1.0, 1.0) for y in (-1.0, 1.0) for z in (-1.0, 1.0)])
    faces = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    places, quads = subdivided(corners, faces)
    assert places.shape == (26, 3) and quads.shape == (24, 4)
    lengths = np.linalg.norm(places, axis=1)
    assert np.allclose(lengths[:8], 5.0 / 9.0 * np.sqrt(3.0))  # corners
    assert np.allclose(lengths[8:20], 0.75 * np.sqrt(2.0)) and np.allclose(lengths[20:], 1.0)  # edges, faces
    assert volume(places, quads) == pytest.approx(8.0 * 5.0 / 12.0)


def test_the_mannequin_is_closed_and_of_few_vertices() -> None:
    body = mannequin()
    edges = Counter((a, b) for face in body.faces.tolist() for a, b in zip(face, face[1:] + face[:1]))
    assert max(edges.values()) == 1, "faces that share an edge run along it in opposite directions"
    assert all((b, a) in edges for a, b in edges)
    assert len(body.vertices) - len(edges) // 2 + len(body.faces) == 2, "one surface without holes"
    assert 1500 < len(body.vertices) < 3600


def test_the_mannequin_is_symmetric() -> None:
    body = mannequin()
    places = np.round(body.vertices.astype(np.float64), 6)
    order = {tuple(place): row for row, place in enumerate(places)}
    twins = np.array([order[tuple(place)] for place in places * (-1.0, 1.0, 1.0)])
    names = DEFAULT_RIG.joint_names
    sides = [names.index(n.replace("left", "RIGHT").replace("right", "left").replace("RIGHT", "right")) for n in names]
    assert np.abs(body.weights[twins][:, sides] - body.weights).max() < 1e-6


def test_it_has_a_persons_measures() -> None:
    body = mannequin()
    assert 0.055 < volume(body.vertices, body.faces) < 0.075  # a person of 1.73 m weighs 55 to 75 kg, as much as water
    assert np.ptp(body.vertices[:, 1]) == pytest.approx(1.73, abs=0.03)
    assert body.vertices[:, 1].min() == pytest.approx(-DEFAULT_RIG.rest_height, abs=0.012)
    for name, place in zip(DEFAULT_RIG.joint_names, body.joints):
        assert inside(place, body.vertices, body.faces), name
    assert not inside(np.array([0.0, 0.0, 0.2]), body.vertices, body.faces)


def test_weights_are_few_sum_to_one_and_lie_around_their_joint() -> None:
    body = mannequin()
    assert np.abs(body.weights.sum(axis=1) - 1.0).max() < 1e-6 and body.weights.min() >= 0.0
    assert (body.weights > 0.0).sum(axis=1).max() <= MOST_JOINTS
    assert (body.weights.max(axis=0) > 0.4).all(), "each joint has a part of its own"
    reach = {"pelvis": 0.26, "spine3": 0.26, "head": 0.22}
    for joint, name in enumerate(DEFAULT_RIG.joint_names):
        mine = body.weights[:, joint] > 0.4
        away = np.linalg.norm(body.vertices[mine] - body.joints[joint], axis=1)
        children = np.flatnonzero(DEFAULT_RIG.parents == joint)
        longest = max([float(np.linalg.norm(body.joints[c] - body.joints[joint])) for c in children], default=0.08)
        assert away.max() < reach.get(name, longest + 0.10), name


def test_few_joints_keeps_the_largest() -> None:
    given = np.array([[0.3, 0.25, 0.2, 0.15, 0.1], [0.2, 0.2, 0.2, 0.2, 0.2], [1.0, 0.0, 0.0, 0.0, 0.0]])
    kept = few_joints(given)
    assert np.allclose(kept.sum(axis=1), 1.0) and ((kept > 0).sum(axis=1) == (4, 4, 1)).all()
    assert kept[0, 4] == 0.0 and kept[0, 0] == pytest.approx(0.3 / 0.9)


def test_a_bent_forearm_moves_rigidly_and_nothing_else_does() -> None:
    body, pose = mannequin(), STILL.copy()
    elbow = DEFAULT_RIG.index("left_elbow")
    turn = rot.from_axis_angle(np.array([0.0, -1.0, 0.0]), 1.2)
    pose[elbow] = turn
    moved = posed_body(body, pose, np.zeros(3))
    forearm = body.weights[:, elbow] > 0.9999
    expected = body.joints[elbow] + rot.rotate(turn, body.vertices[forearm] - body.joints[elbow])
    assert forearm.sum() >= 16 and np.abs(moved[forearm] - expected).max() < 1e-5
    still = body.vertices[:, 0] < 0.3
    assert np.abs(moved - body.vertices)[still].max() < 1e-6
    whole = posed_body(body, STILL, np.array([0.1, 0.9, 0.0]))
    assert np.abs(whole - body.vertices - (0.1, 0.9, 0.0)).max() < 1e-6


@pytest.mark.parametrize("joint,axis,degrees", [
    ("left_knee", (1, 0, 0), 120), ("right_hip", (-1, 0, 0), 100), ("left_shoulder", (0, 0, -1), 80),
    ("right_elbow", (0, 1, 0), 130), ("left_wrist", (1, 0, 0), 60), ("spine2", (1, 0, 0), 30),
])  # fmt: skip
def test_bending_costs_little_volume(joint: str, axis: tuple[int, ...], degrees: float) -> None:
    body, pose = mannequin(), STILL.copy()
    pose[DEFAULT_RIG.index(joint)] = rot.from_axis_angle(np.array(axis, dtype=float), np.radians(degrees))
    bent = posed_body(body, pose, np.zeros(3))
    assert volume(bent, body.faces) == pytest.approx(volume(body.vertices, body.faces), rel=0.04)


def test_other_bone_lengths() -> None:
    body = mannequin()
    assert fitted_body(body, DEFAULT_RIG) is body
    offsets = DEFAULT_RIG.rest_offsets.astype(np.float64)
    child = fitted_body(body, DEFAULT_RIG.with_offsets(0.65 * offsets, {}))
    assert np.abs(child.vertices - 0.65 * body.vertices).max() < 1e-6
    factors = np.random.default_rng(5).uniform(0.8, 1.25, 22)
    for joint in range(1, 22):
        twin = DEFAULT_RIG.joint_names[joint].replace("right_", "left_")
        offsets[joint] *= factors[DEFAULT_RIG.index(twin)]
    rig = DEFAULT_RIG.with_offsets(offsets)
    fitted = fitted_body(body, rig)
    for name, place in zip(DEFAULT_RIG.joint_names, rig.rest_joints):
        assert inside(place, fitted.vertices, fitted.faces), name
    assert (fitted.weights == body.weights).all()
    assert 0.6 < volume(fitted.vertices, fitted.faces) / volume(body.vertices, body.faces) < 1.6
    knee = (body.weights[:, rig.index("left_knee")] > 0.99) & (body.vertices[:, 1] < -0.55)
    width = [np.ptp(each.vertices[knee, 0]) for each in (body, fitted)]
    assert 0.75 < width[1] / width[0] < 1.3, "longer, not thicker"


def test_bytes_and_back() -> None:
    body = mannequin()
    again = SkinnedBody.from_bytes(body.to_bytes())
    for name in ("vertices", "faces", "weights", "joints", "tips"):
        assert (getattr(again, name) == getattr(body, name)).all()
    with pytest.raises(FleximoError, match="body"):
        SkinnedBody.from_bytes(b"PK nothing")


made_up = cache(make_body)


def with_joints(count: int) -> dict[str, Any]:
    """The made-up body as a model of more joints: hands of 15 each, and SMPL-X's jaw and eyes."""
    body = made_up(2)
    arrays = body.arrays()
    if count == 24:
        return arrays
    extra = [np.zeros((len(body.weights), 1))] * (count - 22)
    weights = np.concatenate((body.weights[:, :22], *extra), axis=1)
    first = count - 30
    weights[:, first] = body.weights[:, 22]  # the hand's weight on the first finger joint of its side
    weights[:, first + 15] = body.weights[:, 23]
    near = np.concatenate((body.J_regressor[:22], *([body.J_regressor[15:16]] * (count == 55) * 3)))
    hands = np.concatenate((np.tile(body.J_regressor[22], (15, 1)), np.tile(body.J_regressor[23], (15, 1))))
    table = np.zeros((2, count), dtype=np.int64)
    table[0, :22], table[1] = body.kintree_table[0, :22].astype(np.int64), np.arange(count)
    return {**arrays, "weights": weights, "J_regressor": np.concatenate((near, hands)), "kintree_table": table}


@pytest.mark.parametrize("count", [24, 52, 55])
def test_the_users_own_model(tmp_path: Path, count: int) -> None:
    arrays = with_joints(count)
    path = tmp_path / "model.npz"
    np.savez(path, **arrays)
    body = read_body(path)
    rest = arrays["J_regressor"] @ arrays["v_template"]
    assert body.weights.shape == (6890, 52) and np.abs(body.weights.sum(axis=1) - 1.0).max() < 1e-6
    assert np.abs(body.joints[:22] - (rest - rest[0])[:22]).max() < 1e-6
    fingers = body.weights[:, 22:].sum()
    assert (fingers > 50.0) == (count > 24), "SMPL has one joint for the whole hand, which goes with the wrist"
    for side, outermost in (("left", body.vertices[:, 0].argmax()), ("right", body.vertices[:, 0].argmin())):
        hand = list(DEFAULT_RIG.descendants(f"{side}_wrist"))
        assert body.weights[outermost, hand].sum() > 0.99
    same = fitted_body(body, rig_from_rest_joints(rest[:22]))
    body_part = body.weights[:, 20:].max(axis=1) == 0.0
    assert np.abs(same.vertices - body.vertices)[body_part].max() < 0.03
    ours = fitted_body(body, DEFAULT_RIG)
    elbow = body.weights[:, DEFAULT_RIG.index("left_elbow")] > 0.99
    centre = ours.vertices[elbow].mean(axis=0)
    assert abs(centre[1] - DEFAULT_RIG.rest_joints[DEFAULT_RIG.index("left_elbow"), 1]) < 0.02, "arms lie level"


@pytest.mark.parametrize(("change", "told"), [
    ({"weights": None}, "lacks weights"), ({"f": None}, "lacks f"), ({"weights": np.ones((6890, 24))}, "sum to 1"),
    ({"f": np.full((3, 3), 7000)}, "does not have"), ({"f": np.zeros((0, 3), int)}, "does not have"),
    ({"f": np.zeros((3, 3))}, "triangles"), ({"weights": np.full((6890, 10), 0.1)}, "10 joints"),
    ({"v_template": np.zeros((6890, 3))}, "tall"), ({"v_template": np.full((6890, 3), np.nan)}, "v_template"),
    ({"kintree_table": np.zeros((2, 24), int)}, "hang together"),
])  # fmt: skip
def test_what_is_no_model_is_told(tmp_path: Path, change: dict[str, Any], told: str) -> None:
    arrays = {**made_up(1).arrays(), **change}
    np.savez(tmp_path / "model.npz", **{name: values for name, values in arrays.items() if values is not None})
    with pytest.raises(FleximoError, match=told):
        read_body(tmp_path / "model.npz")


def test_a_pickle_that_would_run_something_is_refused(tmp_path: Path) -> None:
    class Harm:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.touch, (tmp_path / "harm",))

    (tmp_path / "model.pkl").write_bytes(pickle.dumps({"v_template": Harm()}))
    with pytest.raises(FleximoError):
        read_body(tmp_path / "model.pkl")
    assert not (tmp_path / "harm").exists()


def test_outlines_are_lines_of_unit_size() -> None:
    for name, outline in OUTLINES.items():
        assert 0.3 < np.abs(outline.points).max() <= 1.0 + 1e-9, name
        assert outline.edges.min() >= 0 and outline.edges.max() < len(outline.points), name
        assert set(outline.edges.ravel()) == set(range(len(outline.points))), f"{name} has loose points"


def test_an_outline_clasps_what_lies_at_its_place() -> None:
    angles = np.linspace(0.0, 2.0 * np.pi, 24, endpoint=False)
    tube = [(0.05 * np.cos(a) + 0.01, y, 0.03 * np.sin(a)) for y in np.linspace(0.0, 1.0, 21) for a in angles]
    bulge = np.array([*tube, (0.5, 1.0, 0.0)])
    centre, half = clasp(bulge, 0.5, 0.06)
    assert np.allclose(centre, (0.01, 0.5, 0.0), atol=1e-9)
    assert 0.05 < half[0] < 0.08 and 0.03 < half[2] < 0.05
    assert clasp(bulge, 0.5, 0.0)[1][0] > 0.04, "too thin a slice takes the nearest points"
