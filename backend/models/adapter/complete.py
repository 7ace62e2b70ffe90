"""The stage: a `SkeletonAdapter` that draws the hands of a signal. The face and everything else stay as they are.

Knows tracks, pictures and settings; the arithmetic is `sampling`.
"""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from backend.diffusion.pace import Pace
from backend.drawing import MIMICMOTION, Style, draw_track
from backend.media import VideoWriter
from backend.models.adapter.convention import Convention
from backend.models.adapter.networks import AdapterNetworks
from backend.models.adapter.pairs import HANDS, handless
from backend.models.adapter.sampling import Sampling, draw_hands
from backend.models.svd.sampler import Watch
from backend.stages import Progress, silent
from backend.weights import Bundle
from fleximo.errors import FleximoError, Notice
from fleximo.layouts import FACE, WHOLEBODY_128
from fleximo.pose_track import PoseSignal, PoseTrack

__all__ = ["DiffusionAdapter"]

Pictures = npt.NDArray[np.uint8]

_DTYPES = {"fp16": torch.float16, "bf16": torch.bfloat16, "fp32": torch.float32}


class DiffusionAdapter:
    """`complete` gives a signal drawn frames: the skeleton with hands that the networks of the bundle `adapter` drew.

    `reference` (one frame of 128 points on the canvas) is the skeleton of the photo's person; without it, or where it
    has no hands, the signal's own frame with the surest hands shows what hands look like. Of what the networks draw
    only what a hand can reach is taken, unless `whole`: limbs and face are known exactly.
    """

    name = "diffusion"

    def __init__(
        self,
        reference: PoseTrack | None = None,
        *,
        seed: int = 0,
        sampling: Sampling | None = None,
        whole: bool = False,
        face: bool = True,
        device: str | None = None,
        precision: str | None = None,
        progress: Progress = silent,
    ) -> None:
        self.notices: list[Notice] = []
        self._reference = reference
        self._sampling = replace(sampling or Sampling(), seed=seed)
        self._whole, self._face = whole, face
        self._progress = progress
        where = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        self._networks = AdapterNetworks(where, _DTYPES[precision or ("fp16" if where.type == "cuda" else "fp32")])

    @property
    def bundles(self) -> tuple[Bundle, ...]:
        """The weights that were used, for the report."""
        return (self._networks.svd, self._networks.own)

    def complete(self, signal: PoseSignal) -> PoseSignal:
        """`signal` with drawn frames, in the order of channels that video models are given.

        Raises `FleximoError`: `weights_missing`, `weights_mismatch`, `invalid_size`, `invalid_signal`; `Cancelled`
        within one call of a network.
        """
        track, convention = signal.track, self._networks.convention
        if track.layout is not WHOLEBODY_128 or not len(track):
            raise FleximoError(
                f"The adapter needs frames of the layout {WHOLEBODY_128.name}; {len(track)} of {track.layout.name} "
                "were given.",
                code="invalid_signal",
            )
        self.notices = []
        reference = self._shown(track)
        style = convention.drawing()
        bare = replace(style, hands=False)
        body = _drawn(track, bare)
        pair = (_drawn(reference, bare)[0], _drawn(reference, style)[0])
        found = draw_hands(self._networks, body, pair, convention, self._sampling, self._watch(len(track), convention))
        pictures = found if self._whole else np.where(handless(track)[..., None], found, body)
        if self._face:
            pictures = np.maximum(pictures, _drawn(_face_alone(track), MIMICMOTION))
        self._progress(1.0, "hands drawn")
        return replace(signal, drawn_frames=_lossless(pictures, track))

    def _shown(self, track: PoseTrack) -> PoseTrack:
        """One frame of a skeleton with hands."""
        given = self._reference
        if given is not None and (given.size != track.size or len(given) != 1 or given.layout is not WHOLEBODY_128):
            raise FleximoError(
                f"The adapter's reference is {len(given)} frames of {given.layout.name} on {given.size}; one of "
                f"{WHOLEBODY_128.name} on {track.size} was expected.",
                code="invalid_signal",
            )
        if given is not None and any(given.confidence[0, hand].any() for hand in HANDS):
            return given
        sure = sum(track.confidence[:, hand].mean(axis=1) for hand in HANDS)
        frame = int(np.argmax(sure))
        self.notices.append(
            Notice("reference_without_hands", f"The photo shows no hands; frame {frame}'s were the example for all.")
        )
        return track[slice(frame, frame + 1)]

    def _watch(self, frames: int, convention: Convention) -> Watch:
        plan = self._sampling.plan(1 + frames, convention.frames)
        pace = Pace(self._progress, plan.cost)
        pending = [0]

        def before(step: int, _window: int, count: int) -> None:
            pace.did(pending[0])
            pending[0] = count
            pace.next(f"drawing hands, step {step + 1} of {plan.steps}")

        return Watch(before_call=before)


def _drawn(track: PoseTrack, style: Style) -> Pictures:
    return np.stack(list(draw_track(track, style)))


def _face_alone(track: PoseTrack) -> PoseTrack:
    confidence: Any = np.zeros_like(track.confidence)
    confidence[:, FACE] = track.confidence[:, FACE]
    return replace(track, confidence=confidence)


def _lossless(pictures: Pictures, track: PoseTrack) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "drawn.mkv"
        with VideoWriter(path, track.size, track.fps, lossless=True) as writer:
            writer.write(pictures)
        return path.read_bytes()
