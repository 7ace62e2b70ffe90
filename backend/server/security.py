"""The gate before all routing: who may ask at all. Loopback is no boundary, for any web page can reach it.

Refuses by default: unknown Host names (DNS rebinding), every Origin (no browser is a client), other sites' fetches,
requests without the token, and content types that a browser sends without asking. Knows no routes.
"""

from __future__ import annotations

import ipaddress
import json
import secrets
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from fleximo.errors import FleximoError

__all__ = ["OPEN_PATHS", "Gate", "check_address"]

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

OPEN_PATHS = frozenset({"/healthz", "/v1/info"})  # readable without the token
_LOOPBACK_NAMES = frozenset({"127.0.0.1", "localhost", "[::1]"})
_CONTENT_TYPES = frozenset({b"application/json", b"application/octet-stream"})
_READING = frozenset({"GET", "HEAD"})
_HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"sandbox; default-src 'none'"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"referrer-policy", b"no-referrer"),
]


def check_address(host: str, *, insecure_lan: bool) -> None:
    """Raises `FleximoError` for an address beyond this machine, unless that was asked for in so many words."""
    if host == "localhost":
        return
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        raise FleximoError(
            f"The server cannot listen on {host!r}; an IP address was expected.", remedy="Use --host 127.0.0.1."
        ) from None
    if not address.is_loopback and not insecure_lan:
        raise FleximoError(
            f"{host} can be reached by other machines, and the server speaks unencrypted HTTP.",
            code="insecure_address",
            remedy="Use 127.0.0.1 and an SSH tunnel, or add --insecure-lan on a network that you trust.",
        )


class _Refusal(Exception):
    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


class Gate:
    """ASGI wrapper around the whole application. `open_lan`: any numeric address is taken as Host, still no name."""

    def __init__(self, app: App, *, token: str, port: int, open_lan: bool = False) -> None:
        self._app = app
        self._token = token.encode()
        self._port = port
        self._open_lan = open_lan

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            return  # no web sockets: the connection is closed

        async def send_guarded(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                kept = [(name, value) for name, value in message["headers"] if name.lower() != b"cache-control"]
                message = {**message, "headers": [*kept, *_HEADERS]}
            await send(message)

        try:
            scope["fleximo.trusted"] = self._check(scope)
        except _Refusal as refusal:
            await _answer(send_guarded, refusal)
            return
        await self._app(scope, receive, send_guarded)

    def _check(self, scope: Scope) -> bool:
        """Raises `_Refusal`; returns whether the token was right (False only on the open paths)."""
        headers: list[tuple[bytes, bytes]] = scope["headers"]
        hosts = _values(headers, b"host")
        if len(hosts) != 1 or not self._is_own_host(hosts[0]):
            raise _Refusal(403, "bad_host", "The Host header does not name this server.")
        if _values(headers, b"origin"):
            raise _Refusal(403, "bad_origin", "Web pages may not talk to this server.")
        if any(site not in (b"none", b"same-origin") for site in _values(headers, b"sec-fetch-site")):
            raise _Refusal(403, "bad_origin", "Web pages may not talk to this server.")
        trusted = self._has_token(headers)
        reading = scope["method"] in _READING
        if not trusted and not (reading and scope["path"] in OPEN_PATHS):
            raise _Refusal(401, "bad_token", "The token is missing or wrong; it stands in the data folder.")
        if not reading:
            types = _values(headers, b"content-type")
            if len(types) != 1 or types[0].split(b";")[0].strip().lower() not in _CONTENT_TYPES:
                message = "Send the content type application/json or application/octet-stream."
                raise _Refusal(415, "bad_content_type", message)
        return trusted

    def _is_own_host(self, value: bytes) -> bool:
        name, colon, port = value.decode("latin-1").lower().rpartition(":")
        if not colon or not port.isascii() or not port.isdigit() or int(port[:6]) != self._port:
            return False
        if name in _LOOPBACK_NAMES:
            return True
        if not self._open_lan:
            return False
        try:
            ipaddress.ip_address(name.strip("[]"))
        except ValueError:
            return False
        return True

    def _has_token(self, headers: list[tuple[bytes, bytes]]) -> bool:
        given = _values(headers, b"authorization")
        if len(given) != 1:
            return False
        scheme, _, token = given[0].partition(b" ")
        return secrets.compare_digest(token.strip(), self._token) and scheme.lower() == b"bearer"


def _values(headers: list[tuple[bytes, bytes]], wanted: bytes) -> list[bytes]:
    return [value for name, value in headers if name.lower() == wanted]


async def _answer(send: Send, refusal: _Refusal) -> None:
    body = json.dumps({"error": {"code": refusal.code, "message": refusal.message, "remedy": "", "missing": []}})
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    if refusal.status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    await send({"type": "http.response.start", "status": refusal.status, "headers": headers})
    await send({"type": "http.response.body", "body": body.encode()})
