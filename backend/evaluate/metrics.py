"""How well a video shows what was asked: pose re-detected in the frames against the skeleton that was asked for.

Also the picture measures of the quality tests: PSNR, SSIM, silhouettes. Errors are in torso lengths (neck to mid-hip of
the target's first frame), so that sizes compare.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from fleximo.arrays import FloatArray
from fleximo.errors import FleximoError
from fleximo.layouts import OPENPOSE_18
from fleximo.pose_track import PoseTrack
from fleximo.score import PoseTarget

__all__ = ["Finder", "PoseScore", "path_correlation", "plot", "psnr", "score_video", "ssim"]

Picture = npt.NDArray[np.uint8]
Finder = Callable[[Picture], tuple[FloatArray, FloatArray] | None]  # rgb -> (18,2) px, (18,) confidence

PCK_RADIUS = 0.2  # torso lengths
TRAVELS = 0.3  # a joint whose target moves further than this (torso lengths) is judged by its path too


@dataclass(frozen=True, eq=False)
class PoseScore:
    """Re-detection of `N` judged frames; NaN where a point was not asked for or lies outside the picture."""

    frames: tuple[int, ...]
    errors: FloatArray  # (N,18) torso lengths; infinite in frames where nobody was found
    found: npt.NDArray[np.bool_]  # (N,)
    target_px: FloatArray  # (N,18,2)
    found_px: FloatArray  # (N,18,2), NaN where nobody was found
    torso_px: float

    @property
    def mean_error(self) -> float:
        """Mean over all judged points of the frames where the person was found."""
        finite = self.errors[np.isfinite(self.errors)]
        return float(finite.mean()) if finite.size else float("inf")

    @property
    def pck(self) -> float:
        """Share of judged points within 0.2 torso; a missed person misses all its points."""
        judged = self.errors[~np.isnan(self.errors)]
        return float((judged <= PCK_RADIUS).mean()) if judged.size else 0.0

    def travelling(self) -> list[int]:
        """Key points whose target moves further than 0.3 torso, judged frames only."""
        spans = np.ptp(self.target_px, axis=0)
        return [int(point) for point in np.flatnonzero(np.hypot(*spans.T) > TRAVELS * self.torso_px)]

    def travelling_pck(self) -> float:
        """PCK of the points that travel, 1 if none does."""
        judged = self.errors[:, self.travelling()]
        judged = judged[~np.isnan(judged)]
        return float((judged <= PCK_RADIUS).mean()) if judged.size else 1.0

    def travelling_correlation(self) -> float:
        """Mean path correlation of the points that travel, 1 if none does, 0 for a path that does not move or that is
        not found.
        """
        values = []
        for point in self.travelling():
            asked, judged = ~np.isnan(self.errors[:, point]), np.isfinite(self.errors[:, point])
            if asked.sum() < 3:
                continue
            if judged.sum() < 3:
                values.append(0.0)
            else:
                values.append(path_correlation(self.target_px[judged, point], self.found_px[judged, point]))
        return float(np.mean(values)) if values else 1.0

    def to_json(self) -> dict[str, Any]:
        rows = [
            {"frame": frame, "found": bool(found), "mean_error": _mean(errors), "worst": _worst(errors)}
            for frame, found, errors in zip(self.frames, self.found, self.errors)
        ]
        return {
            "pck_0.2": self.pck,
            "mean_error_torso": self.mean_error if np.isfinite(self.mean_error) else None,
            "found": float(self.found.mean()),
            "travelling_pck_0.2": self.travelling_pck(),
            "travelling_path_correlation": self.travelling_correlation(),
            "frames": rows,
        }

    def table(self) -> str:
        """A readable table: totals first, then one line per judged frame."""
        mean = f"mean error {self.mean_error:.3f} torso" if np.isfinite(self.mean_error) else "no point to compare"
        lines = [
            f"PCK@0.2 {self.pck:.3f}   {mean}   found in {self.found.mean():.0%} of "
            f"{len(self.frames)} frames   travelling points: PCK {self.travelling_pck():.3f}, "
            f"path correlation {self.travelling_correlation():.3f}"
        ]
        for row in self.to_json()["frames"]:
            error = "not found" if not row["found"] else f"{row['mean_error']:.3f} torso, worst {row['worst']}"
            lines.append(f"  frame {row['frame']:>5}: {error}")
        return "\n".join(lines)


def _mean(errors: FloatArray) -> float | None:
    finite = errors[np.isfinite(errors)]
    return float(finite.mean()) if finite.size else None


def _worst(errors: FloatArray) -> str:
    finite = np.where(np.isfinite(errors), errors, -1.0)
    return OPENPOSE_18.names[int(finite.argmax())]


def score_video(frames: Iterable[Picture], target: PoseTrack, *, every: int, find: Finder | None = None) -> PoseScore:
    """Finds the person in every `every`-th frame and compares with the target track's points inside the picture.

    `find` defaults to the project's detector. Raises `FleximoError` if the video has fewer frames than the track.
    """
    if find is None:
        from backend.models.detect.frames import find_body as find
    aim = PoseTarget(target)
    chosen, errors, found, asked_px, found_px = [], [], [], [], []
    count = 0
    for number, rgb in enumerate(frames):
        count += 1
        if number % every or number >= len(target):
            continue
        seen = find(rgb)
        points = None if seen is None else seen[0] * (np.array(target.size) / rgb.shape[1::-1])
        chosen.append(number)
        errors.append(aim.errors(number, points))
        found.append(seen is not None)
        asked_px.append(aim.points_px(number))
        found_px.append(np.full((18, 2), np.nan) if points is None else points)
    if count < len(target):
        raise FleximoError(
            f"The video has {count} frames, the pose track {len(target)}.", remedy="Give the track of this video."
        )
    return PoseScore(
        tuple(chosen), np.array(errors), np.array(found), np.array(asked_px), np.array(found_px), aim.torso_px
    )


def path_correlation(asked_px: FloatArray, found_px: FloatArray) -> float:
    """Correlation of two paths (N,2): Pearson's over both coordinates, each about its own mean.

    >>> path_correlation(np.array([[0, 0], [1, 2], [2, 4.0]]), np.array([[5, 5], [6, 7], [7, 9.0]]))
    1.0
    """
    a = (asked_px - asked_px.mean(axis=0)).ravel()
    b = (found_px - found_px.mean(axis=0)).ravel()
    lengths = float(np.linalg.norm(a) * np.linalg.norm(b))
    return round(float(a @ b) / lengths, 6) if lengths > 1e-9 else 0.0


def psnr(a: Picture, b: Picture, mask: npt.NDArray[np.bool_] | None = None) -> float:
    """Peak signal-to-noise ratio in dB of two pictures or stacks of pictures, pooled over `mask`."""
    difference = (a.astype(np.float64) - b.astype(np.float64)) ** 2
    error = float(difference.mean() if mask is None else difference[mask].mean())
    return float("inf") if error == 0 else 10.0 * float(np.log10(255.0**2 / error))


def ssim(a: Picture, b: Picture, mask: npt.NDArray[np.bool_] | None = None) -> float:
    """Structural similarity of two pictures' luma (Wang et al. 2004: Gaussian window, sigma 1.5), mean over `mask`."""
    x, y = (cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.float64) for picture in (a, b))

    def blur(picture: FloatArray) -> FloatArray:
        return np.asarray(cv2.GaussianBlur(picture, (11, 11), 1.5))

    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    mean_x, mean_y = blur(x), blur(y)
    var_x, var_y = blur(x * x) - mean_x**2, blur(y * y) - mean_y**2
    covariance = blur(x * y) - mean_x * mean_y
    values = ((2 * mean_x * mean_y + c1) * (2 * covariance + c2)) / (
        (mean_x**2 + mean_y**2 + c1) * (var_x + var_y + c2)
    )
    return float(values.mean() if mask is None else values[mask].mean())


def plot(score: PoseScore, path: Path) -> None:
    """A picture of the error per frame, with the 0.2 torso line."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.2), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    for point in range(18):
        axes.plot(score.frames, score.errors[:, point], color="#8aa", linewidth=0.7)
    axes.plot(score.frames, np.nanmean(score.errors, axis=1), color="#c33", linewidth=2, label="mean of all points")
    axes.axhline(PCK_RADIUS, color="#333", linestyle=":", label="0.2 torso")
    axes.set(xlabel="frame", ylabel="error / torso", ylim=(0, None))
    axes.legend(frameon=False, loc="upper right")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path)
    except (OSError, ValueError) as error:
        raise FleximoError(
            f"The plot {path} cannot be written: {error}.", remedy="Use a name that ends in .png."
        ) from None
