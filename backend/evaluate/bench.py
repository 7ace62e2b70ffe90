"""Speed on this machine: CPU time and ratios, because machines are noisy; both sides of a ratio in one run.

Writes `bench.json` and returns a table. Quality of all people and texts is measured with it (`quality`).
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import json
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from backend.evaluate import pictures, quality, solving
from backend.evaluate.meshes import tubes_around
from backend.models import detect
from backend.models.draft import DraftPuppet
from backend.reports import versions
from backend.stages import silent
from fleximo import moves, rotations, take
from fleximo.files import write_json
from fleximo.formats import bvh, import_motion
from fleximo.planner import RulePlanner
from fleximo.timing import as_fps

__all__ = ["run"]

TEXT = "a woman waves her right hand for four seconds"
_BLENDER_S = 300
_SENTENCE = "she walks in, waves her left hand twice, then does three squats and bows"


def run(folder: Path, people: Path | None = None, blender: str = "") -> dict[str, Any]:
    """Measures everything, writes `bench.json` into `folder`, returns the document with its table.

    `people`: a folder of photos (.jpg) on which the quality is measured too; minutes. `blender`: a Python module that
    prints figures of the add-on as JSON, run where this Python has the module bpy.
    """
    photo = files("backend").joinpath("demo/anna.jpg").read_bytes()
    write_json(folder / "bench.json", {})  # what cannot be written is told before the minutes, not after
    rows: dict[str, dict[str, Any]] = {}
    with _one_thread():
        rows |= _front_stages(photo)
        rows |= _draft(photo)
        rows |= _skeletons(photo)
        rows |= _importers()
        rows |= _joints()
        rows |= _tokens()
    rows |= _cold(photo)
    if people is not None:
        rows |= _frames_between(people)
    document = {"machine": {"cpu": _cpu(), **versions()}, "figures": rows}
    if blender:
        measured, document["blender"] = in_blender(blender)
        rows |= measured
    if people is not None:
        photos = {path.stem: path.read_bytes() for path in sorted(people.glob("*.jpg"))}
        document["quality"] = list(quality.measure(photos))
    document["table"] = _table(document)
    write_json(folder / "bench.json", document)
    return document


def _front_stages(photo: bytes) -> dict[str, dict[str, Any]]:
    plan = RulePlanner().plan(_SENTENCE)
    motion = moves.generate(plan)
    person = detect.detect(photo)
    job = take.make_job(motion, person, photo, fps=as_fps(30))
    result = {
        "plan a sentence": _row(_cpu_seconds(lambda: RulePlanner().plan(_SENTENCE), 20) * 1e3, "ms", 5.0),
        "a second of motion": _row(_cpu_seconds(lambda: moves.generate(plan), 3) / motion.seconds * 1e3, "ms", 20.0),
        "detect, warm": _row(_cpu_seconds(lambda: detect.detect(photo), 3), "s", 0.5),
        "fit and project a frame": _row(
            _cpu_seconds(lambda: take.make_job(motion, person, photo, fps=as_fps(30)), 3) / len(job.signal.track) * 1e3,
            "ms",
            None,
        ),
    }
    detect.release()
    return result


def _importers() -> dict[str, dict[str, Any]]:
    """Ten seconds of motion from files of three kinds."""
    motion = moves.generate(RulePlanner().plan("a person walks forward for ten seconds"), fps=as_fps(120))[:1200]
    poses = rotations.to_rotation_vector(motion.rotations.astype(np.float64)).reshape(len(motion), -1)
    amass, joints, mesh = io.BytesIO(), io.BytesIO(), io.BytesIO()
    np.savez(amass, poses=poses, trans=motion.root.astype(np.float64), mocap_framerate=120.0)
    np.save(joints, motion.resample(20).joints()[None, :, :22].astype(np.float32))
    np.save(mesh, tubes_around(motion.resample(20)))
    contents = {
        "import AMASS, 10 s at 120 fps": (amass.getvalue(), 150.0),
        "import BVH, 10 s at 120 fps, 52 joints": (bvh.to_text(motion).encode(), 400.0),
        "import T2M-GPT's joints, 10 s": (joints.getvalue(), 100.0),
        "import a mesh of 6890 vertices, 10 s, estimated": (mesh.getvalue(), 3000.0),
    }
    return {
        name: _row(_cpu_seconds(lambda content=content: import_motion(content), 5) * 1e3, "ms", bar)
        for name, (content, bar) in contents.items()
    }


def _tokens() -> dict[str, dict[str, Any]]:
    """T2M-GPT's tokens; of the two bars one is enough. Nothing where torch is not installed."""
    if importlib.util.find_spec("torch") is None:
        return {}
    from backend.evaluate.generation import measure_generation

    made = measure_generation()
    share = made.weights_gb_s / made.copy_gb_s
    return {
        "T2M-GPT, 50 tokens": _row(made.cached_s, "s", None),
        "the same without a cache / with it": _row(made.uncached_s / made.cached_s, "x", 4.0, higher=True),
        "weights read / plain copy (this or the row above)": _row(share, "x", 0.5, higher=True),
        "the same tokens without a cache and in a batch": _row(made.same_tokens, "of 1", 1.0, higher=True),
        "T2M-GPT, 50 tokens, per text of 8 at once": _row(made.batch_s, "s", None),
    }


