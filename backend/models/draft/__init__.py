"""The draft engine: a layered 2D puppet cut from one photo, rendered on a CPU without any downloaded weights.

Knows a job's photo, person and 2D track; nothing of text or of how the motion came about.
"""

from __future__ import annotations

import hashlib
from fractions import Fraction
from typing import Any

import numpy as np

from backend.models.draft.compositor import draw_all
from backend.models.draft.hands import draw_hand
from backend.models.draft.notices import puppet_notices
from backend.models.draft.puppet import build_puppet
from backend.models.draft.shadow import draw_shadow
from backend.photo import decode_photo
from backend.stages import Progress, Workplace, silent
from fleximo.errors import Notice
from fleximo.files import canonical_json
from fleximo.job import RenderJob
from fleximo.puppet.layers import Puppet
from fleximo.puppet.sequence import Sequence
from fleximo.video import Video

__all__ = ["DraftPuppet", "build_puppet"]


class DraftPuppet:
    """A `VideoModel`. The puppet of the last photo is kept, so that the windows of one job share it."""

    name = "draft"
    fps: Fraction | None = None
    window: int | None = 36
    reach = 0

    def __init__(self) -> None:
        self._key = ""
        self._puppet: Puppet | None = None
        self._sequence: tuple[tuple[Any, ...], Sequence] | None = None

    def puppet(self, job: RenderJob) -> Puppet:
        """The puppet of the job's photo, person and framing."""
        key = hashlib.sha256(job.photo)
        key.update(canonical_json(job.person.to_json()))
        key.update(canonical_json(job.framing.to_json()))
        if self._puppet is None or key.hexdigest() != self._key:
            self._puppet = build_puppet(decode_photo(job.photo).rgb, job.person, job.framing)
            self._key = key.hexdigest()
        return self._puppet

    def _sequence_of(self, puppet: Puppet, job: RenderJob) -> Sequence:
        """The job's sequence, shared by the windows of one track."""
        key = (puppet, job.signal.track, job.camera, job.person.stature_m)
        if self._sequence is None or any(a is not b and a != b for a, b in zip(key, self._sequence[0])):
            self._sequence = (key, Sequence(puppet, *key[1:], draw_hand))
        return self._sequence[1]

    def notices(self, job: RenderJob) -> tuple[Notice, ...]:
        """What this engine cannot show of the job: `turn_clamped`, `motion_leaves_frame` and the like."""
        puppet = self.puppet(job)
        return puppet_notices(job, puppet, self._sequence_of(puppet, job).target)

    def render(self, job: RenderJob, progress: Progress = silent, place: Workplace | None = None) -> Video:
        """The frames `job.frames`; each depends on its own row of the track alone, ties in depth on the rows before."""
        puppet = self.puppet(job)
        start, stop = job.frames
        sequence = self._sequence_of(puppet, job)
        frames = np.empty((stop - start, job.size[1], job.size[0], 3), np.uint8)
        for i in range(start, stop):
            canvas = frames[i - start]
            canvas[:] = puppet.scene
            for shadow in puppet.shadows:
                draw_shadow(canvas, shadow, *sequence.target.footing(shadow.side, i))
            draw_all(canvas, sequence.frame(i))
            progress((i + 1 - start) / (stop - start), f"frame {i + 1} of {len(job.signal.track)}")
        return Video(frames, job.fps)
