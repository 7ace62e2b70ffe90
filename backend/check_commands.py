"""`fleximo check`: how far a finished render lies from what it was asked to show, and which of its seconds are worst.

A kept run is looked at here; a job of the server by the server.
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import Any

from backend import catalog
from backend.jobs.store import file_digest
from backend.kept import Kept
from backend.self_check import check_render
from backend.terminal import ProgressLine
from fleximo.client import Client
from fleximo.self_check import SelfCheck

__all__ = ["check"]

_JOB_ID = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"


def check(arguments: argparse.Namespace) -> dict[str, Any]:
    """Checks a kept run, or a render job by its id; `self_check.json` is kept beside it."""
    progress, repair = ProgressLine(), ""
    try:
        if re.fullmatch(_JOB_ID, arguments.render):
            client = Client.from_data_folder(arguments.data)
            found = client.self_check(arguments.render, every=arguments.every, progress=progress)
        else:
            kept = Kept.load(Path(arguments.render))
            master = file_digest(kept.folder / "master.mkv")
            found = check_render(kept.folder, master, kept.job.signal.track, arguments.every, progress)
            seeded = catalog.engine(kept.job.engine).seeded
            repair = f"fleximo render --from {kept.folder} --range {{}}:{{}} --variants 4" if seeded else ""
    finally:
        progress.close()
    worst = [{"frame": look.frame, "error": round(look.error, 4), "worst": look.worst} for look in found.peaks()]
    return found.to_json() | {"peaks": worst, "text_output": _told(found, repair)}


def _told(check: SelfCheck, repair: str) -> str:
    """The sentence of the whole, a line per frame worth a look, and what renders the worst second again."""
    lines = [
        f"mean error {check.mean_error:.3f} torso lengths; looked at {len(check.looks)} of {check.frames} frames by "
        f"{check.detector}, found somebody in {check.found}"
    ]
    peaks = check.peaks()
    for look in peaks:
        what = f"{look.worst.replace('_', ' ')} is furthest off" if look.found else "nobody was found"
        lines.append(f"  frame {look.frame} ({look.frame / check.fps:.1f} s): {look.error:.2f}, {what}")
    if peaks and repair:
        lines.append(f"Render the worst second again: {repair.format(*check.second_around(peaks[0].frame))}")
    return "\n".join(lines)
