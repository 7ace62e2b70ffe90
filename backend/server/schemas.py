"""The wire format of version 1: what a job's body may hold, every field bounded, and what the answers look like.

The only place with pydantic; everything behind it works with checked plain values.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, model_validator

__all__ = [
    "DIGEST",
    "UUID",
    "CheckRequest",
    "DetectRequest",
    "ErrorAnswer",
    "InfoAnswer",
    "JobAnswer",
    "JobList",
    "JobRequest",
    "ModelList",
    "MotionRequest",
    "PlanRequest",
    "PuppetRequest",
    "RenderRequest",
    "job_request",
]

DIGEST = r"^[0-9a-f]{64}$"
UUID = r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"

Digest = Annotated[str, Field(pattern=DIGEST)]
Seed = Annotated[int, Field(ge=0, lt=2**53)]
Text = Annotated[str, Field(min_length=1, max_length=4000)]
Words = Annotated[str, Field(max_length=4000)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,64}$")]
PlannerName = Literal["rules", "llm", "local"]
MotionModelName = Literal["moves", "t2m-gpt"]
Label = Annotated[str, Field(max_length=200)]
Finite = Annotated[float, Field(ge=-1e9, le=1e9, allow_inf_nan=False)]
PointPx = Annotated[list[Finite], Field(min_length=2, max_length=2)]
SizePx = Annotated[list[Annotated[int, Field(ge=1, le=30_000)]], Field(min_length=2, max_length=2)]
CanvasPx = Annotated[list[Annotated[int, Field(ge=16, le=4096)]], Field(min_length=2, max_length=2)]
Scalar = bool | Annotated[int, Field(ge=-(2**53), le=2**53)] | Finite | Annotated[str, Field(max_length=200)] | None


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class SegmentDocument(_Strict):
    text: Words = ""
    move: Name
    seconds: Annotated[float, Field(gt=0, le=60)]
    side: Name | None = None
    repeats: Annotated[int, Field(ge=1, le=200)] = 1
    direction: Name | None = None
    speed: Annotated[float, Field(gt=0, le=10)] = 1.0
    layers: Annotated[list[SegmentDocument], Field(max_length=8)] = []
    matched: Annotated[float, Field(ge=0, le=1)] = 1.0
    seed: Seed | None = None


class NoticeDocument(_Strict):
    code: Name
    message: Words
    remedy: Words = ""


class PlanDocument(_Strict):
    segments: Annotated[list[SegmentDocument], Field(min_length=1, max_length=500)]
    seed: Seed = 0
    setting: Words = ""
    warnings: Annotated[list[NoticeDocument], Field(max_length=500)] = []


class PlanRequest(_Strict):
    """Text to a plan: `plan.json`. What `planner` llm or local needs is a setting of the server, never of a request."""

    kind: Literal["plan"]
    label: Label = ""
    text: Text
    planner: PlannerName = "rules"
    motion_model: MotionModelName = "moves"  # for one that reads words, those that no planner knows stay in the plan
    seed: Seed = 0


class MotionRequest(_Strict):
    """A plan, or a text that is planned first, to a motion: `motion.npz` and `plan.json` as played.

    With `upper_body` the plan is rewritten for a photo that shows no feet.
    """

    kind: Literal["motion"]
    label: Label = ""
    text: Text | None = None
    plan: PlanDocument | None = None
    planner: PlannerName = "rules"
    motion_model: MotionModelName = "moves"
    motion_settings: Annotated[dict[Name, Scalar], Field(max_length=16)] = {}  # the model's own
    upper_body: bool = False
    fps: Annotated[float, Field(ge=1, le=240, allow_inf_nan=False)] = 30.0
    seed: Seed | None = None

    @model_validator(mode="after")
    def _one_source(self) -> MotionRequest:
        if (self.text is None) == (self.plan is None):
            raise ValueError("give either text or plan")
        return self


class DetectRequest(_Strict):
    """A photo to its person: `person.json`."""

    kind: Literal["detect"]
    label: Label = ""
    photo: Digest
    points: Annotated[dict[Name, PointPx | None], Field(max_length=128)] | None = None
    choose: Annotated[int, Field(ge=0, lt=100)] | PointPx | None = None
    stature_m: Annotated[float, Field(ge=0.5, le=2.6)] = 1.70
    lens_degrees: Annotated[float, Field(ge=2, le=150)] | None = None


class FramingDocument(_Strict):
    photo_size: SizePx
    canvas_size: CanvasPx
    scale: Annotated[float, Field(gt=0, le=1e3, allow_inf_nan=False)]
    offset: PointPx


class PuppetRequest(_Strict):
    """A photo and the person found in it to the layers that a live view moves: `puppet.npz`."""

    kind: Literal["puppet"]
    label: Label = ""
    photo: Digest
    person: Digest  # of `person.json`
    framing: FramingDocument


class JobBlobs(_Strict):
    photo: Digest
    person: Digest
    camera: Digest
    motion: Digest
    pose_track: Digest
    drawn_frames: Digest | None = None


class RenderDocument(_Strict):
    """What `fleximo.RenderJob.document` writes."""

    format_version: Literal[1]
    engine: Name
    settings: Annotated[dict[Name, Scalar | Annotated[list[Scalar], Field(max_length=64)]], Field(max_length=64)] = {}
    seed: Seed
    window: Annotated[list[Annotated[int, Field(ge=0, le=1_000_000)]], Field(min_length=2, max_length=2)] | None
    previous: Digest | None
    retime: Literal["flow", "dense", "none"] = "flow"
    framing: FramingDocument
    blobs: JobBlobs


class RenderRequest(_Strict):
    """A take frozen for rendering to `video.mp4`, `master.mkv` and `report.json`."""

    kind: Literal["render"]
    label: Label = ""
    job: RenderDocument
    refine: Annotated[int, Field(ge=0, le=4)] = 0  # passes of refinement, each of which takes as long as the render


class CheckRequest(_Strict):
    """A finished render to how far its frames are from the skeleton asked for: `self_check.json`.

    Every `every`-th frame is looked at, and the last one; null: about eight a second. Frames that were looked at before
    are not looked at again.
    """

    kind: Literal["check"]
    label: Label = ""
    job: Annotated[str, Field(pattern=UUID)]  # the render
    every: Annotated[int, Field(ge=1, le=10_000)] | None = None


AnyRequest = PlanRequest | MotionRequest | DetectRequest | PuppetRequest | RenderRequest | CheckRequest
JobRequest = Annotated[AnyRequest, Field(discriminator="kind")]

job_request: TypeAdapter[AnyRequest] = TypeAdapter(JobRequest)


class ErrorDetail(BaseModel):
    code: str
    message: str
    remedy: str = ""
    missing: list[str] = []  # digests that have to be sent first


class ErrorAnswer(BaseModel):
    error: ErrorDetail


class FileAnswer(BaseModel):
    bytes: int
    sha256: str


class JobError(BaseModel):
    code: str
    message: str
    remedy: str = ""


class JobAnswer(BaseModel):
    id: str
    kind: str
    label: str
    state: Literal["queued", "running", "canceling", "done", "failed", "canceled"]
    position: int | None = None  # jobs that wait before it, while queued
    attempt: int
    fraction: float
    message: str
    eta_s: float | None = None
    submitted: float
    started: float | None = None
    finished: float | None = None
    error: JobError | None = None
    files: dict[str, FileAnswer]
    sequence: int


class JobList(BaseModel):
    jobs: list[JobAnswer]


class InfoAnswer(BaseModel):
    name: Literal["fleximo"] = "fleximo"
    api: str
    version: str | None = None  # this and the rest only with the token
    pid: int | None = None
    features: list[str] | None = None
    limits: dict[str, Any] | None = None


class ModelAnswer(BaseModel):
    name: str
    stage: Literal["motion", "video"]
    fidelity: str
    default_fps: float | None = None
    reads_text: bool | None = None  # of a motion model: whether it can do more than the moves that plans know
    qualities: list[str] = []  # of a video engine's setting "quality", the usual one last
    multiple: int | None = None  # px that width and height must be multiples of
    seeded: bool | None = None  # of a video engine: whether another seed gives another picture
    weights: list[str] = []  # the bundles that it cannot do without


class WeightsAnswer(BaseModel):
    name: str
    title: str
    state: Literal["absent", "incomplete", "unverified", "verified", "stand_in"]
    missing: list[str]


class ModelList(BaseModel):
    models: list[ModelAnswer]
    weights: list[WeightsAnswer]
