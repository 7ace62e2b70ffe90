"""What a move is: a pure function from a `Cue` (how long, which side, how often) to `Tracks` (a body over time).

Owns the neutral stance, the body's measures, and the solve from planned feet and driven pelvis to joint rotations.
Knows no single move and no joins.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property

import numpy as np

from fleximo import rotations as rot
from fleximo.arrays import BoolArray, FloatArray
from fleximo.fingers import finger_names, finger_rotations
from fleximo.limbs import leg_rotations, on_elbow_hinge
from fleximo.motion import Motion
from fleximo.rig import DEFAULT_RIG, SIDES, Rig
from fleximo.timing import frame_times

__all__ = ["JOINT_GROUPS", "SIDES", "Body", "Cue", "Move", "Place", "Tracks", "axes", "group_joints", "to_motion"]

_REACH = 0.985  # of the straight leg: the pelvis is lowered before a knee locks and the foot would slide
_LOWER_S = 0.1  # so long before it must, and half as slowly again, the pelvis begins to come down
_X, _Y, _Z = np.eye(3)


def axes(pitch: object = 0.0, turn: object = 0.0, tilt: object = 0.0) -> FloatArray:
    """Rotations (T,4) or (4,) from degrees: bend forward, turn to the left, lean to the left (in this order inwards).

    The one convention of every pelvis, spine and head angle in the moves; numbers and (T,) arrays mix.
    """
    p, y, r = np.broadcast_arrays(*(np.radians(np.asarray(a, dtype=np.float64)) for a in (pitch, turn, tilt)))
    return rot.multiply(
        rot.from_axis_angle(_Y, y), rot.multiply(rot.from_axis_angle(_Z, -r), rot.from_axis_angle(_X, p))
    )


@dataclass(frozen=True)
class Body:
    """Measures of a rig that the moves are planned with; metres."""

    rig: Rig = DEFAULT_RIG

    def offset(self, name: str) -> FloatArray:
        """Rest offset (3,) of a joint or landmark from its parent joint."""
        if name in self.rig.landmarks:
            return np.asarray(self.rig.landmarks[name][1], dtype=np.float64)
        return np.asarray(self.rig.rest_offsets[self.rig.index(name)], dtype=np.float64)

    @cached_property
    def leg(self) -> float:
        """Thigh and shin."""
        return float(np.linalg.norm(self.offset("left_knee")) + np.linalg.norm(self.offset("left_ankle")))

    @cached_property
    def scale(self) -> float:
        """Size against the default rig, by which all planned distances on the floor are scaled."""
        return self.leg / 0.81

    @cached_property
    def ankle_height(self) -> float:
        return float(-self.offset("left_heel")[1])

    @cached_property
    def ball_height(self) -> float:
        """Height of the toe joint over the floor when the foot stands flat."""
        return float(self.ankle_height + self.offset("left_foot")[1])

    @cached_property
    def stand_height(self) -> float:
        """Height of the pelvis in the neutral stance, knees just unlocked."""
        hip = self.offset("left_hip")
        foot = self.neutral_ball("left") - rot.rotate(self.neutral_foot("left"), self.offset("left_foot"))
        across = np.hypot(foot[0] - hip[0], foot[2])
        return float(foot[1] + np.sqrt((0.985 * self.leg) ** 2 - across**2) - hip[1])

    def sign(self, side: str) -> float:
        """+1 for the left, whose outside is +x."""
        return 1.0 if side == "left" else -1.0

    def neutral_foot(self, side: str) -> FloatArray:
        """World rotation (4,) of a foot in the neutral stance: toes a little outward."""
        return axes(turn=9.0 * self.sign(side))

    def neutral_ball(self, side: str) -> FloatArray:
        """Toe joint (3,) of a foot in the neutral stance, the pelvis over the origin."""
        ankle = np.array([self.sign(side) * 0.105, 0.08, -0.05]) * self.scale
        ball = ankle + rot.rotate(self.neutral_foot(side), self.offset(f"{side}_foot"))
        ball[1] = self.ball_height
        return ball


@dataclass(frozen=True)
class Place:
    """Where the neutral stance stands on the floor: x, z in m and heading in radians (0 = +Z, positive to the left)."""

    x: float = 0.0
    z: float = 0.0
    yaw_rad: float = 0.0


@dataclass(frozen=True)
class Cue:
    """How one move shall be played; every parameter is honoured or documented as unused by the move."""

    frames: int
    fps: Fraction
    side: str = "right"  # left, right or both; never None here
    repeats: int = 1
    direction: str | None = None
    speed: float = 1.0
    seed: int = 0
    liveliness: float = 1.0  # 0 turns breathing, sway and seeded variation off
    body: Body = field(default_factory=Body)

    @cached_property
    def t(self) -> FloatArray:
        """Seconds of each frame (T,)."""
        return frame_times(self.frames, self.fps)

    @property
    def seconds(self) -> float:
        return float(self.frames / self.fps)

    @property
    def end(self) -> float:
        """The time of the last frame: what must be over by then is keyed here."""
        return float((self.frames - 1) / self.fps)

    def rng(self, stream: str) -> np.random.Generator:
        """A generator of its own for each named use, so that one more draw elsewhere changes nothing here."""
        return np.random.default_rng([self.seed, *stream.encode()])

    def vary(self, stream: str, amount: float) -> float:
        """A seeded factor 1 +- `amount`; 1 when liveliness is 0."""
        return 1.0 + self.liveliness * amount * float(self.rng(stream).uniform(-1.0, 1.0))

    def sides(self) -> tuple[str, ...]:
        return SIDES if self.side == "both" else (self.side,)


@dataclass
class Tracks:
    """A body over T frames before its legs are solved; the frame of reference is the stance it started in."""

    body: Body
    pelvis: FloatArray  # (T,3) m
    pelvis_rotation: FloatArray  # (T,4)
    local: FloatArray  # (T,J,4) local rotations; hips, knees, ankles and feet are overwritten by the solve
    balls: FloatArray  # (T,2,3) m, toe joint of the left and right foot
    feet: FloatArray  # (T,2,4) world rotation of the ankle joint
    toe_bend: FloatArray  # (T,2) degrees the toes bend up against the foot
    knees: FloatArray  # (T,2,3) direction in which the knee points
    contacts: BoolArray  # (T,2) toe joint planted
    pulls: BoolArray  # (T,2) feet the pelvis comes down for; others come up to the hip where they are out of reach
    exit: Place = field(default_factory=Place)

    @property
    def frames(self) -> int:
        return int(self.pelvis.shape[0])

    def joint(self, name: str) -> int:
        return self.body.rig.index(name)

    def turn_joint(self, name: str, rotation: FloatArray) -> None:
        """Turns a joint by `rotation` (T,4) before what it already does."""
        j = self.joint(name)
        self.local[:, j] = rot.multiply(rotation, self.local[:, j])

    def bend_spine(self, pitch: object = 0.0, turn: object = 0.0, tilt: object = 0.0) -> None:
        """Adds degrees to the spine, shared by its three joints."""
        for name, share in (("spine1", 0.30), ("spine2", 0.36), ("spine3", 0.34)):
            self.turn_joint(name, axes(*(np.asarray(a, dtype=np.float64) * share for a in (pitch, turn, tilt))))

    def turn_head(self, pitch: object = 0.0, turn: object = 0.0, tilt: object = 0.0) -> None:
        """Adds degrees to neck and head; pitch > 0 looks down, turn > 0 to the left."""
        for name, share in (("neck", 0.42), ("head", 0.58)):
            self.turn_joint(name, axes(*(np.asarray(a, dtype=np.float64) * share for a in (pitch, turn, tilt))))

    def turn_pelvis(self, pitch: object = 0.0, turn: object = 0.0, tilt: object = 0.0) -> None:
        """Adds degrees to the pelvis in its own heading; the feet stay."""
        self.pelvis_rotation = rot.multiply(self.pelvis_rotation, axes(pitch, turn, tilt))

    def set_arm(self, side: str, rotations: FloatArray) -> None:
        """Takes collar, shoulder, elbow, wrist (T,4,4) of one arm."""
        for i, name in enumerate(("collar", "shoulder", "elbow", "wrist")):
            joint = on_elbow_hinge(rotations[:, i], side) if name == "elbow" else rotations[:, i]
            self.local[:, self.joint(f"{side}_{name}")] = joint

    def set_fingers(self, side: str, seconds: FloatArray, keys: list[tuple[float, str]]) -> None:
        """Eases the hand through (time, shape) keys; see `fleximo.fingers`."""
        first = self.joint(finger_names(side)[0])
        self.local[:, first : first + 15] = finger_rotations(side, seconds, keys)

    def chest(self) -> tuple[FloatArray, FloatArray]:
        """World rotation (T,4) and place (T,3) of the chest (spine3) as the spine is set now."""
        rotation, place = self.pelvis_rotation, self.pelvis
        for name in ("spine1", "spine2", "spine3"):
            place = place + rot.rotate(rotation, self.body.offset(name))
            rotation = rot.multiply(rotation, self.local[:, self.joint(name)])
        return rotation, place

    def head_point(self, offset: tuple[float, float, float], side: str) -> FloatArray:
        """A point on the head (`offset` m, own-side x) in the frame of the chest as the `side` arm sees it."""
        flip = np.array([self.body.sign(side), 1.0, 1.0])
        neck, head = self.local[:, self.joint("neck")], self.local[:, self.joint("head")]
        at_neck = self.body.offset("head") + rot.rotate(head, np.asarray(offset) * self.body.scale * flip)
        return np.asarray((self.body.offset("neck") + rot.rotate(neck, at_neck)) * flip)


JOINT_GROUPS = ("spine", "head", "left_arm", "right_arm")
_GROUP_ROOTS = {"left_arm": "left_collar", "right_arm": "right_collar", "head": "neck"}


def group_joints(rig: Rig, group: str) -> tuple[int, ...]:
    """Joint numbers of one of `JOINT_GROUPS`; the spine is without neck and collars."""
    if group == "spine":
        return tuple(rig.index(name) for name in ("spine1", "spine2", "spine3"))
    return rig.descendants(_GROUP_ROOTS[group])


@dataclass(frozen=True)
class Move:
    """One entry of the library."""

    name: str
    generate: Callable[[Cue], Tracks]
    layer: tuple[str, ...]  # what it moves when laid over another move: "arm" (the cue's side), "arms", "head", "spine"
    uses_legs: bool  # False: the lower body only stands, so it can be laid over any other move
    cyclic: bool = False  # its middle repeats with `period_s`
    side: str = "right"  # when the text names none
    ends: str = "standing"  # the posture it stays in: standing, seated or kneeling
    starts: str = "standing"

    def layer_joints(self, rig: Rig, side: str) -> tuple[int, ...]:
        """The joints that this move takes over as a layer."""
        sides = SIDES if side == "both" else (side,)
        joints: set[int] = set()
        for group in self.layer:
            names = [f"{s}_arm" for s in SIDES] if group == "arms" else [f"{s}_arm" for s in sides]
            for name in names if group in ("arm", "arms") else [group]:
                joints.update(group_joints(rig, name))
        return tuple(sorted(joints))


def _limit(desired: FloatArray, limit: FloatArray, width: float = 0.03) -> FloatArray:
    """`desired` where it is well below `limit`, never above it, rounded off over `width` m to both sides."""
    x = np.clip((desired - limit) / width + 1.0, 0.0, 2.0)
    return np.where(desired > limit + width, limit, desired - width * x * x / 4.0)


def _around(values: FloatArray, frames: int) -> FloatArray:
    """A smooth curve (T,) that is nowhere below `values` (T,): the highest of `frames` around, averaged as widely."""
    window = np.lib.stride_tricks.sliding_window_view
    highest = window(np.pad(values, 2 * frames, mode="edge"), 2 * frames + 1).max(axis=1)
    return np.asarray(window(highest, 2 * frames + 1).mean(axis=1))


def _lower_pelvis(tracks: Tracks, ankles: FloatArray, frames: int) -> FloatArray:
    """The pelvis path, lowered until each foot that pulls is in reach, and smoothly before and after."""
    missing = np.zeros(tracks.frames)
    for i, side in enumerate(SIDES):
        hip = rot.rotate(tracks.pelvis_rotation, tracks.body.offset(f"{side}_hip"))
        gap = ankles[:, i] - (tracks.pelvis + hip)
        across = np.minimum(gap[:, 0] ** 2 + gap[:, 2] ** 2, (0.9 * tracks.body.leg) ** 2)
        highest = ankles[:, i, 1] + np.sqrt((_REACH * tracks.body.leg) ** 2 - across) - hip[:, 1]
        over = tracks.pelvis[:, 1] - _limit(tracks.pelvis[:, 1], highest)
        missing = np.maximum(missing, np.where(tracks.pulls[:, i], over, 0.0))
    return np.asarray(tracks.pelvis - _around(missing, frames)[:, None] * _Y)


def _raise_feet(tracks: Tracks, ankles: FloatArray, pelvis: FloatArray) -> FloatArray:
    """The ankles, drawn towards the hip where a foot that does not pull is out of reach."""
    ankles = ankles.copy()
    for i, side in enumerate(SIDES):
        hip = pelvis + rot.rotate(tracks.pelvis_rotation, tracks.body.offset(f"{side}_hip"))
        reach = ankles[:, i] - hip
        distance = np.linalg.norm(reach, axis=1)
        near = _limit(distance, np.full(len(distance), _REACH * tracks.body.leg), 0.06)
        share = np.where(tracks.pulls[:, i], 1.0, near / np.maximum(distance, 1e-9))
        ankles[:, i] = hip + reach * share[:, None]
    return ankles


def _loose_ankle(ankle: FloatArray) -> FloatArray:
    """The ankle (T,4) of a foot in the air, kept within 20 degrees up and 44 down: there it hangs from the shin."""
    v = rot.to_rotation_vector(ankle)
    least, most, width = np.radians(-20.0), np.radians(44.0), np.radians(12.0)
    down = _limit(v[:, 0], np.full(len(v), most), width)
    v[:, 0] = -_limit(-down, np.full(len(v), -least), width)
    return rot.from_rotation_vector(v)


def to_motion(tracks: Tracks, fps: Fraction) -> Motion:
    """Solves the legs: pelvis lowered into reach, knees by two-bone IK, toes flat while the heel lifts."""
    body, rig = tracks.body, tracks.body.rig
    offsets = np.stack([body.offset(f"{side}_foot") for side in SIDES])
    ankles = tracks.balls - rot.rotate(tracks.feet, offsets)
    pelvis = _lower_pelvis(tracks, ankles, max(1, round(_LOWER_S * float(fps))))
    ankles = _raise_feet(tracks, ankles, pelvis)
    local = tracks.local.copy()
    local[:, 0] = tracks.pelvis_rotation
    for i, side in enumerate(SIDES):
        leg = leg_rotations(
            rig, side, tracks.pelvis_rotation, pelvis, ankles[:, i], tracks.feet[:, i], tracks.knees[:, i]
        )
        # Only well above the floor, where toes that hang do not touch it.
        free = np.clip((tracks.balls[:, i, 1] - body.ball_height - 0.04) / 0.08, 0.0, 1.0)
        leg[:, 2] = rot.slerp(leg[:, 2], _loose_ankle(leg[:, 2]), free)
        for k, name in enumerate(("hip", "knee", "ankle")):
            local[:, rig.index(f"{side}_{name}")] = leg[:, k]
        local[:, rig.index(f"{side}_foot")] = axes(pitch=-tracks.toe_bend[:, i])
    return Motion(rot.continuous(rot.normalise(local)), pelvis, fps, tracks.contacts, rig)
