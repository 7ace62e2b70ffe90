"""HTTP for downloads that trusts neither the network nor the server: where a request may go, and what it may carry.

Built on `http.client` and not on `requests`: the connection is made to the very address that was checked (a name that
resolves differently the second time gains nothing), no redirect is followed unseen, and no `.netrc` adds credentials.
Knows no files.
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import ipaddress
import socket
import ssl
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from email.message import Message

from fleximo.errors import FleximoError

__all__ = ["PUBLIC", "ConnectionLost", "Policy", "Reply", "host_of", "opened"]

_MAX_REDIRECTS = 5
_SAFE = "/%:=&?~+!$,;'@()*[]"
Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Origin = tuple[str, str, int]  # scheme, host, port


class ConnectionLost(Exception):
    """The network or the server failed in a way that may pass."""


@dataclass(frozen=True)
class Policy:
    """Where requests may go: to https on public addresses, and else only to the origins that are named here."""

    trusted: frozenset[Origin] = frozenset()

    def addresses(self, origin: Origin) -> list[str]:
        """The addresses to connect to; raises `FleximoError` (`refused_address`) for one that is not allowed."""
        scheme, host, port = origin
        trusted = origin in self.trusted
        if scheme != "https" and not trusted:
            raise _refused(f"leads to {scheme}://{host}, which is not encrypted")
        try:
            found = [entry[4][0] for entry in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
        except (OSError, UnicodeError):
            raise ConnectionLost(f"the name {host} could not be resolved") from None
        if not trusted and not all(_is_public(ipaddress.ip_address(str(address))) for address in found):
            raise _refused(f"leads to {host}, an address inside a private network")
        return [str(address) for address in found]


PUBLIC = Policy()


@dataclass
class Reply:
    """One answer, after all redirects. `first` are the headers that the host of the first URL sent."""

    status: int
    headers: Message
    first: Message
    host: str
    _response: http.client.HTTPResponse

    def read(self, limit: int) -> bytes:
        """What has come in, at most `limit` bytes; empty at the end. Raises `ConnectionLost`."""
        with _as_lost(self.host):
            return self._response.read1(limit)


@contextlib.contextmanager
def opened(
    url: str, headers: Mapping[str, str], *, token: str | None, policy: Policy, timeout_s: float
) -> Iterator[Reply]:
    """The answer to a GET, redirects followed as far as `policy` allows.

    The token goes to the origin of `url` only. Raises `ConnectionLost`, or `FleximoError` (`refused_address`).
    """
    first: Message | None = None
    start = _origin(url)
    for _ in range(_MAX_REDIRECTS + 1):
        origin = _origin(url)
        sent = dict(headers) | ({"Authorization": f"Bearer {token}"} if token and origin == start else {})
        connection = _connection(origin, policy, timeout_s)
        with contextlib.closing(connection), contextlib.ExitStack() as open_answer:
            with _as_lost(origin[1]):
                connection.request("GET", _target(url), headers=sent)
                response = open_answer.enter_context(connection.getresponse())
            first = first or response.headers
            location = response.headers.get("Location")
            if response.status in (301, 302, 303, 307, 308) and location:
                url = urllib.parse.urljoin(url, location)
                continue
            yield Reply(response.status, response.headers, first, origin[1], response)
            return
    raise _refused(f"is redirected more than {_MAX_REDIRECTS} times")


def host_of(url: str) -> str:
    """The host, which is all of a URL that may be told: the rest of a redirect can hold a key."""
    return urllib.parse.urlsplit(url).hostname or "?"


def _origin(url: str) -> Origin:
    try:
        parts = urllib.parse.urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise _refused("leads to something that is no address") from None
    if not host or parts.scheme not in ("http", "https") or parts.username is not None:
        raise _refused("leads to something that is no plain web address")
    return parts.scheme, host, port or (443 if parts.scheme == "https" else 80)


def _target(url: str) -> str:
    parts = urllib.parse.urlsplit(url)
    return urllib.parse.quote(parts.path or "/", safe=_SAFE) + (
        f"?{urllib.parse.quote(parts.query, safe=_SAFE)}" if parts.query else ""
    )


def _is_public(address: Address) -> bool:
    """Whether an address belongs to the internet, the IPv4 address inside an IPv6 one counted."""
    if isinstance(address, ipaddress.IPv6Address):
        if address in ipaddress.ip_network("64:ff9b::/96"):
            return _is_public(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
        for inner in (address.ipv4_mapped, address.sixtofour):
            if inner is not None:
                return _is_public(inner)
    return address.is_global and not address.is_multicast


def _connection(origin: Origin, policy: Policy, timeout_s: float) -> http.client.HTTPConnection:
    scheme, host, port = origin
    proxy = None if origin in policy.trusted or urllib.request.proxy_bypass(host) else _proxy(scheme)
    if proxy is None:
        return _PinnedConnection(origin, policy.addresses(origin), timeout_s)
    if scheme != "https" or _is_private_literal(host):
        raise _refused(f"leads to {scheme}://{host}")
    parts = urllib.parse.urlsplit(proxy)
    through = http.client.HTTPSConnection(parts.hostname or "", parts.port or 8080, timeout=timeout_s, context=_tls())
    login = f"{parts.username}:{parts.password or ''}" if parts.username else ""
    through.set_tunnel(
        host, port, {"Proxy-Authorization": f"Basic {base64.b64encode(login.encode()).decode()}"} if login else {}
    )
    return through


def _proxy(scheme: str) -> str | None:
    """The proxy of this machine's settings, which then decides what a name resolves to."""
    return urllib.request.getproxies().get(scheme)


