"""The user's own characters: bones found by names and by structure, rest poses aligned, motion onto them and back."""

from __future__ import annotations

import random
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleximo import DEFAULT_RIG, FleximoError, Motion, moves
from fleximo import rotations as rot
from fleximo.kinematics import forward
from fleximo.planner import RulePlanner
from fleximo.rig import BODY_JOINTS
from fleximo.rigs import NEEDED, Bridge, Skeleton, families, match_rig
from tests.fleximo.foreign_rigs import CHARACTERS, Body, Character

ALL = pytest.mark.parametrize("family", CHARACTERS)


def right(character: Character, found: dict[str, str]) -> float:
    """The share of the character's joints whose bone was found, less what was taken for a joint wrongly."""
    hits = sum(found.get(joint) == bone for joint, bone in character.truth.items())
    return (hits - sum(joint not in character.truth for joint in found)) / len(character.truth)


def renamed(skeleton: Skeleton, seed: int) -> Skeleton:
    """The same skeleton with names that say nothing, its bones in another order."""
    chance = random.Random(seed)
    names = [f"n{number:03d}" for number in range(len(skeleton))]
    chance.shuffle(names)
    return replace(skeleton, names=tuple(names))


def shuffled(skeleton: Skeleton, seed: int) -> Skeleton:
    """The same bones in another order, parents still first."""
    chance, order = random.Random(seed), list[int]()
    waiting = [bone for bone in range(len(skeleton)) if skeleton.parents[bone] < 0]
    while waiting:
        order.append(waiting.pop(chance.randrange(len(waiting))))
        waiting += skeleton.children[order[-1]]
    place = {bone: number for number, bone in enumerate(order)}
    return Skeleton(
        tuple(skeleton.names[bone] for bone in order),
        np.array([place.get(int(skeleton.parents[bone]), -1) for bone in order]),
        skeleton.heads[order],
        skeleton.tails[order],
        skeleton.deforms[order],
    )


@ALL
def test_names_and_structure_together_find_every_bone(family: str) -> None:
    character = CHARACTERS[family]()
    match = match_rig(shuffled(character.skeleton, seed=5))
    assert match.family == family
    assert right(character, dict(match.bones)) == 1.0
    assert match.by_structure == ()


@ALL
def test_structure_alone_finds_95_percent_of_the_bones(family: str) -> None:
    character = CHARACTERS[family]()
    blind = renamed(character.skeleton, seed=3)
    told = dict(zip(blind.names, character.skeleton.names))
    match = match_rig(blind)
    assert match.family == ""
    assert right(character, {joint: told[bone] for joint, bone in match.bones.items()}) >= 0.95
    assert any(notice.code == "bones_by_structure" for notice in match.notices)


@ALL
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_structure_does_not_depend_on_heading_size_or_order(family: str, seed: int) -> None:
    character = CHARACTERS[family]()
    named = shuffled(character.skeleton, seed)
    blind = renamed(named, seed=4)
    turn = rot.from_axis_angle([0.0, 1.0, 0.0], 1.0 + 2.0 * seed)
    moved = replace(
        blind,
        heads=rot.rotate(turn, blind.heads) * 0.37 + [3.0, 1.0, -2.0],
        tails=rot.rotate(turn, blind.tails) * 0.37 + [3.0, 1.0, -2.0],
    )
    told = dict(zip(blind.names, named.names))
    assert right(character, {joint: told[bone] for joint, bone in match_rig(moved).bones.items()}) >= 0.95


