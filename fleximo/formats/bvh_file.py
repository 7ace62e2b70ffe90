"""The text of a BVH file -> its joints and channels, whatever their names, order and number.

Knows the grammar; which joint is a knee is told by `bvh_joints`.
"""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from fleximo import rotations as rot
from fleximo.arrays import FloatArray
from fleximo.errors import FleximoError
from fleximo.formats.clips import check_frames
from fleximo.formats.containers import check_size, damaged, guarded
from fleximo.timing import as_fps

__all__ = ["BvhFile", "BvhJoint", "is_bvh", "parse_bvh"]

_MAX_JOINTS = 1000
_MAX_DEPTH = 200
_FASTEST_FPS = 240
_MAX_HIERARCHY = 2_000_000  # bytes
_MAX_NUMBERS = 12_000_000  # ten minutes of 160 channels at 120 frames a second
_TIMES = re.compile(rb"\s*Frames\s*:\s*(\d{1,9})\s+Frame\s+Time\s*:\s*([0-9.eE+-]{1,40})", re.IGNORECASE)
_PIECE = 4 * 2**20  # bytes of numbers that are read at a time
_GAP = re.compile(rb"\s")
_CHANNEL = re.compile(r"[XYZ](?:position|rotation)", re.IGNORECASE)
_AXES = np.eye(3)


@dataclass(frozen=True)
class BvhJoint:
    """One joint: where it hangs and which columns of a frame move it."""

    name: str
    parent: int  # -1 for a root
    offset: tuple[float, float, float]  # from the parent, in the file's unit
    channels: tuple[str, ...]  # e.g. ("Xposition", ..., "Zrotation"), in the order in which rotations are applied
    first_column: int


@dataclass(frozen=True, eq=False)
class BvhFile:
    """Joints in the order of the file and one row of channels per frame."""

    joints: tuple[BvhJoint, ...]
    rows: FloatArray  # (T,C) degrees and the file's unit
    fps: Fraction

    @property
    def roots(self) -> tuple[int, ...]:
        return tuple(n for n, joint in enumerate(self.joints) if joint.parent < 0)

    def rest_places(self) -> FloatArray:
        """(J,3) in the file's unit, every rotation 0 and every root at its offset."""
        places = np.zeros((len(self.joints), 3))
        for n, joint in enumerate(self.joints):
            places[n] = joint.offset
            if joint.parent >= 0:
                places[n] += places[joint.parent]
        return places

    def posed(self, frames: slice) -> tuple[FloatArray, FloatArray]:
        """World rotations (T,J,4) and places (T,J,3) in the file's unit and axes."""
        rows = self.rows[frames]
        world, places = np.empty((len(rows), len(self.joints), 4)), np.empty((len(rows), len(self.joints), 3))
        for n, joint in enumerate(self.joints):
            local, shift = _local(joint, rows)
            if joint.parent < 0:
                world[:, n], places[:, n] = local, shift
            else:
                above = world[:, joint.parent]
                world[:, n] = rot.multiply(above, local)
                places[:, n] = places[:, joint.parent] + rot.rotate(above, shift)
        return world, places


