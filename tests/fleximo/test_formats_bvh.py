"""BVH files of other programs: names, channel orders, units, axes and rest poses of their own, the same motion."""

from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from fleximo import DEFAULT_RIG, FleximoError, Motion
from fleximo import rotations as rot
from fleximo.fingers import finger_names, shape_rotations
from fleximo.formats import Imported, import_motion
from fleximo.formats.bvh_file import parse_bvh
from fleximo.rig import BODY_JOINTS
from tests.fleximo import bvh_skeletons as skeletons
from tests.fleximo.bvh_skeletons import Skeleton
from tests.fleximo.motion_files import truth

SMPL_NAMES = {
    ours: "L_" + ours[5:].title() if ours.startswith("left") else "R_" + ours[6:].title() if "_" in ours else ours
    for ours in DEFAULT_RIG.joint_names[:22]
}
PROGRAMS = {
    "Mixamo": Skeleton(skeletons.mixamo()),
    "MoMask": Skeleton(skeletons.mixamo("", fingers=False), order="ZYX", per_metre=1.0),
    "CMU": Skeleton(
        skeletons.mixamo("", fingers=False), order="ZYX", per_metre=1 / 0.056444, frame_time=".0500000",
        between={"left_hip": ("LHipJoint", 0.0), "right_hip": ("RHipJoint", 0.0), "head": ("Neck1", 0.5)},
    ),
    "3ds Max biped in A-pose": Skeleton(skeletons.biped(), order="YXZ", rest=skeletons.a_pose()),
    "arms hanging": Skeleton(skeletons.mixamo(), order="XYZ", rest=skeletons.a_pose(85.0)),
    "elbows bent at rest": Skeleton(skeletons.mixamo(), rest=skeletons.bent_elbows()),
    "Blender's Rigify, Z up": Skeleton(skeletons.rigify(), order="XYZ", per_metre=1.0, z_up=True),
    "Xsens": Skeleton(skeletons.xsens(), order="YXZ"),
    "SMPL's names": Skeleton(SMPL_NAMES, order="ZYX", per_metre=1.0),
    "millimetres": Skeleton(skeletons.mixamo(), per_metre=1000.0),
    "a joint above the hips, positions everywhere": Skeleton(skeletons.mixamo(), wrapped=True, placed=True),
    "rest pose facing backwards": Skeleton(skeletons.mixamo(), rest=skeletons.turned(180.0, "y", "pelvis")),
    "four spine joints": Skeleton(skeletons.mixamo(), between={"spine2": ("SpineA", 0.5)}),
}  # fmt: skip


def imported(skeleton: Skeleton, motion: Motion | None = None) -> Imported:
    return import_motion(skeleton.text(motion or truth()).encode())


def joint_error(motion: Motion, *names: str) -> float:
    """Largest distance in m from the truth over all frames, the floor's constant taken off."""
    columns = [DEFAULT_RIG.index(name) for name in names] or list(range(22))
    off = (motion.joints() - truth().joints())[:, columns]
    return float(np.linalg.norm(off - [0.0, off[..., 1].mean(), 0.0], axis=-1).max())


@pytest.mark.parametrize("program", PROGRAMS)
def test_joints_are_where_the_file_has_them(program: str) -> None:
    found = imported(PROGRAMS[program])
    assert found.motion.fps == 20 and len(found.motion) == len(truth())
    assert joint_error(found.motion) < 0.002
    assert np.abs((found.motion.root - truth().root)[:, 1]).max() < 0.04
    guessed = [notice.code for notice in found.notices]
    assert guessed == (["unit_guessed"] if program in ("CMU", "millimetres") else [])


@pytest.mark.parametrize("program", PROGRAMS)
def test_bones_turn_as_in_the_file(program: str) -> None:
    """World rotations, which positions alone do not tell: the twist of straight limbs, the head, the hands."""
    motion = imported(PROGRAMS[program]).motion
    off = np.degrees(rot.angle_between(motion.world_rotations(), truth().world_rotations()))
    fingers = "left_index1" in PROGRAMS[program].names
    known = [n for n, name in enumerate(DEFAULT_RIG.joint_names) if n < 22 or fingers]
    if program == "four spine joints":
        known = [n for n in known if DEFAULT_RIG.joint_names[n] not in ("spine1", "spine2")]
    assert off[:, known].max() < 0.5


