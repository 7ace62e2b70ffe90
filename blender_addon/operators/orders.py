"""Renders that the server was asked for: a take's `order` says what it waits for, until the video has landed.

The jobs belong to the server. Waiting again in a file that is opened is `fetch`'s.
"""

# mypy: disable-error-code="valid-type"

import json
from collections.abc import Callable, Generator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import bpy

from fleximo.errors import FleximoError
from fleximo.frame_marks import FrameMarks, frame_marks
from fleximo.pose_track import PoseTrack

from .. import check_marks, pace, sequencer, takes, timeline_marks
from ..preferences import stored_path
from ..remote import renders
from ..session import Report, Task
from .base import session

__all__ = ["KIND", "Asked", "Landed", "fitted_for", "insert", "render_task", "scene_of", "wait_steps"]

KIND = "render"
_KEEPS = ("server_not_running", "bad_token", "offline", "timeout")  # errors after which the render may still be had
Landed = tuple[renders.Rendered, FrameMarks]


@dataclass(frozen=True)
class Asked:
    """A render that the server was asked for, and what the take has to know when its video comes."""

    job: str  # the server's id
    path: str  # of its files, without their endings
    start: int  # scene frame of its first one
    scene: str  # into whose sequencer the video goes
    appearance: str  # all that the engine sees beside the motion
    fit: str  # how the motion is laid on the person
    fitted_for: tuple[str, ...]  # that fit is of no use to a take with other values
    engine: str
    quality: str
    size: tuple[int, int]
    told: str = ""  # before the server's own words

    @classmethod
    def of(cls, take: Any) -> "Asked":
        """What `take` waits for."""
        document = json.loads(take.order)
        tuples = {name: tuple(document[name]) for name in ("fitted_for", "size")}
        return cls(**document | tuples | {"path": bpy.path.abspath(document["path"])})

    def keep(self, uid: str) -> None:
        """Writes it into the file, which names paths relative to itself where it can."""
        told = asdict(self) | {"path": stored_path(Path(self.path))}
        takes.find_take(uid)[1].order = json.dumps(told)

    @property
    def order(self) -> renders.Order:
        return renders.Order(self.job, Path(self.path))


def render_task(
    take: Any, title: str, work: Callable[[Report], Generator[None, None, Landed]] | None, gather: Any = None
) -> Task:
    """The task that renders for `take`: its work keeps an `Asked` before it waits; its end shows in the sequencer."""
    uid = take.uid
    return Task(
        KIND,
        title,
        work,
        lambda landed: _land(uid, landed),
        gather,
        asks_server=True,
        about=uid,
        keep=lambda asked: asked.keep(uid),
        failed=lambda error: _forget(uid, error),
    )


def _forget(uid: str, error: FleximoError) -> None:
    """What cannot be had is waited for no longer."""
    if error.code not in (*_KEEPS, "take_gone"):
        takes.find_take(uid)[1].order = ""


def wait_steps(server: Path, order: renders.Order, report: Report) -> Generator[None, None, Landed]:
    """Waits for a render; for the worker thread."""
    rendered = yield from renders.collect(server, order, report)
    return rendered, frame_marks(PoseTrack.load(rendered.track))


def _land(uid: str, landed: Landed) -> str:
    rendered, marks = landed
    scene, take = takes.find_take(uid)
    asked, looked_at = session().kept(KIND, uid), check_marks.checked(take)
    take.job, take.master_digest = rendered.job, rendered.master_digest
    files = (rendered.master, rendered.video, rendered.track)
    take.master, take.video, take.track = (stored_path(path) for path in files)
    take.rendered_start, take.rendered_frames = asked.start, rendered.frames
    if fitted_for(take) == asked.fitted_for:
        take.fit = asked.fit
    take.rendered_with, take.order = asked.appearance, ""
    take.refinement = rendered.refinement or (take.refinement if rendered.ranges else "")  # a change leaves the rest
    pace.remember(asked.engine, asked.quality, asked.size, rendered.rendered, rendered.seconds)
    timeline_marks.keep(take, marks, asked.start)
    check_marks.after_render(take, looked_at, rendered.ranges)
    check_marks.renew_markers(scene, takes.active_take(scene))
    insert(bpy.data.scenes.get(asked.scene) or scene, take)
    return f"{asked.told}{rendered.told} {rendered.video}"


def fitted_for(take: Any) -> tuple[str, ...]:
    """What a fit holds for."""
    return take.fitted_camera, take.rescale


def scene_of(uid: str) -> Any:
    """The scene that holds the take."""
    return takes.find_take(uid)[0]


def insert(scene: Any, take: Any) -> Any:
    """Lays the take's video into the sequencer of `scene`; returns the strip."""
    provenance = {
        "take": take.uid,
        "job": take.job,
        "text": take.text,
        "seed": take.seed,
        "engine": take.engine,
        "refinement": take.refinement,
        "master": take.master,
        "armature": take.armature.name if take.armature else "",
    }
    return sequencer.insert_video(
        scene,
        Path(bpy.path.abspath(take.video)),
        start=take.rendered_start,
        frames=take.rendered_frames,
        name=take.name,
        provenance=provenance,
    )
