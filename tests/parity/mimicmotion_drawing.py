"""Parity of the pose drawing, of DWPose's arithmetic and of the clip's fit: `draw*`, `dwpose_io` and `rescale.npz`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np

from backend.drawing import Pen
from backend.models.detect.coco_wholebody import wholebody_128
from backend.models.detect.dwpose_boxes import boxes_of, letterboxed
from backend.models.detect.dwpose_points import crop_boxes, crops, points_of
from fleximo.layouts import BODY, FACE, LEFT_HAND, RIGHT_HAND
from fleximo.paper_rescale import MIMICMOTION_FIT_POINTS, clip_fit, kept_frames
from tests.parity.cases import Case, compare

__all__ = ["cases"]

_IO, _RESCALE = "dwpose_io.npz", "rescale.npz"
_DRAWN = ("draw0.npz", "draw1.npz", "draw2.npz")
_SEEN = 0.3


def cases(folder: Path) -> Iterator[Case]:
    """One case per drawing found in the folder, whatever its number, and the detector's; absent files are skipped."""
    for name in sorted({*_DRAWN, *(path.name for path in folder.glob("draw*.npz"))}):
        yield _case(folder / name, _draw)
    yield _case(folder / _IO, _detector)
    yield _case(folder / _IO, _key_points)
    yield _case(folder / _RESCALE, _fit)


def _case(path: Path, run: Callable[[Path], list[tuple[float, float]]]) -> Case:
    name = f"{path.stem} {run.__name__.strip('_')}"
    if not path.is_file():
        return Case(name, skipped=f"{path.name} is not in {path.parent}")
    return Case(name, run=partial(run, path))


def _draw(path: Path) -> list[tuple[float, float]]:
    """The named arrays of 133 points, and the share of pixels that differ, of which there may be none."""
    with np.load(path, allow_pickle=False) as given:
        size = np.array([given["W"], given["H"]], dtype=np.float32)
        points, scores = wholebody_128(given["keypoints133"], given["scores133"])
        normalised, people = points / size, np.arange(len(points))[:, None]
        seen = scores[:, BODY] > _SEEN
        drawn = Pen((int(given["W"]), int(given["H"]))).draw(points, scores)
        hands = (LEFT_HAND, RIGHT_HAND)
        return [
            compare(normalised[:, BODY].reshape(-1, 2), given["body"], 1e-6),
            compare(np.where(seen, 18 * people + np.arange(18), -1).astype(float), given["subset"], 0.0),
            compare(scores[:, BODY], given["body_score"], 1e-6),
            compare(np.concatenate([normalised[:, side] for side in hands]), given["hands"], 1e-6),
            compare(np.concatenate([scores[:, side] for side in hands]), given["hands_score"], 1e-6),
            compare(normalised[:, FACE], given["faces"], 1e-6),
            compare(scores[:, FACE], given["faces_score"], 1e-6),
            compare(drawn.transpose(2, 0, 1).astype(float), given["image"].astype(float), 0.0),
        ]


def _detector(path: Path) -> list[tuple[float, float]]:
    """What the person detector is given, and the boxes in a made-up answer of its."""
    with np.load(path, allow_pickle=False) as given:
        fitted, ratio = letterboxed(given["image"])
        raw = np.full((8400, 85), 0.01)
        raw[:, :4], raw[:, 4] = given["raw_boxes"], 0.002
        hot = given["hot_anchors"]
        raw[hot, 4], raw[hot, 5] = given["hot_obj"], 0.97
        raw[123, 4] = raw[123, 7] = 0.9  # of another class
        return [
            compare(fitted.astype(float), given["det_input_u8"].astype(float), 0.0),
            compare(np.array(ratio), given["det_ratio"], 0.0),
            compare(boxes_of(raw, ratio).corners_px, given["boxes"], 1e-3),
        ]


def _key_points(path: Path) -> list[tuple[float, float]]:
    """The crops that the key-point network is given, and the points in made-up answers of its."""
    with np.load(path, allow_pickle=False) as given:
        centres, sizes = crop_boxes(given["boxes"])
        cut = crops(given["image"], centres, sizes)
        count, k = len(centres), np.arange(133)
        x, y = np.zeros((count, 133, 576)), np.zeros((count, 133, 768))
        for person in range(count):
            x[person, k, given["peak_x"][person]] = given["peak_val"][person]
            y[person, k, given["peak_y"][person]] = given["peak_val"][person] * (0.8 + 0.4 * (k % 7) / 6)
        x[0, 5] = y[0, 5] = 0.0
        x[0, 6] = -0.1
        points, scores = points_of(x, y, centres, sizes)
        off = (np.abs(cut - given["pose_inputs"]) > 1e-3).mean()
        return [
            compare(cut, given["pose_inputs"], 0.06),
            (float(off), 0.1),
            compare(points, given["keypoints"], 1e-3),
            compare(scores, given["scores"], 1e-6),
        ]


def _fit(path: Path) -> list[tuple[float, float]]:
    """Which frames are kept, the fit of the clip to the photo, the fitted points and their drawing."""
    with np.load(path, allow_pickle=False) as given:
        kept = kept_frames(int(given["video_len"]), float(given["video_fps"]), int(given["sample_stride"]))
        bodies = np.stack([given[f"in{n}_body"] for n in range(len(kept))])
        (source_h, source_w), (height, width) = given["video_hw"].tolist(), given["ref_hw"].tolist()
        fit = clip_fit(
            given["ref_body"],
            given["ref_body_score"][0],
            bodies,
            (source_w, source_h),
            (width, height),
            MIMICMOTION_FIT_POINTS,
        )
        errors = [
            compare(np.array(kept, dtype=float), given["frame_indices"].astype(float), 0.0),
            compare(np.array(fit.scale), given["a"], 1e-6),
            compare(np.array(fit.shift), given["b"], 1e-6),
        ]
        pen = Pen((width, height))
        for n in range(len(kept)):
            parts = {part: fit.apply(given[f"in{n}_{part}"]) for part in ("body", "hands", "faces")}
            errors += [compare(points, given[f"out{n}_{part}"], 1e-6) for part, points in parts.items()]
            points = np.concatenate([parts["body"], parts["faces"][0], *parts["hands"]]) * [width, height]
            scores = np.concatenate(
                [given[f"in{n}_body_score"][0], given[f"in{n}_faces_score"][0], *given[f"in{n}_hands_score"]]
            )
            differs = (pen.draw(points, scores).transpose(2, 0, 1) != given["images"][n]).any(axis=0)
            errors.append((float(differs.mean()), 1e-3))
        return errors
