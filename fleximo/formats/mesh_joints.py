"""The joints of a moving body, estimated from its surface alone: where neighbouring parts stay together.

Owns sides and names, centres of rotation, what is put by proportion where nothing bends, and how far off each joint may
be. Knows no body model.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fleximo import rotations as rot
from fleximo.arrays import FloatArray
from fleximo.formats.mesh_parts import ARMS, HEAD, LEGS, Parts, Turning, cut_parts
from fleximo.formats.mesh_surface import Surface, build_surface
from fleximo.rig import BODY_JOINTS, DEFAULT_RIG, SIDES

__all__ = ["MeshJoints", "estimate_joints"]

# Squared radians of relative turning from which on a centre of rotation is believed more than its first guess: the
# square of the parts' own softness over that of the guess (about 4 cm). Softer parts, as they show, are believed less.
_SOFT_M = 0.006
_LEAST_TURNING = 0.02
_GUESS_M = {"ankle": 0.025, "knee": 0.03, "hip": 0.05, "wrist": 0.025, "elbow": 0.03, "shoulder": 0.06}
_PROPORTION_M = 0.025  # how well the trunk and toes follow proportions, on bodies of other shape
_HEAD_M = 0.035  # ... neck and head
_RING_M = 0.04
_MIDDLE = 0.45  # of the innermost piece: where it is far from both its joints
_BALL_OF_FOOT = 0.62  # of the way from ankle to toe tip
_TRUNK = {"pelvis": 0.0, "spine1": 0.2, "spine2": 0.6, "spine3": 1.0, "left_collar": 1.0, "right_collar": 1.0}
_ARM, _LEG = ("wrist", "elbow", "shoulder"), ("ankle", "knee", "hip")


@dataclass(frozen=True, eq=False)
class MeshJoints:
    """An estimate."""

    joints: FloatArray  # (T,22,3) m of `BODY_JOINTS`
    errors_m: FloatArray  # (22,) how far each may be off
    turns: dict[
        str, FloatArray
    ]  # head, left_wrist, right_wrist -> (T,3,3) turns of that part since the reference frame


def estimate_joints(vertices: FloatArray) -> MeshJoints:
    """The joints of the person whose surface moves as `vertices` (T,N,3) m; the order of the vertices does not matter.

    Where a limb does not bend its joint is put by the surface's shape and the default rig's proportions, and
    `errors_m` says so. Raises `FleximoError` (`not_a_body`).
    """
    surface = build_surface(vertices)
    parts = cut_parts(vertices, surface)
    limbs = {limb: _limb_joints(surface, parts, limb) for limb in (*ARMS, *LEGS)}
    sides = _sides(surface, parts, limbs)
    places: dict[str, FloatArray] = {}
    errors: dict[str, float] = {}
    turns: dict[str, FloatArray] = {"head": parts.pieces[HEAD, 0].matrices}
    for side, (arm, leg) in sides.items():
        for names, limb in ((_ARM, arm), (_LEG, leg)):
            for piece, (name, joint) in enumerate(zip(names, limbs[limb])):
                places[f"{side}_{name}"] = parts.pieces[limb, piece].carry(joint.place)
                errors[f"{side}_{name}"] = float(np.hypot(joint.apart_m, _GUESS_M[name] * joint.guessed))
        turns[f"{side}_wrist"] = parts.pieces[arm, 0].matrices
        ankle, tip = limbs[leg][0].place, parts.reference[surface.ends[leg]]
        places[f"{side}_foot"] = parts.pieces[leg, 0].carry(ankle + _BALL_OF_FOOT * (tip - ankle))
        errors[f"{side}_foot"] = float(np.hypot(_PROPORTION_M, errors[f"{side}_ankle"]))
    _add_trunk(parts, places, errors)
    joints = np.stack([places[name] for name in BODY_JOINTS], axis=1)
    return MeshJoints(joints, np.array([errors[name] for name in BODY_JOINTS]), turns)


@dataclass(frozen=True, eq=False)
class _Centre:
    """A centre of rotation between two parts."""

    place: FloatArray  # (3,) m in the reference frame
    apart_m: float  # how far the two parts' paths of it are apart, root mean square
    guessed: float  # 0..1, the part of it that is the first guess because the parts hardly turn


def _centre(one: Turning, other: Turning, guess: FloatArray) -> _Centre:
    """The point that both parts carry alike (least squares), near `guess` (3,) as far as they do not tell."""
    turned, shifted = one.matrices - other.matrices, one.shifts - other.shifts
    normal = np.einsum("tij,tik->jk", turned, turned) / len(turned)
    right = -np.einsum("tij,ti->j", turned, shifted) / len(turned)
    apart, weight = 0.0, 0.0
    for _ in range(2):
        weight = _LEAST_TURNING * max(1.0, (apart / _SOFT_M) ** 2)
        place = np.linalg.solve(normal + weight * np.eye(3), right + weight * guess)
        apart = float(np.sqrt(np.square(turned @ place + shifted).sum(axis=-1).mean()))
    believed = np.maximum(np.linalg.eigvalsh(normal), 0.0)
    return _Centre(place, apart, float(np.sqrt(np.mean(np.square(weight / (weight + believed))))))


def _limb_joints(surface: Surface, parts: Parts, limb: int) -> list[_Centre]:
    """The three joints of an arm or a leg, outermost first."""
    along, cuts = surface.away[limb], parts.cuts[limb]
    own = (parts.limb == limb) | ~parts.in_limb

    def ring(at: float) -> FloatArray:
        near = own & (np.abs(along - at) < _RING_M)
        chosen = np.flatnonzero(near) if near.any() else np.abs(along - at).argsort()[:4]
        return np.asarray(parts.reference[chosen].mean(axis=0))

    trunk = parts.chest if limb in ARMS else parts.pelvis
    pieces = [*(parts.pieces[limb, piece] for piece in range(3)), trunk]
    joints = [_centre(pieces[i], pieces[i + 1], ring(float(cuts[i]))) for i in range(2)]
    # At the shoulder and the hip there is no ring; the upper piece's axis leads there.
    middle, length = joints[1].place, float(cuts[2] - cuts[1])
    axis = rot.unit(ring(float(cuts[1]) + _MIDDLE * length) - middle)
    return [*joints, _centre(pieces[2], pieces[3], middle + length * axis)]


def _sides(surface: Surface, parts: Parts, limbs: dict[int, list[_Centre]]) -> dict[str, tuple[int, int]]:
    """Which arm and which leg is left and right: feet point forwards from the ankles."""
    hips, shoulders = (np.stack([limbs[limb][2].place for limb in pair]) for pair in (LEGS, ARMS))
    forward = np.zeros(3)
    for leg in LEGS:
        foot = parts.reference[surface.ends[leg]] - limbs[leg][0].place
        forward += np.einsum("tji,tjk,k->i", parts.pelvis.matrices, parts.pieces[leg, 0].matrices, foot)
    left = np.cross(shoulders.mean(axis=0) - hips.mean(axis=0), forward)
    chest_left = np.einsum("tji,tjk,k->i", parts.chest.matrices, parts.pelvis.matrices, left)
    arms = ARMS if (shoulders[0] - shoulders[1]) @ chest_left > 0.0 else ARMS[::-1]
    legs = LEGS if (hips[0] - hips[1]) @ left > 0.0 else LEGS[::-1]
    return dict(zip(SIDES, zip(arms, legs)))


def _add_trunk(parts: Parts, places: dict[str, FloatArray], errors: dict[str, float]) -> None:
    """Pelvis, spine, collars, neck and head: the default rig's trunk between hips and shoulders.

    In every frame by itself, then as stiffly with pelvis and chest as the median frame has it, so that no bend of a
    single frame counts. Head and neck are shifted to where the head turns about the chest.
    """
    rest = DEFAULT_RIG.rest_joints
    index = DEFAULT_RIG.index
    sides = {part: (places[f"left_{part}"], places[f"right_{part}"]) for part in ("hip", "shoulder")}
    low, high = (sum(sides[part]) / 2.0 for part in ("hip", "shoulder"))
    rest_low, rest_high = (
        (rest[index(f"left_{part}")] + rest[index(f"right_{part}")]) / 2.0 for part in ("hip", "shoulder")
    )
    height = np.linalg.norm(high - low, axis=1)
    scale = float(np.median(height) / np.linalg.norm(rest_high - rest_low))
    up = (high - low) / height[:, None]
    across = sum(rot.unit(left - right) for left, right in sides.values())
    across = rot.unit(across - (across * up).sum(axis=1, keepdims=True) * up)
    frames = np.stack((across, up, np.cross(across, up)), axis=-1)

    def steady(part: Turning, name: str) -> FloatArray:
        """(3,) m in the reference frame."""
        return np.asarray(np.median(part.back(low + scale * frames @ (rest[index(name)] - rest_low)), axis=0))

    unsure = float(np.mean([errors[f"{side}_{part}"] for side in SIDES for part in ("hip", "shoulder")]))
    for name, share in _TRUNK.items():
        with_pelvis, with_chest = (part.carry(steady(part, name)) for part in (parts.pelvis, parts.chest))
        places[name] = (1.0 - share) * with_pelvis + share * with_chest
        errors[name] = float(np.hypot(_PROPORTION_M, unsure))
    neck, head = steady(parts.chest, "neck"), steady(parts.chest, "head")
    skull = parts.pieces[HEAD, 0]
    turning = _centre(skull, parts.chest, (neck + head) / 2.0)
    places["neck"] = parts.chest.carry(turning.place - (head - neck) / 2.0)
    places["head"] = skull.carry(turning.place + (head - neck) / 2.0)
    errors["neck"] = errors["head"] = float(np.sqrt(_HEAD_M**2 + unsure**2 + turning.apart_m**2))
