"""`fleximo render`: frames of a kept run once more, the changed ones or the chosen ones.

Files in, stages, files out, and the words printed afterwards.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from backend import catalog
from backend.changed import render_changed, render_over
from backend.kept import Kept
from backend.options import parse_range, settings_of
from backend.terminal import ProgressLine, sentence
from fleximo.errors import FleximoError, Notice
from fleximo.formats import import_motion

__all__ = ["render"]

_MOST_VARIANTS = 4


def render(arguments: argparse.Namespace) -> dict[str, Any]:
    """Renders what a changed motion changes, or a range with another seed, steps or engine."""
    if (arguments.motion is None) == (arguments.frames is None):
        raise FleximoError(
            "Either --range or --motion was expected.",
            remedy="--range A:B renders chosen frames once more; --motion FILE what a changed motion changes.",
        )
    kept = Kept.load(arguments.report)
    return _changed(kept, arguments) if arguments.frames is None else _range(kept, arguments)


def _changed(kept: Kept, arguments: argparse.Namespace) -> dict[str, Any]:
    if arguments.variants != 1 or arguments.seed is not None or arguments.engine is not None:
        raise FleximoError("--variants, --seed and --engine belong to --range; with --motion they mean nothing.")
    imported = import_motion(arguments.motion)
    folder = _target(kept, arguments.output, "changed")
    settings = dict(kept.job.settings) | settings_of(arguments)
    catalog.engine(kept.job.engine).check(settings, kept.job.size)
    progress = ProgressLine()
    try:
        adapted = kept.with_motion(imported.motion, progress, folder / "adapter")
        job = replace(adapted.job, settings=settings)
        done = render_changed(*kept.as_seen(job), kept.folder, folder, progress)
    except FleximoError as error:
        if error.code != "nothing_changed":
            raise
        progress.close()
        return {"videos": [], "frames_rendered": 0, "ranges": [], "warnings": [], "text_output": error.message}
    finally:
        progress.close()
    notices = (*imported.notices, *adapted.notices, *done.notices)
    kept.keep(folder, job, imported.motion, done, notices)
    ranges = done.ranges or ((0, done.frames),)
    lines = [f"{done.video}: frames {_spoken(ranges)} of {done.frames} rendered", *map(sentence, notices)]
    return {
        "videos": [str(done.video)],
        "frames_rendered": done.frames_rendered,
        "ranges": [list(each) for each in ranges],
        "warnings": [notice.code for notice in notices],
        "text_output": "\n".join(lines),
    }


def _range(kept: Kept, arguments: argparse.Namespace) -> dict[str, Any]:
    start, stop = parse_range(arguments.frames, len(kept.job.signal.track))
    if not 1 <= arguments.variants <= _MOST_VARIANTS:
        raise FleximoError(f"{arguments.variants} variants were asked for; 1 to {_MOST_VARIANTS} are possible.")
    name = arguments.engine or kept.job.engine
    engine = catalog.engine(name)
    settings = (dict(kept.job.settings) if name == kept.job.engine else {}) | settings_of(arguments)
    engine.check(settings, kept.job.size)
    if not engine.seeded and (arguments.variants > 1 or arguments.seed is not None):
        given = f"{arguments.variants} variants" if arguments.variants > 1 else f"the seed {arguments.seed}"
        raise FleximoError(
            f"The engine {name} gives the same picture for every seed, so {given} would change nothing.",
            remedy="Leave --variants and --seed out, or choose another --engine.",
        )
    first_seed = kept.job.seed + 1 if arguments.seed is None else arguments.seed
    target = _target(kept, arguments.output, "variants")
    videos: list[str] = []
    told: list[Notice] = []
    for number in range(arguments.variants):
        folder = target / f"{number + 1}"
        job = replace(kept.job, engine=name, settings=settings, seed=first_seed + number, window=(start, stop))
        progress = ProgressLine()
        try:
            done = render_over(*kept.as_seen(job), kept.folder, folder, progress)
        finally:
            progress.close()
        kept.keep(folder, kept.job, kept.motion, done, done.notices, chosen=job)
        videos.append(str(done.video))
        told += [notice for notice in done.notices if notice not in told]
    return {
        "videos": videos,
        "frames": [start, stop],
        "seeds": [first_seed + number for number in range(arguments.variants)] if engine.seeded else [],
        "warnings": list(dict.fromkeys(notice.code for notice in told)),
        "text_output": "\n".join([*videos, *map(sentence, told)]),
    }


def _target(kept: Kept, given: Path | None, name: str) -> Path:
    """Where to; never the kept run itself, which is read meanwhile."""
    target = kept.folder / name if given is None else given
    if target.resolve() == kept.folder.resolve():
        raise FleximoError(f"{target} is the kept run itself, which is read meanwhile.", remedy="Give another folder.")
    return target


def _spoken(ranges: Sequence[tuple[int, int]]) -> str:
    return ", ".join(f"{start} to {stop - 1}" for start, stop in ranges)
