"""The whole way from a text and a photo to a video, one stage after another, every intermediate returned.

text -> plan -> 3D motion -> (photo -> person) -> camera, bone lengths and 2D signal -> frames -> files
(Fleximo, arXiv 2411.19459, section 3; what differs from the paper is said where it differs). Knows the order of the
stages and nothing of how any of them works.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from backend import catalog
from backend.adapters import Completed, check_adapter, complete_job
from backend.llm import local
from backend.models import detect
from backend.refine import Refined, cost, render_refined
from backend.rendering import Rendered, render_job, share_of
from backend.stages import Performance, Progress, silent
from fleximo.errors import Notice
from fleximo.job import RenderJob
from fleximo.motion import Motion
from fleximo.person import Person
from fleximo.plan import MotionPlan
from fleximo.take import Take
from fleximo.upper_body import plan_for

__all__ = ["Animation", "Rendered", "Request", "animate", "render_job"]


@dataclass(frozen=True)
class Request:
    """What the user asks for: the options of `fleximo animate`."""

    photo: bytes  # PNG, JPEG or WebP
    text: str = ""
    motion: Motion | None = None  # given: text-to-motion is skipped
    points: Mapping[str, Any] | None = None  # manual key points {name: [x, y]}, photo px
    detector: str = "auto"  # one of detect.DETECTORS
    choose: int | None = None  # which of several people, from the left, 0 = the first
    engine: str = "draft"
    planner: str = "rules"
    motion_model: str = "moves"
    fps: Fraction | None = None  # None: the engine's default
    size: tuple[int, int] | None = None  # (W, H) px; None: 576x1024 or 1024x576
    seed: int = 0
    rescale: str = "bones"
    adapter: str = "kinematic"  # one of catalog.ADAPTERS: where the skeleton's hands come from
    retime: str = "flow"  # one of fleximo.job.RETIME: how an engine of another rate comes to this one
    settings: Mapping[str, Any] = field(default_factory=dict)
    lens_degrees: float | None = None  # of the photo's longer side; None: as EXIF says, else a portrait's usual lens
    stature_m: float | None = None  # None: an adult's usual
    camera_height_m: float | None = None  # over the floor; None: fitted to the photo, like the pitch
    camera_pitch_degrees: float | None = None  # positive looks down
    refine: int = 0  # passes of refinement, see `backend.refine`
    motion_settings: Mapping[str, Any] = field(default_factory=dict)  # of the motion model
    master: bool = True  # also keep the lossless master: without it frames cannot be exchanged later


@dataclass(frozen=True)
class Animation:
    """Everything that was made on the way."""

    request: Request
    plan: MotionPlan | None  # as played: for the upper body where the photo shows no more
    motion: Motion  # as planned, on the default rig
    person: Person
    job: RenderJob
    refined: Refined  # the render, and what each pass of refinement brought
    notices: tuple[Notice, ...]
    timings_s: dict[str, float]
    planner: str  # whose plan it is; "none" where a motion was given
    detector: str  # who found the person
    performance: Performance | None = None  # the motion with what is told of it; None where a motion was given
    adapted: Completed | None = None  # what the adapter took part with

    @property
    def rendered(self) -> Rendered:
        return self.refined.rendered


def animate(request: Request, folder: Path, progress: Progress = silent) -> Animation:
    """Text (or a motion) and one photo -> a video in `folder`; raises `FleximoError` at the first stage that cannot."""
    timings: dict[str, float] = {}
    engine = catalog.engine(request.engine)
    engine.check(request.settings, request.size)
    if request.refine:
        cost(request.refine)
    fps = request.fps or engine.default_fps
    check_adapter(request.adapter, request.engine, request.size, fps, request.retime)

    plan, planned_by, performance, motion = None, "none", None, request.motion
    if motion is None:
        with _timed(timings, "plan"):
            plan, planned_by = _planned(request, progress)
    detector = detect.detector_used(request.detector, request.points)
    with _timed(timings, "detect"):
        person = detect.detect(
            request.photo,
            points=request.points,
            detector=detector,
            choose=request.choose,
            stature_m=request.stature_m,
            lens_degrees=request.lens_degrees,
        )
        detect.release()
        progress(0.07, "found the person")
    if plan is not None:
        with _timed(timings, "motion"):
            plan = plan_for(plan, person)
            model = catalog.motion_model(request.motion_model, request.motion_settings)
            # At the video's rate: feet held at another one slide between its frames.
            performance = model.perform(plan, share_of(progress, 0.07, 0.12), fps)
            motion = performance.motion
    with _timed(timings, "rescale"):
        shot = Take.begin(
            motion,
            person,
            request.photo,
            fps=fps,
            size=request.size,
            rescale=request.rescale,
            plan=plan,
            engine=request.engine,
            settings=_settings(request, plan),
            seed=request.seed,
            camera_height_m=request.camera_height_m,
            camera_pitch_degrees=request.camera_pitch_degrees,
        )
        job = replace(shot.job(), retime=request.retime)
    drawn = 0.12 if request.adapter == "kinematic" else 0.4  # another video diffusion, of fewer frames a call
    with _timed(timings, "adapter"):
        adapted = complete_job(job, request.adapter, share_of(progress, 0.12, drawn), folder / "adapter")
        job = adapted.job
    with _timed(timings, "render"):
        share = share_of(progress, drawn, 1.0)
        if request.refine:
            refined = render_refined(job, folder, request.refine, share, master=request.master)
        else:
            refined = Refined(render_job(job, folder, share, master=request.master), job.signal.track)
    if request.refine:
        timings["refine"] = round(sum(each.seconds for each in refined.passes), 4)
        timings["render"] = round(max(0.0, timings["render"] - timings["refine"]), 4)
    told = (
        *(plan.notices if plan else ()),
        *(performance.notices if performance else ()),
        *person.notices,
        *shot.notices(),
        *adapted.notices,
        *refined.rendered.notices,
        *refined.notices,
    )
    notices = tuple({notice.code: notice for notice in reversed(told)}.values())[::-1]  # the first of each code
    return Animation(
        request,
        plan,
        motion,
        person,
        job,
        refined,
        notices,
        timings,
        planned_by,
        detector,
        performance,
        adapted,
    )


def _settings(request: Request, plan: MotionPlan | None) -> Mapping[str, Any]:
    """The engine's settings; one that reads a prompt gets look and place from the text, unless it was given one."""
    words = dict.fromkeys(part.strip() for part in (plan.setting if plan else "", request.text) if part.strip())
    if not words or "prompt" in request.settings or not catalog.engine(request.engine).reads_prompt:
        return request.settings
    return {**request.settings, "prompt": ". ".join(words)}


def _planned(request: Request, progress: Progress) -> tuple[MotionPlan, str]:
    """The plan of the text, and the name of the planner who made it in the end."""
    planner = catalog.planner(request.planner)
    model = catalog.motion_model(request.motion_model, request.motion_settings)
    progress(0.0, f"planning: {planner.name}")
    plan = catalog.plan_for_model(request.text, planner, model).with_seed(request.seed)
    fell_back = any(notice.code == "planner_fallback" for notice in plan.notices)
    planned_by = "rules" if fell_back else planner.name
    del planner
    local.release()  # the frames need a language model's memory
    return plan, planned_by


@contextlib.contextmanager
def _timed(timings: dict[str, float], stage: str) -> Iterator[None]:
    started = time.monotonic()
    yield
    timings[stage] = round(time.monotonic() - started, 4)
