"""What a file host says when it does not give the file, each in a sentence of its own.

Knows the answers of the hub and of file hosts that show a page first; knows neither sockets nor disks. No sentence
holds a token or the query of a URL.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from email.message import Message

from backend.weights.transport import host_of
from fleximo.errors import FleximoError

__all__ = ["Source", "refusal", "web_page"]


@dataclass(frozen=True)
class Source:
    """One file to fetch, and what people need to know when it does not come."""

    url: str
    name: str
    size: int | None
    sha256: str | None
    page: str
    bundle: str
    by_hand: str = ""  # how a person gets it in a browser

    @property
    def host(self) -> str:
        return host_of(self.url)

    @property
    def otherwise(self) -> str:
        """The way without a download by Fleximo."""
        found = f"Look for it on {self.page}, download it, and run: fleximo models import {self.bundle} FILE"
        return self.by_hand or found


def refusal(status: int, headers: Message, source: Source, *, token_sent: bool) -> FleximoError:
    """The error for an answer that is neither the file nor a passing fault."""
    gated = headers.get("X-Error-Code", "") == "GatedRepo" or "gated" in headers.get("X-Error-Message", "").lower()
    if status == 401 and not token_sent:
        return FleximoError(
            f"{source.host} gives {source.name} to signed-in users only, and there is no token.",
            code="needs_token",
            remedy=f"Sign in, accept the terms on {source.page} if it asks, make a read token, and set HF_TOKEN "
            "or run `fleximo models token`.",
        )
    if status == 401:
        return FleximoError(
            f"{source.host} does not accept the token for {source.name}: it is wrong, expired or withdrawn.",
            code="bad_token",
            remedy="Make a new read token and set HF_TOKEN or run `fleximo models token`.",
        )
    if status == 403 and (gated or token_sent):
        return FleximoError(
            f"{source.host} gives {source.name} only to those who accepted its terms.",
            code="gated",
            remedy=f"Open {source.page}, accept the terms with the account of your token, let the token read gated "
            "repositories, then run the same again.",
        )
    if status in (404, 410):
        return FleximoError(
            f"{source.name} is no longer where it was on {source.host}: it was moved or taken down.",
            code="moved",
            remedy=source.otherwise,
        )
    if status == 429:
        wait = headers.get("Retry-After", "")
        later = f"in {wait} seconds" if wait.isdecimal() else "later; file hosts count per day"
        return _quota(source, f"Try again {later}.")
    if status == 403:
        return FleximoError(
            f"{source.host} refuses to give {source.name} (403).", code="refused", remedy=source.otherwise
        )
    return FleximoError(
        f"{source.host} answered {status} when asked for {source.name}.",
        code="unexpected_answer",
        remedy=source.otherwise,
    )


def web_page(content: bytes, source: Source) -> FleximoError:
    """The error for a web page that came in the place of the file; `content` is its beginning."""
    words = re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", content.decode("utf-8", "replace"))).lower()
    if re.search(r"too many users|quota|download limit|limit exceeded", words):
        return _quota(source, f"Try again in 24 hours. {source.by_hand}".strip())
    if re.search(r"virus scan|can.?t scan|download anyway|confirm", words):
        return FleximoError(
            f"{source.host} sent a page that asks for confirmation in place of {source.name}.",
            code="confirmation_page",
            remedy=source.otherwise,
        )
    if re.search(r"sign in|log ?in|you need access|request access", words):
        return FleximoError(
            f"{source.host} sent a sign-in page in place of {source.name}.",
            code="sign_in_page",
            remedy=source.otherwise,
        )
    return FleximoError(
        f"{source.host} sent a web page in place of {source.name}.", code="web_page", remedy=source.otherwise
    )


def _quota(source: Source, remedy: str) -> FleximoError:
    return FleximoError(
        f"{source.host} has given {source.name} too often for now (its quota is used up).", code="quota", remedy=remedy
    )
