"""Runs this tier inside the real application, for versions that have no Python module here:

BLENDER_USER_RESOURCES=$(mktemp -d) blender -b --factory-startup --python-exit-code 3 \
    --python tests/blender/run_in_blender.py -- tests/blender

Blender's Python needs pytest; the folder `PYTEST_SITE` is searched for it if given.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path


def main() -> None:
    sys.path[:0] = [folder for folder in (os.environ.get("PYTEST_SITE"),) if folder]
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
    import pytest

    given = sys.argv[sys.argv.index("--") + 1 :] if "--" in sys.argv else []
    status = int(pytest.main(["-p", "no:cacheprovider", *given]))
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


if __name__ == "__main__":
    main()
