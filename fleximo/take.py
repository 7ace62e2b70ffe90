"""One shot: a motion on a person in a photo, with everything that is computed once and then kept.

Owns what a take remembers, so that a hand edit changes the edited frames and no others. `make_job` is the one way
from motion and person to a render job.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from types import MappingProxyType
from typing import Any

from fleximo.camera import Camera, Framing
from fleximo.camera_fit import fit_camera, frame_photo
from fleximo.errors import FleximoError, Notice
from fleximo.face import face_notices
from fleximo.job import RenderJob
from fleximo.motion import Motion
from fleximo.paper_rescale import ClipFit, clip_fit, kept_frames, paper_rescale
from fleximo.person import Person
from fleximo.plan import MotionPlan
from fleximo.pose_track import PoseSignal, PoseTrack
from fleximo.projection import project
from fleximo.rescale import Fit, apply_fit, fit_notices, measure_fit
from fleximo.staging import leaves_frame, stride_in_frame
from fleximo.timing import as_fps

__all__ = ["Take", "make_job"]


@dataclass(frozen=True, eq=False)
class Take:
    """A shot before it is frozen for rendering; `begin` measures it, `job` freezes it, `with_motion` edits it."""

    motion: Motion  # as made or edited, on its own body
    person: Person
    photo: bytes  # the picture file as given
    fps: Fraction  # of delivery
    framing: Framing
    camera: Camera
    fit: Fit  # bone lengths, start and heading
    rescale: str = "bones"
    paper_fit: ClipFit | None = None  # in mode "paper" only
    plan: MotionPlan | None = None
    engine: str = "draft"
    settings: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0
    frames: tuple[int, int] | None = None  # [start, stop) to render; None = all

    def __post_init__(self) -> None:
        object.__setattr__(self, "fps", as_fps(self.fps))
        object.__setattr__(self, "settings", MappingProxyType(dict(self.settings)))
        if (self.paper_fit is None) == (self.rescale == "paper"):
            raise FleximoError("A take has the paper's clip fit in the rescale mode paper and in no other.")

    @classmethod
    def begin(
        cls,
        motion: Motion,
        person: Person,
        photo: bytes,
        *,
        fps: float | Fraction | None = None,
        size: tuple[int, int] | None = None,
        rescale: str = "bones",
        framing: Framing | None = None,
        camera: Camera | None = None,
        plan: MotionPlan | None = None,
        engine: str = "draft",
        settings: Mapping[str, Any] | None = None,
        seed: int = 0,
        camera_height_m: float | None = None,
        camera_pitch_degrees: float | None = None,
    ) -> Take:
        """Measures a take: framing, camera, fit.

        `fps` defaults to the motion's, `size` to the photo's orientation. Without a `camera` of the caller's it is
        fitted to the photo, `camera_height_m` over the floor and looking down by `camera_pitch_degrees` where given,
        and a motion that would walk out of the picture takes shorter steps (`notices` says so; not in the mode
        "paper").
        """
        rate = motion.fps if fps is None else as_fps(fps)
        framing = frame_photo(person.photo_size, size, person) if framing is None else framing
        # Who brings a camera has staged the shot; a camera of ours has to keep the person in view.
        in_frame = camera is None and rescale != "paper"
        if camera is None:
            camera = fit_camera(person, framing, height_m=camera_height_m, pitch_degrees=camera_pitch_degrees)
        fit = measure_fit(motion, person, mode=rescale, framing=framing, camera=camera)
        if in_frame:
            fit = replace(fit, stride=stride_in_frame(apply_fit(motion, fit), camera, person))
        paper = None
        if rescale == "paper":
            track = project(apply_fit(motion.resample(rate), fit), camera, person, framing, seed=seed)
            paper = _measured_clip_fit(track, person, framing)
        return cls(
            motion, person, photo, rate, framing, camera, fit, rescale, paper, plan, engine, settings or {}, seed
        )

    def with_motion(self, motion: Motion) -> Take:
        """The take with an edited motion; framing, camera and fit stay as they were measured."""
        return replace(self, motion=motion)

    def fitted(self) -> Motion:
        """The motion on the person's body, at the rate of delivery."""
        return apply_fit(self.motion.resample(self.fps), self.fit)

    def track(self) -> PoseTrack:
        """What the video model is shown."""
        return self._track(self.fitted())

    def _track(self, fitted: Motion) -> PoseTrack:
        track = project(fitted, self.camera, self.person, self.framing, seed=self.seed)
        if self.paper_fit is None:
            return track
        reference = self.framing.to_canvas(self.person.body_px)
        return paper_rescale(track, reference, self.person.body_confidence, self.paper_fit)

    def notices(self) -> tuple[Notice, ...]:
        """What the motion or the picture had to give up for each other."""
        return (
            *fit_notices(self.motion, self.person),
            *leaves_frame(self.track(), self.fit.stride),
            *face_notices(self.person),
        )

    def job(self) -> RenderJob:
        """The take frozen for rendering."""
        fitted = self.fitted()
        return RenderJob(
            photo=self.photo,
            person=self.person,
            framing=self.framing,
            camera=self.camera,
            motion=fitted,
            signal=PoseSignal(self._track(fitted)),
            engine=self.engine,
            settings=self.settings,
            seed=self.seed,
            window=self.frames,
        )


def make_job(
    motion: Motion,
    person: Person,
    photo: bytes,
    *,
    fps: float | Fraction | None = None,
    size: tuple[int, int] | None = None,
    engine: str = "draft",
    settings: Mapping[str, Any] | None = None,
    seed: int = 0,
    rescale: str = "bones",
    framing: Framing | None = None,
    camera: Camera | None = None,
) -> RenderJob:
    """`motion` done by `person`, as a render job of `engine` at `fps` (default: the motion's) and `size` (W, H) px.

    `framing` and `camera` are fitted to the photo unless given. For edits that shall change no other frame, keep a
    `Take` instead.
    """
    take = Take.begin(
        motion,
        person,
        photo,
        fps=fps,
        size=size,
        rescale=rescale,
        framing=framing,
        camera=camera,
        engine=engine,
        settings=settings,
        seed=seed,
    )
    return take.job()


def _measured_clip_fit(track: PoseTrack, person: Person, framing: Framing) -> ClipFit:
    """The paper's fit of the clip to the photo, both on the canvas."""
    size = framing.canvas_size
    body = track.points_px[list(kept_frames(len(track), float(track.fps))), :18] / [*size]
    reference = framing.to_canvas(person.body_px) / [*size]
    return clip_fit(reference, person.body_confidence, body, size, size)
