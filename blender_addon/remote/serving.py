"""Who serves a data folder and with what; starting and stopping the server."""

from __future__ import annotations

import time
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fleximo.data_folder import ServerAddress
from fleximo.errors import FleximoError

from .. import server_process
from ..session import Report
from .waiting import connect

__all__ = ["Greeting", "greeting", "is_seeded", "start_server", "stop_server"]

_START_S = 60.0


@dataclass(frozen=True)
class Greeting:
    """Who serves the data folder, and with what."""

    version: str
    address: str  # host:port
    offer: Mapping[str, Any]  # the server's models and weights

    @property
    def told(self) -> str:
        return f"Fleximo {self.version} at {self.address}"


def greeting(folder: Path) -> Greeting:
    """Who serves the data folder; raises `FleximoError` where nobody does."""
    client = connect(folder)
    version = str(client.check().get("version", "?"))
    return Greeting(version, f"{client.address.host}:{client.address.port}", client.offer())


def is_seeded(folder: Path, engine: str) -> bool:
    """Whether another seed gives another picture by that engine; True for one that the server does not tell of."""
    rows = connect(folder).models()
    return all(row.get("seeded", True) for row in rows if row["stage"] == "video" and row["name"] == engine)


def start_server(
    given: str, folder: Path, log: Path, environment: Mapping[str, str], report: Report
) -> Generator[None, None, Greeting]:
    """Starts the server unless it runs, and waits until it answers; returns its greeting."""
    try:
        return greeting(folder)
    except FleximoError:
        report(0.0, "Starting the server")
        yield
    child = server_process.launch(server_process.find_command(given, folder), folder, log, environment)
    deadline = time.monotonic() + _START_S
    while True:
        try:
            return greeting(folder)
        except FleximoError as error:
            said = server_process.log_tail(log)
            if child.poll() is not None:
                raise FleximoError(
                    f"The server ended at once (code {child.returncode}). It said: {said or 'nothing'}",
                    code="server_did_not_start",
                    remedy=f"Its whole log is {log}.",
                ) from None
            if time.monotonic() > deadline:
                raise FleximoError(
                    f"The server has not answered for {_START_S:.0f} s: {error.message}",
                    code="server_did_not_start",
                    remedy=f"Its log is {log}.",
                ) from None
        report(0.5, "Waiting for the server")
        yield


def stop_server(folder: Path) -> str:
    """Ends the server of the data folder, if one answers there."""
    client = connect(folder)
    server_process.end(ServerAddress.read(folder).pid)
    return f"The server at {client.address.host}:{client.address.port} has ended."
