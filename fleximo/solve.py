"""Joint positions -> a `Motion`: the one way in for whatever gives joints only (T2M-GPT, HumanML3D, other files).

Owns the order of the steps. Knows no file format and no model.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import numpy.typing as npt

from fleximo import rotations as rot
from fleximo.arrays import BoolArray, FloatArray, freeze
from fleximo.errors import FleximoError
from fleximo.fingers import HAND_SHAPES, finger_names, shape_rotations
from fleximo.foot_lock import flat_soles, lock_feet, planted_toes
from fleximo.inverse_kinematics import positions_to_rotations, rig_from_positions
from fleximo.motion import Motion
from fleximo.posed import Posed
from fleximo.rig import BODY_JOINTS, DEFAULT_RIG, SIDES, Rig
from fleximo.steadying import jitter_m, on_bones, steadied
from fleximo.timing import as_fps

__all__ = ["motion_from_joints"]

_LEFT_OF_JITTER = 0.6  # of the positions' errors, after they were steadied and put on their bones
_TOES = tuple(BODY_JOINTS.index(f"{side}_foot") for side in SIDES)
_ANKLES = tuple(BODY_JOINTS.index(f"{side}_ankle") for side in SIDES)
_TOE_HEIGHT_M = 0.02  # the default rig's toe joint, standing
_THICKEST_SOLE_M = 0.05
_OFF_FLOOR_M = 0.08  # stances further from it than bones a twentieth too long would put them are not on the floor
_OTHER_NECK_RAD = np.radians(20.0)  # against the chest; nobody hangs his head more for half of a clip
_UPRIGHT_RAD = np.radians(45.0)
_FRAMES_TO_FIT = 100  # tell the lengths of the bones well enough
_TIP_OVER_FLOOR_M = 0.005  # the default rig's toe tip, standing


def motion_from_joints(
    joints: npt.ArrayLike,
    fps: float | Fraction,
    *,
    contacts: npt.ArrayLike | None = None,
    rig: Rig | None = None,
    fingers: str | FloatArray = "relaxed",
    lock: bool = True,
) -> Motion:
    """The motion of a body whose joints are at `joints`: (T,22,3) m of `BODY_JOINTS`, Y up, floor at y = 0.

    `contacts` (T,2): left and right toe planted; None = told from the toes. `rig`: the skeleton that the joints were
    made with; None = the default rig with the bone lengths seen in `joints`. `fingers`: a name in `HAND_SHAPES` for
    both hands, or local rotations (T,30,4) of the left and the right fingers in the rig's order. `lock` False leaves
    the feet where the joints are.

    Joints that tremble are steadied, feet that slide are held, a body that hovers is put on the floor; joints of a body
    with fixed bones and still feet come out as they went in. The turn of forearms, neck and feet about themselves is
    not told by 22 joints: forearms and neck keep the rest pose's, soles lie flat.
    """
    places = freeze(joints, (None, len(BODY_JOINTS), 3), name="joints", dtype=np.float64)
    if len(places) == 0:
        raise FleximoError("The joints have no frame; at least one was expected.")
    rate = as_fps(fps)
    if contacts is not None:
        contacts = freeze(contacts, (len(places), 2), name="contacts", dtype=np.bool_)
    jitter = jitter_m(places)
    places = steadied(places, jitter)
    planted = planted_toes(places, rate, contacts)
    places = _grounded(places, planted)
    body = _fitted_rig(places, planted) if rig is None else rig
    limbs = _without_fingers(body)
    posed = Posed(limbs, *positions_to_rotations(limbs, on_bones(places, limbs), jitter=_LEFT_OF_JITTER * jitter))
    flat_soles(posed, _ball_height_m(body))
    if lock:
        planted = lock_feet(posed, planted, rate, _ball_height_m(body))
    rotations = np.broadcast_to(rot.IDENTITY, (len(places), len(body.joint_names), 4)).copy()
    rotations[:, [body.index(name) for name in BODY_JOINTS]] = rot.continuous(rot.normalise(posed.rotations))
    _set_fingers(body, rotations, fingers)
    return Motion(rotations, posed.root, rate, planted, body)


def _without_fingers(rig: Rig) -> Rig:
    """The joints of `rig` that positions are given for; they need a third of the time of all."""
    joints = [rig.index(name) for name in BODY_JOINTS]
    parents = [rig.joint_names[int(rig.parents[joint])] for joint in joints[1:]]
    if rig.parents[joints[0]] != -1 or not set(parents) <= set(BODY_JOINTS):
        raise FleximoError(
            f"The body's joints must hang on each other, the pelvis first; here they hang on {', '.join(parents)}."
        )
    return Rig(BODY_JOINTS, np.array([-1, *map(BODY_JOINTS.index, parents)]), rig.rest_offsets[joints])


def _grounded(places: FloatArray, planted: BoolArray) -> FloatArray:
    """`places` (T,22,3) m, moved up or down where the lowest stances are not on the floor at all."""
    heights = places[:, _TOES, 1][planted]
    if heights.size == 0:
        return places
    lowest = float(np.percentile(heights, 10.0))
    return places if abs(lowest) <= _OFF_FLOOR_M else places - np.array([0.0, lowest - _TOE_HEIGHT_M, 0.0])


def _ball_height_m(rig: Rig) -> float:
    """The height of the toe joint of `rig` when its sole stands flat on the floor."""
    if "left_heel" not in rig.landmarks:
        return _TOE_HEIGHT_M
    _, (_, heel, _) = rig.landmarks["left_heel"]
    return float(rig.rest_offsets[rig.index("left_foot"), 1] - heel)


def _looking_ahead(rig: Rig, places: FloatArray) -> Rig:
    """`rig` with the neck's bone laid so that the head is level half of the time, if it is another skeleton's.

    In SMPL's, and so HumanML3D's, the head's joint lies before the neck's rather than above it: on the default rig's
    bone the same positions mean somebody who stares at the floor.
    """
    left, right = (places[:, BODY_JOINTS.index(f"{side}_shoulder")] for side in SIDES)
    ahead = rot.unit(rot.cross(left - right, np.array([0.0, 1.0, 0.0])))
    offsets, head = rig.rest_offsets.astype(np.float64), rig.index("head")
    lean = {}
    for name, below in (("head", "neck"), ("neck", "spine3")):
        bone = places[:, BODY_JOINTS.index(name)] - places[:, BODY_JOINTS.index(below)]
        lean[name] = float(np.median(np.arctan2((bone * ahead).sum(axis=-1), bone[:, 1])))
    hung = lean["head"] - lean["neck"] - np.arctan2(offsets[head, 2], offsets[head, 1])
    if hung > _OTHER_NECK_RAD and abs(lean["neck"]) < _UPRIGHT_RAD:
        offsets[head] = np.linalg.norm(offsets[head]) * np.array([0.0, np.cos(lean["head"]), np.sin(lean["head"])])
    return rig.with_offsets(offsets)


def _fitted_rig(places: FloatArray, planted: BoolArray) -> Rig:
    """The default rig with the bones seen in `places` (T,22,3) m, and feet that lie flat where toes are `planted`.

    Other skeletons have the ankle lower over the toes, or the toe joint on the floor itself: with feet of the default
    rig they would sink in.
    """
    rig = _looking_ahead(rig_from_positions(DEFAULT_RIG, places[:: 1 + len(places) // _FRAMES_TO_FIT]), places)
    toes, ankles = places[:, _TOES, 1], places[:, _ANKLES, 1]
    if not planted.any() or not 0.0 <= (height := float(np.median(toes[planted]))) <= _THICKEST_SOLE_M:
        return rig
    # Heels are lifted in part of each stance: the flat foot is among the lowest ankles.
    drop = max(0.0, float(np.percentile((ankles - toes)[planted], 25.0)))
    offsets, landmarks = rig.rest_offsets.astype(np.float64), dict(rig.landmarks)
    for side in SIDES:
        offset = offsets[rig.index(f"{side}_foot")]
        length = float(np.linalg.norm(offset))
        if drop < min(-offset[1], length):
            offset[:] = 0.0, -drop, np.sqrt(length**2 - drop**2)
        foot, (x, _, z) = landmarks[f"{side}_toe_tip"]
        landmarks[f"{side}_toe_tip"] = (foot, (x, min(0.0, _TIP_OVER_FLOOR_M - height), z))
        ankle, (x, _, z) = landmarks[f"{side}_heel"]
        landmarks[f"{side}_heel"] = (ankle, (x, float(offset[1]) - height, z))
    return rig.with_offsets(offsets, landmarks)


def _set_fingers(rig: Rig, rotations: FloatArray, fingers: str | FloatArray) -> None:
    """Bends the fingers of both hands of `rotations` (T,J,4) where the rig has them."""
    if isinstance(fingers, str):
        if fingers not in HAND_SHAPES:
            raise FleximoError(f"There is no hand shape {fingers!r}; there are {', '.join(HAND_SHAPES)}.")
        local = np.concatenate([shape_rotations(fingers, side) for side in SIDES])
    else:
        local = rot.normalise(freeze(fingers, (len(rotations), 30, 4), name="fingers", dtype=np.float64))
    names = (*finger_names("left"), *finger_names("right"))
    for column, name in enumerate(names):
        if name in rig.joint_names:
            rotations[:, rig.index(name)] = local[..., column, :]
