"""Where the operating systems differ: file locks, private files, living processes, killing.

The only module with calls that exist on one system only; each has its branch for the others. Knows nothing of what
the files and processes are for.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from fleximo.errors import FleximoError

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl
    import resource

__all__ = [
    "FileLock",
    "available_memory",
    "hidden_process_flags",
    "keep_private",
    "kill_process",
    "make_private_folder",
    "peak_memory_mb",
    "process_is_alive",
    "replace_file",
    "return_free_memory",
    "sync_folder",
    "user_data_folder",
]

_REPLACE_TRIES = 20  # a virus scanner or a player may hold a file for a moment on Windows
_STILL_ACTIVE = 259
_QUERY_LIMITED_INFORMATION = 0x1000


def user_data_folder() -> Path:
    """Where this platform expects Fleximo's data; not made yet."""
    home = Path.home()
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local") / "Fleximo"
    if sys.platform == "darwin":
        return home / "Library" / "Application Support" / "Fleximo"
    return Path(os.environ.get("XDG_DATA_HOME") or home / ".local" / "share") / "fleximo"


class FileLock:
    """A lock of the operating system on one file; freed when the process ends, however it ends.

    The holder's process id stands in the file, for messages. Not inherited by child processes.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._handle = -1

    def acquire(self, timeout_s: float = 0.0) -> bool:
        """Tries for `timeout_s` seconds; False if another process holds the lock."""
        self._handle = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
        deadline = time.monotonic() + timeout_s
        while not _try_lock(self._handle):
            if time.monotonic() >= deadline:
                os.close(self._handle)
                self._handle = -1
                return False
            time.sleep(0.02)
        # The id lies behind the locked first byte: on Windows others may not read a locked range.
        os.ftruncate(self._handle, 1)
        os.lseek(self._handle, 1, os.SEEK_SET)
        os.write(self._handle, str(os.getpid()).encode())
        return True

    def release(self) -> None:
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1

    def holder(self) -> int | None:
        """The process id that the last holder wrote, None if there is none."""
        try:
            with self.path.open("rb") as file:
                file.seek(1)
                return int(file.read(20))
        except (OSError, ValueError):
            return None


def _try_lock(handle: int) -> bool:
    try:
        if sys.platform == "win32":
            os.lseek(handle, 0, os.SEEK_SET)
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.EACCES, errno.EAGAIN, errno.EDEADLK, errno.EWOULDBLOCK):
            return False
        raise
    return True


def process_is_alive(pid: int) -> bool:
    """Whether a process with this id runs, ours or another user's."""
    if pid <= 0:
        return False
    if sys.platform == "win32":
        # os.kill(pid, 0) would end the process there.
        kernel = ctypes.windll.kernel32
        handle = kernel.OpenProcess(_QUERY_LIMITED_INFORMATION, False, pid)
        if not handle:
            return False
        code = ctypes.c_ulong()
        kernel.GetExitCodeProcess(handle, ctypes.byref(code))
        kernel.CloseHandle(handle)
        return code.value == _STILL_ACTIVE
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True


def hidden_process_flags() -> int:
    """`creationflags` of a child process that opens no console window on Windows; 0 elsewhere."""
    if sys.platform == "win32":
        return subprocess.CREATE_NO_WINDOW
    return 0


def kill_process(pid: int) -> None:
    """Ends a process at once; quiet if it is gone already."""
    with contextlib.suppress(ProcessLookupError, PermissionError, OSError):
        if sys.platform == "win32":
            os.kill(pid, signal.SIGTERM)  # TerminateProcess
        else:
            os.kill(pid, signal.SIGKILL)


def peak_memory_mb() -> float | None:
    """The most memory this process has held, in MB; None on Windows, whose standard library does not tell."""
    if sys.platform == "win32":
        return None
    # On Linux getrusage starts from what the parent held when it forked; the kernel's own record does not.
    status = Path("/proc/self/status")
    if status.is_file():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return round(int(line.split()[1]) * 1.024e-3, 1)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / (1e6 if sys.platform == "darwin" else 1e3 / 1.024), 1)


def return_free_memory() -> None:
    """Asks glibc to give freed pages back (after a detection: 390 MB -> 165 MB); other C libraries do so themselves."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim is not None:
        trim(0)


def make_private_folder(path: Path) -> None:
    """Makes `path` (and its parents), readable by this user alone where modes exist.

    On Windows the user's own folders are private by their access list.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        if sys.platform != "win32":
            path.chmod(0o700)
    except OSError as error:
        raise FleximoError(
            f"The folder {path} cannot be made: {error.strerror or error}.",
            code="unwritable_file",
            remedy="Choose a folder that you may write to, with --data or FLEXIMO_DATA.",
        ) from None


def keep_private(path: Path) -> None:
    """Takes an existing file from all but this user, where modes exist."""
    if sys.platform != "win32" and path.stat().st_mode & 0o077:
        path.chmod(0o600)


def replace_file(source: Path, target: Path) -> None:
    """`os.replace`, tried again for a second where Windows refuses because somebody reads the target."""
    for attempt in range(_REPLACE_TRIES):
        try:
            os.replace(source, target)
            return
        except PermissionError:
            if sys.platform != "win32" or attempt == _REPLACE_TRIES - 1:
                raise
            time.sleep(0.05)


def sync_folder(path: Path) -> None:
    """Makes renames in `path` survive a power cut; Windows offers no such call and needs none."""
    if sys.platform == "win32":
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def available_memory() -> int | None:
    """Bytes that a program can take without pushing others out; None where the system does not tell simply."""
    if sys.platform == "win32":
        status = ctypes.create_string_buffer(64)  # MEMORYSTATUSEX: its own length first, free physical bytes at 16
        ctypes.c_uint32.from_buffer(status).value = 64
        if not ctypes.windll.kernel32.GlobalMemoryStatusEx(status):
            return None
        return int(ctypes.c_uint64.from_buffer(status, 16).value)
    table = Path("/proc/meminfo")
    lines = table.read_text().splitlines() if table.is_file() else []
    found = next((line for line in lines if line.startswith("MemAvailable:")), None)
    return None if found is None else int(found.split()[1]) * 1024