def _is_private_literal(host: str) -> bool:
    """Whether a host that only the proxy will resolve is private by its spelling, 2130706433 for 127.0.0.1 included."""
    with contextlib.suppress(OSError):
        return not _is_public(ipaddress.IPv4Address(socket.inet_aton(host)))
    with contextlib.suppress(ValueError):
        return not _is_public(ipaddress.ip_address(host))
    return host == "localhost" or host.endswith((".localhost", ".local", ".internal"))


class _PinnedConnection(http.client.HTTPConnection):
    """A connection to one of the addresses that were checked, whatever the name resolves to by now."""

    def __init__(self, origin: Origin, addresses: list[str], timeout_s: float) -> None:
        scheme, host, port = origin
        super().__init__(host, port, timeout=timeout_s)
        self.default_port = 443 if scheme == "https" else 80
        self._addresses = addresses
        self._tls = _tls() if scheme == "https" else None

    def connect(self) -> None:
        reason: OSError | None = None
        for address in self._addresses:
            try:
                plain = socket.create_connection((address, self.port), self.timeout)
            except OSError as error:
                reason = error
                continue
            self.sock = plain  # before the handshake, so that it is closed if that fails
            if self._tls is not None:
                self.sock = self._tls.wrap_socket(plain, server_hostname=self.host)
            return
        raise reason or OSError("no address")


def _tls() -> ssl.SSLContext:
    """The system's certificates, and those of `certifi` where it is installed: some Pythons come without any."""
    context = ssl.create_default_context()
    with contextlib.suppress(ImportError):
        import certifi

        context.load_verify_locations(certifi.where())
    return context


@contextlib.contextmanager
def _as_lost(host: str) -> Iterator[None]:
    try:
        yield
    except ssl.SSLCertVerificationError as error:
        raise FleximoError(
            f"{host} cannot show that it is {host}: {error.verify_message}.",
            code="bad_certificate",
            remedy="Is the clock of this machine right, and does a proxy stand between?",
        ) from None
    except TimeoutError:
        raise ConnectionLost(f"{host} sent nothing for too long") from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise ConnectionLost(f"the connection to {host} broke ({type(error).__name__})") from None


def _refused(why: str) -> FleximoError:
    return FleximoError(
        f"The download {why}; Fleximo does not follow.",
        code="refused_address",
        remedy="Download the file in a browser and use `fleximo models import`.",
    )
