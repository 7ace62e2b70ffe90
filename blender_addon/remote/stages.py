"""What the server makes beside videos: a person of a photo, a plan, a motion, a cut-out puppet, a self-check."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Generator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from fleximo.camera import Framing
from fleximo.client import Client
from fleximo.errors import Notice
from fleximo.motion import Motion
from fleximo.person import Person
from fleximo.plan import MotionPlan
from fleximo.self_check import SelfCheck

from ..session import Report
from .waiting import connect, ended

__all__ = ["cut_puppet", "detect", "motion", "plan", "self_check"]

Points = Mapping[str, tuple[float, float] | None]  # key point -> px of the photo, None: not in it


def detect(
    folder: Path,
    photo: bytes,
    report: Report,
    *,
    points: Points | None = None,
    choose: int | None = None,
    stature_m: float | None = None,
    lens_degrees: float | None = None,
) -> Generator[None, None, Person]:
    """The person in the photo, found by the server; by `points` placed by hand, or the one of several chosen."""
    report(0.0, "Sending the photo")
    yield
    marks = None if points is None else {name: None if at is None else list(at) for name, at in points.items()}
    known = {"stature_m": stature_m, "lens_degrees": lens_degrees}
    known = {name: value for name, value in known.items() if value is not None}

    def request(client: Client) -> dict[str, Any]:
        return {"kind": "detect", "photo": client.upload(photo), "points": marks, "choose": choose, **known}

    result = yield from _made(folder, request, report)
    return Person.from_json(json.loads(result()))


def plan(folder: Path, text: str, planner: str, motion_model: str, report: Report) -> Generator[None, None, MotionPlan]:
    """The plan that the server's `planner` makes of `text` for that motion model."""
    report(0.0, "Asking the language model")
    yield
    request = {"kind": "plan", "text": text, "planner": planner, "motion_model": motion_model}
    result = yield from _made(folder, lambda _client: request, report)
    return MotionPlan.from_json(json.loads(result()))


def motion(
    folder: Path,
    model: str,
    settings: Mapping[str, Any],
    plan: MotionPlan,
    fps: float,
    report: Report,
    part: tuple[float, float] = (0.0, 1.0),
) -> Generator[None, None, tuple[Motion, tuple[Notice, ...]]]:
    """What the server's motion model makes of `plan`, and what is told of it; `part` of the progress bar."""
    report(part[0], f"Asking {model}")
    yield
    by = {"motion_model": model, "motion_settings": dict(settings)}
    request = {"kind": "motion", "plan": replace(plan, notices=()).to_json(), "fps": fps, **by}
    result = yield from _made(folder, lambda _client: request, report, part)
    played = MotionPlan.from_json(json.loads(result("plan")))
    return Motion.from_bytes(result("motion")), played.notices


def cut_puppet(
    folder: Path, photo: bytes, person: Person, framing: Framing, report: Report
) -> Generator[None, None, bytes]:
    """The npz of the person cut out of the photo, made by the server."""
    report(0.0, "Sending the photo")
    yield
    result = yield from _made(folder, lambda client: client.puppet_request(photo, person, framing), report)
    return result()


def self_check(folder: Path, render: str, every: int, report: Report) -> Generator[None, None, SelfCheck]:
    """How far the frames of a finished render are from what was asked for; of every n-th one, 0: as is usual."""
    report(0.0, "Asking the server")
    yield
    request = {"kind": "check", "job": render, "every": every or None}
    result = yield from _made(folder, lambda _client: request, report)
    return SelfCheck.from_json(json.loads(result()))


def _made(
    folder: Path,
    request: Callable[[Client], Mapping[str, Any]],
    report: Report,
    part: tuple[float, float] = (0.0, 1.0),
) -> Generator[None, None, Callable[..., bytes]]:
    """Hands in what `request` asks for and waits for it, as that part of the progress bar; returns what reads its
    result, or its file of the role that is named."""
    client, job = connect(folder), str(uuid.uuid4())
    client.submit(request(client), job)
    yield from ended(folder, job, report, part[1] - part[0], begin=part[0])
    return partial(connect(folder).result, job)
