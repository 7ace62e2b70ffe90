"""The self-check of a take's render in Blender: kept on the take, shown as colours over time and as markers.

Which frames are the worst is told by `fleximo.self_check`. Nothing here asks the server.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fleximo.arrays import FloatArray
from fleximo.errors import FleximoError
from fleximo.self_check import CLOSE, FAR, OFF, Look, SelfCheck

__all__ = [
    "COLOURS",
    "MARKER",
    "Cells",
    "Checked",
    "after_render",
    "cells",
    "checked",
    "forget",
    "keep",
    "renew_markers",
    "select_marker",
    "selected_marker",
    "told",
]

MARKER = "fleximo: check "  # what a marker's name begins with
# Errors in torso lengths, and the colour of each; between two of them a mixture. The green is bluish and the red dark,
# so that those who tell red from green badly can tell them.
COLOURS = ((CLOSE, (0.16, 0.72, 0.48)), (OFF, (0.98, 0.80, 0.18)), (FAR, (0.86, 0.12, 0.14)))


@dataclass(frozen=True)
class Checked:
    """What is known of the take's video, the first frame of which lies at the scene frame `start`."""

    start: int
    check: SelfCheck

    @functools.cached_property
    def peaks(self) -> list[tuple[int, Look]]:
        """(scene frame, look) of the worst frames, in the order of time."""
        return sorted((self.start + look.frame, look) for look in self.check.peaks())

    def peak_near(self, frame: int) -> tuple[int, Look] | None:
        """The worst frame in whose second the scene frame lies; of several the nearest."""
        around = [
            (at, look) for at, look in self.peaks if self._second(look)[0] <= frame - self.start < self._second(look)[1]
        ]
        return min(around, key=lambda peak: abs(peak[0] - frame), default=None)

    def _second(self, look: Look) -> tuple[int, int]:
        return self.check.second_around(look.frame)


def keep(take: Any, check: SelfCheck) -> None:
    """Keeps the check of the take's last render."""
    take.self_check = json.dumps({"job": take.job, "start": take.rendered_start, "check": check.to_json()})


def forget(take: Any) -> None:
    """Nothing is known of the take's render any more."""
    take.self_check = ""


def checked(take: Any) -> Checked | None:
    """What is known of the take's last render; None where it has not been looked at."""
    if take is None or not take.self_check:
        return None
    job, found = _read(take.self_check)
    return found if job == take.job else None


@functools.lru_cache(maxsize=8)  # asked at every redraw
def _read(text: str) -> tuple[str, Checked | None]:
    try:
        document = json.loads(text)
        return str(document["job"]), Checked(int(document["start"]), SelfCheck.from_json(document["check"]))
    except (ValueError, KeyError, TypeError, FleximoError):
        return "", None


def after_render(take: Any, former: Checked | None, ranges: Sequence[tuple[int, int]]) -> None:
    """After another render became the take's: what was seen of the `former` one outside the rendered `ranges` holds.

    Without ranges all frames are new.
    """
    video = (take.rendered_start, take.rendered_frames)
    if former is not None and ranges and (former.start, former.check.frames) == video:
        keep(take, former.check.without(ranges))
    else:
        forget(take)


def renew_markers(scene: Any, take: Any) -> None:
    """Puts markers on the worst frames of the scene's active take, and takes away those of former checks."""
    found = checked(take)
    wanted = [] if found is None else [(at, f"{MARKER}{look.error:.2f}") for at, look in found.peaks]
    there = [marker for marker in scene.timeline_markers if marker.name.startswith(MARKER)]
    if sorted((marker.frame, marker.name) for marker in there) == wanted:
        return
    for marker in there:
        scene.timeline_markers.remove(marker)
    for at, name in wanted:
        scene.timeline_markers.new(name, frame=at)


def selected_marker(scene: Any) -> Any:
    """The selected marker of a self-check, None where none is."""
    ours = (marker for marker in scene.timeline_markers if marker.name.startswith(MARKER))
    return next((marker for marker in ours if marker.select), None)


def select_marker(scene: Any, frame: int) -> None:
    """Selects the self-check's marker at `frame` alone, as a click on it does."""
    for marker in scene.timeline_markers:
        marker.select = marker.frame == frame and marker.name.startswith(MARKER)


def told(found: Checked) -> str:
    """What the check found, in a sentence or two."""
    check, worst = found.check, found.peaks
    looked = len(check.looks)
    share = f"All {looked} frames" if looked == check.frames else f"{looked} of {check.frames} frames"
    said = f"{share} looked at, off by {check.mean_error:.2f} torso lengths on average"
    if check.found < looked:
        said += f"; nobody found in {looked - check.found}"
    seconds = "1 second deserves" if len(worst) == 1 else f"{len(worst)} seconds deserve"
    return f"{said}. {seconds if worst else 'None deserves'} a second look."


# --- colours over time


@dataclass(frozen=True)
class Cells:
    """What is drawn: `N` rectangles side by side, each of one frame or, where frames are narrower, one pixel."""

    left_px: FloatArray  # (N,) region px
    right_px: FloatArray  # (N,)
    colours: FloatArray  # (N,3) 0..1
    looked_at: FloatArray  # (N,) 1 where a frame of it was looked at, 0 where it lies between two that were


def cells(found: Checked, first_px: float, px_per_frame: float, width_px: int) -> Cells:
    """The cells of a region `width_px` wide, in which the video's first frame begins at `first_px`.

    Where several frames fall on a pixel the worst of them is shown. Frames of which nothing is known have no cell.
    """
    errors, looked = found.check.errors(), np.zeros(found.check.frames)
    looked[[look.frame for look in found.check.looks]] = 1.0
    step = max(1, int(1.0 / max(px_per_frame, 1e-6)))
    starts = np.arange(0, len(errors), step)
    worst = np.maximum.reduceat(np.nan_to_num(errors, nan=-1.0), starts)
    seen = np.maximum.reduceat(looked, starts)
    left = first_px + starts * px_per_frame
    right = first_px + np.minimum(starts + step, len(errors)) * px_per_frame
    shown = (worst >= 0.0) & (right > 0.0) & (left < width_px)
    return Cells(left[shown], right[shown], _ramp(worst[shown]), seen[shown])


def _ramp(errors: FloatArray) -> FloatArray:
    """(N,3) colours of errors (N,)."""
    at = [error for error, _ in COLOURS]
    return np.stack([np.interp(errors, at, [colour[n] for _, colour in COLOURS]) for n in range(3)], axis=-1)
