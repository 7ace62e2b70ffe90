"""A contact sheet of the moves as stick figures: `python -m backend.evaluate.moves_sheet OUT.png`.

Owns the drawing; every move is played by `fleximo.moves` and seen by a camera a little to the side of the front.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from fleximo.motion import Motion
from fleximo.moves import LIBRARY, generate
from fleximo.moves.lexicon import LEXICON
from fleximo.plan import MotionPlan, Segment

__all__ = ["draw_sheet", "draw_strip", "main"]

Image = npt.NDArray[np.uint8]
_LEFT, _RIGHT, _TRUNK = (196, 102, 40), (40, 96, 214), (70, 70, 70)  # BGR: left blue, right orange, trunk grey
_CHAINS = ("hip knee ankle foot toe_tip", "ankle heel foot", "shoulder elbow wrist") + tuple(
    f"wrist {finger}1 {finger}2 {finger}3 {finger}_tip" for finger in ("index", "middle", "pinky", "thumb")
)
_TRUNK_BONES = (
    "pelvis spine2 neck head", "left_shoulder neck right_shoulder", "left_hip pelvis right_hip",
    "left_shoulder left_hip", "right_shoulder right_hip",
)  # fmt: skip


def _bones() -> tuple[tuple[str, str, str], ...]:
    """Every stroke as (from, to, kind): kind is left, right or trunk."""
    bones = []
    for side in ("left", "right"):
        for chain in _CHAINS:
            names = [f"{side}_{name}" for name in chain.split()]
            bones += [(a, b, side) for a, b in zip(names, names[1:])]
    for chain in _TRUNK_BONES:
        bones += [(a, b, "trunk") for a, b in zip(chain.split(), chain.split()[1:])]
    return tuple(bones)


_BONES = _bones()
_COLOURS = {"left": _LEFT, "right": _RIGHT, "trunk": _TRUNK}
_SS = 3  # drawn larger and shrunk: OpenCV's own smoothing leaves thin strokes uneven


def _view(points: npt.NDArray[np.floating], yaw_deg: float) -> npt.NDArray[np.float64]:
    """Right, up and depth towards the viewer of world points (...,3) for a camera turned to the subject's left."""
    a, b = np.radians(yaw_deg), np.radians(8.0)
    x, y, z = points[..., 0], points[..., 1], points[..., 2]
    right, near = x * np.cos(a) - z * np.sin(a), x * np.sin(a) + z * np.cos(a)
    return np.stack((right, y * np.cos(b) - near * np.sin(b), near * np.cos(b) + y * np.sin(b)), axis=-1)


def draw_strip(
    motion: Motion,
    *,
    tile: tuple[int, int] = (150, 230),
    count: int = 6,
    yaw_deg: float = 22.0,
    frames: Sequence[int] = (),
) -> Image:
    """`count` key frames of one motion side by side, (H, W*count, 3) BGR, with the paths of the hands behind them."""
    wide, high = tile
    chosen = list(frames) or [round(i * (len(motion) - 1) / (count - 1)) for i in range(count)]
    names = sorted(
        {name for bone in _BONES for name in bone[:2]} | {"head", "nose", "head_top", "left_ear", "right_ear"}
    )
    seen = dict(zip(names, np.moveaxis(_view(motion.positions(*names).astype(np.float64), yaw_deg), 1, 0)))
    height = 2.35
    scale = high * _SS / height
    strip = np.full((high * _SS, wide * len(chosen) * _SS, 3), 255, np.uint8)
    base = (height - 0.16) * scale
    cv2.line(strip, (0, round(base)), (strip.shape[1], round(base)), (200, 200, 200), _SS)
    for i, frame in enumerate(chosen):
        centre = (i + 0.5) * wide * _SS - seen["pelvis"][frame, 0] * scale
        # A traveller stays in the middle of his tile; only his depth is taken off the height.
        drop = _view(motion.root[frame] * [1, 0, 1], yaw_deg)[1]

        def at(name: str, k: int = frame, centre: float = centre, drop: float = drop) -> tuple[int, int]:
            p = seen[name][k]
            return round(centre + p[0] * scale), round(base - (p[1] - drop) * scale)

        _draw_arcs(strip, motion, at, frame)
        _draw_figure(strip, seen, at, frame, scale)
    return cv2.resize(strip, (wide * len(chosen), high), interpolation=cv2.INTER_AREA)


def _draw_arcs(strip: Image, motion: Motion, at: object, frame: int) -> None:
    """The last third of a second of both hands, fading."""
    tail = range(max(0, frame - round(0.33 * float(motion.fps))), frame)
    for side, colour in (("left", (235, 205, 180)), ("right", (180, 205, 245))):
        for k in tail:
            cv2.line(strip, at(f"{side}_middle1", k), at(f"{side}_middle1", k + 1), colour, 2 * _SS, cv2.LINE_AA)  # type: ignore[operator]


