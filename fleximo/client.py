"""Talks to the render server with the standard library alone: inside Blender, on the command line, in scripts.

Knows HTTP version 1 of the server and nothing of how it works. Never uses a proxy and never another host than the
one in `server.json`.
"""

from __future__ import annotations

import http.client
import json
import queue
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fleximo.camera import Framing
from fleximo.data_folder import ServerAddress, data_folder, read_token
from fleximo.errors import Cancelled, FleximoError
from fleximo.files import canonical_json, write_atomic
from fleximo.job import RenderJob, blob_digest
from fleximo.motion import Motion
from fleximo.person import Person
from fleximo.plan import MotionPlan
from fleximo.puppet import Puppet
from fleximo.self_check import SelfCheck

__all__ = ["Client", "JobStatus"]

API_MAJOR = "1"
ENDED = ("done", "failed", "canceled")
_TIMEOUT_S = 30.0
_STREAM_TIMEOUT_S = 40.0  # the server says something at least every 15 s
_RECONNECT_S = 0.25
_PAUSE_S = 0.25

Progress = Callable[[float, str], None]


@dataclass(frozen=True)
class JobStatus:
    """A job as the server last told it."""

    id: str
    kind: str
    state: str  # queued, running, canceling, done, failed or canceled
    fraction: float  # 0..1
    message: str
    eta_s: float | None = None
    attempt: int = 0
    position: int | None = None  # jobs that wait before it, while queued
    label: str = ""
    error: FleximoError | None = None
    files: Mapping[str, str] = field(default_factory=dict)  # role -> sha256
    sequence: int = 0  # grows with every change: of two, the larger is the newer

    @property
    def ended(self) -> bool:
        return self.state in ENDED

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> JobStatus:
        return cls(
            id=document["id"],
            kind=document["kind"],
            state=document["state"],
            fraction=float(document["fraction"]),
            message=document["message"],
            eta_s=document.get("eta_s"),
            attempt=document["attempt"],
            position=document.get("position"),
            label=document.get("label", ""),
            error=_error_from(document.get("error")),
            files={role: file["sha256"] for role, file in document["files"].items()},
            sequence=document["sequence"],
        )


def _error_from(document: Mapping[str, Any] | None) -> FleximoError | None:
    if document is None:
        return None
    return FleximoError(document["message"], code=document["code"], remedy=document.get("remedy", ""))


