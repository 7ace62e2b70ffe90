"""A language model behind HTTP: an OpenAI-compatible chat endpoint or Ollama's own.

Owns addresses, keys and what can go wrong on the way; knows no plan. Never follows a redirect, never uses a proxy, and
never lets a key into a message.
"""

from __future__ import annotations

import contextlib
import http.client
import ipaddress
import json
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import SplitResult, urlsplit

from backend.llm.deadline import within
from backend.llm.template import Messages
from fleximo.errors import FleximoError

__all__ = ["Endpoint", "EndpointSettings"]

_MOST_BYTES = 1_000_000  # of an answer
_MOST_TOKENS = 4096
_SEED = 0
_OLLAMA_PORT = 11434
_GRACE_S = 2.0  # a single silence ends the exchange no earlier than the limit on the whole does


@dataclass(frozen=True)
class EndpointSettings:
    """Where the model answers, its name there, and the key, which shows in no `repr`."""

    url: str
    model: str
    key: str = field(default="", repr=False)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> EndpointSettings:
        """`FLEXIMO_LLM_URL`, `FLEXIMO_LLM_MODEL` and, where one is asked for, `FLEXIMO_LLM_KEY`."""
        settings = cls(*(environment.get(f"FLEXIMO_LLM_{name}", "").strip() for name in ("URL", "MODEL", "KEY")))
        missing = [name for name, value in (("URL", settings.url), ("MODEL", settings.model)) if not value]
        if missing:
            raise _misconfigured(
                f"The planner llm needs the environment variable{'s' * (len(missing) - 1)} "
                f"{' and '.join(f'FLEXIMO_LLM_{n}' for n in missing)}.",
                "Set FLEXIMO_LLM_URL (e.g. http://127.0.0.1:11434 for Ollama) and FLEXIMO_LLM_MODEL; see "
                "docs/planner.md.",
            )
        return settings


def _misconfigured(message: str, remedy: str) -> FleximoError:
    return FleximoError(message, code="llm_not_configured", remedy=remedy)


class Endpoint:
    """Asks one endpoint. Raises `FleximoError` `llm_not_configured` for settings that cannot work."""

    def __init__(self, settings: EndpointSettings) -> None:
        self._settings = settings
        self._address = _address(settings)
        self.name = settings.model
        self.host = self._address.host

    def answer(self, messages: Messages, schema: Mapping[str, Any], limit_s: float) -> str:
        """What the model says, within `limit_s` seconds in all; raises `FleximoError` `late` or `llm_unreachable`.

        A server that refuses the schema, the seed or the temperature is asked once more without them.
        """
        exchange = _Exchange(self._address, self._settings.key, limit_s)

        def ask() -> str:
            status, content = exchange.post(self._address.body(self._settings.model, messages, schema))
            if status in (400, 422):
                status, content = exchange.post(self._address.body(self._settings.model, messages, None))
            return self._said(status, content)

        return within(limit_s, ask, exchange.close)

    def _said(self, status: int, content: bytes) -> str:
        host = self._address.host
        if status in (401, 403):
            raise _unusable(f"{host} refuses the key (HTTP {status}).", "Check FLEXIMO_LLM_KEY.")
        if 300 <= status < 400:
            raise _unusable(f"{host} redirects elsewhere (HTTP {status}).", "Give the final address.")
        try:
            document = json.loads(content)
        except (ValueError, RecursionError):
            document = None
        if status != 200:
            told = _error_text(document).replace(self._settings.key or "\0", "[key]")
            raise _unusable(f"{host} answers with HTTP {status}{f' ({told})' if told else ''}.", "")
        said = self._address.content(document)
        if said is None:
            raise _unusable(f"{host} does not answer in the form of a chat endpoint.", "Check FLEXIMO_LLM_URL.")
        return said


def _unusable(message: str, remedy: str) -> FleximoError:
    return FleximoError(message, code="llm_unreachable", remedy=remedy)


def _error_text(document: Any) -> str:
    """What an error document says, as one short line."""
    error = document.get("error") if isinstance(document, dict) else None
    said = error.get("message") if isinstance(error, dict) else error
    if not isinstance(said, str):
        return ""
    return "".join(letter for letter in " ".join(said.split()) if letter.isprintable())[:200]


@dataclass(frozen=True)
class _Address:
    """Where to connect and which dialect is spoken there."""

    secure: bool
    hostname: str
    port: int
    path: str
    ollama: bool

    @property
    def host(self) -> str:
        return f"{self.hostname}:{self.port}"

    def body(self, model: str, messages: Messages, schema: Mapping[str, Any] | None) -> dict[str, Any]:
        """The request: with `schema` for an answer of that form, the likeliest words and a fixed seed; else bare."""
        body: dict[str, Any] = {"model": model, "messages": messages, "stream": False}
        if schema is None:
            return body
        if self.ollama:
            options = {"temperature": 0, "seed": _SEED, "num_predict": _MOST_TOKENS}
            return body | {"format": schema, "options": options, "think": False}
        form = {"name": "motions", "strict": True, "schema": schema}
        return body | {
            "temperature": 0,
            "seed": _SEED,
            "max_tokens": _MOST_TOKENS,
            "response_format": {"type": "json_schema", "json_schema": form},
        }

    def content(self, document: Any) -> str | None:
        """The words in an answer of this dialect; None where the document is no such answer."""
        try:
            said = (document if self.ollama else document["choices"][0])["message"]["content"]
        except (KeyError, IndexError, TypeError):
            return None
        return said if isinstance(said, str) else None


