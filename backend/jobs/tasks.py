"""What each kind of job does, as a function from a task to files, and the one entry that every engine runs.

The warm local worker, a farm's `fleximo run-task` and any later engine call `run`. Knows no HTTP and no database;
models are imported by the kind that needs them.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backend.jobs.check import check_task
from backend.jobs.preview import write_preview
from backend.jobs.records import DONE, FAILED, Outcome, OutputFile, Task, finished_job
from backend.jobs.store import BlobStore
from backend.stages import Progress
from backend.weights import Bundle
from fleximo.camera import Framing
from fleximo.errors import Cancelled, FleximoError, Notice
from fleximo.files import write_atomic, write_json
from fleximo.job import RenderJob
from fleximo.person import Person
from fleximo.plan import MotionPlan
from fleximo.timing import as_fps

if TYPE_CHECKING:
    from backend.refine import Refined

__all__ = ["KINDS", "Emit", "run", "run_task"]

Emit = Callable[[dict[str, Any]], None]
Files = dict[str, Path]

_PROGRESS_EVERY_S = 0.1
_PREVIEW_EVERY_S = 1.0


def run_task(path: str | Path) -> int:
    """Runs one `task.json`, printing JSON lines; 0 if it is done, 1 if it failed. What `fleximo run-task` does.

    The folder of the task and its store are all it needs, so any farm that shares them can run it; run again after
    a kill, it goes on where it stopped.
    """

    def emit(event: dict[str, Any]) -> None:
        print(json.dumps(event), flush=True)

    return 0 if run(Task.load(Path(path)), emit).state == DONE else 1


def run(task: Task, emit: Emit, should_stop: Callable[[], bool] = lambda: False) -> Outcome:
    """Runs `task` to its outcome, which is written into its folder before it is returned.

    Emits `{"event": "progress", "fraction", "message"}` on the way and `{"event": "done" | "failed", ...}` at the
    end. Raises `Cancelled` (after `{"event": "canceled"}`) when `should_stop` says so; finished windows stay.
    """
    finished = Outcome.load(task.folder)
    if finished is not None and finished.state == DONE:
        emit({"event": "done"})
        return finished
    progress = _Reporter(task, emit, should_stop)
    try:
        if task.kind not in KINDS:
            raise FleximoError(f"The job kind {task.kind!r} is not known; it is one of {', '.join(KINDS)}.")
        task.work.mkdir(parents=True, exist_ok=True)
        progress(0.0, "started")
        made = KINDS[task.kind](task, progress)
        files = {role: OutputFile.of(task.folder, path) for role, path in made.items()}
        outcome = Outcome(DONE, files, None, time.time())
    except Cancelled:
        emit({"event": "canceled"})
        raise
    except Exception as error:
        outcome = Outcome(FAILED, {}, _told(task, error), time.time())
    outcome.save(task.folder)
    emit({"event": outcome.state, "error": outcome.error})
    return outcome


def _told(task: Task, error: Exception) -> dict[str, str]:
    """An error as code, message and remedy; the trace of an unexpected one goes to the log alone."""
    if isinstance(error, FleximoError):
        return {"code": error.code, "message": error.message, "remedy": error.remedy}
    logging.getLogger(__name__).error("The %s job %s stopped", task.kind, task.id, exc_info=error)
    if isinstance(error, MemoryError):
        message, remedy = f"The {task.kind} job ran out of memory.", "Choose a smaller size or fewer frames."
        return {"code": "out_of_memory", "message": message, "remedy": remedy}
    message = f"The {task.kind} job stopped on an unexpected error ({type(error).__name__})."
    return {"code": "internal_error", "message": message, "remedy": "The log of the job has the details."}


class _Reporter:
    """The `Progress` of a task: seldom enough to be cheap, never backwards, and where a stop is noticed."""

    def __init__(self, task: Task, emit: Emit, should_stop: Callable[[], bool]) -> None:
        self._task = task
        self._emit = emit
        self._should_stop = should_stop
        self._fraction = 0.0
        self._message = ""
        self._told = self._shown = float("-inf")

    def __call__(self, fraction: float, message: str = "", /) -> None:
        if self._should_stop():
            raise Cancelled
        now = time.monotonic()
        self._fraction = min(1.0, max(self._fraction, fraction))
        news = bool(message) and message != self._message
        if news or now - self._told >= _PROGRESS_EVERY_S:
            self._message, self._told = message or self._message, now
            self._emit({"event": "progress", "fraction": round(self._fraction, 4), "message": self._message})
        if self._task.kind == "render" and now - self._shown >= _PREVIEW_EVERY_S:
            self._shown = now
            write_preview(self._task.work, self._task.preview)


def _plan(task: Task, progress: Progress) -> Files:
    plan = _planned(task.request).with_seed(task.request["seed"])
    return {"plan": _json_file(task.work / "plan.json", plan.to_json())}


def _planned(request: Mapping[str, Any]) -> MotionPlan:
    """The plan of the request's text; endpoints and keys of the planners are settings of this process."""
    from backend import catalog

    planner = catalog.planner(request.get("planner", "rules"))
    return catalog.plan_for_model(request["text"], planner, catalog.MOTION_MODELS[request.get("motion_model", "moves")])