def test_bone_lengths_are_the_file_s() -> None:
    tall = truth().rig.with_offsets(truth().rig.rest_offsets * 1.1)
    motion = Motion(truth().rotations, truth().root * 1.1, truth().fps, truth().contacts, tall)
    found = imported(PROGRAMS["Mixamo"], motion).motion
    assert np.abs(found.rig.rest_offsets - tall.rest_offsets).max() < 1e-4
    assert np.abs(found.joints() - motion.joints())[..., [0, 2]].max() < 1e-3


def test_skeletons_without_collar_bones_toes_or_spine() -> None:
    left_out = [f"{side}_{joint}" for side in ("left", "right") for joint in ("collar", "foot")] + ["spine1", "spine2"]
    rotations = truth().rotations.copy()
    rotations[:, [DEFAULT_RIG.index(name) for name in left_out]] = rot.IDENTITY
    motion = Motion(rotations, truth().root, truth().fps, truth().contacts)
    names = {ours: theirs for ours, theirs in skeletons.mixamo().items() if ours not in left_out}
    found = imported(Skeleton(names, rest=skeletons.a_pose()), motion).motion
    off = (found.joints() - motion.joints())[:, [DEFAULT_RIG.index(n) for n in names]]
    assert np.linalg.norm(off - [0.0, off[..., 1].mean(), 0.0], axis=-1).max() < 0.002


def test_fingers_that_the_file_lacks_are_relaxed() -> None:
    """CMU's hands have an index finger of one joint and nothing else that turns."""
    kept = (*BODY_JOINTS, "left_index1", "right_index1")
    names = {ours: theirs for ours, theirs in skeletons.mixamo().items() if ours in kept}
    motion = imported(Skeleton(names)).motion
    for joint, same in (("left_index1", True), ("left_ring1", False), ("right_thumb2", False)):
        column = DEFAULT_RIG.index(joint)
        relaxed = shape_rotations("relaxed", joint.split("_")[0])
        shape = relaxed[finger_names(joint.split("_")[0]).index(joint)]
        expected = truth().rotations[:, column] if same else shape
        assert np.degrees(rot.angle_between(motion.rotations[:, column], expected)).max() < 0.5


def test_unknown_names_are_told_by_the_shape_of_the_skeleton() -> None:
    names = {ours: f"bone_{n:03d}" for n, ours in enumerate(skeletons.mixamo(fingers=False))}
    for rest in ({}, skeletons.a_pose(), skeletons.turned(90.0, "y", "pelvis")):
        found = imported(Skeleton(names, rest=rest))
        assert [notice.code for notice in found.notices] == ["joints_by_structure"]
        assert joint_error(found.motion) < 0.002


def test_a_rest_pose_that_is_no_person_leaves_only_the_places() -> None:
    """Every bone along +Y, as skeletons with frames along their bones are written."""
    rest = {}
    rig = DEFAULT_RIG
    for joint, name in enumerate(rig.joint_names):
        child = next((c for c in range(joint + 1, 52) if rig.parents[c] == joint), None)
        turn = rot.IDENTITY if child is None else rot.from_two_vectors(rig.rest_offsets[child], np.array([0.0, 1.0, 0]))
        rest[name] = turn
    found = imported(Skeleton(skeletons.mixamo(), rest=rest))
    assert "rest_pose_unknown" in [notice.code for notice in found.notices]
    assert joint_error(found.motion, "left_wrist", "right_wrist", "left_ankle", "right_ankle", "head") < 0.03


