"""The puppet driven by the true tracks, judged against the true pixels."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from backend.models.detect import detect
from backend.models.draft import DraftPuppet
from backend.photo import decode_photo
from tests.backend.draft_truth import PEOPLE, as_detected, coverage, make_job, true_frames, true_person, true_track

CLIPS = ("wave", "squat")


@pytest.fixture(scope="module")
def engine():
    return DraftPuppet()


def boxes(masks, photo_mask):
    for mask in masks:
        rows, columns = np.nonzero(mask | photo_mask)
        yield np.s_[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]


def pooled_psnr(frames, truth, masks, photo_mask):
    squares = count = 0.0
    for frame, true, box in zip(frames, truth, boxes(masks, photo_mask)):
        difference = frame[box].astype(np.float64) - true[box]
        squares, count = squares + (difference**2).sum(), count + difference.size
    return 10.0 * np.log10(255.0**2 * count / squares)


def mean_ssim(frames, truth, masks, photo_mask):
    """Structural similarity of the grey pictures (Wang et al. 2004), Gaussian window of 1.5 px."""
    found = []
    for frame, true, box in zip(frames, truth, boxes(masks, photo_mask)):
        a, b = (
            cv2.cvtColor(np.ascontiguousarray(p[box]), cv2.COLOR_RGB2GRAY).astype(np.float64) for p in (frame, true)
        )
        blur = lambda values: cv2.GaussianBlur(values, (0, 0), 1.5)  # noqa: E731
        ma, mb = blur(a), blur(b)
        va, vb, vab = blur(a * a) - ma**2, blur(b * b) - mb**2, blur(a * b) - ma * mb
        c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
        found.append((((2 * ma * mb + c1) * (2 * vab + c2)) / ((ma**2 + mb**2 + c1) * (va + vb + c2))).mean())
    return float(np.mean(found))


@pytest.mark.parametrize("found", [False, True], ids=["true points", "detected photo"])
@pytest.mark.parametrize("clip", CLIPS)
def test_true_tracks_beat_the_unmoving_photo(engine, clip, found):
    track, masks = true_track(clip)
    person = true_person("anna")
    if found:
        person = detect((PEOPLE / "anna.jpg").read_bytes())
        track = as_detected(track, person)
    truth, photo_mask = true_frames(clip), true_person("anna").mask
    photo = decode_photo((PEOPLE / "anna.jpg").read_bytes()).rgb
    still = np.repeat(photo[None], len(truth), axis=0)
    frames = engine.render(make_job("anna", track, person=person)).frames
    gain = pooled_psnr(frames, truth, masks, photo_mask) - pooled_psnr(still, truth, masks, photo_mask)
    print(f"{clip}: {gain:.2f} dB above the unmoving photo")
    assert gain >= 3.0
    assert mean_ssim(frames, truth, masks, photo_mask) > mean_ssim(still, truth, masks, photo_mask)


def test_a_track_of_the_other_side_is_worse_than_the_unmoving_photo(engine):
    track, masks = true_track("wave")
    truth, photo_mask = true_frames("wave"), true_person("anna").mask
    swapped = np.array(track.points_px)
    rest = swapped[0].copy()
    for right, left in ((3, 6), (4, 7), *((107 + i, 86 + i) for i in range(21))):
        swapped[:, left] = rest[left] - (track.points_px[:, right] - rest[right]) * [1.0, -1.0]
        swapped[:, right] = rest[right]
    other = type(track)(swapped, track.confidence, track.size, track.fps, depths_m=track.depths_m)
    photo = decode_photo((PEOPLE / "anna.jpg").read_bytes()).rgb
    still = np.repeat(photo[None], len(truth), axis=0)
    frames = engine.render(make_job("anna", other)).frames
    assert pooled_psnr(frames, truth, masks, photo_mask) < pooled_psnr(still, truth, masks, photo_mask)


@pytest.mark.parametrize("clip", CLIPS)
def test_the_silhouette_is_one_piece_without_holes(engine, clip):
    job = make_job("anna", true_track(clip)[0])
    for covered in coverage(engine.puppet(job), job)[::3]:
        solid = (covered > 0.5).astype(np.uint8)
        _, _, stats, _ = cv2.connectedComponentsWithStats(solid)
        areas = np.sort(stats[1:, cv2.CC_STAT_AREA])[::-1]
        assert areas[0] >= 0.999 * areas.sum()
        assert _holes(solid) <= 0.005 * areas[0]


def _holes(solid):
    """Pixels of gaps narrower than 24 px that are closed in; the room between arm and trunk is no hole."""
    _, _, stats, _ = cv2.connectedComponentsWithStats(1 - np.pad(solid, 1), connectivity=4)
    enclosed = stats[2:]  # 0 is the solid itself, 1 the outside
    small = enclosed[enclosed[:, cv2.CC_STAT_AREA] < 24 * 24]
    return int(small[:, cv2.CC_STAT_AREA].sum())


@pytest.mark.parametrize("clip", CLIPS)
def test_the_drawn_body_covers_the_true_one(engine, clip):
    track, masks = true_track(clip)
    job = make_job("anna", track)
    for covered, mask in zip(coverage(engine.puppet(job), job)[::5], masks[::5]):
        solid = covered > 0.5
        assert (solid & mask).sum() / (solid | mask).sum() >= 0.88


@pytest.mark.parametrize("clip", CLIPS)
def test_the_scene_outside_the_person_never_changes(engine, clip):
    track, masks = true_track(clip)
    job = make_job("anna", track)
    frames = engine.render(job).frames
    touched = (coverage(engine.puppet(job), job) > 0).any(axis=0) | masks.any(axis=0)
    rows, columns = np.nonzero(touched)
    outside = np.ones(touched.shape, dtype=bool)
    outside[max(rows.min() - 2, 0) : rows.max() + 60, max(columns.min() - 60, 0) : columns.max() + 60] = (
        False  # shadows lie lower
    )
    assert outside.mean() > 0.2
    assert (frames[:, outside] == frames[:1, outside]).all()
