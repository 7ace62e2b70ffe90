"""The self-check of a finished render: the person found again in its frames, against the skeleton that was asked for.

What was seen is kept beside the render, so that asking again looks at what is new alone. Knows folders of renders and
detectors; the judgement is `fleximo.self_check`'s.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from backend.media import read_chosen
from backend.models import detect
from backend.models.detect.frames import Find, find_whole_body
from backend.stages import Progress, silent
from fleximo.changes import changed_frames, changed_ranges
from fleximo.errors import FleximoError
from fleximo.files import read_json, write_json
from fleximo.layouts import BODY
from fleximo.pose_track import PoseTrack
from fleximo.score import PoseTarget
from fleximo.self_check import SelfCheck, frames_to_look_at, look_at, usual_stride

__all__ = ["CHECK_FILE", "check_render", "inherited", "kept_check"]

CHECK_FILE = "self_check.json"
_KEPT_EVERY = 20  # looks; a kill loses no more


def check_render(
    folder: Path,
    master_sha256: str,
    asked: PoseTrack,
    every: int | None = None,
    progress: Progress = silent,
    *,
    start_from: SelfCheck | None = None,
    find: Find | None = None,
) -> SelfCheck:
    """Looks at every `every`-th frame of `master.mkv` in `folder` (None: about eight a second) and at the last one.

    Keeps the result as `self_check.json` there, for the master with that sum, and looks at no frame twice; a check
    that was cancelled goes on where it stopped. `start_from` is what is known already from elsewhere. `find` defaults
    to the detector that is there.
    """
    detector = detect.detector_used("auto")
    find = partial(find_whole_body, detector=detector) if find is None else find
    every = usual_stride(asked.fps) if every is None else every
    check = kept_check(folder, master_sha256)
    if check is None or check.detector != detector or check.frames != len(asked):
        check = SelfCheck(len(asked), asked.fps, every, detector)
    check = _with_known(check, start_from, every)
    missing = frames_to_look_at(len(asked), every, {look.frame for look in check.looks})
    target, looks = PoseTarget(asked), list(check.looks)
    try:
        for number, (frame, rgb) in enumerate(zip(missing, read_chosen(folder / "master.mkv", missing))):
            progress(number / len(missing), f"looking at frame {frame} of {len(asked)}")
            found = find(rgb)
            points = None if found is None else found[0][BODY] * (np.array(asked.size) / rgb.shape[1::-1])
            looks.append(look_at(target, frame, points))
            if number % _KEPT_EVERY == _KEPT_EVERY - 1:
                _keep(folder, master_sha256, replace(check, looks=tuple(looks)))
    finally:
        check = replace(check, looks=tuple(looks))
        _keep(folder, master_sha256, check)
    progress(1.0, "checked")
    return check


def _with_known(check: SelfCheck, known: SelfCheck | None, every: int) -> SelfCheck:
    """`check` with what is known from elsewhere; every `every`-th frame is to be looked at, unless more has been."""
    have = {look.frame: look for look in check.looks}
    if known is not None and (known.detector, known.frames) == (check.detector, check.frames):
        have = {look.frame: look for look in known.looks} | have
    whole = not frames_to_look_at(check.frames, check.every, have)
    every = min(every, check.every) if whole else every
    return replace(check, every=every, looks=tuple(have.values()))


def inherited(former: SelfCheck, before: PoseTrack, asked: PoseTrack, ranges: list[tuple[int, int]]) -> SelfCheck:
    """What the check of a former render still tells of one that took over all frames outside `ranges`.

    `before` and `asked` are their skeletons: a frame that was taken over although something else is asked for there
    has to be looked at.
    """
    return former.without([*ranges, *changed_ranges(changed_frames(before, asked))])


def kept_check(folder: Path, master_sha256: str) -> SelfCheck | None:
    """What is known of the master with that sum in `folder`; None where nothing is, or it cannot be read."""
    if not (folder / CHECK_FILE).is_file():
        return None
    try:
        document = read_json(folder / CHECK_FILE)
        return SelfCheck.from_json(document) if document.get("master") == master_sha256 else None
    except (FleximoError, AttributeError):
        return None


def _keep(folder: Path, master_sha256: str, check: SelfCheck) -> None:
    write_json(folder / CHECK_FILE, check.to_json() | {"master": master_sha256})
