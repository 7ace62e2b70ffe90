"""Tests the application with a window, by mouse and keyboard, on a virtual display:

python tests/blender/run_in_window.py [folder for the pictures]

Needs Blender (4.5 or later), Xvfb, xdotool and ImageMagick on the PATH, and pytest, numpy and PyAV in this Python.
Without them it says what is missing and ends well. The server runs in this Python, or in `FLEXIMO_SERVER_PYTHON`, or is
found by its data folder `FLEXIMO_SERVER_DATA`. Nothing that it starts outlives it.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

NEEDED = ("blender", "Xvfb", "xdotool", "import", "convert", "timeout")
ROOT = Path(__file__).resolve().parents[2]
LONGEST_S = 1450.0


def main() -> int:
    missing = [program for program in NEEDED if shutil.which(program) is None]
    if missing:
        print(f"The application with a window is not tested here: {', '.join(missing)} not found.")
        return 0
    environment = {**os.environ, "FLEXIMO_WINDOW": "1"}
    if len(sys.argv) > 1:
        environment["FLEXIMO_SHOTS"] = str(Path(sys.argv[1]).resolve())
    # Each test begins where the one before it ended, so that the first failure ends the run.
    command = [sys.executable, "-m", "pytest", "-x", "-p", "no:cacheprovider", "tests/blender/window"]
    tests = subprocess.Popen(command, cwd=ROOT, env=environment, start_new_session=True)
    try:
        return tests.wait(LONGEST_S)
    except subprocess.TimeoutExpired:
        print(f"The application with a window took more than {LONGEST_S:.0f} s; it was ended.")
        return 1
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(tests.pid, signal.SIGKILL)  # Blender, its display and the server belong to the same group


if __name__ == "__main__":
    sys.exit(main())
