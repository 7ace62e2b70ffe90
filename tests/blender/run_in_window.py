"""Tests the application with a window, by mouse and keyboard, on a virtual display:

python tests/blender/run_in_window.py [folder for the pictures]

Needs Blender (4.5 or later), Xvfb, xdotool and ImageMagick on the PATH, and pytest, numpy and PyAV in this Python.
Without them it says what is missing and ends well. The server runs in this Python, or in `FLEXIMO_SERVER_PYTHON`, or is
found by its data folder `FLEXIMO_SERVER_DATA`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

NEEDED = ("blender", "Xvfb", "xdotool", "import", "convert")
ROOT = Path(__file__).resolve().parents[2]


def main() -> int:
    missing = [program for program in NEEDED if shutil.which(program) is None]
    if missing:
        print(f"The application with a window is not tested here: {', '.join(missing)} not found.")
        return 0
    environment = {**os.environ, "FLEXIMO_WINDOW": "1"}
    if len(sys.argv) > 1:
        environment["FLEXIMO_SHOTS"] = str(Path(sys.argv[1]).resolve())
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "tests/blender/window"]
    return subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