def _draft(photo: bytes) -> dict[str, dict[str, Any]]:
    """The renderer alone, beside one full-frame RGBA `cv2.remap`."""
    job = take.make_job(moves.generate(RulePlanner().plan(TEXT)), detect.detect(photo), photo, fps=as_fps(30))
    job = job.with_window(0, min(60, len(job.signal.track)))
    remap = _cpu_seconds(_full_remap(job.size), 15)
    model = DraftPuppet()
    build = _cpu_seconds(lambda: model.puppet(job), 1, warm=0)
    seconds = _cpu_seconds(lambda: model.render(job, silent), 3) / 60
    return {
        "full-frame RGBA remap": _row(remap * 1e3, "ms", None),
        "build the puppet": _row(build, "s", 1.0),
        "render": _row(1 / seconds, "fps", 60.0, higher=True),
        "render / remap": _row(seconds / remap, "x", 4.5),
    }


def _joints() -> dict[str, dict[str, Any]]:
    """Joints to rotations, which others do by optimisation in minutes."""
    seconds = solving.solving_seconds()
    worst, disturbed = solving.solving_errors_mm()
    return {
        "joints to a motion, 196 frames": _row(seconds * 1e3, "ms", 20.0),
        "times faster than SMPLify's 'a few minutes' (theirs, taken as two)": _row(
            solving.SMPLIFY_S / seconds, "x", None
        ),
        "joints of our 32 moves, worst joint and frame": _row(worst.max(), "mm", 5.0),
        "the same, 10 mm jitter and 5 % stretch, worst clip's mean": _row(disturbed.max(), "mm", 15.0),
    }


def _skeletons(photo: bytes) -> dict[str, dict[str, Any]]:
    """The skeleton that MimicMotion is shown, 576x1024, beside drawing it without shortcuts."""
    job = take.make_job(moves.generate(RulePlanner().plan(TEXT)), detect.detect(photo), photo, fps=as_fps(30))
    detect.release()
    speed = pictures.measure_drawing(job.signal.track)
    return {
        "draw a skeleton": _row(speed.ours_s * 1e3, "ms", 4.0),
        "drawn plainly / ours": _row(speed.plain_s / speed.ours_s, "x", 40.0, higher=True),
    }


def _frames_between(people: Path) -> dict[str, dict[str, Any]]:
    """Every second frame of the true clips left out and found again: PSNR by flow against the plain mixture's."""
    rows = {}
    for clip in sorted(people.glob("*.mp4")):
        flow, mixed = pictures.frames_between(clip, 2)
        rows[f"frames between, {clip.stem}, plain mixture"] = _row(mixed, "dB", None)
        rows[f"frames between, {clip.stem}, by flow"] = _row(flow, "dB", mixed, higher=True)
    return rows


def _full_remap(size: tuple[int, int]) -> Callable[[], object]:
    width, height = size
    picture = np.random.default_rng(0).integers(0, 256, (height, width, 4), dtype=np.uint8)
    y, x = np.mgrid[:height, :width].astype(np.float32)
    return lambda: cv2.remap(picture, x + 0.3, y + 0.3, cv2.INTER_LINEAR)


