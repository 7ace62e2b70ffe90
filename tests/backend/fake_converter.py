"""A converter for tests: the checkpoint's bytes in capitals; refuses what does not begin with `weights`."""

from __future__ import annotations

import os
from pathlib import Path

from fleximo import FleximoError


def convert(source: Path, target: Path) -> None:
    content = source.read_bytes()
    if content == b"crash":
        os._exit(7)
    if content == b"secret":
        content = b"weights " + os.environ.get("HF_TOKEN", "no token").encode()
    if not content.startswith(b"weights"):
        raise FleximoError(f"{source.name} is no checkpoint.", code="bad_checkpoint", remedy="Take another.")
    target.write_bytes(content.upper())
