"""The kind of job that looks at a finished render: `check`.

Knows the folders of jobs; how a render is looked at is told by `backend.self_check`, which is imported when needed.
"""

from __future__ import annotations

from pathlib import Path

from backend.jobs.records import Task, finished_job
from backend.jobs.store import BlobStore
from backend.stages import Progress
from fleximo.errors import FleximoError
from fleximo.files import read_json, write_json
from fleximo.pose_track import PoseTrack
from fleximo.self_check import SelfCheck

__all__ = ["check_task"]


def check_task(task: Task, progress: Progress) -> dict[str, Path]:
    """Checks the render that the task names; what is seen stays beside that render."""
    from backend.self_check import CHECK_FILE, check_render

    found = finished_job(task.folder.parent, task.request["job"])
    if found is None:
        raise FleximoError(
            "The render that was to be checked is gone.", code="unknown_render", remedy="Render the take again."
        )
    render, outcome = found
    asked, master, every = _asked(render), outcome.files["master"].sha256, task.request["every"]
    check = check_render(render.work, master, asked, every, progress, start_from=_known_before(render, asked))
    write_json(task.work / CHECK_FILE, check.to_json() | {"job": render.id})
    return {"check": task.work / CHECK_FILE}


def _asked(render: Task) -> PoseTrack:
    """The skeleton that a render was to show."""
    return PoseTrack.from_bytes(BlobStore(render.store).read(render.request["job"]["blobs"]["pose_track"]))


def _known_before(render: Task, asked: PoseTrack) -> SelfCheck | None:
    """What the check of the render that `render` changed tells of the frames that it took over."""
    from backend.self_check import inherited, kept_check

    former = None if render.previous is None else finished_job(render.folder.parent, render.previous)
    ranges = read_json(render.work / "report.json").get("ranges")
    if former is None or not ranges:  # without ranges all was rendered
        return None
    check = kept_check(former[0].work, former[1].files["master"].sha256)
    return None if check is None else inherited(check, _asked(former[0]), asked, ranges)
