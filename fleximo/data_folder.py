"""The data folder: where it lies, who serves it now, and the token that its server asks for.

Read by the add-on and the command line, written by the server. Knows no HTTP.
"""

from __future__ import annotations

import os
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path

from fleximo.errors import FleximoError
from fleximo.files import read_json, write_atomic, write_json
from fleximo.system import keep_private, make_private_folder, process_is_alive, user_data_folder

__all__ = ["ServerAddress", "data_folder", "make_token", "read_token", "token_path"]


def data_folder(given: str | Path | None = None) -> Path:
    """`given`, else `$FLEXIMO_DATA`, else the platform's usual place; not made yet."""
    chosen = given or os.environ.get("FLEXIMO_DATA")
    if chosen:
        return Path(chosen).expanduser().absolute()
    return user_data_folder()


@dataclass(frozen=True)
class ServerAddress:
    """What `server.json` says of the running server."""

    host: str
    port: int
    pid: int
    version: str
    interpreter: str

    @property
    def url(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"

    @staticmethod
    def path(folder: Path) -> Path:
        return folder / "server.json"

    def write(self, folder: Path) -> None:
        write_json(self.path(folder), asdict(self))

    @classmethod
    def read(cls, folder: Path) -> ServerAddress:
        """The address of the server of `folder`.

        Raises `FleximoError` (`server_not_running`) where there is none or its process is gone; that another process
        has taken the same id shows only in the server's answer to `/v1/info`.
        """
        path = cls.path(folder)
        if not path.is_file():
            raise _not_running(f"No render server serves {folder}")
        try:
            document = read_json(path)
            address = cls(
                str(document["host"]),
                int(document["port"]),
                int(document["pid"]),
                str(document["version"]),
                str(document["interpreter"]),
            )
        except (FleximoError, KeyError, TypeError, ValueError):
            raise _not_running(f"{path} cannot be read as the address of a server") from None
        if not process_is_alive(address.pid):
            raise _not_running(f"The render server of {folder} has ended (process {address.pid} is gone)")
        return address


def _not_running(what: str) -> FleximoError:
    return FleximoError(f"{what}.", code="server_not_running", remedy="Start it with `fleximo serve`.")


def token_path(folder: Path) -> Path:
    return folder / "token"


def make_token(folder: Path, *, renew: bool = False) -> str:
    """The token of `folder`, made at the first call (or anew with `renew`) in a file of this user alone.

    One that cannot be read is replaced.
    """
    path = token_path(folder)
    try:
        token = "" if renew else read_token(folder)
    except FleximoError:
        token = ""
    if not token:
        make_private_folder(folder)
        write_atomic(path, secrets.token_urlsafe(32).encode(), private=True)
    else:
        keep_private(path)
    return read_token(folder)


def read_token(folder: Path) -> str:
    """The token that the server of `folder` asks for; raises `FleximoError` (`no_token`)."""
    try:
        token = token_path(folder).read_text("ascii").strip()
    except (OSError, UnicodeDecodeError):
        token = ""
    if not token:
        raise FleximoError(
            f"The token of the render server cannot be read from {token_path(folder)}.",
            code="no_token",
            remedy="Start `fleximo serve` once as the same user.",
        )
    return token
