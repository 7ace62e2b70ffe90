"""Runs this tier on each of Blender's Python modules, side by side, each in a virtual environment of its own:

python tests/blender/run_on_wheels.py [--only 5.2] [arguments for pytest]

The server runs in the Python that runs this script. A module whose Python is not on the machine is left out by name.
Environments and what the runs said lie in `build/bpy-VERSION/`; they are made once.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import signal
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# What the tests need beside Blender's module; the versions stand in pyproject.toml.
NEEDED = ("av", "pillow", "pytest", "pytest-timeout")
INSTALL_LIMIT_S, TEST_LIMIT_S = 900.0, 1500.0


@dataclass(frozen=True)
class Wheel:
    """A release of Blender as a Python module; each is built for one Python."""

    version: str
    python: str

    @property
    def folder(self) -> Path:
        return ROOT / "build" / f"bpy-{self.version}"

    def __str__(self) -> str:
        return f"Blender {self.version} (Python {self.python})"


WHEELS = (
    Wheel("5.0.1", "3.11"),  # where actions and the sequencer changed; the module of the extra `test`
    Wheel("4.5.15", "3.11"),  # the LTS of 2025, and the oldest that the manifest allows
    Wheel("5.2.3", "3.13"),  # the LTS of 2026
)


@dataclass(frozen=True)
class Run:
    """A running test run of one wheel."""

    wheel: Wheel
    process: subprocess.Popen[bytes]
    output: Path
    started: float

    def status(self) -> int:
        """Waits for the end, tells of it and returns the exit status; 1 where the time limit came first."""
        try:
            status = self.process.wait(max(0.0, self.started + TEST_LIMIT_S - time.monotonic()))
            ending = "" if status >= 0 else f"\nended by signal {-status}"
        except subprocess.TimeoutExpired:
            status, ending = 1, f"\nnot done after {TEST_LIMIT_S:.0f} s, ended"
        said = self.output.read_text("utf-8", "replace") + ending
        kept = [line for line in said.splitlines() if status or line.startswith("SKIPPED")]
        summary = (said.strip().splitlines() or ["nothing was said"])[-1]
        print("\n".join([*kept, f"{self.wheel}: {summary}"]), flush=True)
        return status

    def end(self) -> None:
        """Ends what is left of the run: its processes form a group."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)


def main() -> int:
    parser = argparse.ArgumentParser(description="Runs the Blender tier on each of Blender's Python modules.")
    parser.add_argument("--only", default="", help="the beginning of a version, such as 5.2")
    arguments, given = parser.parse_known_args()
    chosen = [wheel for wheel in WHEELS if wheel.version.startswith(arguments.only)]
    if not chosen:
        parser.error(f"no version begins with {arguments.only}: {', '.join(wheel.version for wheel in WHEELS)}")
    runs: list[Run] = []
    try:
        # All at once: each waits for its server now and then, which leaves room for the others even on two cores.
        for wheel in chosen:
            python = environment_of(wheel)
            if python is None:
                print(f"{wheel} is not tested here: python{wheel.python} not found.", flush=True)
            else:
                runs.append(start(wheel, python, given))
                print(f"{wheel} is being tested; what it says: {runs[-1].output.relative_to(ROOT)}", flush=True)
        statuses = [run.status() for run in runs]
    finally:
        for run in runs:
            run.end()
    return int(not statuses or any(statuses))


def environment_of(wheel: Wheel) -> str | None:
    """A Python that has the wheel and what the tests need, made where there is none; None without that Python."""
    if _is_here(wheel):
        return sys.executable
    python, stamp = wheel.folder / "bin" / "python", wheel.folder / "installed"
    wanted = [f"bpy=={wheel.version}", *requirements()]
    if stamp.is_file() and stamp.read_text().splitlines() == wanted:
        return str(python)
    base = find_python(wheel.python)
    if base is None:
        return None
    print(f"Making {wheel.folder.relative_to(ROOT)} with {base}", flush=True)
    install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([base, "-m", "venv", "--clear", str(wheel.folder)], check=True, timeout=INSTALL_LIMIT_S)
    subprocess.run([*install, *wanted], check=True, timeout=INSTALL_LIMIT_S)
    stamp.write_text("\n".join(wanted))
    return str(python)


def _is_here(wheel: Wheel) -> bool:
    """Whether this very Python has the wheel."""
    try:
        return metadata.version("bpy") == wheel.version
    except metadata.PackageNotFoundError:
        return False


def requirements() -> list[str]:
    """The lines of pyproject.toml about the packages NEEDED."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    lines = [*project["dependencies"], *project["optional-dependencies"]["test"]]
    return [line for line in lines if re.split(r"[^\w-]", line)[0] in NEEDED]


def find_python(version: str) -> str | None:
    """A Python of the version, such as 3.13: this one, one on the PATH, or one of pyenv's."""
    program = "import sys; print('{}.{}'.format(*sys.version_info))"
    for candidate in _candidates(version):
        try:
            answer = subprocess.run([candidate, "-c", program], capture_output=True, text=True, timeout=60.0)
        except OSError:
            continue
        if answer.stdout.strip() == version:  # pyenv's stand-ins on the PATH fail for versions that are not chosen
            return candidate
    return None


def _candidates(version: str) -> Iterator[str]:
    yield sys.executable
    yield f"python{version}"
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    yield from (str(path) for path in sorted(pyenv.glob(f"versions/{version}*/bin/python{version}")))


def start(wheel: Wheel, python: str, given: list[str]) -> Run:
    """Starts pytest on the tier, or on what is `given`, in a process group of its own."""
    wheel.folder.mkdir(parents=True, exist_ok=True)
    output = wheel.folder / "said.txt"
    command = [python, "-m", "pytest", "-p", "no:cacheprovider", "-rs", *given]
    if not any(argument.startswith("tests/") for argument in given):
        command += ["tests/blender", "--ignore", "tests/blender/window"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "FLEXIMO_SERVER_PYTHON": sys.executable}
    with output.open("wb") as sink:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=sink, stderr=sink, start_new_session=True)
    return Run(wheel, process, output, time.monotonic())


if __name__ == "__main__":
    sys.exit(main())
