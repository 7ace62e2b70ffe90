"""One render of one job, window after window, on a given memory plan.

text -> (encode -> denoise -> decode) for each window; what can be resumed lies in the workplace. Knows one attempt;
what to do when memory runs out is the engine's business.
"""

from __future__ import annotations

import contextlib
import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from backend.diffusion.checkpoint import Checkpoints
from backend.diffusion.notices import rendered_alone
from backend.diffusion.pace import Pace
from backend.media import read_video, write_video
from backend.models.wan_vace.memory import MemoryPlan
from backend.models.wan_vace.networks import Networks
from backend.models.wan_vace.pictures import before_each_call, control, decode, skeletons
from backend.models.wan_vace.sampler import Told, noise_for, restore, sample, scheduler_state
from backend.models.wan_vace.settings import Settings
from backend.models.wan_vace.windows import STRIDE, Window, padded, windows_over
from backend.placing import photo_on_canvas
from backend.stages import Progress, Workplace
from fleximo.errors import FleximoError, Notice
from fleximo.files import canonical_json, read_json, write_json
from fleximo.job import RenderJob, blob_digest
from fleximo.video import Video

__all__ = ["CLIP", "CONTEXT", "Rendering"]

CLIP = "clip.mkv"  # every frame of the clip at the engine's own rate, for renders that change it
_CLIP_KEYS = "clip.json"
CONTEXT = 8  # finished frames that are shown on either side of those rendered again


