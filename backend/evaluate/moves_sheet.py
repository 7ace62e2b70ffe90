"""A contact sheet of the moves as stick figures: `python -m backend.evaluate.moves_sheet OUT.png`.

Owns the drawing; every move is played by `fleximo.moves` and seen by a camera a little to the side of the front.
Left limbs are blue, right ones orange; pale lines are the paths of the hands during the last third of a second.
"""

from __future__ import annotations

import argparse
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import PIL.Image

from fleximo.errors import FleximoError
from fleximo.files import write_atomic
from fleximo.motion import Motion
from fleximo.moves import LIBRARY, generate
from fleximo.moves.lexicon import LEXICON
from fleximo.plan import MOVES, MotionPlan, Segment

__all__ = ["draw_sheet", "draw_strip", "example", "key_frames", "main"]

Image = npt.NDArray[np.uint8]
Points = npt.NDArray[np.float64]

_COLOURS = {"left": (196, 110, 44), "right": (44, 104, 222), "trunk": (82, 82, 82)}  # BGR
_PALE = {"left": (236, 208, 184), "right": (184, 208, 246)}
_SKIN, _CHEST, _FLOOR = (240, 240, 240), (232, 232, 232), (196, 196, 196)
_OVERSIZE = 3  # drawn larger and shrunk: OpenCV's own smoothing leaves thin strokes uneven
_PITCH_DEG = 7.0  # the camera looks down a little
_FINGERS = ("index", "middle", "pinky", "thumb")
_CHAINS = ("hip knee ankle foot toe_tip", "ankle heel foot", "shoulder elbow wrist") + tuple(
    f"wrist {finger}1 {finger}2 {finger}3 {finger}_tip" for finger in _FINGERS
)
_OUTLINE = ("left_shoulder", "left_hip", "right_hip", "right_shoulder", "neck")
_FACE = ("nose", "left_eye", "right_eye")


def _bones() -> tuple[tuple[str, str, str], ...]:
    """Every stroke as (from, to, kind): kind is left, right or trunk."""
    bones = [("neck", "head", "trunk")]
    for side in ("left", "right"):
        for chain in _CHAINS:
            names = [f"{side}_{name}" for name in chain.split()]
            bones += [(a, b, side) for a, b in zip(names, names[1:])]
    return tuple(bones)


_BONES = _bones()
_NAMES = tuple(
    sorted({name for bone in _BONES for name in bone[:2]} | {*_OUTLINE, *_FACE, "head_top", "pelvis", "spine3"})
)


@dataclass(frozen=True)
class _Tile:
    """One frame's points in tile pixels, and its depths towards the viewer in m."""

    xy: dict[str, tuple[int, int]]
    depth: dict[str, float]
    px_per_m: float


def _seen(points: npt.NDArray[np.floating], yaw_deg: float) -> Points:
    """Right, up and depth towards the viewer of world points (...,3), the camera turned to the subject's left."""
    a, b = np.radians(yaw_deg), np.radians(_PITCH_DEG)
    x, y, z = (points[..., i].astype(np.float64) for i in range(3))
    right, near = x * np.cos(a) - z * np.sin(a), x * np.sin(a) + z * np.cos(a)
    return np.stack((right, y * np.cos(b) - near * np.sin(b), near * np.cos(b) + y * np.sin(b)), axis=-1)


def example(name: str, seed: int = 0, fps: float = 30) -> Motion:
    """A move as the planner asks for it where the text says no more."""
    entry = LEXICON[name]
    repeats = entry.default_repeats
    return generate(MotionPlan((Segment(name, entry.seconds(repeats), repeats=repeats),), seed), fps=fps)


