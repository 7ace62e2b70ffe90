"""The stage: a `SkeletonAdapter` that draws the hands of a signal. The face and everything else stay as they are.

Knows tracks, pictures, memory plans and the folder that a stopped drawing goes on from; the arithmetic is `sampling`.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from backend.diffusion.checkpoint import Checkpoints
from backend.diffusion.devices import DTYPES, free_bytes
from backend.diffusion.ladder import carry_out, recall, record, thriftier
from backend.diffusion.pace import Pace
from backend.drawing import MIMICMOTION, Style, draw_track
from backend.media import VideoWriter
from backend.models.adapter.networks import AdapterNetworks
from backend.models.adapter.pairs import HANDS, handless
from backend.models.adapter.sampling import Drawing, Sampling
from backend.models.svd.memory import MemoryPlan, NetworkCosts, given_up, plan_memory, step_down
from backend.stages import Progress, silent
from backend.weights import Bundle
from fleximo.errors import FleximoError, Notice
from fleximo.files import canonical_json, read_json, write_atomic, write_json
from fleximo.job import blob_digest
from fleximo.layouts import FACE, WHOLEBODY_128
from fleximo.pose_track import PoseSignal, PoseTrack

__all__ = ["DiffusionAdapter"]

Pictures = npt.NDArray[np.uint8]

_DRAWN = "drawn.mkv"  # the finished skeleton, lossless
_CLAIM = "adapter.json"  # whose the folder is, and the sum of the finished skeleton


class DiffusionAdapter:
    """`complete` gives a signal drawn frames: the skeleton with hands that the networks of the bundle `adapter` drew.

    `reference` (one frame of 128 points on the canvas) is the skeleton of the photo's person; without it, or where it
    has no hands, the signal's own frame with the surest hands shows what hands look like. Of what the networks draw
    only what a hand can reach is taken, unless `whole`: limbs and face are known exactly. With a `folder`, what is
    stopped goes on from its last step with the same bits, and what is finished is not drawn again.
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
        folder: Path | None = None,
    ) -> None:
        self.notices: list[Notice] = []
        self._reference = reference
        self._sampling = replace(sampling or Sampling(), seed=seed)
        self._whole, self._face = whole, face
        self._progress, self._folder = progress, folder
        where = torch.device(device or ("cuda:0" if torch.cuda.is_available() else "cpu"))
        self._networks = AdapterNetworks(where, DTYPES[precision or ("fp16" if where.type == "cuda" else "fp32")])

    @property
    def bundles(self) -> tuple[Bundle, ...]:
        """The weights that were used, for the report."""
        return (self._networks.svd, self._networks.own)

    def complete(self, signal: PoseSignal) -> PoseSignal:
        """`signal` with drawn frames, in the order of channels that video models are given.

        Raises `FleximoError`: `weights_missing`, `weights_mismatch`, `invalid_size`, `invalid_signal`,
        `not_enough_memory`, `out_of_memory`; `Cancelled` within one call of a network.
        """
        track = signal.track
        if track.layout is not WHOLEBODY_128 or not len(track):
            raise FleximoError(
                f"The adapter needs frames of the layout {WHOLEBODY_128.name}; {len(track)} of {track.layout.name} "
                "were given.",
                code="invalid_signal",
            )
        self.notices = []
        reference = self._shown(track)
        key = self._key(track, reference)
        drawn = self._claimed(key)
        if drawn is None:
            drawn = _lossless(self._pictures(track, reference, key), track)
            self._keep(drawn, key)
        self._progress(1.0, "hands drawn")
        return replace(signal, drawn_frames=drawn)

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

    def _pictures(self, track: PoseTrack, reference: PoseTrack, key: str) -> Pictures:
        """(n,H,W,3) the skeleton with drawn hands."""
        style = self._networks.convention.drawing()
        bare = replace(style, hands=False)
        body = _drawn(track, bare)
        pair = (_drawn(reference, bare)[0], _drawn(reference, style)[0])
        found = self._drawn_hands(body, pair, key)
        pictures = found if self._whole else np.where(handless(track)[..., None], found, body)
        return np.maximum(pictures, _drawn(_face_alone(track), MIMICMOTION)) if self._face else pictures

    def _drawn_hands(self, body: Pictures, pair: tuple[Pictures, Pictures], key: str) -> Pictures:
        """What the networks draw, on a memory plan that is kept beside the checkpoints."""
        networks, folder = self._networks, self._folder
        found = recall(folder, MemoryPlan)
        plan, told = found if found is not None else (self._plan(body), [])
        record(folder, plan, told)

        def begin(plan: MemoryPlan) -> Drawing:
            checkpoints = None if folder is None else Checkpoints(folder, key)
            calls = self._sampling.plan(1 + len(body), networks.convention.frames)
            unit = networks.costs.decode_flops_cell / networks.costs.unet_flops_cell
            pace = Pace(self._progress, calls.cost + unit * len(body))
            return Drawing(networks, body, pair, networks.convention, self._sampling, plan, checkpoints, pace, unit)

        def lower(plan: MemoryPlan, stage: str) -> MemoryPlan:
            nonlocal told
            after = step_down(plan, stage, smaller_window=False)
            words = {} if after is None else given_up(plan, after)
            remedy = "Choose a smaller size, or the kinematic adapter."
            plan, told = thriftier(plan, after, stage, words, told, device=networks.device.type, remedy=remedy)
            record(folder, plan, told)
            return plan

        try:
            return carry_out(plan, begin, lower, networks, first_stage="look")
        finally:
            self.notices += told
            networks.drop()  # the video model comes next, and needs the memory

    def _plan(self, body: Pictures) -> MemoryPlan:
        networks = self._networks
        return plan_memory(
            _costs(networks),
            free=free_bytes(networks.device),
            size=(body.shape[2], body.shape[1]),
            frames=1 + len(body),
            window=networks.convention.frames,
            chunk=self._sampling.decode_chunk,
            bytes_per_value=networks.dtype.itemsize,
        )

    def _key(self, track: PoseTrack, reference: PoseTrack) -> str:
        """Names everything that decides the pictures, on one stack."""
        networks = self._networks
        document = {
            "track": _digest(track),
            "reference": _digest(reference),
            "sampling": asdict(self._sampling),
            "whole": self._whole,
            "face": self._face,
            "convention": asdict(networks.convention),
            "weights": networks.sums,
            "precision": str(networks.dtype),
            "device": networks.device.type,
            "torch": torch.__version__,
        }
        return hashlib.sha256(canonical_json(document)).hexdigest()

    def _claimed(self, key: str) -> bytes | None:
        """Makes the folder this drawing's; gives what was finished there of the very same, throws away all else."""
        if self._folder is None:
            return None
        try:
            told = read_json(self._folder / _CLAIM)
            drawn = (self._folder / _DRAWN).read_bytes() if "drawn" in told else None
        except (FleximoError, OSError, TypeError):
            told, drawn = {}, None
        if told.get("key") != key:
            shutil.rmtree(self._folder, ignore_errors=True)
            write_json(self._folder / _CLAIM, {"key": key})
            return None
        if drawn is None or told["drawn"] != blob_digest(drawn):
            return None
        found = recall(self._folder, MemoryPlan)
        self.notices += [] if found is None else found[1]
        return drawn

    def _keep(self, drawn: bytes, key: str) -> None:
        """The finished pictures stay; the checkpoints have done their work."""
        if self._folder is None:
            return
        write_atomic(self._folder / _DRAWN, drawn)
        write_json(self._folder / _CLAIM, {"key": key, "drawn": blob_digest(drawn)})
        Checkpoints(self._folder, key).clear()


def _costs(networks: AdapterNetworks) -> NetworkCosts:
    """As a plan counts them, which takes the decoder to run in the precision of the others."""
    wider = 2 if networks.dtype == torch.float16 else 1  # the VAE's encoder would overflow, see `SvdNetworks.vae`
    return replace(networks.costs, decode_cell=wider * networks.costs.decode_cell)


def _digest(track: PoseTrack) -> str:
    told = repr((track.size, str(track.fps), track.layout.name, track.points_px.shape)).encode()
    return hashlib.sha256(told + track.points_px.tobytes() + track.confidence.tobytes()).hexdigest()


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
