"""A take's stored values as Fleximo's types, and back: person, camera, framing, and the take that becomes a job.

What is computed once per take (camera, framing, fit) is kept exactly, so that an edit changes the edited frames only.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from fleximo import changes
from fleximo.camera import Camera, Framing
from fleximo.errors import FleximoError
from fleximo.job import RenderJob
from fleximo.motion import Motion
from fleximo.paper_rescale import ClipFit
from fleximo.person import Person
from fleximo.rescale import Fit
from fleximo.take import Take

from . import sampling
from .takes import forget_fit, forget_person, list_bones

__all__ = [
    "appearance",
    "camera_of",
    "fit_of",
    "kept_fit",
    "measure",
    "person_of",
    "settings_of",
    "store_camera",
    "store_person",
    "take_of",
    "why_full",
]


def store_person(take: Any, person: Person, photo_digest: str) -> None:
    """Keeps the person found in the photo with that sha256; what followed from a former one is forgotten."""
    forget_person(take)
    take.person = json.dumps(person.to_json())
    take.photo_digest = photo_digest
    list_bones(take)
    take.warnings = "\n".join(f"{notice.message} {notice.remedy}".strip() for notice in person.notices)
    take.warning_codes = " ".join(notice.code for notice in person.notices)


def person_of(take: Any) -> Person:
    """The person found in the take's photo; raises `FleximoError` where detection has not run."""
    if not take.person:
        raise FleximoError("Nobody has been looked for in the photo yet.", remedy="Press Detect Pose.")
    return Person.from_json(json.loads(take.person))


def store_camera(take: Any, camera: Camera, framing: Framing) -> None:
    """Keeps camera and framing; every render uses them until they are fitted anew."""
    take.fitted_camera = base64.b64encode(camera.to_bytes()).decode()
    take.framing = json.dumps(framing.to_json())
    take.show_body = False  # it would hide the photo
    forget_fit(take)


def camera_of(take: Any) -> tuple[Camera, Framing]:
    """The fitted camera and the framing; raises `FleximoError` where there are none yet."""
    if not (take.fitted_camera and take.framing):
        raise FleximoError("No camera has been fitted to the photo yet.", remedy="Press Fit Camera.")
    return Camera.from_bytes(base64.b64decode(take.fitted_camera)), Framing.from_json(json.loads(take.framing))


def take_of(take: Any, motion: Motion, photo: bytes) -> Callable[[], Take]:
    """`motion` done by the take's person: a function that any thread may call and that needs no Blender.

    How the motion is laid on the person is measured in that call unless the take keeps it already (`kept_fit`).
    Raises `FleximoError` where no person has been found or no camera has been fitted yet.
    """
    person = person_of(take)
    camera, framing = camera_of(take)
    rescale, engine, seed, settings = take.rescale, take.engine, take.seed, settings_of(take)
    if not take.fit:
        return lambda: Take.begin(
            motion,
            person,
            photo,
            rescale=rescale,
            framing=framing,
            camera=camera,
            engine=engine,
            settings=settings,
            seed=seed,
        )
    fit, paper = fit_of(take)
    made = Take(
        motion,
        person,
        photo,
        motion.fps,
        framing,
        camera,
        fit,
        rescale=rescale,
        paper_fit=paper,
        engine=engine,
        settings=settings,
        seed=seed,
    )
    return lambda: made


def settings_of(take: Any) -> dict[str, Any]:
    """The engine's own settings; empty where the take leaves them to the engine."""
    return {"quality": take.quality} if take.quality else {}


def kept_fit(made: Take) -> str:
    """How `made` lays its motion on the person; a take that keeps it is changed by an edit in its frames only."""
    paper = None if made.paper_fit is None else _plain(made.paper_fit)
    return json.dumps({"fit": _plain(made.fit), "paper": paper})


def measure(scene: Any, take: Any) -> None:
    """Measures and keeps how the take's motion is laid on its person, from the motion's first frame.

    The paper's fit needs the whole motion and is left to the render.
    """
    if take.fit or take.rescale == "paper" or not (take.armature and take.fitted_camera and take.person):
        return
    first = sampling.sample_motion(scene, take.armature, take.frame_start, take.frame_start + 1)
    take.fit = kept_fit(take_of(take, first, b"")())


def fit_of(take: Any) -> tuple[Fit, ClipFit | None]:
    """How the take's motion is laid on its person, as `kept_fit` kept it."""
    measured = json.loads(take.fit)
    paper = measured["paper"]
    return _read(Fit, measured["fit"]), None if paper is None else _read(ClipFit, paper)


def _plain(value: Any) -> Any:
    """A frozen value as JSON: fields, mappings and tuples of numbers, names and switches."""
    if is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(name): _plain(entry) for name, entry in value.items()}
    return [_plain(entry) for entry in value] if isinstance(value, tuple) else value


def _read(kind: type[Any], document: dict[str, Any]) -> Any:
    """What `_plain` wrote of a `kind`; fields that it lacks have their defaults."""
    unknown = set(document) - {field.name for field in fields(kind)}
    if unknown:
        raise FleximoError(
            f"This file's take holds {', '.join(sorted(unknown))}, which this version does not know.",
            code="newer_format",
            remedy="Update Fleximo, or press Fit Camera to measure the take anew.",
        )
    return kind(**{name: _tupled(value) for name, value in document.items()})


def _tupled(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _tupled(entry) for name, entry in value.items()}
    return tuple(_tupled(entry) for entry in value) if isinstance(value, list) else value


def appearance(job: RenderJob) -> str:
    """What an engine sees beside the motion, thing by thing, as JSON: kept to tell later what has changed."""
    return json.dumps(changes.appearance(job))


def why_full(kept: str, job: RenderJob) -> str | None:
    """Why `job` has to be rendered as a whole after the render of which `appearance` was `kept`, None if it has not."""
    try:
        before = json.loads(kept)
    except ValueError:
        before = None
    if not isinstance(before, dict):
        return "an earlier version of Fleximo rendered it"
    return changes.why_full(before, changes.appearance(job))