@ALL
@pytest.mark.parametrize("build", [(25.0, 0.65, 1.2), (-20.0, 0.75, 0.8), (20.0, 1.2, 0.8), (0.0, 1.1, 1.2)])
def test_children_giants_and_hanging_arms_are_told_by_structure(
    family: str, build: tuple[float, float, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Body, "build", build)
    character = CHARACTERS[family]()
    blind = renamed(character.skeleton, seed=7)
    told = dict(zip(blind.names, character.skeleton.names))
    assert right(character, {joint: told[bone] for joint, bone in match_rig(blind).bones.items()}) >= 0.95


def test_names_in_front_of_names_do_not_matter() -> None:
    character = CHARACTERS["Mixamo"]()
    for prefix in ("", "mixamorig1:", "mixamorig_", "Anna:mixamorig:"):
        names = tuple(name.replace("mixamorig:", prefix) for name in character.skeleton.names)
        match = match_rig(replace(character.skeleton, names=names))
        assert match.family == "Mixamo" and len(match.bones) == 52, prefix


def test_words_that_are_no_familys_are_read() -> None:
    character = CHARACTERS["Unreal"]()
    words = {"calf": "LowerLeg", "thigh": "UpperLeg", "upperarm": "UpperArm", "lowerarm": "LowerArm"}
    names = []
    for name in character.skeleton.names:
        stem, _, side = name.rpartition("_")
        side = {"l": "Left", "r": "Right"}.get(side, "")
        stem = words.get(stem, stem) if side else name
        names.append(f"My{side}{stem[:1].upper()}{stem[1:]}")
    match = match_rig(replace(character.skeleton, names=tuple(names)))
    told = dict(zip(names, character.skeleton.names))
    assert match.family == ""
    assert right(character, {joint: told[bone] for joint, bone in match.bones.items()}) >= 0.95


def test_bones_that_lost_their_names_are_told_by_structure() -> None:
    character = CHARACTERS["VRM"]()
    lost = {"J_Bip_L_LowerArm": "Bone.017", "J_Bip_R_Index2": "Bone.018", "J_Bip_C_Chest": "Bone.019"}
    names = tuple(lost.get(name, name) for name in character.skeleton.names)
    match = match_rig(replace(character.skeleton, names=names))
    assert {match.bones[joint] for joint in match.by_structure} == set(lost.values())
    assert match.bones["left_elbow"] == "Bone.017"


def test_a_chair_is_no_body() -> None:
    heads = np.array([[0, 0.5, 0], [0.2, 0.5, 0.2], [-0.2, 0.5, 0.2], [0.2, 0.5, -0.2], [0, 1.0, -0.2]])
    chair = Skeleton(tuple("abcde"), np.array([-1, 0, 0, 0, 0]), heads, heads + [0, 0.1, 0], np.ones(5, bool))
    empty = Skeleton((), np.zeros(0), np.zeros((0, 3)), np.zeros((0, 3)), np.zeros(0, bool))
    for thing in (chair, empty):
        match = match_rig(thing)
        assert not set(match.bones) & set(NEEDED)
        assert match.notices[0].code == "bones_needed" and "left_knee" in match.notices[0].message
    with pytest.raises(FleximoError, match="before its children"):
        Skeleton(tuple("ab"), np.array([1, -1]), heads[:2], heads[:2], np.ones(2, bool))


def test_data_files_name_joints_of_ours() -> None:
    stems = {name.removeprefix("left_").removeprefix("right_") for name in DEFAULT_RIG.joint_names}
    assert {family.name for family in families()} == set(CHARACTERS)
    for family in families():
        assert set(family.bones) | set(family.controls) <= stems
        assert stems - set(family.bones) <= {"foot"}


# -- motion onto a character and back


def walking() -> Motion:
    return moves.generate(RulePlanner().plan("a man waves, then walks forward, then squats"), fps=30)[:150]


def rest_of(character: Character, metres: float) -> dict[str, np.ndarray]:
    number = {name: n for n, name in enumerate(character.skeleton.names)}
    return {joint: character.skeleton.heads[number[bone]] * metres for joint, bone in character.truth.items()}


def posed_by_its_tree(
    character: Character, metres: float, turns: dict[str, np.ndarray], root: np.ndarray
) -> dict[str, np.ndarray]:
    """(T,3) by joint: where the bones go when only the mapped ones turn, by the character's own tree."""
    skeleton = character.skeleton
    joint_of = {bone: joint for joint, bone in character.truth.items()}
    world: list[np.ndarray] = []
    places: list[np.ndarray] = []
    for bone, (name, parent) in enumerate(zip(skeleton.names, skeleton.parents.tolist())):
        joint = joint_of.get(name)
        still = np.tile(rot.IDENTITY, (len(root), 1))
        above = world[parent] if parent >= 0 else still
        world.append(turns[joint] if joint is not None else above)
        if joint == "pelvis" or parent < 0:
            places.append(root if joint == "pelvis" else np.zeros((len(root), 3)))
        else:
            offset = (skeleton.heads[bone] - skeleton.heads[parent]) * metres
            places.append(places[parent] + rot.rotate(above, offset))
    return {joint: places[skeleton.names.index(bone)] for bone, joint in joint_of.items()}


@ALL
def test_the_motion_lies_on_the_characters_own_tree(family: str) -> None:
    """Mean joint error between the character posed by its own bones and our motion with its lengths: <= 5 mm."""
    character = CHARACTERS[family]()
    metres = 0.01 if family == "Mixamo" else 1.0
    bridge = Bridge(rest_of(character, metres))
    fitted = bridge.fit(walking())
    places = posed_by_its_tree(character, metres, bridge.turns(fitted), fitted.root.astype(float))
    errors = [
        np.linalg.norm(places[joint] - fitted.joints()[:, DEFAULT_RIG.index(joint)], axis=-1) for joint in bridge.joints
    ]
    assert np.mean(errors) < 0.0005


@ALL
def test_what_was_put_on_a_character_is_read_back(family: str) -> None:
    character = CHARACTERS[family]()
    bridge = Bridge(rest_of(character, 0.01 if family == "Mixamo" else 1.0))
    fitted = bridge.fit(walking())
    back = bridge.motion(bridge.turns(fitted), fitted.root, fitted.fps, fitted.contacts)
    mapped = [DEFAULT_RIG.index(joint) for joint in bridge.joints]
    assert np.abs(back.joints() - fitted.joints())[:, mapped].max() < 1e-4
    off = rot.angle_between(back.world_rotations(), fitted.world_rotations())[:, mapped]
    assert np.degrees(off).max() < 0.1


@ALL
def test_a_t_pose_of_ours_is_a_t_pose_of_the_character(family: str) -> None:
    character = CHARACTERS[family]()
    bridge = Bridge(rest_of(character, 0.01 if family == "Mixamo" else 1.0))
    still = np.tile(rot.IDENTITY, (1, 52, 1))
    root = np.array([[0.0, bridge.rig.rest_height, 0.0]])
    joints = Motion(still, root, Fraction(30), np.zeros((1, 2), bool), bridge.rig).joints()[0]
    for side, sign in (("left", 1.0), ("right", -1.0)):
        at = {
            name: joints[DEFAULT_RIG.index(f"{side}_{name}")]
            for name in ("shoulder", "elbow", "wrist", "knee", "ankle")
        }
        for one, other in (("shoulder", "elbow"), ("elbow", "wrist")):
            way = rot.unit(at[other] - at[one])
            assert way @ [sign, 0.0, 0.0] > np.cos(np.radians(1.0))
        assert rot.unit(at["ankle"] - at["knee"]) @ [0.0, -1.0, 0.0] > np.cos(np.radians(1.0))


def test_soles_stay_on_the_floor() -> None:
    """The ankles of a standing character stay as high over the floor as in its own rest pose."""
    rest = rest_of(CHARACTERS["VRM"](), 1.0)
    for joint in rest:
        rest[joint] = rest[joint] + [0.0, 0.05 if joint.endswith(("ankle", "foot")) else 0.04, 0.0]  # heels
    bridge = Bridge(rest)
    standing = moves.generate(RulePlanner().plan("a man stands still"), fps=30)[:20]
    fitted = bridge.fit(standing)
    ankles = fitted.joints()[:, [DEFAULT_RIG.index("left_ankle"), DEFAULT_RIG.index("right_ankle")], 1]
    assert np.abs(ankles - rest["left_ankle"][1]).max() < 0.012


def test_a_character_with_few_spine_bones_moves_its_chest() -> None:
    character = CHARACTERS["VRM"]()
    rest = {joint: place for joint, place in rest_of(character, 1.0).items() if joint not in ("spine2", "spine1")}
    bridge = Bridge(rest)
    fitted = bridge.fit(walking())
    turns = bridge.turns(fitted)
    chest = fitted.world_rotations()[:, DEFAULT_RIG.index("spine3")]
    assert np.degrees(rot.angle_between(turns["spine3"], chest)).max() < 3.0
    assert "spine2" not in turns


def test_a_mapping_that_is_no_bodys_is_refused() -> None:
    rest = rest_of(CHARACTERS["SMPL"](), 1.0)
    with pytest.raises(FleximoError, match="left_knee"):
        Bridge({joint: place for joint, place in rest.items() if joint != "left_knee"})
    swapped = dict(rest)
    for joint in ("hip", "shoulder"):
        swapped[f"left_{joint}"] = swapped[f"right_{joint}"] = rest["pelvis"]
    with pytest.raises(FleximoError, match="do not lie"):
        Bridge(swapped)
    assert set(NEEDED) <= set(BODY_JOINTS)


def test_a_character_that_looks_elsewhere_is_turned_to_the_motion() -> None:
    turn = rot.from_axis_angle([0.0, 1.0, 0.0], np.radians(120.0))
    rest = {joint: rot.rotate(turn, place) for joint, place in rest_of(CHARACTERS["SMPL"](), 1.0).items()}
    plain, turned = Bridge(rest_of(CHARACTERS["SMPL"](), 1.0)), Bridge(rest)
    assert np.allclose(plain.rig.rest_offsets, turned.rig.rest_offsets, atol=1e-5)
    motion = walking()
    _, joints = forward(turned.rig, turned.fit(motion).rotations.astype(float), turned.fit(motion).root.astype(float))
    assert np.allclose(joints, plain.fit(motion).joints(), atol=1e-4)


@given(st.integers(0, 2**31), st.integers(1, 70), st.floats(0.0, 1.0))
@settings(max_examples=60, deadline=None)
def test_any_tree_of_bones_is_taken_in(seed: int, count: int, spread: float) -> None:
    """Nothing but a list of bones may come of it, each bone once."""
    chance = np.random.default_rng(seed)
    parents = np.array([-1, *(int(chance.integers(-1, bone)) for bone in range(1, count))])
    heads = np.round(chance.normal(size=(count, 3)) * spread, 1)
    skeleton = Skeleton(tuple(map(str, range(count))), parents, heads, heads, chance.random(count) < 0.8)
    match = match_rig(skeleton)
    assert len(set(match.bones.values())) == len(match.bones)
