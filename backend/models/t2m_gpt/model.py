"""T2M-GPT as a stage of the pipeline: a plan -> one motion, its segments drawn together and joined in 3D.

Owns the order of the steps and the words about them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import torch
from torch import Tensor

from backend import weights
from backend.models.t2m_gpt.checkpoint import load_gpt, load_vqvae
from backend.models.t2m_gpt.gpt import GPT
from backend.models.t2m_gpt.length import fit_length
from backend.models.t2m_gpt.sampling import SOFT_LIMIT, draw_tokens
from backend.models.t2m_gpt.segments import join_segments
from backend.models.t2m_gpt.statistics import Statistics
from backend.models.t2m_gpt.text import TextEncoder
from backend.models.t2m_gpt.vqvae import VQVAE
from backend.stages import Performance, Progress, silent
from fleximo.arrays import FloatArray
from fleximo.errors import FleximoError, Notice
from fleximo.formats.humanml import FPS, decode_features
from fleximo.motion import Motion
from fleximo.moves.hands import with_fingers
from fleximo.plan import MotionPlan, Segment

__all__ = ["T2MGPT", "Networks", "Settings", "sentence"]

_BATCH = 16  # segments drawn together: more use more memory and hardly save time
_DTYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}
_SUBJECT = re.compile(r"(a|an|the|one|he|she|they|it|someone|somebody|people|person|man|woman|boy|girl|figure)\b", re.I)
_TOLD = 4  # so many segments of other lengths are told one by one


@dataclass(frozen=True)
class Settings:
    """How tokens are drawn and where."""

    greedy: bool = False  # the most probable token each time; else one draw by the model's probabilities, by the seed
    device: str = "auto"  # "cpu", "cuda", "cuda:1", ...; auto = the GPU where there is one
    precision: str = "auto"  # of the GPT: "fp32", "fp16" or "bf16"; auto = fp16 on a GPU, fp32 on a CPU

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Settings:
        """Settings by name; raises `FleximoError` (`invalid_setting`) for a name or a value that cannot be."""
        known = {"greedy": bool, "device": str, "precision": str}
        for name, value in document.items():
            if not isinstance(value, known.get(name, ())):
                raise _wrong_setting(f"T2M-GPT has no setting {name} of the value {value!r}.")
        settings = cls(**document)
        if settings.precision not in ("auto", *_DTYPES):
            raise _wrong_setting(f"The precision {settings.precision!r} is not known.")
        return settings


@dataclass(frozen=True, eq=False)
class Networks:
    """Everything that is loaded, in the place and precision it is used in."""

    text: TextEncoder
    gpt: GPT
    vqvae: VQVAE
    statistics: Statistics
    bundles: tuple[weights.Bundle, ...]

    @classmethod
    def load(cls, settings: Settings) -> Networks:
        """Reads the bundles `t2m_gpt` and `clip_vit_b32`; raises `FleximoError` where they lack or do not fit."""
        device = _device(settings.device)
        name = settings.precision if settings.precision != "auto" else "fp32" if device.type == "cpu" else "fp16"
        if name not in _DTYPES:
            raise _wrong_setting(f"The precision {name!r} is not known.")
        own, clip = weights.bundle("t2m_gpt"), weights.bundle("clip_vit_b32")
        gpt = load_gpt(own.file("gpt.safetensors")).to(device, _DTYPES[name])
        text = TextEncoder(clip.folder)
        if text.width != gpt.config.text_width:
            raise FleximoError(
                f"The text encoder gives {text.width} numbers, T2M-GPT takes {gpt.config.text_width}.",
                code="bad_checkpoint",
                remedy="Take the bundles that belong together.",
            )
        return cls(
            text,
            gpt.laid_out_for_vectors() if device.type == "cpu" else gpt,
            load_vqvae(own.file("vqvae.safetensors")).to(device),
            Statistics.load(own.file("mean.npy"), own.file("std.npy")),
            (own, clip),
        )

    def decode(self, tokens: Sequence[int]) -> FloatArray:
        """Raw features (4L,263) of tokens (L,)."""
        device = self.vqvae.vqvae.quantizer.codebook.device
        with torch.inference_mode():
            rows = torch.tensor([list(tokens)], dtype=torch.long, device=device)
            return self.statistics.undo(self.vqvae.decode(rows)[0].cpu().numpy())

    def joints(self, tokens: Sequence[int]) -> FloatArray:
        """World joints (4L,22,3) of tokens (L,)."""
        return decode_features(self.decode(tokens)).joints


class T2MGPT:
    """Text-to-motion by T2M-GPT: any text, native rate 20 fps, segments of any length in any number."""

    name = "t2m-gpt"
    reads_text = True

    def __init__(self, settings: Settings | None = None, networks: Networks | None = None) -> None:
        self._settings = settings or Settings()
        self._networks = networks

    def generate(self, plan: MotionPlan, progress: Progress = silent) -> Motion:
        return self.perform(plan, progress).motion

    def perform(self, plan: MotionPlan, progress: Progress = silent, fps: Fraction | None = None) -> Performance:
        """The motion of `plan` at `fps` (None: 20), each segment as long as the plan says, and what is told of it.

        A segment depends on its own text, place in the plan and the seed; only its ends depend on its neighbours.
        """
        rate = fps or FPS
        progress(0.0, "loading T2M-GPT")
        if self._networks is None:
            self._networks = Networks.load(self._settings)
        networks = self._networks
        sentences = [sentence(segment) for segment in plan.segments]
        texts = networks.text.encode(sentences)
        progress(0.1, "drawing the motion")
        drawn, begun = self._tokens(networks.gpt, texts, plan, progress)
        notices = [_begun_notice([sentences[i] for i in begun])] if begun else []
        fitted = [fit_length(tokens, segment.seconds, networks.joints) for tokens, segment in zip(drawn, plan.segments)]
        told = [f'"{text}" came out {one.told}' for text, one in zip(sentences, fitted) if one.told]
        notices += [_length_notice(told)] if told else []
        long = [text for text in sentences if not networks.text.fits(text)]
        notices += [_long_notice(long)] if long else []

        def joined(done: int) -> None:
            progress(0.7 + 0.25 * (done + 1) / len(fitted), "solving the joints")

        tokens = [one.tokens for one in fitted]
        motion, seams = join_segments(tokens, plan.frame_counts(rate), rate, networks.decode, joined)
        doubt = networks.statistics.doubt(np.concatenate([networks.decode(one) for one in drawn]))
        notices += [doubt] if doubt else []
        progress(1.0, "motion done")
        return Performance(with_fingers(motion, plan), seams, tuple(notices), networks.bundles)

    def _tokens(
        self, gpt: GPT, texts: Tensor, plan: MotionPlan, progress: Progress
    ) -> tuple[list[list[int]], list[int]]:
        """The tokens of each text vector, at least one, and which of them the model would have ended at once.

        Batches are cut by the segments' numbers alone, so that one segment's text never changes another's batch.
        """
        vectors = texts.to(gpt.trans_head.head.weight)
        lists: list[list[int]] = []
        for first in range(0, len(vectors), _BATCH):
            numbers = range(first, min(first + _BATCH, len(vectors)))

            def step(k: int, first: int = first) -> None:
                progress(0.1 + 0.6 * (first + _BATCH * k / SOFT_LIMIT) / (len(vectors) + _BATCH), "drawing the motion")

            lists += draw_tokens(gpt, vectors[first : first + _BATCH], self._streams(plan, numbers), step=step)
        begun = [i for i, tokens in enumerate(lists) if not tokens]
        for i in begun:
            lists[i] = draw_tokens(gpt, vectors[i : i + 1], self._streams(plan, [i]), at_least_one=True)[0]
        return lists, begun

    def _streams(self, plan: MotionPlan, numbers: Sequence[int]) -> list[np.random.Generator] | None:
        """A random stream per segment of a plan, by its own seed where it has one; None where nothing is random."""
        if self._settings.greedy:
            return None
        return [np.random.default_rng(_entropy(plan, number)) for number in numbers]


def _entropy(plan: MotionPlan, number: int) -> list[int]:
    own = plan.segments[number].seed
    seed = plan.seed if own is None else own
    words = [seed & 0xFFFFFFFF, seed >> 32 & 0xFFFFFFFF, number]
    return words if own is None else [*words, 1]  # a segment's own seed is not the plan's of the same number


def sentence(segment: Segment) -> str:
    """What the model is told of a segment: its words as a sentence about a person, as in the texts of its training.

    >>> sentence(Segment("wave", 2.0, text="waves"))
    'a person waves'
    """
    words = [segment.text.strip() or segment.move.replace("_", " ")]
    words += [layer.text.strip() for layer in segment.layers if layer.text.strip() and layer.text not in segment.text]
    text = " while ".join(words)
    return text if _SUBJECT.match(text) else f"a person {text}"


def _wrong_setting(message: str) -> FleximoError:
    return FleximoError(
        message,
        code="invalid_setting",
        remedy=f"There are greedy (true, false), device (auto, cpu, cuda) and precision (auto, {', '.join(_DTYPES)}).",
    )


def _device(name: str) -> torch.device:
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        return torch.empty(0, device=torch.device(name)).device
    except (RuntimeError, AssertionError) as error:
        first = str(error).partition("\n")[0]
        raise FleximoError(f"The device {name!r} cannot be used: {first}", remedy="Use cpu, cuda or auto.") from None


def _length_notice(told: Sequence[str]) -> Notice:
    more = f"; and {len(told) - _TOLD} more" if len(told) > _TOLD else ""
    return Notice(
        "length_changed",
        f"T2M-GPT chooses its own lengths. {'; '.join(told[:_TOLD])}{more}.",
        "Ask for lengths near those for the most natural motion.",
    )


def _begun_notice(texts: Sequence[str]) -> Notice:
    return Notice(
        "empty_motion",
        f"T2M-GPT would have ended {_quoted(texts)} before it began; it was made to begin.",
        "Say it in other words, or try another seed.",
    )


def _long_notice(texts: Sequence[str]) -> Notice:
    return Notice(
        "text_too_long",
        f"T2M-GPT reads some 75 words at most; the end of {_quoted(texts)} was not read.",
        "Say it in fewer words.",
    )


def _quoted(texts: Sequence[str]) -> str:
    return ", ".join(f'"{text[:60]}"' for text in texts[:_TOLD]) + (" and others" if len(texts) > _TOLD else "")