@dataclass(eq=False)
class Rendering:
    """One attempt. `stage` names what it is at, for the engine to know where memory ran out."""

    job: RenderJob
    settings: Settings
    networks: Networks
    memory: MemoryPlan
    place: Workplace | None
    progress: Progress

    def __post_init__(self) -> None:
        self.stage = "text"
        self.notices: list[Notice] = []
        first, last = self.job.frames
        whole = len(self.job.signal.track)
        width, height = self.job.size
        old = self._previous_clip() if (first, last) != (0, whole) else None
        # A part of a clip is drawn into the rest of it where that was kept, else it is a clip of its own.
        self._offset = 0 if old is not None else first
        self._range = (first - self._offset, last - self._offset)
        frames = whole if old is not None else last - first
        self._clip = np.zeros((frames, height, width, 3), np.uint8) if old is None else old.copy()
        self._old = None if old is None else blob_digest(old.tobytes())
        self._kept = np.full(frames, old is not None)
        self._kept[slice(*self._range)] = False
        low, high = max(0, self._range[0] - CONTEXT), min(frames, self._range[1] + CONTEXT)
        span = (low - low % STRIDE, high)
        # A short clip takes a window no longer than itself.
        length = min(self.memory.window, padded(span[1] - span[0]))
        windows = windows_over(span, length, min(self.settings.overlap, length - STRIDE) if length > STRIDE else 1)
        # One that holds nothing but context has nothing to do.
        self.windows = [window for window in windows if window.start < self._range[1] and window.stop > self._range[0]]
        self._pace = Pace(self.progress, self._costs_of_text() + sum(map(self._costs_of, self.windows)))
        self._tell_padding(frames)

    def run(self) -> Video:
        """The frames `job.frames`. Raises `Cancelled` within one call of a network after the user asks to stop."""
        if not self._finished_clip():
            for window in self.windows:
                self._render(window)
            self._keep_clip()
        self._tidy()
        self.progress(1.0, "rendered")
        return Video(self._clip[slice(*self._range)].copy(), self.job.fps)

    @cached_property
    def _key(self) -> str:
        """Names everything that decides the pictures, on one stack."""
        document = {
            "job": self.job.digest,
            "window": self.memory.window,
            "tiled": self.memory.tiled,
            "old": self._old,
            "weights": self.networks.sums,
            "precision": str(self.networks.dtype),
            "device": self.networks.device.type,
            "torch": torch.__version__,
        }
        return hashlib.sha256(canonical_json(document)).hexdigest()

    @cached_property
    def _clip_key(self) -> str:
        """Names what two renders must share for frames of one to stand beside frames of the other."""
        document = {
            "photo": blob_digest(self.job.photo),
            "framing": self.job.framing.to_json(),
            "frames": len(self.job.signal.track),
        }
        return hashlib.sha256(canonical_json(document)).hexdigest()

    def _render(self, window: Window) -> None:
        """Fills the clip with the frames of `window` that it lacks."""
        rows = np.array(window.rows(len(self._clip)))
        wanted = rows[~self._kept[rows]]
        piece = None if self.place is None else self.place.folder / f"{self._key[:16]}-{window.start:06d}.mkv"
        pictures = None if piece is None else _pictures_in(piece)
        if pictures is None or len(pictures) != len(rows):
            pictures = self._computed(window, rows)
            if piece is not None:
                write_video(piece, Video(pictures, self.job.fps), lossless=True)
                Checkpoints(piece.parent, self._key).clear()
        else:
            self._pace.skip(self._costs_of(window))
        by_row = dict(zip(rows[::-1].tolist(), pictures[::-1]))  # of a frame and its padding, the frame
        for row in wanted.tolist():
            self._clip[row] = by_row[row]
        self._kept[rows] = True

    def _computed(self, window: Window, rows: npt.NDArray[np.intp]) -> npt.NDArray[np.uint8]:
        """(n,H,W,3) the pictures of the whole window."""
        checkpoints = None if self.place is None else Checkpoints(self.place.folder, f"{self._key}/{window.start}")
        found = None if checkpoints is None else checkpoints.load()
        device, settings = self.networks.device, self.settings
        scheduler = self.networks.scheduler(settings.step_count, settings.flow_shift)
        done = 0
        if found is not None and restore(scheduler, found[1], device):
            done, latents = found[0], found[1]["latents"].to(device)
        elif checkpoints is not None:
            checkpoints.clear()  # of another window, which would pass for newer
        if done < settings.step_count:
            told = self._told(window, rows)
            if not done:
                height, width = told.control.shape[-2:]
                channels = self.networks.config("transformer").get("in_channels", 16)
                first = window.start // STRIDE
                latents = noise_for(self.job.seed, first, window.latents, height, width, channels).to(device)
            latents = self._denoised(window, scheduler, told, latents, done, checkpoints)
        else:
            self._pace.skip(self._costs_of(window) - self._decoding(window))
        return self._decoded(window, latents[:, :, 1:])

    def _told(self, window: Window, rows: npt.NDArray[np.intp]) -> Told:
        """What the network is told, each network that finds it read, used and (where memory is short) dropped."""
        self._enter("text", "reading the prompt")
        streamed, settings = self.memory.text_streamed, self.settings
        prompt = self.networks.words(settings.prompt, streamed=streamed)
        negative = self.networks.words(settings.negative_prompt, streamed=streamed) if settings.branches == 2 else None
        self._leave("text_encoder")
        if window == self.windows[0]:
            self._pace.did(self._costs_of_text())
        self._enter("encode", "looking at photo and skeletons")
        kept = self._kept[rows]
        shown = self._clip[rows]
        if not kept.all():
            shown[~kept] = skeletons(self.job, (rows[~kept] + self._offset).tolist())
        parts = self.networks.parts()
        parts.vae.use_tiling = self.memory.tiled
        with before_each_call(parts.vae.encoder, self._each(self._encoding(window), window, "looking at"), parts.vae):
            seen = control(parts, shown, kept, photo_on_canvas(self.job))
        parts.vae.use_tiling = False
        del parts
        self._leave("vae")
        dtype = self.networks.dtype
        strength = torch.full((self.networks.control_layers,), settings.pose_strength).to(self.networks.device, dtype)
        return Told(seen.to(dtype), prompt, negative, settings.guidance, strength)

    def _denoised(
        self,
        window: Window,
        scheduler: Any,
        told: Told,
        latents: Tensor,
        done: int,
        checkpoints: Checkpoints | None,
    ) -> Tensor:
        """The final latents, each step checkpointed, each pass a place to stop."""
        self._enter("denoise", "reading the network")
        each = self._pass(window)
        self._pace.skip(done * self.settings.branches * each)
        transformer = self.networks.transformer(by_block=self.memory.block_offload)
        pending = 0.0
        number = f", window {self.windows.index(window) + 1} of {len(self.windows)}" if len(self.windows) > 1 else ""

        def before_pass(step: int) -> None:
            nonlocal pending
            self._pace.did(pending)
            pending = each
            self._pace.next(f"step {step + 1} of {self.settings.step_count}{number}")

        def after_step(steps: int, latents: Tensor) -> None:
            if checkpoints is not None:
                checkpoints.save(steps, {"latents": latents, **scheduler_state(scheduler)})

        latents = sample(
            transformer, scheduler, told, latents, done=done, before_pass=before_pass, after_step=after_step
        )
        self._pace.did(pending)
        del transformer
        self._leave("transformer")
        return latents

    def _decoded(self, window: Window, latents: Tensor) -> npt.NDArray[np.uint8]:
        self._enter("decode", "decoding")
        vae = self.networks.vae()
        with before_each_call(vae.decoder, self._each(self._decoding(window), window, "decoding"), vae):
            pictures = decode(vae, latents, tiled=self.memory.tiled)
        del vae
        self._leave("vae")
        return pictures

    def _each(self, cost: float, window: Window, what: str) -> Any:
        """Told before each of the VAE's calls, of which `cost` is the price of all."""
        calls = window.latents if what == "decoding" else 2 * window.latents + 1
        tiles = self._tiles() if self.memory.tiled else 1
        share, number = cost / (calls * tiles), 0

        def before_call() -> None:
            nonlocal number
            if number:
                self._pace.did(share)
            number += 1
            self._pace.next(f"{what} frames {window.start} to {min(window.stop, len(self._clip))}")

        return before_call

    def _tiles(self) -> int:
        """Tiles of 256 px of which neighbours share a quarter: diffusers' own."""
        width, height = self.job.size
        return -(-width // 192) * -(-height // 192) if max(width, height) > 256 else 1

    def _enter(self, stage: str, message: str) -> None:
        self.stage = stage
        self._pace.next(message)

    def _leave(self, network: str) -> None:
        if self.memory.stage_offload:
            self.networks.drop(network)

    @property
    def _cells(self) -> int:
        return (self.job.size[0] // 8) * (self.job.size[1] // 8)

    def _costs_of_text(self) -> float:
        return self.networks.costs.text_flops * self.settings.branches

    def _pass(self, window: Window) -> float:
        return self.networks.costs.pass_flops((window.latents + 1) * self._cells // 4)

    def _encoding(self, window: Window) -> float:
        return self.networks.costs.encode_flops * self._cells * (2 * window.latents + 1)

    def _decoding(self, window: Window) -> float:
        return self.networks.costs.decode_flops * self._cells * window.latents

    def _costs_of(self, window: Window) -> float:
        passes = self.settings.step_count * self.settings.branches * self._pass(window)
        return self._encoding(window) + passes + self._decoding(window)

    def _tell_padding(self, frames: int) -> None:
        added = max(window.stop for window in self.windows) - frames
        if added > 0:
            self.notices.append(
                Notice(
                    "frames_padded",
                    f"The network renders 4k + 1 frames at once: {added} more than the clip's were rendered, with the "
                    "last pose, and cut off again.",
                )
            )

    def _previous_clip(self) -> npt.NDArray[np.uint8] | None:
        """The frames of the render that this one changes; None, and a notice why, if they cannot be used."""
        previous = None if self.place is None else self.place.previous
        found = None if previous is None else _kept_clip(previous)
        if found is not None and found[1].get("clip") == self._clip_key:
            return found[0]
        self.notices.append(rendered_alone("frames", kept=found is not None))
        return None

    def _finished_clip(self) -> bool:
        """Whether this very render was finished before; its frames are then in the clip."""
        found = None if self.place is None else _kept_clip(self.place.folder)
        if found is None or found[1].get("render") != self._key or found[0].shape != self._clip.shape:
            return False
        self._clip = found[0]
        return True

    def _keep_clip(self) -> None:
        """The clip stays for later changes."""
        if self.place is None:
            return
        folder = self.place.folder
        write_video(folder / CLIP, Video(self._clip, self.job.fps), lossless=True)
        told = {"render": self._key, "clip": self._clip_key, "frames": blob_digest(self._clip.tobytes())}
        write_json(folder / _CLIP_KEYS, told | {"seed": self.job.seed, "memory": self.memory.to_json()})

    def _tidy(self) -> None:
        """Pieces have done their work once the clip is kept, as checkpoints had once a piece was."""
        if self.place is None:
            return
        for piece in self.place.folder.glob("*-*.mkv"):  # those too that were made on a plan that memory did not allow
            with contextlib.suppress(OSError):
                piece.unlink()


def _pictures_in(path: Path) -> npt.NDArray[np.uint8] | None:
    """The frames of a file of ours; None if there is none or it is damaged."""
    try:
        return read_video(path).frames if path.is_file() else None
    except FleximoError:
        return None


def _kept_clip(folder: Path) -> tuple[npt.NDArray[np.uint8], dict[str, Any]] | None:
    """The clip that `folder` keeps and what is told of it; None if there is none or it is damaged."""
    pictures = _pictures_in(folder / CLIP)
    try:
        told = dict(read_json(folder / _CLIP_KEYS)) if pictures is not None else {}
    except (FleximoError, TypeError, ValueError):
        return None
    intact = pictures is not None and told.get("frames") == blob_digest(pictures.tobytes())
    return (pictures, told) if intact and pictures is not None else None
