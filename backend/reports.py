"""What a run tells afterwards: `report.json`, and the files of `--keep`.

Knows the nouns and their file names (see the README); makes no decision.
"""

from __future__ import annotations

import importlib.metadata
import platform
import re
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

import fleximo
from backend import catalog, weights
from backend.drawing import draw_track
from backend.media import VideoWriter
from backend.models import detect
from backend.pipeline import Animation, Rendered
from backend.refine import REFINED_TRACK, Pass
from backend.stages import Performance
from backend.weights import Bundle, bundled_models
from fleximo.errors import Notice
from fleximo.files import write_atomic, write_json
from fleximo.job import RenderJob
from fleximo.system import peak_memory_mb

__all__ = ["fidelity_with", "file_sums", "keep", "motion_weights", "render_report", "report", "versions"]

_REPORTED = ("numpy", "opencv-contrib-python", "mediapipe", "av")


def report(animation: Animation) -> dict[str, Any]:
    """The document of `report.json` of a whole run."""
    request = animation.request
    stages = {
        "plan": animation.planner,
        "motion": request.motion_model if request.motion is None else "given motion",
        "detect": _detector(animation.detector),
        "rescale": request.rescale,
        "adapter": request.adapter,
    }
    refined = animation.refined
    document = render_report(animation.job, refined.rendered, animation.notices, refined.passes)
    performance = animation.performance or Performance(animation.motion)
    told = {stage: _stage(name) for stage, name in stages.items()}
    seen_by = detect.bundles_of(animation.detector)
    drawn_by = () if animation.adapted is None else animation.adapted.bundles
    told["motion"] |= motion_weights(performance.bundles) | {"settings": dict(request.motion_settings)}
    told["detect"] |= motion_weights(seen_by)
    told["adapter"] |= motion_weights(drawn_by)
    seen = {} if animation.detector == "manual" else {row["name"]: row["sha256"] for row in bundled_models()}
    return document | {
        "text": request.text,
        "fidelity": fidelity_with(document["fidelity"], (*performance.bundles, *seen_by, *drawn_by)),
        "stages": told | document["stages"],
        "seams": [seam.to_json() for seam in performance.seams],
        "plan": None if animation.plan is None else animation.plan.to_json(),
        "timings_s": animation.timings_s,
        "cpu_s": round(time.process_time(), 3),
        "models": seen | file_sums((*performance.bundles, *seen_by, *drawn_by)) | document["models"],
    }


def _detector(used: str) -> str:
    if used == "mediapipe":
        return f"mediapipe {importlib.metadata.version('mediapipe')}"
    return "manual points" if used == "manual" else used


def motion_weights(bundles: Sequence[Bundle]) -> dict[str, Any]:
    """What a stage's entry says of its weights: the sha256 of each file, null where it has none."""
    return {"weights_sha256": file_sums(bundles) or None}


def file_sums(bundles: Sequence[Bundle]) -> dict[str, str]:
    """The sha256 of every file of these bundles, by "bundle/file"."""
    return {f"{bundle.name}/{file}": digest for bundle in bundles for file, digest in bundle.sha256.items()}


def fidelity_with(fidelity: str, bundles: Sequence[Bundle]) -> str:
    """The fidelity of a result that these weights had a part in: unverified or made-up ones make it a stand-in."""
    return fidelity if all(bundle.state == "verified" for bundle in bundles) else "stand_in"


def render_report(
    job: RenderJob, rendered: Rendered, notices: Sequence[Notice], refinement: Sequence[Pass] = ()
) -> dict[str, Any]:
    """The part of `report.json` that a render alone can tell."""
    entry = catalog.engine(job.engine)
    bundles = [weights.bundle(name) for name in entry.bundles]
    return {
        "format_version": 1,
        "engine": job.engine,
        "fidelity": fidelity_with(entry.fidelity, bundles),
        "stages": {
            "render": _stage(job.engine) | motion_weights(bundles),
            "refine": _stage("re-detected pose" if any(each.kept for each in refinement) else "off"),
        },
        "refinement": [each.to_json() for each in refinement],
        "settings": dict(job.settings),
        "warnings": list(dict.fromkeys(notice.code for notice in notices)),
        "notices": [notice.to_json() for notice in notices],
        "frames": rendered.frames,
        "frames_rendered": rendered.frames_rendered,
        "ranges": [list(each) for each in rendered.ranges],
        "borders": [border.to_json() for border in rendered.borders],
        "fps": float(rendered.fps),
        "native_fps": None if rendered.native_fps is None else float(rendered.native_fps),
        "retime": "not needed" if rendered.native_fps in (None, rendered.fps) else job.retime,
        "size": list(rendered.size),
        "seed": job.seed,
        "job": job.digest,
        "timings_s": {"render": round(rendered.seconds, 4)},
        "peak_rss_mb": peak_memory_mb(),
        "versions": versions(),
        "models": file_sums(bundles),
    }


def _stage(implementation: str) -> dict[str, Any]:
    return {"implementation": implementation, "weights_sha256": None}


def versions() -> dict[str, str]:
    """The versions that a bug report needs."""
    found = {"fleximo": fleximo.__version__, "python": platform.python_version(), "system": platform.platform()}
    for name in _REPORTED:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def keep(animation: Animation, folder: Path) -> None:
    """Writes every intermediate of `animation` into `folder`; the rendered files are copied if they lie elsewhere.

    What an earlier run left there and this one lacks (a plan, blobs) is removed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if animation.plan is not None:
        write_json(folder / "plan.json", animation.plan.to_json())
    else:
        (folder / "plan.json").unlink(missing_ok=True)
    _drop_blobs(folder, set(animation.job.document()[1]))
    animation.motion.save(folder / "motion.npz")
    write_json(folder / "person.json", animation.person.to_json() | {"framing": animation.job.framing.to_json()})
    ok, mask = cv2.imencode(".png", animation.person.mask.astype(np.uint8) * 255)
    if ok:
        write_atomic(folder / "mask.png", mask.tobytes())
    track = animation.refined.track  # what the video model saw
    track.save(folder / "pose_track.npz")
    (folder / REFINED_TRACK).unlink(missing_ok=True)
    if animation.refined.kept:
        track.save(folder / REFINED_TRACK)
    with VideoWriter(folder / "pose.mp4", track.size, track.fps) as writer:
        for frame in draw_track(track):
            writer.write(frame[None])
    animation.job.save(folder)
    for file in (animation.rendered.master, animation.rendered.video):
        if file is not None and file.parent != folder:
            shutil.copyfile(file, folder / file.name)
    _keep_engine(animation.rendered.video.parent / "engine", folder / "engine")
    write_json(folder / "report.json", report(animation))


def _keep_engine(made: Path, kept: Path) -> None:
    """What the engine keeps for later changes; that of an earlier run is of no more use."""
    if made != kept:
        shutil.rmtree(kept, ignore_errors=True)
        if made.is_dir():
            shutil.copytree(made, kept)


def _drop_blobs(folder: Path, kept: set[str]) -> None:
    """Removes the blobs of earlier jobs; a file whose name is no digest is not ours."""
    if (folder / "blobs").is_dir():
        for path in (folder / "blobs").iterdir():
            if re.fullmatch("[0-9a-f]{64}", path.name) and path.name not in kept:
                path.unlink()
