"""A chat endpoint on loopback that answers as a test tells it to: well, badly, slowly, drop by drop or never."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

__all__ = ["Answer", "Asked", "ollama", "openai", "serving"]

Answer = Callable[["Handler"], None]


@dataclass
class Asked:
    """What was asked of the server, and where it is."""

    url: str = ""
    requests: list[dict[str, Any]] = field(default_factory=list)  # path, headers, body
    over: threading.Event = field(default_factory=threading.Event)  # set when the test ends


class Handler(BaseHTTPRequestHandler):
    asked: Asked
    answers: list[Answer]

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.asked.requests.append({"path": self.path, "headers": dict(self.headers), "body": body})
        number = min(len(self.asked.requests), len(self.answers)) - 1
        with contextlib.suppress(OSError):  # who asked has gone
            self.answers[number](self)

    def say(self, content: bytes, status: int = 200, kind: str = "application/json", **headers: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def drip(self, content: bytes, pause_s: float) -> None:
        for byte in content:
            if self.asked.over.is_set():
                return
            self.wfile.write(bytes([byte]))
            self.wfile.flush()
            time.sleep(pause_s)

    def log_message(self, *_arguments: Any) -> None:
        pass


@contextlib.contextmanager
def serving(*answers: Answer) -> Iterator[Asked]:
    """A server whose n-th request gets the n-th answer, and further ones the last."""
    asked = Asked()
    handler = type("Handler", (Handler,), {"asked": asked, "answers": list(answers)})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    server.handle_error = lambda *_: None  # type: ignore[method-assign]  # broken pipes are what the tests are about
    asked.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield asked
    finally:
        asked.over.set()
        server.shutdown()
        server.server_close()
        thread.join()


def openai(content: str) -> Answer:
    """An answer as OpenAI's interface gives it."""
    document = {"id": "1", "choices": [{"index": 0, "message": {"role": "assistant", "content": content}}]}
    return lambda handler: handler.say(json.dumps(document).encode())


def ollama(content: str) -> Answer:
    """An answer as Ollama's own interface gives it."""
    document = {"model": "m", "message": {"role": "assistant", "content": content}, "done": True}
    return lambda handler: handler.say(json.dumps(document).encode())
