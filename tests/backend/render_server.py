"""A real server process on a folder of its own, and raw requests to it, for the tests of the server."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from fleximo.client import Client
from fleximo.data_folder import ServerAddress

__all__ = ["Answer", "RenderServer"]

_PROGRAM = """
import json, sys, time
from pathlib import Path
from backend.server.serve import serve
from backend.server.settings import Settings

def ready(address):
    heavy = [name for name in ("cv2", "mediapipe", "torch", "av", "bpy") if name in sys.modules]
    print(json.dumps({"cpu_s": time.process_time(), "heavy": heavy}), flush=True)

serve(data=Path(sys.argv[1]), settings=Settings(**json.loads(sys.argv[2])), ready=ready)
print("ended", flush=True)
"""


class Answer:
    """Status, headers and body of one response."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.status = response.status
        self.headers = response.headers
        self.body = response.read()

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str:
        return str(self.json["error"]["code"])


class RenderServer:
    """Started on `data`; `settings` are fields of `Settings`. Killed when the block ends."""

    def __init__(self, data: Path, **settings: Any) -> None:
        self.data = data
        command = [sys.executable, "-c", _PROGRAM, str(data), json.dumps({"reserve_bytes": 1_000_000, **settings})]
        root = str(Path(__file__).parents[2])
        environment = {**os.environ, "PYTHONPATH": root, "OMP_NUM_THREADS": "1"}
        self.log = data.with_name(data.name + ".log")
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, env=environment, text=True)
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            self.kill()
            raise RuntimeError(self.log.read_text())
        self.start = json.loads(line)
        self.address = ServerAddress.read(data)
        self.token = (data / "token").read_text()

    def __enter__(self) -> RenderServer:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()

    def terminate(self) -> int:
        """SIGTERM; returns the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)

    @property
    def client(self) -> Client:
        return Client.from_data_folder(self.data)

    def worker_pid(self) -> int | None:
        """The process id of the worker that last took the folder's lock."""
        try:
            return int((self.data / "worker.lock").read_bytes()[1:])
        except (OSError, ValueError):
            return None

    def ask(self, method: str, path: str, body: Any = None, *, headers: dict[str, str | None] | None = None) -> Answer:
        """One request with the right Host, token and content type, each of which `headers` may replace or (None) drop.

        A `body` that is neither bytes nor an iterable of them is sent as JSON.
        """
        content = body if body is None or isinstance(body, bytes) or hasattr(body, "__next__") else json.dumps(body)
        sent: dict[str, str | None] = {
            "Host": f"127.0.0.1:{self.address.port}",
            "Authorization": f"Bearer {self.token}",
            "Content-Type": "application/json",
            **(headers or {}),
        }
        connection = http.client.HTTPConnection("127.0.0.1", self.address.port, timeout=60)
        try:
            connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            for name, value in sent.items():
                if value is not None:
                    connection.putheader(name, value)
            if hasattr(content, "__next__"):
                connection.putheader("Transfer-Encoding", "chunked")
                connection.endheaders(content, encode_chunked=True)
            else:
                raw = content.encode() if isinstance(content, str) else content
                if raw is not None and "Content-Length" not in sent:
                    connection.putheader("Content-Length", str(len(raw)))
                connection.endheaders(raw)
            return Answer(connection.getresponse())
        finally:
            connection.close()

    def until(self, job: str, *states: str, seconds: float = 90.0) -> dict[str, Any]:
        """The job once it is in one of `states`."""
        deadline = time.monotonic() + seconds
        while True:
            document: dict[str, Any] = self.ask("GET", f"/v1/jobs/{job}").json
            if document["state"] in states:
                return document
            if time.monotonic() > deadline:
                raise AssertionError(f"still {document}")
            time.sleep(0.02)