def _motion(task: Task, progress: Progress) -> Files:
    from backend import catalog
    from fleximo.upper_body import upper_body_plan

    request = task.request
    model = catalog.motion_model(request.get("motion_model", "moves"), request.get("motion_settings"))
    plan = _planned(request) if request["plan"] is None else MotionPlan.from_json(request["plan"])
    if request["seed"] is not None:
        plan = plan.with_seed(request["seed"])
    if request.get("upper_body"):
        plan = upper_body_plan(plan)
    made = model.perform(plan, progress, as_fps(request["fps"]))
    made.motion.save(task.work / "motion.npz")
    # Told where the plan's own warnings are told.
    plan = replace(plan, notices=(*plan.notices, *made.notices, *_made_up(made.bundles)))
    return {"motion": task.work / "motion.npz", "plan": _json_file(task.work / "plan.json", plan.to_json())}


def _made_up(bundles: Sequence[Bundle]) -> list[Notice]:
    names = [bundle.name for bundle in bundles if bundle.state == "stand_in"]
    told = f"The weights {', '.join(names)} are made up; the motion shows no model's skill."
    return [Notice("stand_in_weights", told, f"Get the real ones: fleximo models pull {names[0]}.")] if names else []


def _detect(task: Task, progress: Progress) -> Files:
    from backend.models.detect import detect

    request = task.request
    photo = BlobStore(task.store).read(request["photo"])
    progress(0.1, "looking for the person")
    person = detect(
        photo,
        points=request["points"],
        choose=request["choose"],
        stature_m=request["stature_m"],
        lens_degrees=request.get("lens_degrees"),
    )
    return {"person": _json_file(task.work / "person.json", person.to_json())}


def _puppet(task: Task, progress: Progress) -> Files:
    from backend.models.draft import build_puppet
    from backend.photo import decode_photo

    store, request = BlobStore(task.store), task.request
    person = Person.from_json(json.loads(store.read(request["person"])))
    progress(0.1, "cutting the person out of the photo")
    puppet = build_puppet(decode_photo(store.read(request["photo"])).rgb, person, Framing.from_json(request["framing"]))
    write_atomic(task.work / "puppet.npz", puppet.to_bytes())
    return {"puppet": task.work / "puppet.npz"}


def _render(task: Task, progress: Progress) -> Files:
    from backend.llm import local
    from backend.models import detect
    from backend.reports import render_report

    detect.release()  # a warm detector holds memory that the frames need, and so does a warm language model
    local.release()
    job = RenderJob.from_document(task.request["job"], BlobStore(task.store).read)
    done = _rendered(task, job, progress)
    notices = (*job.person.notices, *done.notices, *done.rendered.notices)
    report = render_report(job, done.rendered, notices, done.passes)
    write_preview(task.work, task.preview)
    return {
        "video": done.rendered.video,
        "master": done.rendered.master,
        "report": _json_file(task.work / "report.json", report),
    }


def _rendered(task: Task, job: RenderJob, progress: Progress) -> Refined:
    """The whole job, refined if that is asked, or the frames of its window over an earlier render."""
    from backend.changed import render_over
    from backend.refine import REFINED_TRACK, Refined, as_seen, render_refined
    from backend.rendering import render_job

    former, passes = _former(task), int(task.request.get("refine", 0))
    if passes:
        return render_refined(job, task.work, passes, progress)
    if former is None or job.window is None:
        return Refined(render_job(job, task.work, progress), job.signal.track)
    before = RenderJob.from_document(former.request["job"], BlobStore(former.store).read)
    seen, seen_before = as_seen(job, before, former.work)
    if seen is not job:
        seen.signal.track.save(task.work / REFINED_TRACK)
    return Refined(render_over(seen, seen_before, former.work, task.work, progress), seen.signal.track)


def _former(task: Task) -> Task | None:
    """The finished render that this one changes, if it changes one."""
    if task.previous is None:
        return None
    found = finished_job(task.folder.parent, task.previous)
    if found is None:
        raise FleximoError(
            "The render that this job changes is gone.", code="unknown_previous", remedy="Render the whole take again."
        )
    return found[0]


def _json_file(path: Path, document: Mapping[str, Any]) -> Path:
    write_json(path, document)
    return path


KINDS: Mapping[str, Callable[[Task, Progress], Files]] = {
    "plan": _plan,
    "motion": _motion,
    "detect": _detect,
    "puppet": _puppet,
    "render": _render,
    "check": check_task,
}