def _local(joint: BvhJoint, rows: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Rotation (T,4) and translation (T,3) of a joint against its parent; position channels replace the offset."""
    local = np.broadcast_to(rot.IDENTITY, (len(rows), 4))
    shift = np.broadcast_to(np.array(joint.offset), (len(rows), 3)).copy()
    for column, channel in enumerate(joint.channels, joint.first_column):
        axis = "XYZ".index(channel[0].upper())
        if channel[1:].lower() == "position":
            shift[:, axis] = rows[:, column]
        else:
            local = rot.multiply(local, rot.from_axis_angle(_AXES[axis], np.radians(rows[:, column])))
    return local, shift


def is_bvh(content: bytes) -> bool:
    """Whether `content` starts as a BVH file does."""
    return content[:256].lstrip(b"\xef\xbb\xbf \t\r\n")[:9].upper() == b"HIERARCHY"


def parse_bvh(content: bytes, *, what: str = "BVH file") -> BvhFile:
    """Reads a BVH file: any number of roots, channels in any order, rotations in degrees.

    Rates above 240 frames a second are thinned out to a rate below. Raises `FleximoError` that names what is amiss.
    """
    check_size(len(content), what)
    with guarded(what):
        split = re.search(rb"^\s*MOTION\b", content, re.MULTILINE | re.IGNORECASE)
        if split is None or split.start() > _MAX_HIERARCHY:
            raise damaged(what, "it has no MOTION part")
        joints = _hierarchy(content[: split.start()].decode("latin-1").removeprefix("\xef\xbb\xbf").split(), what)
        told = _TIMES.match(content, split.end())
        if told is None:
            raise damaged(what, "Frames and Frame Time do not follow MOTION")
        columns = sum(len(joint.channels) for joint in joints)
        frames = int(told[1])
        check_frames(frames)
        rows = _numbers(content, told.end(), frames * columns, what).reshape(frames, columns)
        if not np.isfinite(rows).all() or np.abs(rows).max() > 1e9:
            raise damaged(what, "some of its numbers are not finite or absurdly large")
        fps, step = _rate(told[2].decode())
        return BvhFile(joints, rows[::step], fps)


def _numbers(content: bytes, start: int, count: int, what: str) -> FloatArray:
    """The first `count` numbers of `content` from `start`, read by pieces."""
    if not 0 < count <= _MAX_NUMBERS or 2 * count > len(content) - start + 1:
        raise damaged(what, f"its frames should hold {count} numbers and do not")
    values = np.empty(count)
    found = 0
    while found < count and start < len(content):
        gap = _GAP.search(content, start + _PIECE)
        end = len(content) if gap is None else gap.start()
        piece = content[start:end].strip()
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            try:
                # Without a count: with one, numpy fills up a short text with whatever lay in memory.
                read = np.fromstring(piece, dtype=np.float64, sep=" ") if piece else np.empty(0)
            except (DeprecationWarning, ValueError):
                raise damaged(what, "its MOTION part holds something else than numbers") from None
        read = read[: count - found]
        values[found : found + len(read)] = read
        found, start = found + len(read), end
    if found < count:
        raise damaged(what, f"its frames should hold {count} numbers and hold {found}")
    return values


def _rate(told: str) -> tuple[Fraction, int]:
    """The rate whose frame time is `told` when rounded to as many digits, and every how many-th frame is kept."""
    seconds = float(told)
    if not 1e-5 < seconds <= 1.0:
        raise FleximoError(f"A frame time of {told} s is no motion's.", code="unreadable_file")
    digits = len(told.partition(".")[2].lower().partition("e")[0])
    rate = Fraction(1) / Fraction(seconds)
    whole = round(rate)
    if abs(1.0 / whole - seconds) <= 0.5001 * 10.0**-digits + 1e-12:
        rate = Fraction(whole)
    step = int(-(-rate // _FASTEST_FPS))
    return as_fps(rate / step), step


def _hierarchy(words: list[str], what: str) -> tuple[BvhJoint, ...]:
    """The joints between HIERARCHY and MOTION; end sites are passed over."""
    joints: list[BvhJoint] = []
    open_joints: list[int] = []  # -2 for an end site
    column = 0
    at = 1
    while at < len(words):
        word = words[at].upper()
        if word in ("ROOT", "JOINT", "END"):
            start = next((n for n in range(at + 1, min(at + 12, len(words))) if words[n] == "{"), 0)
            if not start or len(joints) >= _MAX_JOINTS or len(open_joints) >= _MAX_DEPTH:
                raise damaged(what, f"the joint after {' '.join(words[at : at + 2])} has no body")
            if word == "END":
                open_joints.append(-2)
            else:
                name = " ".join(words[at + 1 : start])
                parent = open_joints[-1] if open_joints else -1
                if (word == "ROOT") != (parent == -1) or parent == -2:
                    raise damaged(what, f"{word} {name[:60]} stands where it may not")
                offset, channels, start = _body(words, start + 1, what)
                joints.append(BvhJoint(name, parent, offset, channels, column))
                open_joints.append(len(joints) - 1)
                column += len(channels)
                at = start
                continue
            at = start + 1
        elif word == "}" and open_joints:
            open_joints.pop()
            at += 1
        elif word == "OFFSET" and open_joints and open_joints[-1] == -2:
            at += 4
        else:
            raise damaged(what, f"{words[at][:40]!r} stands where a joint or a closing bracket was expected")
    if not joints or open_joints:
        raise damaged(what, "its hierarchy is not closed")
    return tuple(joints)


def _body(words: list[str], at: int, what: str) -> tuple[tuple[float, float, float], tuple[str, ...], int]:
    """Offset and channels of a joint, and the word after them."""
    offset: tuple[float, float, float] = (0.0, 0.0, 0.0)
    channels: tuple[str, ...] = ()
    for _ in range(2):
        word = words[at].upper()
        if word == "OFFSET":
            x, y, z = (float(number) for number in words[at + 1 : at + 4])
            offset = (x, y, z)
            if not np.isfinite(offset).all() or max(map(abs, offset)) > 1e6:
                raise damaged(what, "an offset is not finite or absurdly large")
            at += 4
        elif word == "CHANNELS":
            count = int(words[at + 1])
            channels = tuple(words[at + 2 : at + 2 + count])
            if not 0 <= count <= 6 or len(channels) != count or not all(map(_CHANNEL.fullmatch, channels)):
                raise damaged(what, f"the channels {' '.join(channels)[:60]!r} are none")
            at += 2 + count
    return offset, channels, at
