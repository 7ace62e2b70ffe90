"""The person's outline from a skeleton and the photo's colours alone, and who owns a pixel among several people.

Knows OpenPose-18 points and no model. Every length is a share of the torso (neck to mid-hip).
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from backend.models.detect.outline import (
    Plane,
    Rgb,
    box_around,
    local_colour_log_ratio,
    pixel,
    refine_mask,
    smooth_on_edges,
    tidy,
)
from fleximo.arrays import BoolArray, FloatArray
from fleximo.layouts import OPENPOSE_18

__all__ = ["cut_out", "share_of", "torso_of"]

_Capsule = tuple[FloatArray, FloatArray, float, float]  # start, end (px), radius surely the person, radius at most

# Bone of OpenPose-18 -> radius of the body around it in torsos: surely the person, and at most (loose clothes).
_RADII = {
    ("neck", "nose"): (0.09, 0.25),
    ("neck", "right_shoulder"): (0.07, 0.20),
    ("neck", "left_shoulder"): (0.07, 0.20),
    ("right_shoulder", "right_elbow"): (0.06, 0.20),
    ("left_shoulder", "left_elbow"): (0.06, 0.20),
    ("right_elbow", "right_wrist"): (0.04, 0.16),
    ("left_elbow", "left_wrist"): (0.04, 0.16),
    ("right_shoulder", "right_hip"): (0.02, 0.25),
    ("left_shoulder", "left_hip"): (0.02, 0.25),
    ("right_hip", "left_hip"): (0.12, 0.30),
    ("right_hip", "right_knee"): (0.09, 0.25),
    ("left_hip", "left_knee"): (0.09, 0.25),
    ("right_knee", "right_ankle"): (0.06, 0.20),
    ("left_knee", "left_ankle"): (0.06, 0.20),
}
_TRUNK = ("neck", "right_shoulder", "right_hip", "left_hip", "left_shoulder")
_CUT_PX = 480  # longer side of the picture that is cut: GrabCut's time grows with the pixels, its outline hardly
_USUAL = 0.35  # of the way from the sure to the largest radius: where the body usually ends


def torso_of(body_px: FloatArray) -> float:
    """Neck to mid-hip of OpenPose-18 points (18,2) in px, at least 1."""
    hips = (body_px[OPENPOSE_18.index("left_hip")] + body_px[OPENPOSE_18.index("right_hip")]) / 2.0
    return max(1.0, float(np.linalg.norm(body_px[OPENPOSE_18.index("neck")] - hips)))


def share_of(segmentation: Plane, body_px: FloatArray, others: list[tuple[Plane, FloatArray]]) -> Plane:
    """A person's segmentation (H,W) without what is nearer to the skeleton (18,2) of somebody else who is seen there.

    `others`: segmentation and skeleton of each other person in the same picture.
    """
    if not others:
        return segmentation
    mine = _distance_to_bones(body_px, segmentation.shape)
    share = segmentation.copy()
    for theirs, points in others:
        share[(_distance_to_bones(points, segmentation.shape) < mine) & (theirs > 0.2)] = 0.0
    return share


def cut_out(rgb: Rgb, body_px: FloatArray, present: BoolArray) -> BoolArray:
    """(H,W) the person whose OpenPose-18 points (18,2) are given; `present` (18,) tells which of them are known.

    GrabCut (Rother et al. 2004) on a small picture, seeded with capsules around the bones; then its outline grows or
    shrinks to where the body usually ends and to what is coloured like the person (hair, loose clothes).
    """
    height, width = rgb.shape[:2]
    scale = min(1.0, _CUT_PX / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = np.ascontiguousarray(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA))
    points = body_px * [size[0] / width, size[1] / height]
    capsules = _capsules(points, present)
    seeds = _seeds(points, capsules, (size[1], size[0]))
    found = _settled(small, _grab(small, seeds, torso_of(points)), seeds, capsules, torso_of(points))
    soft = cv2.GaussianBlur(found.astype(np.float32), (0, 0), 1.5)
    return refine_mask(rgb, cv2.resize(soft, (width, height), interpolation=cv2.INTER_LINEAR), torso_of(body_px))


def _grab(small: Rgb, seeds: npt.NDArray[np.uint8], torso_px: float) -> BoolArray:
    """(H,W) what GrabCut takes for the person; the seeds themselves where they leave it nothing to learn from."""
    rows, columns = box_around(seeds != cv2.GC_BGD, margin=round(0.3 * torso_px))
    labels = np.ascontiguousarray(seeds[rows, columns])
    found = (seeds == cv2.GC_FGD) | (seeds == cv2.GC_PR_FGD)
    if (labels == cv2.GC_FGD).sum() > 16 and (labels == cv2.GC_BGD).sum() > 16:
        cv2.setRNGSeed(0)  # its colour models start from random clusters
        part = np.ascontiguousarray(small[rows, columns, ::-1])
        cv2.grabCut(part, labels, None, np.zeros((1, 65)), np.zeros((1, 65)), 4, cv2.GC_INIT_WITH_MASK)
        found[rows, columns] = (labels == cv2.GC_FGD) | (labels == cv2.GC_PR_FGD)
    return found


def _settled(
    small: Rgb, found: BoolArray, seeds: npt.NDArray[np.uint8], capsules: list[_Capsule], torso_px: float
) -> BoolArray:
    """(H,W) the cut once local colours, colours of the whole picture and the usual body width have had their say."""
    free = (seeds == cv2.GC_PR_FGD) | (seeds == cv2.GC_PR_BGD)
    sure = seeds == cv2.GC_FGD
    fixed = np.where(found, 1.0, -1.0) + _usual_width(capsules, found.shape, torso_px)
    for _ in range(3):
        local = 0.5 * local_colour_log_ratio(small, found, ~found, reach=round(0.25 * torso_px))
        odds = fixed + local.clip(-4.0, 4.0) + _colour_log_ratio(small, found).clip(-3.0, 3.0)
        share = np.where(free, 1.0 / (1.0 + np.exp(-odds)), sure)
        found = np.where(free, smooth_on_edges(small, share, torso_px) > 0.5, sure)
    return tidy(found, torso_px, sure)


def _usual_width(capsules: list[_Capsule], shape: tuple[int, ...], torso_px: float) -> Plane:
    """(H,W) log odds of the person by the distance to his bones alone, 0 where a body usually ends."""
    odds = np.full(shape[:2], -9.0, dtype=np.float32)
    for start, stop, sure, most in capsules:
        drawn = np.ones(shape[:2], dtype=np.uint8)
        cv2.line(drawn, pixel(start), pixel(stop), 0, 1)
        distance = cv2.distanceTransform(drawn, cv2.DIST_L2, 3) / torso_px
        usual = sure + _USUAL * (most - sure)
        slope = np.where(distance < usual, max(usual - 0.8 * sure, 0.02), most - usual)
        odds = np.maximum(odds, 2.0 * (usual - distance) / slope)
    return odds


def _colour_log_ratio(small: Rgb, found: BoolArray) -> Plane:
    """(H,W) log p(colour | found) - log p(colour | rest) of smoothed histograms with 16 levels a channel."""
    levels = (small >> 4).astype(np.int64)
    bins = (levels[..., 0] * 16 + levels[..., 1]) * 16 + levels[..., 2]

    def smoothed(where: BoolArray) -> npt.NDArray[np.float64]:
        counts = np.bincount(bins[where], minlength=4096).astype(float).reshape(16, 16, 16)
        for axis in range(3):
            padded = np.pad(counts, [(2, 2) if i == axis else (0, 0) for i in range(3)], mode="edge")
            counts = sum(
                weight * np.take(padded, range(i, i + 16), axis=axis)
                for i, weight in enumerate((0.06, 0.24, 0.4, 0.24, 0.06))
            )
        return np.asarray((counts + 1e-3) / (counts + 1e-3).sum())

    ratio = np.log(smoothed(found) / smoothed(~found)).astype(np.float32)
    return np.asarray(ratio.ravel()[bins])


def _seeds(body_px: FloatArray, capsules: list[_Capsule], shape: tuple[int, int]) -> npt.NDArray[np.uint8]:
    """(H,W) GrabCut labels: near the bones surely the person, far from them surely not, undecided between."""
    torso_px = torso_of(body_px)
    labels = np.full(shape, cv2.GC_BGD, dtype=np.uint8)
    for label, share in ((cv2.GC_PR_BGD, 1.0), (cv2.GC_PR_FGD, 0.6)):
        for start, stop, sure, most in capsules:
            cv2.line(labels, pixel(start), pixel(stop), label, max(1, round(2 * torso_px * max(sure, share * most))))
    trunk = [body_px[OPENPOSE_18.index(name)] for name in _TRUNK]
    cv2.fillPoly(labels, [np.array([pixel(point) for point in trunk], dtype=np.int32)], cv2.GC_FGD)
    for start, stop, sure, _ in capsules:
        if sure > 0.0:
            cv2.line(labels, pixel(start), pixel(stop), cv2.GC_FGD, max(1, round(2 * torso_px * sure)))
    return labels


def _capsules(body_px: FloatArray, present: BoolArray) -> list[_Capsule]:
    """Capsules around the known bones, and for what lies beyond the last points: skull and hair, hands, feet."""
    place = {name: body_px[i] for i, name in enumerate(OPENPOSE_18.names) if present[i] or name in _TRUNK}
    capsules = [(place[a], place[b], *radii) for (a, b), radii in _RADII.items() if a in place and b in place]
    if "nose" in place:
        up = place["nose"] - place["neck"]
        capsules.append((place["nose"], place["nose"] + 0.45 * up, 0.12, 0.38))
        capsules.append((place["nose"], place["neck"] + 0.2 * up, 0.0, 0.38))  # hair on the shoulders
    for side in ("left", "right"):
        if f"{side}_elbow" in place and f"{side}_wrist" in place:
            wrist, forearm = place[f"{side}_wrist"], place[f"{side}_wrist"] - place[f"{side}_elbow"]
            capsules.append((wrist, wrist + 0.45 * forearm, 0.0, 0.16))
            capsules.append((wrist, wrist + 0.25 * forearm, 0.03, 0.16))
        if f"{side}_knee" in place and f"{side}_ankle" in place:
            ankle, shin = place[f"{side}_ankle"], place[f"{side}_ankle"] - place[f"{side}_knee"]
            capsules.append((ankle, ankle + 0.25 * shin, 0.03, 0.22))
            capsules.append((ankle, ankle + [0.0, 0.2 * torso_of(body_px)], 0.04, 0.22))  # feet point at the camera
    return capsules


def _distance_to_bones(body_px: FloatArray, shape: tuple[int, ...]) -> Plane:
    drawn = np.ones(shape[:2], dtype=np.uint8)
    for a, b in OPENPOSE_18.limbs:
        cv2.line(drawn, pixel(body_px[a]), pixel(body_px[b]), 0, 1)
    return np.asarray(cv2.distanceTransform(drawn, cv2.DIST_L2, 3), dtype=np.float32)