def key_frames(motion: Motion, count: int = 6) -> list[int]:
    """The frames that differ most from each other in pose, in order of time."""
    joints = motion.joints() - motion.joints()[:, :1] * np.array([1.0, 0.0, 1.0])
    # Hands and head tell more of a move than the many joints of the fingers.
    names = motion.rig.joint_names
    weights = [3.0 if n.endswith("wrist") or n == "head" else 0.3 if n[-1].isdigit() else 1.0 for n in names]
    nose = 6.0 * (motion.positions("nose") - motion.positions("head"))
    poses = np.concatenate((joints * np.array(weights)[:, None], nose), axis=1).reshape(len(motion), -1)
    # A pose that is held or struck tells more than the way to it.
    hands = motion.positions("left_wrist", "right_wrist", "left_foot", "right_foot") - motion.root[:, None]
    speeds = np.linalg.norm(np.gradient(hands, axis=0), axis=-1).max(axis=1) * float(motion.fps)
    calm = 1.0 / (1.0 + 0.7 * speeds)
    chosen = [int((calm * np.linalg.norm(poses - poses[0], axis=1)).argmax())]
    distance = np.full(len(motion), np.inf)
    apart = max(1, len(motion) // (3 * count))
    while len(chosen) < min(count, len(motion)):
        distance = np.minimum(distance, np.linalg.norm(poses - poses[chosen[-1]], axis=1))
        distance[max(0, chosen[-1] - apart) : chosen[-1] + apart + 1] = 0.0  # neighbours in time show the same
        chosen.append(int((calm * distance).argmax()))
    return sorted(chosen)


def _window(motion: Motion, points: dict[str, Points], shape: float) -> tuple[float, float]:
    """Lowest height and height in m of what a tile (`shape` = height / width) shows.

    Where the legs tell nothing, the upper body fills it.
    """
    whole = (-0.14, 2.44)
    knees = motion.positions("left_knee", "right_knee", "pelvis")
    if not motion.contacts.all() or np.ptp(knees, axis=0).max() > 0.06:
        return whole
    wide = max(float(np.abs(p[:, 0] - points["pelvis"][:, 0]).max()) for p in points.values())
    top = max(float(p[:, 1].max()) for p in points.values())
    height = max(top + 0.16 - 0.72, 2.1 * wide * shape)
    still = np.ptp(motion.positions("left_wrist", "right_wrist", "nose"), axis=0).max() < 0.06
    return whole if still or height > 2.0 else (top + 0.16 - height, height)


def _yaw(motion: Motion) -> float:
    """Travellers are seen more from the side."""
    return 52.0 if np.linalg.norm(motion.root[-1, [0, 2]] - motion.root[0, [0, 2]]) > 1.0 else 26.0


def draw_strip(
    motion: Motion,
    frames: Sequence[int] = (),
    *,
    tile: tuple[int, int] = (150, 226),
    yaw_deg: float | None = None,
) -> Image:
    """Key frames of one motion side by side, (H, W * count, 3) BGR, each with the last paths of the hands."""
    wide, high = tile[0] * _OVERSIZE, tile[1] * _OVERSIZE
    frames = list(frames) or key_frames(motion)
    yaw_deg = _yaw(motion) if yaw_deg is None else yaw_deg
    points = dict(zip(_NAMES, np.moveaxis(_seen(motion.positions(*_NAMES), yaw_deg), 1, 0)))
    bottom, height = _window(motion, points, high / wide)
    scale = high / height
    ground = _seen(motion.root * np.array([1.0, 0.0, 1.0]), yaw_deg)[:, 1]
    strip = np.full((high, wide * len(frames), 3), 255, np.uint8)
    if bottom < 0.0:
        floor = round((height + bottom) * scale)
        cv2.line(strip, (0, floor), (strip.shape[1], floor), _FLOOR, _OVERSIZE)
    for i, frame in enumerate(frames):
        # A traveller stays in the middle of his tile, and on its floor.
        middle = (i + 0.5) * wide - points["pelvis"][frame, 0] * scale

        def placed(k: int, frame: int = frame, middle: float = middle) -> _Tile:
            return _Tile(
                {
                    name: (round(middle + p[k, 0] * scale), round((height + bottom - p[k, 1] + ground[frame]) * scale))
                    for name, p in points.items()
                },
                {name: float(p[k, 2]) for name, p in points.items()},
                scale,
            )

        view = strip[:, i * wide : (i + 1) * wide]
        shift = -i * wide
        trail = [_moved(placed(k), shift) for k in range(max(0, frame - round(float(motion.fps) / 3)), frame + 1)]
        _draw_paths(view, trail)
        _draw_figure(view, trail[-1])
    return np.asarray(cv2.resize(strip, (tile[0] * len(frames), tile[1]), interpolation=cv2.INTER_AREA), dtype=np.uint8)


def _moved(tile: _Tile, dx: int) -> _Tile:
    return _Tile({name: (x + dx, y) for name, (x, y) in tile.xy.items()}, tile.depth, tile.px_per_m)


def _draw_paths(view: Image, trail: Sequence[_Tile]) -> None:
    for side in ("left", "right"):
        name = f"{side}_middle1"
        for a, b in zip(trail, trail[1:]):
            cv2.line(view, a.xy[name], b.xy[name], _PALE[side], 2 * _OVERSIZE, cv2.LINE_AA)


def _draw_figure(view: Image, tile: _Tile) -> None:
    """Strokes from far to near, each with a white rim, so that crossed limbs stay apart."""
    head = ("head", "head_top", "head")
    chest = ("spine3", "pelvis", "chest")

    def depth(item: tuple[str, str, str]) -> float:
        if item is head:
            return 2.0 * tile.depth["head_top"]
        return tile.depth[item[0]] + tile.depth[item[1]]

    thick = tile.px_per_m / 92.0 / _OVERSIZE  # 1 where a whole body fills the tile
    for item in sorted((*_BONES, head, chest), key=depth):
        if item is head:
            _draw_head(view, tile, thick)
        elif item is chest:
            outline = np.array([tile.xy[name] for name in _OUTLINE], np.int32)
            cv2.fillPoly(view, [outline], _CHEST, cv2.LINE_AA)
            cv2.polylines(view, [outline], True, _COLOURS["trunk"], round(4 * thick * _OVERSIZE), cv2.LINE_AA)
        else:
            _draw_bone(view, tile, item, thick)


def _draw_bone(view: Image, tile: _Tile, bone: tuple[str, str, str], thick: float) -> None:
    a, b, kind = bone
    finger = any(name in b for name in _FINGERS)
    width = (1.6 if finger else 5.0) * thick
    if not finger:
        cv2.line(view, tile.xy[a], tile.xy[b], (255, 255, 255), round((width + 2.5) * _OVERSIZE), cv2.LINE_AA)
    cv2.line(view, tile.xy[a], tile.xy[b], _COLOURS[kind], max(1, round(width * _OVERSIZE)), cv2.LINE_AA)


def _draw_head(view: Image, tile: _Tile, thick: float) -> None:
    """A ball with eyes and a nose where they are turned to the viewer."""
    base, top = np.array(tile.xy["head"]), np.array(tile.xy["head_top"])
    centre = tuple(int(v) for v in (0.55 * base + 0.45 * top).round())
    radius = round(0.108 * tile.px_per_m)
    cv2.circle(view, centre, radius + 2 * _OVERSIZE, (255, 255, 255), -1, cv2.LINE_AA)
    cv2.circle(view, centre, radius, _SKIN, -1, cv2.LINE_AA)
    cv2.circle(view, centre, radius, _COLOURS["trunk"], round(2.2 * thick * _OVERSIZE), cv2.LINE_AA)
    middle = 0.55 * tile.depth["head"] + 0.45 * tile.depth["head_top"]
    for eye in ("left_eye", "right_eye"):
        if tile.depth[eye] > middle:
            cv2.circle(view, tile.xy[eye], round(0.013 * tile.px_per_m), (50, 50, 50), -1, cv2.LINE_AA)
    if tile.depth["nose"] > middle - 0.05:
        (ax, ay), (bx, by) = (tile.xy[eye] for eye in ("left_eye", "right_eye"))
        bridge = (ax + bx) // 2, (ay + by) // 2
        cv2.line(view, bridge, tile.xy["nose"], (50, 50, 50), round(2.0 * thick * _OVERSIZE), cv2.LINE_AA)


def draw_sheet(
    names: Sequence[str],
    *,
    columns: int = 2,
    labels: bool = True,
    yaw_deg: float | None = None,
    at: Sequence[float] = (),
) -> Image:
    """All moves called `names`, one strip each in `columns`; `at`: moments from 0 to 1 instead of key frames."""
    strips = []
    for name in names:
        motion = example(name)
        frames = [round(x * (len(motion) - 1)) for x in at]
        strip = draw_strip(motion, frames, yaw_deg=yaw_deg)
        strip = cv2.copyMakeBorder(strip, 4, 4, 6, 6, cv2.BORDER_CONSTANT, value=(255, 255, 255))
        if labels:
            label = name.replace("_", " ")
            cv2.putText(strip, label, (10, 20), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (60, 60, 60), 1, cv2.LINE_AA)
        cv2.rectangle(strip, (0, 0), (strip.shape[1] - 1, strip.shape[0] - 1), (222, 222, 222), 1)
        strips.append(strip)
    while len(strips) % columns:
        strips.append(np.full_like(strips[0], 255))
    return np.vstack([np.hstack(strips[i : i + columns]) for i in range(0, len(strips), columns)])


def _png(sheet: Image) -> bytes:
    """A PNG with a palette: flat colours need no more, and the file is a fifth."""
    buffer = io.BytesIO()
    PIL.Image.fromarray(np.ascontiguousarray(sheet[..., ::-1])).quantize(64).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m backend.evaluate.moves_sheet", description=__doc__)
    parser.add_argument("out", type=Path, help="the picture to write, e.g. docs/images/moves.png")
    parser.add_argument("--only", nargs="*", metavar="MOVE", help="moves to draw; default: all")
    parser.add_argument("--no-labels", action="store_true", help="leave the names out, to test what reads")
    parser.add_argument("--yaw", type=float, help="degrees the camera stands to the side; 0 = front")
    parser.add_argument("--columns", type=int, default=2)
    parser.add_argument("--at", type=float, nargs="*", default=(), help="moments to draw, 0 to 1 of the clip")
    given = parser.parse_args(arguments)
    names = given.only or [name for name in MOVES if name in LIBRARY]
    try:
        sheet = draw_sheet(names, columns=given.columns, labels=not given.no_labels, yaw_deg=given.yaw, at=given.at)
        write_atomic(given.out, _png(sheet))
    except FleximoError as error:
        parser.exit(1, f"{error}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
