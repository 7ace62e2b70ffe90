"""The routes of version 1: HTTP in, scheduler calls, HTTP out.

Knows no files' places and no models; imports nothing heavy, so that the server answers within two seconds of its
start.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import AsyncIterator
from dataclasses import asdict
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, FastAPI, Header, Path, Query, Request, Response
from fastapi.responses import FileResponse, PlainTextResponse, StreamingResponse
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from backend import catalog, weights
from backend.jobs.records import LOG_FILE, PREVIEW_FILE
from backend.server.bell import Bell
from backend.server.bodies import pieces, read_json_body
from backend.server.db import CANCELING, QUEUED, RUNNING, JobRow
from backend.server.errors import answer_errors
from backend.server.scheduler import Scheduler
from backend.server.schemas import (
    DIGEST,
    UUID,
    DetectRequest,
    ErrorAnswer,
    FileAnswer,
    InfoAnswer,
    JobAnswer,
    JobError,
    JobList,
    ModelAnswer,
    ModelList,
    MotionRequest,
    PuppetRequest,
    RenderRequest,
    WeightsAnswer,
    job_request,
)
from backend.server.settings import API_VERSION
from fleximo import __version__
from fleximo.errors import FleximoError
from fleximo.plan import MotionPlan

__all__ = ["create_app"]

_TYPES = {".mp4": "video/mp4", ".json": "application/json"}  # all others go out as bytes
_RESULT = {
    "plan": "plan",
    "motion": "motion",
    "detect": "person",
    "puppet": "puppet",
    "render": "video",
    "check": "check",
}
_LOG_BYTES = 256 * 1024
_STATES = (QUEUED, RUNNING, CANCELING, "done", "failed", "canceled")
_Answers = dict[int | str, dict[str, Any]]
_ERRORS: _Answers = {"4XX": {"model": ErrorAnswer}}
_NO_SPACE: _Answers = {507: {"model": ErrorAnswer}}
_EVENTS: _Answers = {200: {"content": {"text/event-stream": {}}}}
_JPEG: _Answers = {200: {"content": {"image/jpeg": {}}}}
_FILES: _Answers = {200: {"content": {"video/mp4": {}, "application/json": {}, "application/octet-stream": {}}}}

JobId = Annotated[str, Path(pattern=UUID)]
BlobDigest = Annotated[str, Path(pattern=DIGEST)]
Role = Literal["video", "master", "report", "motion", "plan", "person", "check"]


def _scheduler(request: Request) -> Scheduler:
    scheduler: Scheduler = request.app.state.scheduler
    return scheduler


Jobs = Annotated[Scheduler, Depends(_scheduler)]
router = APIRouter(responses=_ERRORS)


def create_app(scheduler: Scheduler | None = None, bell: Bell | None = None) -> FastAPI:
    """The application without its gate; without a scheduler it can only describe itself."""
    app = FastAPI(title="Fleximo render server", version=API_VERSION, docs_url=None, redoc_url=None, openapi_url=None)
    app.state.scheduler = scheduler
    app.state.bell = bell
    app.state.started = time.monotonic()
    app.include_router(router)
    answer_errors(app)
    return app


# --- the server itself


@router.get("/healthz")
def healthz() -> dict[str, bool]:
    """The process answers. Needs no token."""
    return {"ok": True}


@router.get("/readyz")
def readyz(jobs: Jobs) -> dict[str, bool]:
    """Jobs can be taken and run: index, store, disk and queue are well."""
    jobs.table.count(QUEUED)
    jobs.check_space(0)
    if not jobs.alive:
        raise HTTPException(503, "The queue has stopped.")
    return {"ok": True}


@router.get("/metrics", response_class=PlainTextResponse)
def metrics(request: Request, jobs: Jobs) -> str:
    """Counts in the text format of Prometheus."""
    lines = ["# TYPE fleximo_jobs gauge"]
    lines += [f'fleximo_jobs{{state="{state}"}} {jobs.table.count(state)}' for state in _STATES]
    uptime_s = time.monotonic() - request.app.state.started
    lines += ["# TYPE fleximo_worker_starts_total counter", f"fleximo_worker_starts_total {jobs.worker_starts}"]
    lines += ["# TYPE fleximo_uptime_seconds gauge", f"fleximo_uptime_seconds {uptime_s:.1f}"]
    return "\n".join(lines) + "\n"


@router.get("/v1/info", response_model_exclude_none=True)
def info(request: Request, jobs: Jobs) -> InfoAnswer:
    """Name and API version; with the token also version, process, features and limits."""
    if not request.scope.get("fleximo.trusted"):
        return InfoAnswer(api=API_VERSION)
    return InfoAnswer(
        api=API_VERSION,
        version=__version__,
        pid=os.getpid(),
        features=[
            "plan",
            "motion",
            "detect",
            "puppet",
            "render",
            "check",
            "events",
            "preview",
            "resume",
            "window",
            "refine",
        ],
        limits=asdict(jobs.settings),
    )


@router.get("/v1/models", response_model_exclude_none=True)
def models() -> ModelList:
    """The models that a job may name, and the weights that they stand on."""
    video = [
        ModelAnswer(
            name=name,
            stage="video",
            fidelity=engine.fidelity,
            default_fps=float(engine.default_fps),
            qualities=list(engine.qualities),
            multiple=engine.multiple,
            seeded=engine.seeded,
            weights=list(engine.bundles),
        )
        for name, engine in catalog.VIDEO_MODELS.items()
    ]
    motion = [
        ModelAnswer(
            name=name,
            stage="motion",
            fidelity=model.fidelity,
            reads_text=model.reads_text,
            weights=list(model.bundles),
        )
        for name, model in catalog.MOTION_MODELS.items()
    ]
    bundles = []
    for name, known in weights.locked_bundles().items():
        state, missing = weights.standing(name)
        bundles.append(WeightsAnswer(name=name, title=known.title, state=state, missing=missing))
    return ModelList(models=[*motion, *video], weights=bundles)


# --- blobs


@router.head("/v1/blobs/{digest}")
def has_blob(digest: BlobDigest, jobs: Jobs) -> Response:
    """200 if the blob is there and intact, else 404."""
    size = jobs.store.size(digest)
    return Response(status_code=404 if size is None else 200)


@router.put("/v1/blobs/{digest}", responses={201: {}, **_NO_SPACE})
async def put_blob(digest: BlobDigest, request: Request, jobs: Jobs) -> Response:
    """Takes a blob; 201 if it is new, 200 if it was there, 422 if its sha256 is another."""
    limits = jobs.settings
    announced = request.headers.get("content-length", "0")
    jobs.check_space(min(int(announced[:12]), limits.blob_bytes) if announced.isascii() and announced.isdigit() else 0)
    known = jobs.store.path(digest).is_file()
    body = pieces(
        request,
        content_type="application/octet-stream",
        most_bytes=limits.blob_bytes,
        seconds=limits.body_seconds,
    )
    with jobs.store.writer(digest) as writer:
        async for piece in body:
            await run_in_threadpool(writer.write, piece)
        await run_in_threadpool(writer.commit)
    return Response(status_code=200 if known else 201)


# --- jobs


@router.put("/v1/jobs/{job}", responses={201: {"model": JobAnswer}, **_NO_SPACE})
async def put_job(job: JobId, request: Request, response: Response, jobs: Jobs) -> JobAnswer:
    """Takes a job in: 201 if it is new, 200 if the same was sent before, 409 if the id has another request."""
    limits = jobs.settings
    document = await read_json_body(
        request, most_bytes=limits.json_bytes, most_depth=limits.json_depth, seconds=limits.body_seconds
    )
    wanted = job_request.validate_python(document)
    blobs = _check(wanted)
    content = wanted.model_dump(mode="json", exclude={"kind", "label"})
    if isinstance(wanted, RenderRequest):
        if wanted.job.blobs.drawn_frames is None:
            del content["job"]["blobs"]["drawn_frames"]
        if not wanted.refine:
            del content["refine"]
    new = await run_in_threadpool(jobs.submit, job, wanted.kind, wanted.label, content, blobs)
    response.status_code = 201 if new else 200
    return await run_in_threadpool(_shown, jobs, jobs.row(job))


def _check(wanted: Any) -> tuple[str, ...]:
    """What the schema cannot say; returns the digests that the job needs. Raises `FleximoError`."""
    if isinstance(wanted, MotionRequest) and wanted.plan is not None:
        MotionPlan.from_json(wanted.plan.model_dump(mode="json"))
    if isinstance(wanted, DetectRequest):
        return (wanted.photo,)
    if isinstance(wanted, PuppetRequest):
        return (wanted.photo, wanted.person)
    if isinstance(wanted, RenderRequest):
        catalog.engine(wanted.job.engine)
        if wanted.refine and wanted.job.window is not None:
            raise FleximoError(
                "Refining takes the whole of a take; this job has a window.",
                code="refines_whole",
                remedy="Leave out either.",
            )
        return tuple(dict.fromkeys(wanted.job.blobs.model_dump(exclude_none=True).values()))
    return ()


def _shown(jobs: Scheduler, row: JobRow) -> JobAnswer:
    return JobAnswer(
        id=row.id,
        kind=row.kind,
        label=row.label,
        state=row.state,  # type: ignore[arg-type]
        position=jobs.table.position(row) if row.state == QUEUED else None,
        attempt=row.attempt,
        fraction=row.fraction,
        message=row.message,
        eta_s=row.eta_s,
        submitted=row.submitted,
        started=row.started,
        finished=row.finished,
        error=None if row.error is None else JobError(**row.error),
        files={role: FileAnswer(bytes=file["bytes"], sha256=file["sha256"]) for role, file in row.files.items()},
        sequence=row.sequence,
    )


@router.get("/v1/jobs")
def list_jobs(jobs: Jobs, limit: Annotated[int, Query(ge=1, le=1000)] = 100) -> JobList:
    """The newest jobs first."""
    return JobList(jobs=[_shown(jobs, row) for row in jobs.table.jobs(limit=limit)])


@router.get("/v1/jobs/{job}")
def get_job(job: JobId, jobs: Jobs) -> JobAnswer:
    return _shown(jobs, jobs.row(job))


@router.post("/v1/jobs/{job}/cancel")
def cancel_job(job: JobId, jobs: Jobs) -> JobAnswer:
    """Stops the job; one that has ended stays as it is."""
    return _shown(jobs, jobs.cancel(job))


@router.post("/v1/jobs/{job}/retry")
def retry_job(job: JobId, jobs: Jobs) -> JobAnswer:
    """Queues a failed or canceled job again; its finished windows are used."""
    return _shown(jobs, jobs.retry(job))


@router.delete("/v1/jobs/{job}", status_code=204)
def delete_job(job: JobId, jobs: Jobs) -> None:
    """Removes a job that is not running, with its files."""
    jobs.delete(job)


@router.get("/v1/jobs/{job}/events", response_class=StreamingResponse, responses=_EVENTS)
def job_events(
    job: JobId,
    request: Request,
    jobs: Jobs,
    last_event_id: Annotated[str, Header(max_length=18, pattern="^[0-9]+$")] = "0",
) -> StreamingResponse:
    """Server-sent events `state` and `progress` after `Last-Event-ID`; ends when the job has ended."""
    jobs.row(job)
    events = _events(jobs, request.app.state.bell, job, int(last_event_id))
    return StreamingResponse(events, media_type="text/event-stream")


async def _events(jobs: Scheduler, bell: Bell, job: str, after: int) -> AsyncIterator[str]:
    with bell.listener() as rung:
        while not bell.stopping:
            rung.clear()
            row = await run_in_threadpool(jobs.table.get, job)
            for number, kind, body in await run_in_threadpool(jobs.table.events, job, after):
                yield f"id: {number}\nevent: {kind}\ndata: {json.dumps(body)}\n\n"
                after = number
            if row is None or (row.ended and after >= row.sequence):
                return
            if after < row.sequence:
                continue
            try:
                await asyncio.wait_for(rung.wait(), jobs.settings.heartbeat_s)
            except TimeoutError:
                yield ": still here\n\n"


@router.get("/v1/jobs/{job}/preview", response_class=FileResponse, responses=_JPEG)
def job_preview(job: JobId, jobs: Jobs) -> FileResponse:
    """A frame of the newest finished window, JPEG of at most 512 px."""
    jobs.row(job)
    path = jobs.folder(job) / PREVIEW_FILE
    if not path.is_file():
        raise FleximoError("This job has no preview yet.", code="no_preview")
    return FileResponse(path, media_type="image/jpeg", filename=PREVIEW_FILE)


@router.get("/v1/jobs/{job}/result", response_class=FileResponse, responses=_FILES)
def job_result(
    job: JobId,
    jobs: Jobs,
    file: Role | None = None,
    byte_range: Annotated[str | None, Header(alias="range", max_length=100)] = None,
) -> FileResponse:
    """The result of a finished job, or the file of that role; one Range, and the sha256 as ETag."""
    row = jobs.row(job)
    role = file or _RESULT[row.kind]
    if byte_range is not None and "," in byte_range:
        raise FleximoError("One range at a time.", code="bad_range")
    if role not in row.files:
        raise FleximoError(f"The job is {row.state} and has no {role}.", code="no_result")
    path = jobs.folder(job) / row.files[role]["path"]
    if not path.is_file():
        raise FleximoError(f"The {role} of the job is gone from the disk.", code="no_result", remedy="Try it again.")
    return FileResponse(
        path,
        media_type=_TYPES.get(path.suffix, "application/octet-stream"),
        filename=path.name,
        headers={"etag": f'"{row.files[role]["sha256"]}"'},
    )


@router.get("/v1/jobs/{job}/log", response_class=PlainTextResponse)
def job_log(job: JobId, jobs: Jobs) -> Response:
    """The end of the job's log: one JSON object a line."""
    jobs.row(job)
    path = jobs.folder(job) / LOG_FILE
    content = b""
    if path.is_file():
        with path.open("rb") as log:
            log.seek(max(0, path.stat().st_size - _LOG_BYTES))
            content = log.read(_LOG_BYTES)
    return Response(content, media_type="application/x-ndjson")
