"""What each command does: files in, stages, files out, and the words printed afterwards.

One function per command, named after it; arguments as parsed by `backend.parser`. Returns the JSON result with the
printed text under `text_output`.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from backend import catalog, pipeline, reports
from backend.drawing import FLEXIMO_THICK, draw_track
from backend.evaluate.sheet import contact_sheet, write_picture
from backend.media import read_frames
from backend.options import check_target, motion_in, motion_settings_of, parse_size, points_of, settings_of
from backend.refine import cost
from backend.run_folder import run_folder
from backend.terminal import ProgressLine, sentence
from fleximo import FleximoError, Notice, PoseTrack
from fleximo.files import read_bytes, write_json
from fleximo.formats import check_written, save_motion
from fleximo.formats.mesh_cache import save_mesh
from fleximo.timing import as_fps

__all__ = [
    "animate", "bench", "check", "convert", "demo", "detect", "doctor", "models", "motion", "plan", "render",
    "run_task", "score", "serve", "token",
]  # fmt: skip

Result = dict[str, Any]


def animate(arguments: argparse.Namespace) -> Result:
    if not arguments.text and arguments.motion is None:
        raise FleximoError(
            "Neither a text nor --motion was given.", remedy='Say what the person does, e.g. "she waves".'
        )
    if arguments.item is not None and arguments.motion is None:
        raise FleximoError("--item chooses a motion of the file --motion; there is none.", code="no_such_item")
    imported = None if arguments.motion is None else motion_in(arguments.motion, item=arguments.item or 0)
    request = pipeline.Request(
        photo=read_bytes(arguments.image),
        text=arguments.text,
        motion=None if imported is None else imported.motion,
        points=points_of(arguments.points),
        detector=arguments.detector,
        choose=arguments.choose,
        engine=arguments.engine,
        planner=arguments.planner,
        motion_model=arguments.motion_model,
        fps=None if arguments.fps is None else as_fps(arguments.fps),
        size=None if arguments.size is None else parse_size(arguments.size),
        seed=arguments.seed,
        rescale=arguments.rescale,
        retime=arguments.retime,
        adapter=arguments.adapter,
        lens_degrees=arguments.lens_degrees,
        stature_m=arguments.stature,
        camera_height_m=arguments.camera_height,
        camera_pitch_degrees=arguments.camera_pitch,
        settings=settings_of(arguments),
        motion_settings=motion_settings_of(arguments),
        refine=arguments.refine,
        master=arguments.keep is not None,
    )
    if arguments.output.suffix.lower() != ".mp4":
        raise FleximoError(f"The video {arguments.output} must end in .mp4.")
    check_target(arguments.output, arguments.image, arguments.motion, arguments.points)
    check_target(arguments.report, arguments.output, arguments.image, arguments.motion, arguments.points)
    if request.refine:
        print(f"fleximo: {cost(request.refine)}", file=sys.stderr)
    document = _animate(request, arguments.output, arguments.keep)
    for notice in imported.notices if imported is not None else ():
        document["warnings"].append(notice.code)
        document["notices"].append(notice.to_json())
    if arguments.report is not None:
        write_json(arguments.report, document)
    return document | {"video": str(arguments.output), "text_output": _told(document, arguments.output)}


def _frames(count: int) -> str:
    return f"{count} frame" if count == 1 else f"{count} frames"


def demo(arguments: argparse.Namespace) -> Result:
    folder: Path = arguments.output
    photo = files("backend").joinpath("demo/anna.jpg").read_bytes()
    document = _animate(pipeline.Request(photo=photo, text=arguments.text), folder / "video.mp4", folder)
    frames, track = list(read_frames(folder / "video.mp4")), PoseTrack.load(folder / "pose_track.npz")
    chosen = np.linspace(0, len(frames) - 1, 10).round().astype(int)
    shown = [frames[n] for n in chosen]
    shown += [picture for n in chosen for picture in draw_track(track[n : n + 1], FLEXIMO_THICK)]
    write_picture(folder / "contact_sheet.jpg", contact_sheet(shown, columns=10))
    told = _told(document, folder / "video.mp4")
    told += f"\nThe skeleton: {folder / 'pose.mp4'}\nAll at a glance: {folder / 'contact_sheet.jpg'}"
    return document | {"video": str(folder / "video.mp4"), "text_output": told}


def _animate(request: pipeline.Request, output: Path, keep: Path | None) -> Result:
    """Runs the pipeline in a folder of its own, moves the video to `output`, keeps the rest if asked."""
    progress = ProgressLine()
    with run_folder(output, output.parent if keep is None else keep) as work:
        try:
            animation = pipeline.animate(request, work, progress)
        finally:
            progress.close()
        document = reports.report(animation)
        if keep is not None:
            reports.keep(animation, keep)
        shutil.move(animation.rendered.video, output)
    return document


def _told(document: Result, output: Path) -> str:
    lines = [f"{output}: {_frames(document['frames'])}, {document['fps']:g} fps, {document['fidelity']} quality"]
    lines += [sentence(Notice.from_json(notice)) for notice in document["notices"]]
    return "\n".join(lines)


def render(arguments: argparse.Namespace) -> Result:
    from backend.render_commands import render as run

    return run(arguments)


def plan(arguments: argparse.Namespace) -> Result:
    import json

    document = catalog.planner(arguments.planner).plan(arguments.text).with_seed(arguments.seed).to_json()
    return document | {"text_output": json.dumps(document, indent=2, ensure_ascii=False)}


def motion(arguments: argparse.Namespace) -> Result:
    check_written(arguments.output, features=arguments.features)
    check_target(arguments.output)
    fps, settings = as_fps(arguments.fps), motion_settings_of(arguments)
    model = catalog.motion_model(arguments.motion_model, settings)
    made = catalog.plan_for_model(arguments.text, catalog.planner(arguments.planner), model).with_seed(arguments.seed)
    progress = ProgressLine()
    try:
        performance = model.perform(made, progress, fps)
    finally:
        progress.close()
    moved = performance.motion
    written = save_motion(moved, arguments.output, features=arguments.features)
    notices = (*made.notices, *performance.notices, *written)
    told = [f"{arguments.output}: {_frames(len(moved))}, {moved.seconds:.1f} s", *map(sentence, notices)]
    told += [f"  seam at {seam.seconds:.1f} s: {seam.quality}" for seam in performance.seams if seam.quality == "poor"]
    return {
        "output": str(arguments.output),
        "frames": len(moved),
        "fps": float(moved.fps),
        "fidelity": reports.fidelity_with("full" if performance.bundles else "draft", performance.bundles),
        "stages": {
            "motion": {
                "implementation": arguments.motion_model,
                "settings": settings,
                **reports.motion_weights(performance.bundles),
            }
        },
        "warnings": [notice.code for notice in notices],
        "notices": [notice.to_json() for notice in notices],
        "seams": [seam.to_json() for seam in performance.seams],
        "plan": made.to_json(),
        "text_output": "\n".join(told),
    }


def convert(arguments: argparse.Namespace) -> Result:
    check_written(arguments.output, features=arguments.features)
    check_target(arguments.output, arguments.input, arguments.model)
    check_target(arguments.mesh, arguments.input, arguments.model, arguments.output)
    asked = {"item": arguments.item, "fps": arguments.fps, "up": arguments.up, "model": arguments.model}
    found = motion_in(arguments.input, **asked)
    if arguments.mesh is not None:
        if found.mesh is None:
            raise FleximoError(f"{arguments.input} is no mesh that --mesh could keep: {found.kind}.", code="no_mesh")
        save_mesh(found.mesh, arguments.mesh)
    notices = (*found.notices, *save_motion(found.motion, arguments.output, features=arguments.features))
    frames, fps = len(found.motion), float(found.motion.fps)
    told = [f"{arguments.output}: {_frames(frames)} at {fps:g} fps, from {found.kind}", *map(sentence, notices)]
    return {
        "output": str(arguments.output),
        "frames": frames,
        "fps": fps,
        "kind": found.kind,
        "item": found.item,
        "items": found.items,
        "text": found.text,
        "warnings": [notice.code for notice in notices],
        "text_output": "\n".join(told),
    }


def detect(arguments: argparse.Namespace) -> Result:
    import cv2

    from backend.models.detect import detect as find
    from backend.models.detect import detector_used
    from fleximo.camera_fit import frame_photo
    from fleximo.files import write_atomic

    check_target(arguments.output, arguments.photo, arguments.points)
    check_target(arguments.mask, arguments.photo, arguments.points, arguments.output)
    points = points_of(arguments.points)
    used = detector_used(arguments.detector, points)
    person = find(
        read_bytes(arguments.photo),
        points=points,
        detector=used,
        choose=arguments.choose,
        stature_m=arguments.stature,
        lens_degrees=arguments.lens_degrees,
    )
    framing = frame_photo(person.photo_size, person=person)
    write_json(arguments.output, person.to_json() | {"framing": framing.to_json()})
    if arguments.mask is not None:
        ok, content = cv2.imencode(".png", person.mask.astype(np.uint8) * 255)
        if ok:
            write_atomic(arguments.mask, content.tobytes())
    seen = int((person.body_confidence > 0.3).sum())
    told = [f"{arguments.output}: {seen} of 18 body points by {used}, facing {person.yaw_degrees:+.0f} degrees"]
    told += [sentence(notice) for notice in person.notices]
    codes = [notice.code for notice in person.notices]
    return {"output": str(arguments.output), "detector": used, "warnings": codes, "text_output": "\n".join(told)}


def score(arguments: argparse.Namespace) -> Result:
    from backend.evaluate import metrics

    check_target(arguments.plot, arguments.video, arguments.target)
    track = _track(arguments.target)
    result = metrics.score_video(read_frames(arguments.video), track, every=arguments.every)
    if arguments.plot is not None:
        metrics.plot(result, arguments.plot)
    return result.to_json() | {"text_output": result.table()}


def _track(path: Path) -> PoseTrack:
    """The pose track in a file; an error names the file."""
    content = read_bytes(path)
    try:
        return PoseTrack.from_bytes(content)
    except FleximoError as error:
        raise FleximoError(f"{path}: {error.message}", code=error.code, remedy=error.remedy) from None


def check(arguments: argparse.Namespace) -> Result:
    from backend.check_commands import check as run

    return run(arguments)


def serve(arguments: argparse.Namespace) -> Result:
    from backend.server.serve import serve as run
    from fleximo.data_folder import ServerAddress

    def tell(address: ServerAddress) -> None:
        if not arguments.json:
            print(f"Serving at http://{address.host}:{address.port}; stop with Ctrl-C.", flush=True)

    run(arguments.host, arguments.port, arguments.data, insecure_lan=arguments.insecure_lan, ready=tell)
    return {}


def run_task(arguments: argparse.Namespace) -> Result:
    from backend.jobs.tasks import run_task as run

    return {"exit_code": run(arguments.task)}


def token(arguments: argparse.Namespace) -> Result:
    from fleximo.data_folder import data_folder

    path = (arguments.data or data_folder()) / "token"
    if not path.is_file():
        raise FleximoError(f"There is no token at {path} yet.", remedy="Start the server once: fleximo serve.")
    return {"token_file": str(path), "text_output": str(path)}


def doctor(arguments: argparse.Namespace) -> Result:
    from backend.doctor import examine

    lines = examine()
    return {
        "checks": [line.to_json() for line in lines],
        "text_output": "\n".join(line.sentence() for line in lines),
    }


def models(arguments: argparse.Namespace) -> Result:
    from backend import model_commands

    run = {name.removesuffix("_models"): getattr(model_commands, name) for name in model_commands.__all__}
    return run[arguments.action or "list"](arguments)


def bench(arguments: argparse.Namespace) -> Result:
    from backend.evaluate.bench import run

    document = run(arguments.output, arguments.people, arguments.blender)
    return document | {"text_output": document["table"]}