def _cold(photo: bytes) -> dict[str, dict[str, Any]]:
    """`fleximo animate` in a process of its own, 120 frames; then the same in this process, everything warm."""
    from backend.pipeline import Request, animate

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "photo.jpg").write_bytes(photo)
        command = [sys.executable, "-m", "backend.cli", "animate", TEXT, "--json"]
        command += ["--image", str(folder / "photo.jpg"), "-o", str(folder / "out.mp4")]
        started = time.monotonic()
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        wall = time.monotonic() - started
        report = json.loads(done.stdout)
        warm = {}
        for master in (False, False, True):  # the first warms up
            started = time.monotonic()
            animate(Request(photo=photo, text=TEXT, master=master), folder / "warm")
            warm[master] = time.monotonic() - started
    return {
        "text to mp4 cold, 120 frames, wall": _row(wall, "s", 6.0),
        "text to mp4 cold, CPU": _row(report["cpu_s"], "s", None),
        "text to mp4 cold, peak memory": _row(report["peak_rss_mb"], "MB", 600.0),
        "text to mp4 warm, wall": _row(warm[False], "s", 2.5),
        "the same with the lossless master, as the server keeps it": _row(warm[True], "s", 2.5),
    }


def in_blender(module: str) -> tuple[dict[str, dict[str, Any]], str]:
    """The rows of figures that `module` prints in a process of its own, and a line that says what was run."""
    if importlib.util.find_spec("bpy") is None:
        return {}, "Blender: not measured, for this Python has no module bpy (pip install bpy==5.0.1)."
    try:
        done = subprocess.run([sys.executable, "-m", module], capture_output=True, text=True, timeout=_BLENDER_S)
    except subprocess.TimeoutExpired:
        return {}, f"Blender: not measured, for it took longer than {_BLENDER_S} s."
    if done.returncode:
        return {}, f"Blender: not measured, for {module} ended with: {(done.stderr.strip() or '?').splitlines()[-1]}"
    figures = json.loads(done.stdout.strip().splitlines()[-1])
    rows = {name: _row(figure["value"], figure["unit"], figure["bar"]) for name, figure in figures.items()}
    return rows, f"Blender: {len(rows)} figures of the add-on, in the module bpy; drawing needs a window."


def _cpu_seconds(call: Callable[[], object], runs: int, warm: int = 1) -> float:
    """Median CPU seconds of this thread over `runs` calls."""
    for _ in range(warm):
        call()
    times = []
    for _ in range(runs):
        started = time.process_time()
        call()
        times.append(time.process_time() - started)
    return statistics.median(times)


def _row(value: float, unit: str, bar: float | None, *, higher: bool = False) -> dict[str, Any]:
    met = None if bar is None else bool(value >= bar if higher else value <= bar)
    return {"value": round(float(value), 4), "unit": unit, "bar": bar, "met": met}


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    yield
    cv2.setNumThreads(before)


def _cpu() -> str:
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.is_file() else []
    named = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return f"{named[0]} ({len(named)} cores)" if named else platform.processor()


def _table(document: dict[str, Any]) -> str:
    lines = [f"CPU: {document['machine']['cpu']}", "| what | measured | bar | met |", "|---|---|---|---|"]
    for name, row in document["figures"].items():
        bar = "" if row["bar"] is None else f"{row['bar']:g} {row['unit']}"
        met = {None: "", True: "yes", False: "NO"}[row["met"]]
        lines.append(f"| {name} | {row['value']:.3g} {row['unit']} | {bar} | {met} |")
    if "blender" in document:
        lines += ["", document["blender"]]
    if "quality" in document:
        judged = (*quality.BARS, "met")
        lines += ["", "| person | text | " + " | ".join(judged) + " |", "|---|---|" + "---|" * len(judged)]
        for row in document["quality"]:
            values = [f"{row[name]:.3f}" for name in quality.BARS] + ["yes" if row["met"] else "NO"]
            lines.append(f"| {row['person']} | {row['text']} | " + " | ".join(values) + " |")
    return "\n".join(lines)