class Client:
    """One render server. Holds no connection between calls, so that it may be used from several threads."""

    def __init__(self, address: ServerAddress, token: str, folder: Path | None = None) -> None:
        self.address = address
        self._token = token
        self._folder = folder

    @classmethod
    def from_data_folder(cls, folder: str | Path | None = None) -> Client:
        """The server of the data folder (see `data_folder`); raises `FleximoError` `server_not_running`.

        A `server.json` that a crash left behind is recognised by its process id and by who answers.
        """
        place = data_folder(folder)
        address = ServerAddress.read(place)
        client = cls(address, read_token(place), place)
        client.check()
        return client

    def check(self) -> dict[str, Any]:
        """What the server says of itself; raises `FleximoError` if it is another program or another API."""
        try:
            document: dict[str, Any] = self._json("GET", "/v1/info")
            name, api = document["name"], str(document["api"])
        except (FleximoError, KeyError, TypeError) as error:
            if isinstance(error, FleximoError) and error.code in ("bad_token", "server_not_running"):
                raise
            raise self._not_running() from None
        if name != "fleximo" or document.get("pid") != self.address.pid:
            raise self._not_running()
        if api.partition(".")[0] != API_MAJOR:
            raise FleximoError(
                f"The server speaks version {api} of the interface, this program version {API_MAJOR}.",
                code="other_api",
                remedy="Update Fleximo on both sides.",
            )
        return document

    def _not_running(self) -> FleximoError:
        return FleximoError(
            f"No render server answers at {self.address.host}:{self.address.port}.",
            code="server_not_running",
            remedy="Start it with `fleximo serve`.",
        )

    # --- one request

    def _open(
        self, method: str, path: str, body: bytes, headers: Mapping[str, str], timeout_s: float
    ) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.address.host, self.address.host)
        connection = http.client.HTTPConnection(host, self.address.port, timeout=timeout_s)
        sent = {"Authorization": f"Bearer {self._token}", **headers}
        if method not in ("GET", "HEAD"):
            sent.setdefault("Content-Type", "application/json")
        try:
            connection.request(method, path, body or None, sent)
            return connection, connection.getresponse()
        except (OSError, http.client.HTTPException):
            connection.close()
            raise self._not_running() from None

    def _request(
        self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> tuple[http.client.HTTPResponse, bytes]:
        """The answer and its content; a refusal raises the server's own `FleximoError`, except for HEAD."""
        connection, response = self._open(method, path, body, headers or {}, _TIMEOUT_S)
        try:
            content = response.read()
        except (OSError, http.client.HTTPException):
            raise self._not_running() from None
        finally:
            connection.close()
        if response.status >= 400 and method != "HEAD":
            raise _refused(response.status, content)
        return response, content

    def _json(self, method: str, path: str, document: Any = None) -> Any:
        body = b"" if document is None else canonical_json(document)
        content = self._request(method, path, body)[1]
        try:
            return json.loads(content) if content else None
        except ValueError:
            raise self._not_running() from None

    # --- sending

    def upload(self, content: bytes) -> str:
        """Sends a blob unless the server has it; returns its sha256."""
        digest = blob_digest(content)
        answer, _ = self._request("HEAD", f"/v1/blobs/{digest}")
        if answer.status == 404:
            headers = {"Content-Type": "application/octet-stream"}
            self._request("PUT", f"/v1/blobs/{digest}", content, headers)
        return digest

    def submit(self, request: Mapping[str, Any], job: str | None = None) -> JobStatus:
        """Hands in a job, `{"kind": ..., ...}`. The id makes it safe to send again; a new one is made if none is given.

        Sent once more if the connection breaks: the server takes the same id in only once.
        """
        path = f"/v1/jobs/{job or uuid.uuid4()}"
        try:
            return JobStatus.from_json(self._json("PUT", path, dict(request)))
        except FleximoError as error:
            if error.code != "server_not_running":
                raise
            self._find_again()
            return JobStatus.from_json(self._json("PUT", path, dict(request)))

    def submit_render(
        self, job: RenderJob, job_id: str | None = None, label: str = "", *, refine: int = 0
    ) -> JobStatus:
        """Sends the blobs that the server lacks, then the render job; each pass of `refine` takes as long as that."""
        document, blobs = job.document()
        for content in blobs.values():
            self.upload(content)
        asked = {"refine": refine} if refine else {}  # a server that cannot refine refuses only who asks for it
        return self.submit({"kind": "render", "label": label, "job": document, **asked}, job_id)

    # --- asking

    def models(self) -> list[dict[str, Any]]:
        return list(self.offer()["models"])

    def offer(self) -> dict[str, Any]:
        """`models`, and how the `weights` stand that they need."""
        return dict(self._json("GET", "/v1/models"))

    def jobs(self, limit: int = 100) -> list[JobStatus]:
        """The newest first."""
        return [JobStatus.from_json(job) for job in self._json("GET", f"/v1/jobs?limit={limit}")["jobs"]]

    def job(self, job: str) -> JobStatus:
        """Raises `FleximoError` `unknown_job`."""
        return JobStatus.from_json(self._json("GET", f"/v1/jobs/{job}"))

    def cancel(self, job: str) -> JobStatus:
        return JobStatus.from_json(self._json("POST", f"/v1/jobs/{job}/cancel"))

    def retry(self, job: str) -> JobStatus:
        return JobStatus.from_json(self._json("POST", f"/v1/jobs/{job}/retry"))

    def delete(self, job: str) -> None:
        self._json("DELETE", f"/v1/jobs/{job}")

    def preview(self, job: str) -> bytes | None:
        """JPEG of a frame rendered so far; None if there is none yet."""
        try:
            return self._request("GET", f"/v1/jobs/{job}/preview")[1]
        except FleximoError as error:
            if error.code == "no_preview":
                return None
            raise

    def log(self, job: str) -> list[dict[str, Any]]:
        """The end of the job's log; a line that a kill cut off is left out."""
        lines = []
        for line in self._request("GET", f"/v1/jobs/{job}/log")[1].splitlines():
            try:
                lines.append(json.loads(line))
            except ValueError:
                continue
        return lines

    def events(self, job: str, after: int = 0) -> Iterator[tuple[int, str, dict[str, Any]]]:
        """(number, kind, body) of the job's events after number `after`, as they happen, until the job has ended.

        One connection: a break raises `FleximoError` `server_not_running`; go on with the last number.
        """
        headers = {"Last-Event-ID": str(after)}
        connection, response = self._open("GET", f"/v1/jobs/{job}/events", b"", headers, _STREAM_TIMEOUT_S)
        try:
            if response.status >= 400:
                raise _refused(response.status, response.read())
            yield from _parsed(response)
        except (OSError, http.client.HTTPException, ValueError):
            raise self._not_running() from None
        finally:
            if connection.sock is not None:
                connection.sock.close()
            connection.close()

    def wait(self, job: str, progress: Progress | None = None, *, patience_s: float = 30.0) -> JobStatus:
        """Waits until the job has ended and returns it done.

        `progress(fraction, message)` is called at every event and four times a second; if it raises `Cancelled`, the
        job is cancelled on the server too. Goes on over restarts of the server, up to `patience_s` seconds without an
        answer. Raises the job's own `FleximoError` if it failed, `Cancelled` if it was cancelled.
        """
        after, deadline = 0, time.monotonic() + patience_s
        fraction, message = 0.0, ""
        while True:
            try:
                for event in self._events_and_pauses(job, after):
                    if event is not None:
                        after, deadline = event[0], time.monotonic() + patience_s
                        fraction, message = float(event[2]["fraction"]), str(event[2]["message"])
                    if progress is not None:
                        progress(fraction, message)
                status = self.job(job)
                if status.ended:
                    break
                after = min(after, status.sequence)  # an index that was built anew counts from the start
            except Cancelled:
                self.cancel(job)
                raise
            except FleximoError as error:
                if error.code != "server_not_running" or time.monotonic() > deadline:
                    raise
                time.sleep(_RECONNECT_S)
                self._find_again()
        return _result_of(status)

    def _events_and_pauses(self, job: str, after: int) -> Iterator[tuple[int, str, dict[str, Any]] | None]:
        """`events`, and None whenever nothing has happened for a moment, so that the caller can stop waiting."""
        heard: queue.SimpleQueue[tuple[int, str, dict[str, Any]] | FleximoError | None] = queue.SimpleQueue()
        left = threading.Event()

        def listen() -> None:
            try:
                for event in self.events(job, after):
                    heard.put(event)
                    if left.is_set():
                        return
                heard.put(None)
            except FleximoError as error:
                heard.put(error)

        threading.Thread(target=listen, daemon=True, name=f"events of {job}").start()
        try:
            while True:
                try:
                    event = heard.get(timeout=_PAUSE_S)
                except queue.Empty:
                    yield None
                    continue
                if event is None:
                    return
                if isinstance(event, FleximoError):
                    raise event
                yield event
        finally:
            left.set()

    def _find_again(self) -> None:
        """Looks whether the server came back at another port."""
        if self._folder is None:
            return
        try:
            self.address = ServerAddress.read(self._folder)
            self._token = read_token(self._folder)
        except FleximoError:
            return

    # --- fetching

    def result(self, job: str, file: str | None = None) -> bytes:
        """The job's result (video, motion.npz, plan.json, person.json) or its file of that role, checked by sha256."""
        query = "" if file is None else f"?file={file}"
        answer, content = self._request("GET", f"/v1/jobs/{job}/result{query}")
        if blob_digest(content) != answer.headers.get("ETag", "").strip('"'):
            raise FleximoError("The result came damaged.", code="damaged_blob", remedy="Fetch it again.")
        return content

    def download(self, job: str, path: str | Path, file: str | None = None) -> Path:
        """Writes the result to `path`, all or nothing."""
        write_atomic(Path(path), self.result(job, file))
        return Path(path)

    # --- the kinds of jobs, from start to end

    def plan(self, text: str, *, planner: str = "rules", seed: int = 0, progress: Progress | None = None) -> MotionPlan:
        """The plan of a text; `planner` llm or local asks the language model in the server's settings."""
        request = {"kind": "plan", "text": text, "planner": planner, "seed": seed}
        done = self.wait(self.submit(request).id, progress)
        return MotionPlan.from_json(json.loads(self.result(done.id)))

    def motion(
        self,
        plan: MotionPlan | str,
        *,
        fps: float = 30.0,
        seed: int | None = None,
        model: str = "moves",
        settings: Mapping[str, Any] | None = None,
        progress: Progress | None = None,
    ) -> Motion:
        """The motion of a plan or a text by a motion model with settings of its own; `seed` None keeps the plan's."""
        source = {"text": plan} if isinstance(plan, str) else {"plan": plan.to_json()}
        by = {"motion_model": model, "motion_settings": dict(settings or {})}
        done = self.wait(self.submit({"kind": "motion", "fps": fps, "seed": seed, **by, **source}).id, progress)
        return Motion.from_bytes(self.result(done.id))

    def detect(
        self,
        photo: bytes,
        *,
        points: Mapping[str, tuple[float, float] | None] | None = None,
        choose: int | tuple[float, float] | None = None,
        stature_m: float = 1.70,
        lens_degrees: float | None = None,
        progress: Progress | None = None,
    ) -> Person:
        """The person in the photo; `points` set by hand, `choose` one of several by index or by a point on it.

        `lens_degrees` is the angle of view of the photo's longer side, where EXIF does not tell it.
        """
        marks = None if points is None else {name: None if p is None else list(p) for name, p in points.items()}
        request = {
            "kind": "detect",
            "photo": self.upload(photo),
            "points": marks,
            "choose": list(choose) if isinstance(choose, tuple) else choose,
            "stature_m": stature_m,
            "lens_degrees": lens_degrees,
        }
        done = self.wait(self.submit(request).id, progress)
        return Person.from_json(json.loads(self.result(done.id)))

    def puppet(self, photo: bytes, person: Person, framing: Framing, *, progress: Progress | None = None) -> Puppet:
        """The person cut out of the photo into layers that `fleximo.puppet` moves."""
        done = self.wait(self.submit(self.puppet_request(photo, person, framing)).id, progress)
        return Puppet.from_bytes(self.result(done.id))

    def puppet_request(self, photo: bytes, person: Person, framing: Framing) -> dict[str, Any]:
        """The request of a puppet job; photo and person are sent if the server lacks them."""
        found = self.upload(canonical_json(person.to_json()))
        return {"kind": "puppet", "photo": self.upload(photo), "person": found, "framing": framing.to_json()}

    def self_check(self, render: str, *, every: int | None = None, progress: Progress | None = None) -> SelfCheck:
        """How far the frames of a finished render job lie from the skeleton asked for.

        Every `every`-th is looked at, None: about eight a second; none of them twice.
        """
        done = self.wait(self.submit({"kind": "check", "job": render, "every": every}).id, progress)
        return SelfCheck.from_json(json.loads(self.result(done.id)))

    def render(
        self, job: RenderJob, folder: str | Path, *, refine: int = 0, progress: Progress | None = None
    ) -> JobStatus:
        """Renders `job` and puts `video.mp4`, `master.mkv` and `report.json` into `folder`."""
        done = self.wait(self.submit_render(job, refine=refine).id, progress)
        for file, name in (("master", "master.mkv"), ("report", "report.json"), ("video", "video.mp4")):
            self.download(done.id, Path(folder) / name, file)
        return done


def _refused(status: int, content: bytes) -> FleximoError:
    """The error of an answer, in the server's own words."""
    try:
        error = _error_from(json.loads(content)["error"])
        if error is not None:
            return error
    except (ValueError, KeyError, TypeError):
        pass
    return FleximoError(f"The server answered with status {status}.", code="refused")


def _result_of(status: JobStatus) -> JobStatus:
    if status.state == "done":
        return status
    if status.state == "canceled":
        raise Cancelled
    raise status.error or FleximoError("The job failed.", code="job_failed")


def _parsed(response: http.client.HTTPResponse) -> Iterator[tuple[int, str, dict[str, Any]]]:
    """Server-sent events of a stream: `id`, `event` and `data` lines, an empty line after each event."""
    fields: dict[str, str] = {}
    while line := response.readline(1 << 20):
        text = line.decode("utf-8").rstrip("\r\n")
        if not text:
            if "data" in fields:
                yield int(fields.get("id", "0")), fields.get("event", "message"), json.loads(fields["data"])
            fields = {}
        elif not text.startswith(":"):
            name, _, value = text.partition(":")
            fields[name] = value.removeprefix(" ")