def _address(settings: EndpointSettings) -> _Address:
    """The address of `settings`: a whole endpoint as it is, `.../v1` or a bare host completed."""
    try:
        url = urlsplit(settings.url)
        hostname, port = url.hostname, url.port
    except ValueError:
        raise _bad_url() from None
    if url.scheme not in ("http", "https") or not hostname or not settings.url.isascii() or " " in settings.url:
        raise _bad_url()
    if url.username is not None or url.password is not None:
        raise _misconfigured("FLEXIMO_LLM_URL holds a user name or a password.", "Put the key into FLEXIMO_LLM_KEY.")
    _check_key(settings.key, url)
    secure = url.scheme == "https"
    path = url.path.rstrip("/")
    ollama = path.endswith("/api/chat") or (not path and port == _OLLAMA_PORT)
    if not path:
        path = "/api/chat" if ollama else "/v1/chat/completions"
    elif not ollama and not path.endswith("/chat/completions"):
        path += "/chat/completions"
    query = f"?{url.query}" if url.query else ""
    return _Address(secure, hostname, port or (443 if secure else 80), path + query, ollama)


def _bad_url() -> FleximoError:
    return _misconfigured(
        "FLEXIMO_LLM_URL is no http or https address.",
        "Write it like http://127.0.0.1:11434 or https://host/v1.",
    )


def _check_key(key: str, url: SplitResult) -> None:
    if not all(33 <= ord(letter) <= 126 for letter in key):
        raise _misconfigured("FLEXIMO_LLM_KEY holds characters that no key has.", "Copy it again, without line breaks.")
    if key and url.scheme == "http" and not _is_this_machine(url.hostname or ""):
        raise _misconfigured(
            "FLEXIMO_LLM_KEY would cross the network unencrypted.",
            "Use an https address, an SSH tunnel, or no key.",
        )


def _is_this_machine(hostname: str) -> bool:
    try:
        return ipaddress.ip_address(hostname).is_loopback
    except ValueError:
        return hostname == "localhost"


class _Exchange:
    """Requests to one address that another thread may break off."""

    def __init__(self, address: _Address, key: str, limit_s: float) -> None:
        self._address = address
        self._key = key
        self._connection = _connection(address, limit_s + _GRACE_S)
        self._socket: socket.socket | None = None  # the connection forgets it once the answer has begun
        self._closed = False

    def post(self, body: Mapping[str, Any]) -> tuple[int, bytes]:
        """Status and content of the answer; raises `FleximoError` where the server cannot be heard."""
        headers = {"Content-Type": "application/json", "Accept": "application/json", "Accept-Encoding": "identity"}
        if self._key:
            headers["Authorization"] = f"Bearer {self._key}"
        try:
            self._connection.connect()
            self._socket = self._connection.sock
            if self._closed:
                raise OSError("given up")
            self._connection.request("POST", self._address.path, json.dumps(body).encode(), headers)
            with self._connection.getresponse() as response:
                content = response.read(_MOST_BYTES + 1)
                if response.length and len(content) <= _MOST_BYTES:
                    raise http.client.IncompleteRead(b"", response.length)
        except (OSError, http.client.HTTPException) as error:
            raise _unusable(
                f"{self._address.host} cannot be reached or broke off ({_reason(error)}).",
                "Check that the server runs, and FLEXIMO_LLM_URL.",
            ) from None
        finally:
            self._connection.close()
        if len(content) > _MOST_BYTES:
            raise _unusable(f"{self._address.host} answers with more than {_MOST_BYTES} bytes.", "")
        return response.status, content

    def close(self) -> None:
        """Breaks off whatever `post` is waiting for."""
        self._closed = True
        for open_socket in (self._socket, self._connection.sock):
            if open_socket is not None:
                with contextlib.suppress(OSError):  # it has ended by itself
                    open_socket.shutdown(socket.SHUT_RDWR)


def _connection(address: _Address, timeout_s: float) -> http.client.HTTPConnection:
    if address.secure:
        context = ssl.create_default_context()
        return http.client.HTTPSConnection(address.hostname, address.port, timeout=timeout_s, context=context)
    return http.client.HTTPConnection(address.hostname, address.port, timeout=timeout_s)


def _reason(error: Exception) -> str:
    """What stopped an exchange, without what was sent."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return type(error).__name__