def test_creatures_are_refused_by_the_names_of_their_joints() -> None:
    text = (
        "HIERARCHY\nROOT tail\n{\nOFFSET 0 0 0\nCHANNELS 3 Zrotation Xrotation Yrotation\nJOINT tip\n{\nOFFSET 0 1 0\n"
    )
    text += "CHANNELS 3 Zrotation Xrotation Yrotation\nEnd Site\n{\nOFFSET 0 1 0\n}\n}\n}\nMOTION\nFrames: 1\n"
    with pytest.raises(FleximoError, match="tail, tip") as told:
        import_motion((text + "Frame Time: 0.1\n0 0 0 0 0 0\n").encode())
    assert told.value.code == "unknown_skeleton"


def test_two_people_are_chosen_by_number() -> None:
    one = Skeleton(skeletons.mixamo("A:")).text(truth())
    other = Skeleton(skeletons.mixamo("B:")).text(
        Motion(truth().rotations, truth().root + np.array([1.0, 0.0, 0.0]), truth().fps, truth().contacts)
    )
    (head, rows), (head_2, rows_2) = (text.split("MOTION\r\n") for text in (one, other))
    lines, lines_2 = rows.split("\r\n"), rows_2.split("\r\n")
    both = [f"{a} {b}" for a, b in zip(lines[2:], lines_2[2:])]
    text = head + head_2.removeprefix("HIERARCHY\r\n") + "MOTION\r\n" + "\r\n".join([*lines[:2], *both])
    for item in (0, 1):
        found = import_motion(text.encode(), item=item)
        assert found.items == 2
        assert np.abs(found.motion.root[:, 0] - truth().root[:, 0] - item).max() < 1e-3


@pytest.mark.parametrize(
    ("told", "fps", "step"),
    [("0.008333", 120, 1), ("0.0083333", 120, 1), ("0.033333", 30, 1), (".0333667", Fraction(30000, 1001), 1),
     ("0.05", 20, 1), ("0.016667", 60, 1), ("0.04166667", 24, 1), ("0.002", Fraction(500, 3), 3), ("1e-2", 100, 1)],
)  # fmt: skip
def test_frame_times_are_rounded_rates(told: str, fps: Fraction, step: int) -> None:
    content = PROGRAMS["Mixamo"].text(truth()).encode()
    before = parse_bvh(content)
    after = parse_bvh(content.replace(b"Frame Time:\t0.0500000", b"Frame Time: " + told.encode()))
    assert after.fps == fps and len(after.rows) == -(-len(before.rows) // step)


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        (b"MOTION", b"MOTIONS", "MOTION"),
        (b"Frames:\t", b"Frames:\t9", "numbers"),
        (b"Zrotation", b"Wrotation", "channels"),
        (b"CHANNELS 6", b"CHANNELS 7", "channels"),
        (b"CHANNELS 6", b"CHANNELS -1", "channels"),
        (b"OFFSET", b"OFFSET nan", "[Oo]ffset|nan"),
        (b"Frame Time:\t0.0500000", b"Frame Time:\t0.0", "frame time"),
        (b"Frame Time:\t0.0500000", b"Frame Time:\t-1", "frame time"),
        (b"{", b"", "body|joint|closed"),
        (b"}", b"", "closed|stands"),
        (b"JOINT", b"ROOT", "may not"),
        (b"0.000000", b"0,000000", "numbers"),
        (b" 0.0", b" inf 0.0", "finite"),
    ],
)
def test_damage_is_named(old: bytes, new: bytes, named: str) -> None:
    content = PROGRAMS["Mixamo"].text(truth()).encode()
    at = content.rindex(old) if old == b" 0.0" else content.index(old)
    if old == b"0.000000":
        at = content.index(old, content.index(b"MOTION"))
    with pytest.raises(FleximoError, match=named) as told:
        import_motion(content[:at] + new + content[at + len(old) :])
    assert told.value.code == "unreadable_file"


def test_momask_s_template_is_read() -> None:
    data = os.environ.get("FLEXIMO_PARITY_DATA")
    template = Path(data or ".") / "humanml3d" / "sample" / "momask_template.bvh"
    if not template.is_file():
        pytest.skip("FLEXIMO_PARITY_DATA has no humanml3d/sample/momask_template.bvh")
    found = import_motion(template)
    assert found.motion.fps == 60 and len(found.motion) == 720 and not found.notices
