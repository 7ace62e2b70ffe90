"""Running the server: the lock on its data folder, the socket, the address file, and an orderly end.

What `fleximo serve` calls. Knows how the parts are put together and nothing else.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType

import uvicorn

from backend.jobs.engines.local import LocalEngine
from backend.server.app import create_app
from backend.server.bell import Bell
from backend.server.scheduler import Scheduler
from backend.server.security import Gate, check_address
from backend.server.settings import Settings
from fleximo import __version__
from fleximo.data_folder import ServerAddress, data_folder, make_token
from fleximo.errors import FleximoError
from fleximo.system import FileLock, kill_process, make_private_folder

__all__ = ["serve"]

_OLD_WORKER_S = 2.0
_GRACEFUL_S = 3


def serve(
    host: str = "127.0.0.1",
    port: int = 0,
    data: Path | None = None,
    *,
    insecure_lan: bool = False,
    settings: Settings | None = None,
    ready: Callable[[ServerAddress], None] = lambda address: None,
) -> None:
    """Serves the data folder until SIGTERM or Ctrl-C; `ready` is called once requests are answered.

    Port 0 takes a free one. Raises `FleximoError`: `insecure_address`, `folder_in_use`, `port_in_use`.
    """
    settings = settings or Settings()
    check_address(host, insecure_lan=insecure_lan)
    folder = data_folder(data)
    make_private_folder(folder)
    with _sole_server(folder), _bound(host, port) as listener:
        token = make_token(folder)
        port = listener.getsockname()[1]
        bell = Bell()
        engine = LocalEngine(folder, cancel_grace_s=settings.cancel_grace_s, silence_s=settings.silence_s)
        scheduler = Scheduler(folder, engine, settings, bell.ring)
        gate = Gate(create_app(scheduler, bell), token=token, port=port, open_lan=insecure_lan)
        address = ServerAddress(host, port, os.getpid(), __version__, sys.executable)

        def announce() -> None:
            bell.hang(asyncio.get_running_loop())
            address.write(folder)
            ready(address)

        try:
            scheduler.start()
            with _quiet_signals():
                _Server(gate, on_ready=announce, on_exit=bell.stop).run(sockets=[listener])
        finally:
            ServerAddress.path(folder).unlink(missing_ok=True)
            scheduler.stop()


@contextlib.contextmanager
def _sole_server(folder: Path) -> Iterator[None]:
    """Holds the folder's lock, once a worker that a killed server left behind is gone."""
    lock = FileLock(folder / "server.lock")
    if not lock.acquire():
        raise FleximoError(
            f"The data folder {folder} is served already, by process {lock.holder()}.",
            code="folder_in_use",
            remedy="Use that server, stop it first, or choose another folder with --data.",
        )
    try:
        worker = FileLock(folder / "worker.lock")
        if not worker.acquire(_OLD_WORKER_S):
            holder = worker.holder()
            if holder is not None:
                kill_process(holder)
            if not worker.acquire(_OLD_WORKER_S):
                raise FleximoError(f"Process {holder} still works in {folder}.", code="folder_in_use")
        worker.release()
        yield
    finally:
        lock.release()


@contextlib.contextmanager
def _bound(host: str, port: int) -> Iterator[socket.socket]:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as listener:
        if sys.platform != "win32":  # there it would let two servers share the port
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1" if host == "localhost" else host, port))
        except (OSError, OverflowError) as error:
            raise FleximoError(
                f"The server cannot listen on {host}:{port}: {getattr(error, 'strerror', None) or error}.",
                code="port_in_use",
                remedy="Choose another --port; 0 takes a free one.",
            ) from None
        yield listener


@contextlib.contextmanager
def _quiet_signals() -> Iterator[None]:
    """uvicorn raises the signals again that it has served; they must not end the process before it has tidied up."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, lambda *_: None) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _Server(uvicorn.Server):
    """Tells when requests are answered and when the end begins."""

    def __init__(self, gate: Gate, *, on_ready: Callable[[], None], on_exit: Callable[[], None]) -> None:
        config = uvicorn.Config(
            gate,
            http="h11",
            ws="none",
            loop="asyncio",
            lifespan="off",
            access_log=False,
            log_config=None,
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=_GRACEFUL_S,
            limit_concurrency=500,
        )
        super().__init__(config)
        self._on_ready = on_ready
        self._on_exit = on_exit

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._on_ready()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._on_exit()
        super().handle_exit(sig, frame)


logging.getLogger("uvicorn").setLevel(logging.WARNING)