def _draw_figure(strip: Image, seen: dict[str, npt.NDArray[np.float64]], at: object, frame: int, scale: float) -> None:
    def depth(item: tuple[str, str, str]) -> float:
        return float(seen[item[0]][frame, 2] + seen[item[1]][frame, 2])

    head = ("head", "head_top", "head")
    for item in sorted((*_BONES, head), key=depth):
        if item is head:
            middle = at("head"), at("head_top")  # type: ignore[operator]
            centre = (middle[0][0] + middle[1][0]) // 2, (middle[0][1] + middle[1][1]) // 2
            cv2.circle(strip, centre, round(0.105 * scale), (235, 235, 235), -1, cv2.LINE_AA)
            cv2.circle(strip, centre, round(0.105 * scale), _TRUNK, 2 * _SS, cv2.LINE_AA)
            if seen["nose"][frame, 2] > seen["head"][frame, 2]:
                cv2.circle(strip, at("nose"), round(0.018 * scale), (30, 30, 30), -1, cv2.LINE_AA)  # type: ignore[operator]
            continue
        a, b, kind = item
        finger = any(f in b for f in ("index", "middle", "pinky", "thumb"))
        width = 1 if finger else (5 if kind != "trunk" else 4)
        cv2.line(strip, at(a), at(b), (255, 255, 255), (width + 2) * _SS, cv2.LINE_AA) if not finger else None  # type: ignore[operator]
        cv2.line(strip, at(a), at(b), _COLOURS[kind], round((1.3 if finger else width) * _SS), cv2.LINE_AA)  # type: ignore[operator]


def example(name: str, seed: int = 0, fps: float = 30) -> Motion:
    """A move as the planner would ask for it with no more said."""
    entry = LEXICON[name]
    repeats = entry.default_repeats
    return generate(MotionPlan((Segment(name, entry.seconds(repeats), repeats=repeats),), seed), fps=fps)


def key_frames(motion: Motion, count: int = 6) -> list[int]:
    """The frames that differ most from each other in pose, in order: the first, then always the one farthest from all."""
    joints = motion.joints() - motion.root[:, None]
    # Hands and head tell more of a move than their length; they are weighed up.
    names = motion.rig.joint_names
    weight = np.array([3.0 if n.endswith("wrist") or n == "head" else 0.3 if n[-1].isdigit() else 1.0 for n in names])
    shape = np.concatenate((joints * weight[:, None], 0.6 * motion.positions("nose") - 0.6 * joints[:, :1]), axis=1)
    flat = shape.reshape(len(motion), -1)
    chosen = [0]
    distance = np.linalg.norm(flat - flat[0], axis=1)
    for _ in range(count - 1):
        chosen.append(int(distance.argmax()))
        distance = np.minimum(distance, np.linalg.norm(flat - flat[chosen[-1]], axis=1))
        # Neighbours in time show the same.
        near = max(1, len(motion) // (3 * count))
        distance[max(0, chosen[-1] - near) : chosen[-1] + near] = 0.0
    return sorted(chosen)


def draw_sheet(
    names: Sequence[str], *, columns: int = 2, labels: bool = True, yaw_deg: float = 22.0, at: Sequence[float] = ()
) -> Image:
    """All moves called `names`, one strip each, in `columns`."""
    strips = []
    for name in names:
        motion = example(name)
        frames = [round(x * (len(motion) - 1)) for x in at] or key_frames(motion)
        strip = draw_strip(motion, yaw_deg=yaw_deg, frames=frames)
        strip = cv2.copyMakeBorder(strip, 4, 4, 6, 6, cv2.BORDER_CONSTANT, value=(255, 255, 255))
        if labels:
            cv2.putText(strip, name, (10, 18), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (90, 90, 90), 1, cv2.LINE_AA)
        cv2.rectangle(strip, (0, 0), (strip.shape[1] - 1, strip.shape[0] - 1), (225, 225, 225), 1)
        strips.append(strip)
    while len(strips) % columns:
        strips.append(np.full_like(strips[0], 255))
    return np.vstack([np.hstack(strips[i : i + columns]) for i in range(0, len(strips), columns)])


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("out", type=Path, help="the picture to write, e.g. docs/images/moves.png")
    parser.add_argument("--only", nargs="*", help="moves to draw; default: all")
    parser.add_argument("--no-labels", action="store_true", help="leave the names out, to test what reads")
    parser.add_argument("--yaw", type=float, default=22.0, help="degrees the camera stands to the side; 0 = front")
    parser.add_argument("--columns", type=int, default=2)
    parser.add_argument("--at", type=float, nargs="*", default=(), help="moments to draw, 0 to 1 of the clip")
    given = parser.parse_args(arguments)
    sheet = draw_sheet(
        given.only or tuple(LIBRARY), columns=given.columns, labels=not given.no_labels, yaw_deg=given.yaw, at=given.at
    )
    given.out.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(given.out), sheet)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
