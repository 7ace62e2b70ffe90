"""The options of every command, each explained in its `--help`. Parses; knows no stage and runs nothing."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from fleximo import __version__

__all__ = ["build_parser"]

_MOTION_ENDINGS = ".npz, .bvh for other programs, or .npy for HumanML3D's 22 joints at 20 fps"

Add = Callable[[str, str, str], argparse.ArgumentParser]


def build_parser() -> argparse.ArgumentParser:
    """The parser of every command, each with an example in its `--help`."""
    parser = argparse.ArgumentParser(
        prog="fleximo",
        description="Text and one photo become an editable 3D motion and a video of that person doing it.",
        epilog='Start with: fleximo demo, then: fleximo animate "she waves and bows" --image PHOTO -o out.mp4',
    )
    parser.add_argument("--version", action="version", version=f"fleximo {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)

    def command(name: str, does: str, example: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=does, description=does, epilog=f"Example: {example}")
        sub.add_argument("--json", action="store_true", help="print the result as JSON")
        sub.add_argument("--debug", action="store_true", help="show the traceback of an error")
        return sub

    _add_animate(command)
    _add_motion_commands(command)
    _add_picture_commands(command)
    _add_server_commands(command)
    _add_house_commands(command)
    return parser


def _add_animate(command: Add) -> None:
    animate = command(
        "animate",
        "text and one photo to a video: the main job",
        'fleximo animate "a man waves his right hand, then does three squats" --image photo.jpg -o out.mp4',
    )
    animate.add_argument("text", nargs="?", default="", help="what the person does")
    animate.add_argument("--image", type=Path, required=True, help="the photo: PNG, JPEG or WebP")
    animate.add_argument("-o", "--output", type=Path, required=True, help="the video to write (.mp4)")
    animate.add_argument(
        "--motion", type=Path, help="use this motion file instead of the text: any that is read (docs/formats.md)"
    )
    animate.add_argument("--item", type=int, help="which of several motions in the file --motion (default: 0)")
    animate.add_argument("--points", type=Path, help="key points placed by hand (JSON), instead of a detector")
    _add_detector(animate)
    animate.add_argument("--choose", type=int, help="which of several people, counted from the left, 0 = the first")
    _add_planner(animate)
    animate.add_argument("--engine", default="draft", help="the video model (default: draft)")
    _add_engine_settings(animate)
    _add_motion_model(animate)
    animate.add_argument(
        "--fps",
        default=None,
        help="1 to 240, also 23.976 or 30000/1001 (default: 30 for the draft, 15 for mimicmotion)",
    )
    animate.add_argument(
        "--adapter",
        choices=("kinematic", "diffusion"),
        default="kinematic",
        help="where the skeleton's hands come from: the rig's fingers (default), or a model that draws them",
    )
    animate.add_argument(
        "--retime",
        choices=("flow", "dense", "none"),
        default="flow",
        help="for an engine with a frame rate of its own, where --fps is another: find the frames between by optical "
        "flow (default), let it render every frame (dense), or repeat the nearest (none)",
    )
    animate.add_argument("--size", default=None, metavar="WxH", help="default: 576x1024 or 1024x576")
    animate.add_argument("--seed", type=_seed, default=0, help="of the natural variation (default: 0)")
    animate.add_argument(
        "--rescale",
        choices=("bones", "paper", "off"),
        default="bones",
        help="how the motion is fitted to the person: in 3D bone by bone (default), in the picture as the paper does, "
        "or not at all",
    )
    _add_photo_priors(animate)
    animate.add_argument(
        "--camera-height", type=float, metavar="M", help="of the camera over the floor (default: fitted to the photo)"
    )
    animate.add_argument(
        "--camera-pitch", type=float, metavar="DEGREES", help="of the camera, positive looks down (default: fitted)"
    )
    animate.add_argument(
        "--refine",
        type=int,
        nargs="?",
        const=1,
        default=0,
        metavar="N",
        help="find the pose in the finished video, fit it to the photo and render once more, N times (without N: 1); "
        "kept only if the motion is met better",
    )
    animate.add_argument("--keep", type=Path, metavar="DIR", help="keep every intermediate file in DIR")
    animate.add_argument("--report", type=Path, metavar="FILE", help="write the report (JSON)")

    demo = command("demo", "the main job on the shipped photo, with skeleton and contact sheet", "fleximo demo")
    demo.add_argument("-o", "--output", type=Path, default=Path("fleximo-demo"), help="folder (default: fleximo-demo)")
    shown = "a woman waves her right hand, then does two squats and bows"
    demo.add_argument("--text", default=shown, help=f"what she does (default: {shown})")

    _add_render(command)


def _add_render(command: Add) -> None:
    render = command(
        "render",
        "renders frames of a kept run again: those that a changed motion changes, or a chosen range",
        "fleximo render --from keep/report.json --range 24:48 --variants 2",
    )
    render.add_argument(
        "--from", dest="report", type=Path, required=True, help="report.json of a --keep folder, or the folder"
    )
    render.add_argument("--range", dest="frames", metavar="A:B", help="frames A to B, without B")
    render.add_argument("--motion", type=Path, metavar="FILE", help="a changed motion: renders what it changes")
    render.add_argument("--variants", type=int, default=1, help="of a range: how many, each with its seed (1 to 4)")
    render.add_argument("--seed", type=_seed, help="of a range: the first variant's (default: the run's plus 1)")
    render.add_argument("--engine", help="of a range: another video model")
    _add_engine_settings(render)
    render.add_argument("-o", "--output", type=Path, help="folder (default: variants/ or changed/ beside the report)")


def _add_engine_settings(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--quality", help="standard or best, for engines that denoise (default: best)")
    parser.add_argument("--steps", type=_count, help="denoising steps instead of the quality's")
    parser.add_argument(
        "--set", dest="settings", action="append", default=[], metavar="NAME=VALUE", help="any setting of the engine"
    )


def _add_detector(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--detector",
        choices=("auto", "mediapipe", "dwpose", "manual"),
        default="auto",
        help="who finds the person: auto (default) takes --points where given, else DWPose where its weights are "
        "there, else MediaPipe",
    )


def _add_motion_commands(command: Add) -> None:
    plan = command("plan", "prints the plan of a text as JSON", 'fleximo plan "she walks in, waves and bows"')
    plan.add_argument("text", help="what the person does")
    _add_planner(plan)
    plan.add_argument("--seed", type=_seed, default=0, help="written into the plan (default: 0)")

    motion = command("motion", "text to a motion file", 'fleximo motion "two jumping jacks" -o jacks.npz')
    motion.add_argument("text", help="what the person does")
    _add_planner(motion)
    motion.add_argument("-o", "--output", type=Path, required=True, help=_MOTION_ENDINGS)
    _add_features(motion)
    _add_motion_model(motion)
    motion.add_argument("--fps", default="30", help="frames per second, 1 to 240 (default: 30)")
    motion.add_argument("--seed", type=_seed, default=0, help="of the natural variation (default: 0)")

    convert = command(
        "convert",
        "any motion file to .npz, .bvh or .npy: AMASS, AIST++, MDM, T2M-GPT, HumanML3D, BVH and more (docs/formats.md)",
        "fleximo convert results.npy walk.bvh --item 3",
    )
    convert.add_argument("input", type=Path, help="a motion file of any kind, or a folder of frames (.obj, .pkl)")
    convert.add_argument("output", type=Path, help=_MOTION_ENDINGS)
    convert.add_argument("--item", type=int, default=0, help="which of several motions in the file (default: 0)")
    convert.add_argument("--fps", help="frames per second of a file that does not tell them")
    convert.add_argument("--up", choices=("y", "z"), help="the file's up axis, where it is not its format's usual one")
    convert.add_argument("--model", type=Path, help="your SMPL model file, for exact bone lengths and meshes")
    convert.add_argument("--mesh", type=Path, help="also keep the surface of a mesh file, as .npz or Blender's .pc2")
    _add_features(convert)


def _add_features(command: argparse.ArgumentParser) -> None:
    command.add_argument("--features", action="store_true", help="write HumanML3D's 263 features instead of joints")


def _add_motion_model(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--motion-model",
        default="moves",
        help="the text-to-motion model: moves (default), or t2m-gpt, which needs its weights (see docs/motion.md)",
    )
    command.add_argument(
        "--motion-set",
        dest="motion_settings",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a setting of the motion model, as greedy=true, device=cpu or precision=bf16 of t2m-gpt",
    )


def _add_planner(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--planner",
        default="rules",
        help="rules (default), llm (an endpoint: FLEXIMO_LLM_URL, FLEXIMO_LLM_MODEL, FLEXIMO_LLM_KEY) or local (the "
        "folder FLEXIMO_LLM_MODEL); see docs/planner.md",
    )


def _add_photo_priors(command: argparse.ArgumentParser) -> None:
    """What a photo does not tell and its owner may know."""
    command.add_argument(
        "--lens-degrees",
        type=float,
        metavar="DEGREES",
        help="angle of view of the photo's longer side (default: from EXIF, else 35)",
    )
    command.add_argument("--stature", type=float, metavar="M", help="how tall the person is (default: 1.70)")


def _add_picture_commands(command: Add) -> None:
    detect = command("detect", "finds the person in a photo", "fleximo detect photo.jpg -o person.json")
    detect.add_argument("photo", type=Path, help="PNG, JPEG or WebP")
    detect.add_argument("-o", "--output", type=Path, required=True, help="what was found (.json)")
    detect.add_argument("--mask", type=Path, help="also write the person's mask (PNG)")
    detect.add_argument("--points", type=Path, help="key points placed by hand (JSON)")
    _add_detector(detect)
    detect.add_argument("--choose", type=int, help="which of several people, counted from the left, 0 = the first")
    _add_photo_priors(detect)

    score = command(
        "score",
        "finds the person in a video again and compares with the skeleton asked for",
        "fleximo score out.mp4 --target keep/pose_track.npz",
    )
    score.add_argument("video", type=Path, help="as `animate` wrote it")
    score.add_argument("--target", type=Path, required=True, help="pose_track.npz of a --keep folder")
    score.add_argument("--every", type=_count, default=6, help="judge every n-th frame (default: 6)")
    score.add_argument("--plot", type=Path, help="write a plot (PNG)")

    check = command(
        "check",
        "looks at a finished render again: how far each frame is from what was asked for, and the worst seconds",
        "fleximo check keep",
    )
    check.add_argument("render", help="a --keep folder, its report.json, or the id of a render job of the server")
    check.add_argument("--every", type=_count, help="look at every n-th frame (default: about eight a second)")
    check.add_argument("--data", type=Path, help="data folder of the server (default: the platform's usual place)")


def _add_server_commands(command: Add) -> None:
    serve = command("serve", "runs the render server", "fleximo serve")
    serve.add_argument("--host", default="127.0.0.1")
    serve.add_argument("--port", type=int, default=0, help="0 = any free port, written to server.json")
    serve.add_argument("--data", type=Path, help="data folder (default: the platform's usual place)")
    serve.add_argument(
        "--insecure-lan", action="store_true", help="allow an address that others can reach, without TLS"
    )
    serve.add_argument("--engine", choices=("local",), default="local", help="what runs the tasks")

    task = command("run-task", "runs one task file: for any render farm", "fleximo run-task task.json")
    task.add_argument("task", type=Path)

    token = command("token", "prints where the server's token lies", "fleximo token")
    token.add_argument("--data", type=Path)


def _add_house_commands(command: Add) -> None:
    command("doctor", "what is installed and what is missing, one line each with the fix", "fleximo doctor")
    _add_model_commands(command)
    bench = command("bench", "measures speed on this machine", "fleximo bench")
    bench.add_argument("--people", type=Path, help="also measure the quality on the photos (.jpg) of this folder")
    bench.add_argument(
        "--blender",
        default="",
        metavar="MODULE",
        help="a Python module that prints figures of the add-on, such as tests.blender.figures",
    )
    bench.add_argument("-o", "--output", type=Path, default=Path("bench-results"))


def _add_model_commands(command: Add) -> None:
    models = command("models", "the weights: where, size, sum, terms, state", "fleximo models setup paper")
    actions = models.add_subparsers(dest="action", metavar="ACTION")

    def action(name: str, does: str, example: str) -> argparse.ArgumentParser:
        sub = actions.add_parser(name, help=does, description=does, epilog=f"Example: fleximo models {example}")
        for option in ("--json", "--debug"):
            sub.add_argument(option, action="store_true", default=argparse.SUPPRESS, help=argparse.SUPPRESS)
        return sub

    action("list", "every model: where it lies, its size, terms and state (the default)", "list")
    setup = action("setup", "one page: what a way of working needs, before anything is fetched", "setup paper")
    setup.add_argument("name", help="paper or wan")
    setup.add_argument("--yes", action="store_true", help="then fetch what can be fetched")
    pull = action("pull", "fetches weights, goes on where it stopped, checks them", "pull mimicmotion")
    pull.add_argument("names", nargs="+", metavar="NAME")
    take = action("import", "takes a file, zip or folder that you already have", "import t2m_gpt Downloads/x.zip")
    take.add_argument("name", metavar="NAME")
    take.add_argument("path", type=Path, metavar="FILE|FOLDER")
    take.add_argument("--as", dest="as_file", metavar="FILE", help="which file of the bundle it is, if unclear")
    verify = action("verify", "reads the weights again: exit code 1 if one is missing or altered", "verify")
    verify.add_argument("names", nargs="*", metavar="NAME", help="default: all that are here")
    convert = action("convert", "converts checkpoints that you put into a folder of weights", "convert t2m_gpt")
    convert.add_argument("name", metavar="NAME")
    action("token", "keeps the token of the model hub, asked for or read from standard input", "token")


def _seed(text: str) -> int:
    """A seed as the server takes it: 0 to 2^53 - 1."""
    seed = _whole(text)
    if not 0 <= seed < 2**53:
        raise argparse.ArgumentTypeError(f"{seed} is not from 0 to 2^53 - 1")
    return seed


def _count(text: str) -> int:
    """A whole number of at least 1."""
    count = _whole(text)
    if count < 1:
        raise argparse.ArgumentTypeError(f"{count} is below 1")
    return count


def _whole(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number") from None
