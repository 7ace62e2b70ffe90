"""Only what changed: which frames of a finished render are rendered again, and whether they meet those that stay.

An engine tells how far around a change it has to draw (`VideoModel.reach`); a border that shows is drawn wider once,
then the whole shot is rendered. Knows jobs and ranges; how they become files is `rendering`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from backend import catalog
from backend.media import read_frames
from backend.rendering import Range, Rendered, render_job
from backend.retime import made_from, native_rate
from backend.seams import borders
from backend.stages import Progress, VideoModel, silent
from fleximo.changes import OF_A_RANGE, appearance, changed_frames, changed_ranges, why_full
from fleximo.errors import FleximoError, Notice
from fleximo.files import read_json, write_json
from fleximo.job import RenderJob

__all__ = ["nothing_changed", "render_changed", "render_over", "widened"]

_WIDER = (1, 3)  # times the engine's reach: as a rule, and once more where a border shows
_STATE = "again.json"  # how wide the folder's render is being drawn


def nothing_changed() -> FleximoError:
    """What is raised where the engine would see nothing new."""
    return FleximoError(
        "Nothing that the video model sees has changed since that render.",
        code="nothing_changed",
        remedy="Change the motion first; with --range the chosen frames are rendered again as they are.",
    )


def render_changed(
    job: RenderJob, before: RenderJob, previous: Path, folder: Path, progress: Progress = silent
) -> Rendered:
    """Renders what the engine sees differently in `job` than in `before`, whose finished render is in `previous`.

    Where more than the motion has changed the whole is rendered, and a notice says why. Raises `FleximoError`
    (`nothing_changed`) if the engine would see nothing new.
    """
    why = why_full(appearance(before), appearance(job))
    if why is not None:
        return _whole(job, folder, progress, _all_of_it(why))
    if not changed_frames(before.signal.track, job.signal.track).any():
        raise nothing_changed()
    return render_over(job.with_window(0, len(job.signal.track)), before, previous, folder, progress)


def render_over(
    job: RenderJob, before: RenderJob, previous: Path, folder: Path, progress: Progress = silent
) -> Rendered:
    """Renders frames of `job.window` over the finished render of `before` in `previous`; the others are copied.

    If the motion has changed there: the changed frames, widened to what the engine needs. If not: the frames of the
    window as they are chosen, with whatever seed, settings and engine `job` has.
    """
    why = why_full(appearance(before), appearance(job), but=OF_A_RANGE)
    if why is not None:
        return _whole(job, folder, progress, _all_of_it(why))
    start, stop = job.frames
    changed = changed_frames(before.signal.track, job.signal.track)
    changed[:start], changed[stop:] = False, False
    if changed.any():
        return _render_again(job, changed_ranges(changed), previous, folder, progress)
    done = render_job(job, folder, progress, previous=previous)
    if catalog.video_model(job.engine).reach == 0 and before.engine == job.engine:
        return done
    done = replace(done, borders=borders(read_frames(folder / "master.mkv"), done.ranges))
    return _telling(done, _chosen_shows(done))


def _render_again(
    job: RenderJob, ranges: Sequence[Range], previous: Path, folder: Path, progress: Progress
) -> Rendered:
    """The changed ranges, wider where their borders show, in the end the whole; told in the notices."""
    model, count = catalog.video_model(job.engine), len(job.signal.track)
    state, key = folder / _STATE, {"job": job.digest}
    found = read_json(state) if state.is_file() else {}
    tried = int(found.get("tried", 0)) if found.get("job") == job.digest else 0
    for attempt, factor in enumerate(_WIDER):
        if attempt < tried:
            continue
        again = widened(made_from(model, job, ranges), _around(model, job, factor), count)
        if again == [(0, count)]:
            break
        share = progress if attempt == 0 else _saying(progress, "a cut showed; wider")
        spanning = job.with_window(again[0][0], again[-1][1])
        done = render_job(spanning, folder, share, previous=previous, ranges=again)
        if model.reach == 0:
            return done
        done = replace(done, borders=borders(read_frames(folder / "master.mkv"), again))
        if not any(border.visible for border in done.borders):
            state.unlink(missing_ok=True)
            return _telling(done, (_drawn_wider(again),) if attempt else ())
        write_json(state, key | {"tried": attempt + 1})
    showed = tried > 0 or state.is_file()
    why = "a cut would have shown at the edge of what changed" if showed else "the change reaches all of the shot"
    done = _whole(job, folder, _saying(progress, "the whole shot"), _all_of_it(why))
    state.unlink(missing_ok=True)
    return done


def _around(model: VideoModel, job: RenderJob, factor: int) -> int:
    """The engine's reach in delivered frames."""
    rate = native_rate(model, job)
    return math.ceil(factor * model.reach * (1.0 if rate is None else float(job.fps / rate)))


def widened(ranges: Sequence[Range], around: int, count: int) -> list[Range]:
    """The ranges with `around` frames on either side within a clip of `count`, as one where they come that near.

    Two ranges with fewer than twice `around` frames between them cost more apart, for an engine is shown the frames
    about each of them.

    >>> widened([(10, 12), (20, 24), (60, 61)], 3, 62)
    [(7, 27), (57, 62)]
    """
    made: list[Range] = []
    for start, stop in ranges:
        start, stop = max(0, start - around), min(count, stop + around)
        if made and start - made[-1][1] <= 2 * around:
            made[-1] = (made[-1][0], stop)
        else:
            made.append((start, stop))
    return made


def _whole(job: RenderJob, folder: Path, progress: Progress, notice: Notice) -> Rendered:
    done = render_job(replace(job, window=None, previous=None), folder, progress)
    return _telling(done, (notice,))


def _telling(done: Rendered, notices: Sequence[Notice]) -> Rendered:
    return replace(done, notices=(*notices, *done.notices))


def _chosen_shows(done: Rendered) -> tuple[Notice, ...]:
    """Frames that the user chose stay the chosen ones: a border that shows is told, not widened."""
    found = [border for border in done.borders if border.visible]
    if not found:
        return ()
    at = " and ".join(str(border.frame) for border in found)
    return (
        Notice(
            "border_shows",
            f"A cut may show at frame {at}: the step there is {max(border.ratio for border in found):.1f} times the "
            "usual one.",
            "Choose a range whose ends lie in a calmer moment, or another seed.",
        ),
    )


def _drawn_wider(ranges: Sequence[Range]) -> Notice:
    frames = " and ".join(f"{start} to {stop - 1}" for start, stop in ranges)
    return Notice("drawn_wider", f"A cut would have shown, so frames around the change were rendered too: {frames}.")


def _all_of_it(why: str) -> Notice:
    return Notice("rendered_whole", f"All frames were rendered, for {why}.")


def _saying(progress: Progress, what: str) -> Progress:
    def report(fraction: float, message: str = "", /) -> None:
        progress(fraction, f"{what}: {message}" if message else "")

    return report
