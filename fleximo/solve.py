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
from fleximo.inverse_kinematics import positions_to_rotations, rig_from_positions
from fleximo.motion import Motion
from fleximo.rig import BODY_JOINTS, DEFAULT_RIG, Rig
from fleximo.steadying import jitter_m, on_bones, steadied
from fleximo.timing import as_fps

__all__ = ["motion_from_joints"]


def motion_from_joints(
    joints: npt.ArrayLike,
    fps: float | Fraction,
    *,
    contacts: npt.ArrayLike | None = None,
    rig: Rig | None = None,
    fingers: str | FloatArray = "relaxed",
) -> Motion:
    """The motion of a body whose joints are at `joints`: (T,22,3) m of `BODY_JOINTS`, Y up, floor at y = 0.

    `contacts` (T,2): left and right toe planted; None = told from the toes. `rig`: the skeleton that the joints were
    made with; None = the default rig with the bone lengths seen in `joints`. `fingers`: a name in `HAND_SHAPES` for
    both hands, or local rotations (T,30,4) of the left and the right fingers in the rig's order.
    """
    places = freeze(joints, (None, len(BODY_JOINTS), 3), name="joints", dtype=np.float64)
    if len(places) == 0:
        raise FleximoError("The joints have no frame; at least one was expected.")
    rate = as_fps(fps)
    jitter = jitter_m(places)
    places = steadied(places, jitter)
    body = rig_from_positions(DEFAULT_RIG, places) if rig is None else rig
    places = on_bones(places, body)
    rotations, root = positions_to_rotations(body, places, jitter=0.6 * jitter)
    _set_fingers(body, rotations, fingers)
    planted = (
        _planted(places, rate)
        if contacts is None
        else freeze(contacts, (len(places), 2), name="contacts", dtype=np.bool_)
    )
    return Motion(rotations, root, rate, planted, body)


def _planted(places: FloatArray, fps: Fraction) -> BoolArray:
    """(T,2) toes that are low and slow."""
    toes = places[:, [BODY_JOINTS.index("left_foot"), BODY_JOINTS.index("right_foot")]]
    speed = np.linalg.norm(np.gradient(toes, axis=0), axis=-1) * float(fps) if len(toes) > 1 else np.zeros((1, 2))
    return np.asarray((toes[..., 1] < 0.06) & (speed < 0.4))


def _set_fingers(rig: Rig, rotations: FloatArray, fingers: str | FloatArray) -> None:
    """Bends the fingers of both hands of `rotations` (T,J,4) where the rig has them."""
    if isinstance(fingers, str):
        if fingers not in HAND_SHAPES:
            raise FleximoError(f"There is no hand shape {fingers!r}; there are {', '.join(HAND_SHAPES)}.")
        local = np.concatenate([shape_rotations(fingers, side) for side in ("left", "right")])
    else:
        local = rot.normalise(freeze(fingers, (len(rotations), 30, 4), name="fingers", dtype=np.float64))
    names = (*finger_names("left"), *finger_names("right"))
    for column, name in enumerate(names):
        if name in rig.joint_names:
            rotations[:, rig.index(name)] = local[..., column, :]
