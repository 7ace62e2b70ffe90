"""Carrying a memory plan out: an attempt on it, after an out-of-memory error one on the next thriftier plan.

The plan in use, and what was told of it, lie beside the checkpoints that were made on it, so that a new process goes on
with both. Knows attempts and plans; not what is computed, nor what a plan can spare.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol, TypeVar

import torch

from backend.diffusion.devices import is_out_of_memory, repeatable
from backend.diffusion.memory import Plan
from fleximo.errors import FleximoError, Notice
from fleximo.files import read_json, write_json

__all__ = ["Attempt", "Droppable", "carry_out", "recall", "record", "thriftier"]

_FILE = "memory.json"
_STEPPED = "memory_stepped_down"  # one notice of all steps, for a report shows one of each kind
_TOLD = "told"  # in that file, beside the plan's own fields

Result = TypeVar("Result", covariant=True)
Made = TypeVar("Made")
Kind = TypeVar("Kind", bound=Plan)


class Attempt(Protocol[Result]):
    """One computation on one memory plan; `stage` names what it is at."""

    stage: str

    def run(self) -> Result: ...


class Droppable(Protocol):
    """Networks that can be taken out of memory and are read again when next needed."""

    def drop(self, *names: str) -> None: ...


def carry_out(
    plan: Kind,
    begin: Callable[[Kind], Attempt[Made]],
    lower: Callable[[Kind, str], Kind],
    networks: Droppable,
    *,
    first_stage: str,
) -> Made:
    """What an attempt gives that `begin` makes on `plan`; where memory runs out, on the plan that `lower` gives for it.

    `lower` is told the stage and raises where no thriftier plan is left. `first_stage`: where none has begun yet.
    """
    while True:
        attempt: Attempt[Made] | None = None
        try:
            attempt = begin(plan)
            with repeatable():
                return attempt.run()
        except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            stage = first_stage if attempt is None else attempt.stage
        finally:
            if plan.stage_offload:
                networks.drop()
        # Outside of the handler, whose traceback would hold the tensors of the failed call.
        del attempt
        networks.drop()
        gc.collect()
        plan = lower(plan, stage)


def thriftier(
    before: Kind,
    after: Kind | None,
    stage: str,
    words: Mapping[str, str],
    told: Sequence[Notice],
    *,
    device: str,
    remedy: str,
) -> tuple[Kind, list[Notice]]:
    """`after`, and `told` with what is to be told of it; raises `FleximoError` (`out_of_memory`) where there is none.

    `words`: field of the plan -> how the computation went on without it.
    """
    if after is None:
        raise FleximoError(
            f"The memory of the {device} ran out ({stage}), and no thriftier way was left for windows of "
            f"{before.window} frames.",
            code="out_of_memory",
            remedy=remedy,
        )
    changed = [text for name, text in words.items() if getattr(before, name) != getattr(after, name)]
    former = [notice.message for notice in told if notice.code == _STEPPED]
    message = f"Memory ran out while rendering ({stage}); it went on with {' and '.join(changed)}."
    remedy = "Close other programs that use the same memory, or choose a smaller size."
    others = [notice for notice in told if notice.code != _STEPPED]
    return replace(after, peaks=before.peaks), [*others, Notice(_STEPPED, " ".join([*former, message]), remedy)]


def record(folder: Path | None, plan: Plan, told: Sequence[Notice]) -> None:
    """Keeps the plan in use, and what was told of it, beside the checkpoints that are made on it."""
    if folder is not None:
        write_json(folder / _FILE, plan.to_json() | {_TOLD: [notice.to_json() for notice in told]})


def recall(folder: Path | None, kind: type[Kind]) -> tuple[Kind, list[Notice]] | None:
    """What `record` kept; None if there is none, or it cannot be read."""
    if folder is None:
        return None
    try:
        document: dict[str, Any] = read_json(folder / _FILE)
        told = [Notice.from_json(notice) for notice in document.pop(_TOLD, [])]
        return kind(**document), told
    except (FleximoError, AttributeError, KeyError, TypeError):
        return None
