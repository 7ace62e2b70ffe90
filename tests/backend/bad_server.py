"""A real HTTP server on the loopback that misbehaves on request: what downloads meet in the field, and worse.

Knows one file, asked for at any path; the faults are functions from a request's handler to nothing.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from backend.weights.transport import Policy

__all__ = ["FAULTS", "BadServer", "Fault", "answering", "page", "redirecting", "running"]

Fault = Callable[["Handler"], None]


class BadServer(ThreadingHTTPServer):
    """Serves `content`; `script(request number)` names the fault of a request, None = an honest answer."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, content: bytes) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.content = content
        self.script: Callable[[int], Fault | None] = lambda number: None
        self.etag = f'"{hashlib.sha256(content).hexdigest()[:16]}"'
        self.extra: dict[str, str] = {}  # headers of every honest answer
        self.seen: list[dict[str, str]] = []  # the headers of every request
        self._lock = threading.Lock()

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/models/file.bin"

    @property
    def policy(self) -> Policy:
        """What allows this very server, and nothing else that is private or unencrypted."""
        return Policy(frozenset({("http", "127.0.0.1", self.port)}))

    def number(self, headers: dict[str, str]) -> int:
        with self._lock:
            self.seen.append(headers)
            return len(self.seen) - 1

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is no news."""


class Handler(BaseHTTPRequestHandler):
    server: BadServer
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        fault = self.server.script(self.server.number(dict(self.headers.items())))
        self.close_connection = True
        (fault or honest)(self)

    def log_message(self, format: str, *arguments: Any) -> None:
        """Quiet."""

    def start(self) -> int:
        """The offset that the client asks for, 0 if it does not, or if it has another version of the file."""
        match = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if match is None or self.headers.get("If-Range", self.server.etag) != self.server.etag:
            return 0
        return int(match[1])

    def head(self, status: int, **headers: str) -> None:
        self.send_response(status)
        for name, value in (self.server.extra | headers).items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Connection", "close")
        self.end_headers()

    def open_body(self, length: int | None = None) -> bytes:
        """Sends the headers of an honest answer; returns the body that belongs to them."""
        content, start = self.server.content, self.start()
        if start >= len(content) > 0:
            self.head(416, Content_Length="0", Content_Range=f"bytes */{len(content)}")
            return b""
        body = content[start:]
        told = {"Content_Length": str(len(body) if length is None else length), "ETag": self.server.etag}
        if start:
            told["Content_Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        self.head(206 if start else 200, Content_Type="application/octet-stream", **told)
        return body

    def send(self, content: bytes) -> None:
        with contextlib.suppress(OSError):
            self.wfile.write(content)
            self.wfile.flush()


def honest(handler: Handler) -> None:
    handler.send(handler.open_body())


def cut(handler: Handler) -> None:
    body = handler.open_body()
    handler.send(body[: len(body) // 3])
    with contextlib.suppress(OSError):
        handler.connection.shutdown(socket.SHUT_RDWR)


def stall(handler: Handler) -> None:
    body = handler.open_body()
    handler.send(body[: len(body) // 2])
    time.sleep(0.6)


def wrong_bytes(handler: Handler) -> None:
    body = bytearray(handler.open_body())
    if body:
        body[len(body) // 2] ^= 0xFF
    handler.send(bytes(body))


def too_short(handler: Handler) -> None:
    """Says and sends less than the file has."""
    body = handler.server.content[: len(handler.server.content) * 2 // 3]
    handler.head(200, Content_Length=str(len(body)), ETag=handler.server.etag)
    handler.send(body)


def too_long(handler: Handler) -> None:
    body = handler.server.content + b"and more"
    handler.head(200, Content_Length=str(len(body)), ETag=handler.server.etag)
    handler.send(body)


def length_that_lies(handler: Handler) -> None:
    handler.send(handler.open_body(length=len(handler.server.content) + 1000))


def range_ignored(handler: Handler) -> None:
    handler.head(200, Content_Length=str(len(handler.server.content)), ETag=handler.server.etag)
    handler.send(handler.server.content)


def other_range(handler: Handler) -> None:
    """Part of the file, but not the part that was asked for."""
    content = handler.server.content
    handler.head(206, Content_Length=str(len(content) - 7), Content_Range=f"bytes 7-{len(content) - 1}/{len(content)}")
    handler.send(content[7:])


def range_refused(handler: Handler) -> None:
    handler.head(416, Content_Length="0")


def chunked(handler: Handler) -> None:
    """Without a length, whole."""
    handler.head(200, Transfer_Encoding="chunked")
    for at in range(0, len(handler.server.content), 30_000):
        piece = handler.server.content[at : at + 30_000]
        handler.send(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
    handler.send(b"0\r\n\r\n")


def chunked_and_cut(handler: Handler) -> None:
    handler.head(200, Transfer_Encoding="chunked")
    handler.send(b"7530\r\n" + handler.server.content[:10_000])


def server_error(handler: Handler) -> None:
    handler.head(503, Content_Length="0")


def gibberish(handler: Handler) -> None:
    handler.send(b"\x00\xff what?\r\n\r\n")


def packed(handler: Handler) -> None:
    handler.head(200, Content_Length="4", Content_Encoding="gzip")
    handler.send(b"\x1f\x8b\x08\x00")


FAULTS: tuple[Fault, ...] = (
    cut, stall, wrong_bytes, too_short, too_long, length_that_lies, range_ignored, other_range, range_refused, chunked,
    chunked_and_cut, server_error, gibberish, packed,
)  # fmt: skip


def answering(status: int, **headers: str) -> Fault:
    """An answer without the file."""
    return lambda handler: handler.head(status, Content_Length="0", **headers)


def page(html: str, content_type: str = "text/html; charset=utf-8") -> Fault:
    """A web page in the place of the file."""

    def answer(handler: Handler) -> None:
        handler.head(200, Content_Length=str(len(html.encode())), Content_Type=content_type)
        handler.send(html.encode())

    return answer


def redirecting(url: str, status: int = 302, **headers: str) -> Fault:
    return answering(status, Location=url, **headers)


@contextlib.contextmanager
def running(content: bytes) -> Iterator[BadServer]:
    with BadServer(content) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
