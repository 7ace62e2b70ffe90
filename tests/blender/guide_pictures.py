"""Puts the pictures of a run in the window into the user guide, as JPEG:

python tests/blender/guide_pictures.py build/window

Which ones, tells the guide itself by the pictures that it shows.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import cv2

from fleximo.files import write_atomic

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "guide"
MOST_BYTES = 150_000


def shown() -> list[str]:
    """The names, without suffix, of the pictures that the guide shows."""
    return re.findall(r"!\[[^\]]*\]\((\w+)\.jpg\)", (GUIDE / "README.md").read_text("utf-8"))


def jpeg(path: Path) -> bytes:
    """The picture in the best quality that is small enough."""
    pixels = cv2.imread(str(path))
    for quality in range(94, 40, -3):
        content = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()
        if len(content) <= MOST_BYTES:
            return content
    raise SystemExit(f"{path} does not fit into {MOST_BYTES} bytes.")


def main(folder: Path) -> None:
    missing = [name for name in shown() if not (folder / f"{name}.png").is_file()]
    if missing:
        raise SystemExit(f"{folder} lacks {', '.join(missing)}: run `make test-window` first.")
    for name in shown():
        write_atomic(GUIDE / f"{name}.jpg", jpeg(folder / f"{name}.png"))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
