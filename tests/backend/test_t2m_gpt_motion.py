"""T2M-GPT as a stage: lengths, seams, locality, memory, the command line, all with tiny stand-in weights.

Lengths and seams are judged on features of the parametric moves, which a made-up decoder could not give.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")

from backend import catalog
from backend.cli import main
from backend.jobs import tasks
from backend.models.t2m_gpt import T2MGPT, Networks, Settings
from backend.models.t2m_gpt.length import PACES, fit_length
from backend.models.t2m_gpt.model import sentence
from backend.models.t2m_gpt.segments import join_segments
from backend.models.t2m_gpt.text import TextEncoder
from fleximo import Cancelled, FleximoError, Motion, MotionPlan, Segment
from fleximo.exchange import Span, exchanged, with_segment
from fleximo.formats.humanml import decode_features, encode_features
from fleximo.moves import generate
from fleximo.seams import MAX_JUMP_M, Seam
from tests.backend.test_jobs_tasks import make_task
from tests.fixtures.make_standin_weights import make_standins
from tests.fleximo.move_metrics import lowest_point, stance_speeds

FPS = Fraction(30)
TEXTS = ("a person walks forward", "a person waves", "he kicks", "she turns around", "a man jumps", "a person bows")


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    make_standins(["t2m_gpt", "clip_vit_b32"], folder, tiny=True)
    return folder


@pytest.fixture(autouse=True)
def models_folder(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLEXIMO_MODELS", str(models))


@pytest.fixture(scope="module")
def networks(models: Path) -> Networks:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FLEXIMO_MODELS", str(models))
        return Networks.load(Settings())


def plan_of(texts: Sequence[str], seconds: float = 3.0, seed: int = 0) -> MotionPlan:
    return MotionPlan(tuple(Segment("idle", seconds, text=text) for text in texts), seed)


class Moves:
    """Tokens that stand for four frames of a parametric move each, and a decoder that smooths over their borders."""

    def __init__(self) -> None:
        self.bank: list[np.ndarray] = []
        self.tokens: dict[str, list[int]] = {}
        lengths = {"walk": 6.0, "wave": 4.0, "squat": 4.0, "turn": 2.4, "bow": 3.0, "kick": 3.0, "run": 4.0}
        for name, seconds in lengths.items():
            motion = generate(MotionPlan((Segment(name, seconds),)), fps=20)
            features = encode_features(motion.joints()[:, :22])
            count = len(features) // 4
            self.tokens[name] = list(range(len(self.bank), len(self.bank) + count))
            self.bank += np.split(features[: 4 * count], count)

    def decode(self, tokens: Sequence[int]) -> np.ndarray:
        rows = np.concatenate([self.bank[token] for token in tokens])
        padded = np.pad(rows, ((2, 2), (0, 0)), mode="edge")
        kernel = (0.06, 0.24, 0.4, 0.24, 0.06)
        return np.asarray(sum(weight * padded[i : i + len(rows)] for i, weight in enumerate(kernel)))

    def joints(self, tokens: Sequence[int]) -> np.ndarray:
        return decode_features(self.decode(tokens)).joints

    def join(self, names: Sequence[str]) -> tuple[Motion, tuple[Seam, ...]]:
        lists = [self.tokens[name] for name in names]
        return join_segments(lists, [6 * len(tokens) for tokens in lists], FPS, self.decode)


@pytest.fixture(scope="module")
def library() -> Moves:
    return Moves()


# Lengths


@pytest.mark.parametrize(("name", "seconds"), [("walk", 5.0), ("walk", 7.0), ("wave", 3.1)])
def test_near_the_natural_length_only_the_pace_changes(library: Moves, name: str, seconds: float) -> None:
    fitted = fit_length(library.tokens[name], seconds, library.joints)
    assert list(fitted.tokens) == library.tokens[name]
    assert fitted.pace == pytest.approx(len(fitted.tokens) * 0.2 / seconds)
    assert "looped" not in fitted.told and "cut" not in fitted.told and "pace" in fitted.told


def test_the_natural_length_is_left_alone(library: Moves) -> None:
    assert fit_length(library.tokens["walk"], len(library.tokens["walk"]) * 0.2, library.joints).told == ""


@pytest.mark.parametrize(("name", "seconds"), [("walk", 30.0), ("squat", 12.0), ("bow", 60.0), ("wave", 5.2)])
def test_a_longer_one_is_looped_where_its_poses_fit(library: Moves, name: str, seconds: float) -> None:
    fitted = fit_length(library.tokens[name], seconds, library.joints)
    assert PACES[0] <= fitted.pace <= PACES[1]
    assert "looped" in fitted.told and f"{seconds:.1f} s asked" in fitted.told
    joints = library.joints(fitted.tokens)
    steps = np.linalg.norm(np.diff(joints, axis=0), axis=-1)
    natural = np.linalg.norm(np.diff(library.joints(library.tokens[name]), axis=0), axis=-1)
    assert steps.max() < natural.max() + 0.02


@pytest.mark.parametrize(("name", "seconds"), [("walk", 2.0), ("squat", 2.0), ("kick", 1.2), ("run", 0.3)])
def test_a_shorter_one_is_cut_where_the_body_is_calm(library: Moves, name: str, seconds: float) -> None:
    tokens = library.tokens[name]
    fitted = fit_length(tokens, seconds, library.joints)
    assert list(fitted.tokens) == tokens[: len(fitted.tokens)] and len(fitted.tokens) < len(tokens)
    assert "cut" in fitted.told
    if seconds > 1.0:
        assert PACES[0] <= fitted.pace <= PACES[1]
        speed = np.linalg.norm(np.diff(library.joints(tokens), axis=0), axis=-1).mean(axis=1) * 20
        allowed = [n for n in range(1, len(tokens)) if PACES[0] <= n * 0.2 / seconds <= PACES[1]]
        assert speed[4 * len(fitted.tokens) - 1] <= np.median(speed[4 * np.array(allowed) - 1]) + 1e-9


@pytest.mark.parametrize("seconds", [0.1, 0.5, 5.0, 60.0])
@pytest.mark.parametrize("count", [1, 2, 49])
def test_every_length_is_reached(library: Moves, count: int, seconds: float) -> None:
    tokens = (library.tokens["walk"] * 2)[:count]
    fitted = fit_length(tokens, seconds, library.joints)
    assert len(fitted.tokens) >= 1
    assert fitted.pace == pytest.approx(len(fitted.tokens) * 0.2 / seconds)
    if seconds >= 0.5:
        assert PACES[0] <= fitted.pace <= PACES[1]


# Seams


@pytest.mark.parametrize(
    "names",
    [
        ("walk", "wave", "walk"),
        ("bow", "kick", "run", "walk"),
        ("squat", "turn", "bow", "turn"),
        ("run", "wave", "turn"),
    ],
    ids="-".join,
)
def test_no_seam_jumps_and_feet_stay(library: Moves, names: Sequence[str]) -> None:
    motion, seams = library.join(names)
    assert len(seams) == len(names) - 1
    assert all(seam.jump_m <= MAX_JUMP_M and seam.root_jump_m <= MAX_JUMP_M for seam in seams), seams
    assert stance_speeds(motion).max() < 10.0 and stance_speeds(motion).mean() < 1.0
    assert lowest_point(motion) > -0.03
    steps = np.linalg.norm(np.diff(motion.root, axis=0), axis=1) * 30
    assert np.abs(np.diff(steps)).max() * 30 < 30.0  # m/s^2 of the pelvis: no seam throws the body


def test_calm_seams_are_decoded_together_and_others_blended(library: Moves) -> None:
    kinds = {seam.kind for names in (("bow", "wave"), ("kick", "run")) for seam in library.join(names)[1]}
    assert kinds == {"decoded together", "blended"}


def test_place_and_heading_are_carried_on(library: Moves) -> None:
    motion, _ = library.join(("walk", "turn", "walk"))
    alone, _ = library.join(("walk",))
    way = float(np.linalg.norm(alone.root[-1, [0, 2]]))
    assert 0.7 * way < np.linalg.norm(motion.root[170, [0, 2]]) < 1.2 * way
    first, last = (motion.root[b, [0, 2]] - motion.root[a, [0, 2]] for a, b in ((30, 150), (-150, -30)))
    angle = np.degrees(np.arccos(first @ last / np.linalg.norm(first) / np.linalg.norm(last)))
    turned = library.join(("turn",))[0]
    own = decode_features(library.decode(library.tokens["turn"])).joints
    assert len(turned) == 6 * len(library.tokens["turn"]) and len(own) > 0
    assert angle > 60.0


# The stage


def test_a_plan_lasts_as_long_as_it_says(networks: Networks) -> None:
    plan = MotionPlan(tuple(Segment("idle", s, text=t) for s, t in zip((0.1, 1.0, 4.2, 12.0), TEXTS)))
    told: list[float] = []
    performance = T2MGPT(networks=networks).perform(plan, lambda share, _="": told.append(share), FPS)
    assert len(performance.motion) == sum(plan.frame_counts(FPS)) == 3 + 30 + 126 + 360
    assert performance.motion.fps == FPS
    assert [seam.frame for seam in performance.seams] == [3, 33, 159]
    assert told == sorted(told) and told[0] == 0.0 and told[-1] == 1.0
    notice = next(notice for notice in performance.notices if notice.code == "length_changed")
    assert "12.0 s asked for" in notice.message
    assert {bundle.name: bundle.state for bundle in performance.bundles} == dict.fromkeys(
        ("t2m_gpt", "clip_vit_b32"), "stand_in"
    )
    assert T2MGPT(networks=networks).generate(plan).fps == 20


def test_the_same_plan_gives_the_same_bits(networks: Networks) -> None:
    plan = plan_of(TEXTS[:3], seed=5)
    one, two = (T2MGPT(networks=networks).perform(plan).motion for _ in range(2))
    assert one.to_bytes() == two.to_bytes()
    assert T2MGPT(networks=networks).perform(plan.with_seed(6)).motion.to_bytes() != one.to_bytes()
    greedy = T2MGPT(Settings(greedy=True), networks)
    assert greedy.perform(plan).motion.to_bytes() == greedy.perform(plan.with_seed(6)).motion.to_bytes()


def own_frame(motion: Motion, frames: slice) -> list[np.ndarray]:
    """The pose of each frame, and root path and heading as seen from the first of them (rounded: they were moved)."""
    from fleximo.transitions import inverse, moved, pelvis_place

    part = motion[frames]
    placed = moved(part, inverse(pelvis_place(part[:1])))
    return [motion.rotations[frames, 1:], motion.contacts[frames], placed.root.round(4)]


@pytest.mark.parametrize("changed", [0, 2, 5])
def test_another_text_changes_no_segment_further_than_one_seam_away(networks: Networks, changed: int) -> None:
    plan = plan_of(TEXTS, seed=1)
    segments = list(plan.segments)
    segments[changed] = replace(segments[changed], text="an old man crawls under a table")
    plans = plan, MotionPlan(tuple(segments), plan.seed)
    first, second = (T2MGPT(networks=networks).perform(each, fps=FPS).motion for each in plans)
    ends = np.cumsum((0, *plan.frame_counts(FPS)))
    for i in range(len(TEXTS)):
        frames = slice(ends[i], ends[i + 1])
        if i < changed - 1:  # before it, nothing at all
            assert np.array_equal(first.rotations[frames], second.rotations[frames])
            assert np.array_equal(first.root[frames], second.root[frames])
        elif i > changed + 1:  # after it, only where on the floor the segment is played
            pairs = list(zip(own_frame(first, frames), own_frame(second, frames)))
            assert all(np.array_equal(a, b) for a, b in pairs[:2])
            assert np.abs(pairs[2][0] - pairs[2][1]).max() < 2e-4
    there = slice(ends[changed], ends[changed + 1])
    assert not np.array_equal(first.rotations[there, 1:], second.rotations[there, 1:])


def test_a_segment_is_the_same_in_a_longer_plan(networks: Networks) -> None:
    """More segments than one batch holds: those at the start are as they were."""
    short, long = plan_of(TEXTS[:3], 2.0), plan_of((TEXTS * 3)[:18], 2.0)
    one, many = (T2MGPT(networks=networks).perform(plan, fps=FPS).motion for plan in (short, long))
    assert np.array_equal(one.rotations[:120], many.rotations[:120])


def test_a_text_that_ends_at_once_is_made_to_begin(networks: Networks, monkeypatch: pytest.MonkeyPatch) -> None:
    gpt = type(networks.gpt)
    forward = gpt.forward

    def ends(self, text, tokens, cache=None):
        logits = forward(self, text, tokens, cache)
        logits[..., self.config.end] = 1e4
        return logits

    monkeypatch.setattr(gpt, "forward", ends)
    performance = T2MGPT(networks=networks).perform(plan_of(TEXTS[:2], 1.0), fps=FPS)
    notice = next(notice for notice in performance.notices if notice.code == "empty_motion")
    assert "a person walks forward" in notice.message
    assert len(performance.motion) == 60


def test_it_can_be_cancelled(networks: Networks) -> None:
    def stop(share: float, message: str = "") -> None:
        if share > 0.2:
            raise Cancelled

    with pytest.raises(Cancelled):
        T2MGPT(networks=networks).perform(plan_of(TEXTS), stop)


def test_what_the_model_is_told() -> None:
    wave = Segment("wave", 2.0, text="waving his hand")
    assert sentence(Segment("walk", 2.0, text="walks forward", layers=(wave,))) == (
        "a person walks forward while waving his hand"
    )
    assert sentence(Segment("sit_down", 2.0)) == "a person sit down"
    assert sentence(Segment("walk", 2.0, text="The old man walks")) == "The old man walks"


# Text


def test_a_text_has_its_own_vector_whatever_stands_beside_it(networks: Networks) -> None:
    together = networks.text.encode(TEXTS)
    assert together.shape == (len(TEXTS), 512)
    assert all((networks.text.encode([text])[0] == row).all() for text, row in zip(TEXTS, together))
    assert (networks.text.encode(["A Person  WAVES"])[0] == together[1]).all()


def test_the_vector_is_the_projection_at_the_first_end_token(networks: Networks, models: Path) -> None:
    """Against `transformers`' own way of loading and padding the same folder."""
    import torch
    from transformers import CLIPTextModelWithProjection, CLIPTokenizer

    folder = str(models / "clip_vit_b32")
    model = CLIPTextModelWithProjection.from_pretrained(folder).eval()
    tokens = CLIPTokenizer.from_pretrained(folder)(
        list(TEXTS), padding="max_length", max_length=77, return_tensors="pt"
    )
    with torch.inference_mode():
        expected = model(input_ids=tokens["input_ids"]).text_embeds
    found = networks.text.encode(TEXTS)
    assert (found - expected).abs().max() < 1e-5 * expected.abs().max()
    assert (found.norm(dim=1) - 1.0).abs().min() > 0.1  # not brought to unit length


def test_a_very_long_text_is_cut_and_told(networks: Networks) -> None:
    long = "a person " + "walks and " * 200
    performance = T2MGPT(networks=networks).perform(plan_of([long], 1.0))
    assert "text_too_long" in [notice.code for notice in performance.notices]


@pytest.mark.parametrize("fault", ["no model", "no vocabulary", "key", "activation", "settings"])
def test_faults_of_the_text_encoder_are_told(models: Path, tmp_path: Path, fault: str) -> None:
    import shutil

    from safetensors.torch import load_file, save_file

    folder = tmp_path / "clip"
    shutil.copytree(models / "clip_vit_b32", folder)
    config = json.loads((folder / "config.json").read_text())
    if fault == "no model":
        (folder / "model.safetensors").unlink()
    elif fault == "no vocabulary":
        (folder / "vocab.json").write_text("[")
    elif fault == "key":
        tensors = load_file(folder / "model.safetensors")
        del tensors["text_projection.weight"]
        save_file(tensors, folder / "model.safetensors")
    elif fault == "activation":
        config["text_config"]["hidden_act"] = "gelu"
        (folder / "config.json").write_text(json.dumps(config))
    else:
        (folder / "config.json").write_text("[]")
    with pytest.raises(FleximoError) as caught:
        TextEncoder(folder)
    assert fault != "key" or "text_projection.weight" in str(caught.value)


# The way in


def test_missing_weights_are_told_with_the_command_that_gets_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLEXIMO_MODELS", str(tmp_path))
    with pytest.raises(FleximoError, match="fleximo models pull t2m_gpt") as caught:
        T2MGPT().perform(plan_of(TEXTS[:1]))
    assert caught.value.code == "weights_missing"


@pytest.mark.parametrize(
    "settings", [Settings(device="nonsense"), Settings(precision="fp8"), Settings(device="cuda:77")]
)
def test_settings_that_cannot_be_are_refused(settings: Settings) -> None:
    with pytest.raises(FleximoError):
        T2MGPT(settings).perform(plan_of(TEXTS[:1]))


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_other_precisions_run_on_a_cpu_too(precision: str) -> None:
    assert len(T2MGPT(Settings(device="cpu", precision=precision)).generate(plan_of(TEXTS[:1]))) == 60


def test_without_torch_a_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("backend.models.t2m_gpt")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(FleximoError, match=r"fleximo\[models\]"):
        catalog.motion_model("t2m-gpt")


def test_the_command_writes_a_motion_and_says_how_it_came_about(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out.npz"
    text = "a person walks forward, waves and sits down"
    assert main(["motion", text, "--motion-model", "t2m-gpt", "-o", str(out), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["fidelity"] == "stand_in"
    assert "length_changed" in document["warnings"]
    assert len(document["seams"]) == 2 and {"frame", "kind", "jump_m", "quality"} <= set(document["seams"][0])
    assert set(document["stages"]["motion"]["weights_sha256"]) >= {"t2m_gpt/gpt.safetensors", "t2m_gpt/mean.npy"}
    assert len(Motion.load(out)) == document["frames"] == sum(
        int(segment["seconds"] * 30 + 0.5) for segment in document["plan"]["segments"]
    )  # fmt: skip


def test_settings_reach_the_model_from_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def command(seed: int, *more: str, model: str = "t2m-gpt") -> int:
        out = str(tmp_path / f"{seed}.npz")
        return main(["motion", "she waves", "--motion-model", model, "-o", out, "--seed", str(seed), "--json", *more])

    greedy = ("--motion-set", "greedy=true", "--motion-set", "precision=bf16", "--motion-set", "device=cpu")
    assert command(1, *greedy) == command(2, *greedy) == 0
    assert np.array_equal(Motion.load(tmp_path / "1.npz").rotations, Motion.load(tmp_path / "2.npz").rotations)
    assert '"greedy": true' in capsys.readouterr().out
    for wrong in ("greedy=yes", "precision=fp8", "heat=2", "greedy"):
        assert command(3, "--motion-set", wrong) == 1 and "greedy" in capsys.readouterr().out
    assert command(3, *greedy, model="moves") == 1 and "invalid_setting" in capsys.readouterr().out
    assert not (tmp_path / "3.npz").exists()


def test_words_that_no_planner_knows_reach_the_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = str(tmp_path / "out.npz")
    text = "a man juggles three balls, then waves"
    assert main(["motion", text, "--motion-model", "t2m-gpt", "-o", out, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["plan"]["segments"][0]["text"] == "a man juggles three balls"
    assert "unmatched_text" not in document["warnings"]
    assert main(["motion", text, "-o", out, "--json"]) == 0  # the moves know no juggling, and say so
    assert "unmatched_text" in json.loads(capsys.readouterr().out)["warnings"]


def test_a_motion_job_runs_it(tmp_path: Path) -> None:
    request = {"plan": None, "text": "she kicks", "fps": 24.0, "seed": 3, "motion_model": "t2m-gpt"}
    outcome = tasks.run(make_task(tmp_path, "motion", request), lambda event: None)
    folder = tmp_path / "jobs" / "job"
    plan = json.loads((folder / outcome.files["plan"].path).read_text())
    assert Motion.load(folder / outcome.files["motion"].path).fps == 24
    assert "length_changed" in [warning["code"] for warning in plan["warnings"]]


def test_a_motion_job_takes_settings_and_plans_take_unknown_words(tmp_path: Path) -> None:
    def rotations(number: int, seed: int, settings: dict[str, Any]) -> Any:
        request = {"plan": None, "text": "she kicks", "fps": 24.0, "seed": seed, "motion_model": "t2m-gpt"}
        task = make_task(tmp_path / str(number), "motion", request | {"motion_settings": settings})
        outcome = tasks.run(task, lambda event: None)
        assert outcome.state == "done", outcome.error
        return Motion.load(task.folder / outcome.files["motion"].path).rotations

    drawn = [rotations(n, n, {}) for n in range(2)]
    greedy = [rotations(n + 2, n, {"greedy": True}) for n in range(2)]
    assert not np.array_equal(*drawn) and np.array_equal(*greedy)
    wrong = {"plan": None, "text": "she kicks", "fps": 24.0, "seed": 0, "motion_settings": {"heat": 2}}
    for model in ("moves", "t2m-gpt"):
        task = make_task(tmp_path / model, "motion", wrong | {"motion_model": model})
        assert tasks.run(task, lambda event: None).error["code"] == "invalid_setting"
    task = make_task(tmp_path / "plan", "plan", {"text": "he juggles", "seed": 1, "motion_model": "t2m-gpt"})
    outcome = tasks.run(task, lambda event: None)
    plan = json.loads((task.folder / outcome.files["plan"].path).read_text())
    assert [segment["text"] for segment in plan["segments"]] == ["he juggles"]


def test_a_segments_own_seed_changes_it_and_no_other(networks: Networks) -> None:
    model = T2MGPT(networks=networks)
    segments = tuple(Segment("idle", 4.0, text=text) for text in ("a person waves", "a person bows", "a person kicks"))
    plan = MotionPlan(segments, seed=5)
    changed = with_segment(plan, 1, replace(segments[1], seed=5))
    made = exchanged(plan, changed, 1, *(model.perform(each).motion for each in (plan, changed)), tolerance=1e-5)
    assert made.frames == Span(80, 160, 160)
    arms = made.joints[made.motion.rig.index("left_elbow")]
    assert arms.start >= 60 and arms.stop <= 180, "no further than the seams reach"
    assert arms.stop > 140, "the same number is another seed where it is the segment's own"


_LONG = """
import sys
from backend.catalog import motion_model
from fleximo import MotionPlan, Segment
from fleximo.system import peak_memory_mb
moves = ("walk", "wave", "squat", "turn", "bow", "kick")
model = motion_model(sys.argv[1])
for seconds in map(float, sys.argv[2:]):
    count = int(seconds / 8.0)
    segments = (Segment(moves[i % 6], 8.0, text=f"a person does {moves[i % 6]} {i}") for i in range(count))
    made = model.perform(MotionPlan(tuple(segments)), lambda *_: None, None)
    worst = max(seam.jump_m for seam in made.seams)
    print(peak_memory_mb(), len(made.motion) / float(made.motion.fps), worst)
"""


@pytest.mark.parametrize(("model", "lengths"), [("moves", (600,)), ("t2m-gpt", (16, 80))])
def test_ten_minutes_stay_below_a_gigabyte(model: str, lengths: tuple[int, ...]) -> None:
    """Of T2M-GPT shorter ones, and what another minute costs carried on to ten (docs/performance.md has all of it)."""
    command = [sys.executable, "-c", _LONG, model, *map(str, lengths)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=Path(__file__).parents[2])
    told = np.array([line.split() for line in done.stdout.splitlines()[-len(lengths) :]], dtype=float)
    megabytes, seconds, worst = told.T
    assert seconds == pytest.approx(np.array(lengths))
    assert worst.max() <= MAX_JUMP_M
    growth = (megabytes[-1] - megabytes[-2]) / (seconds[-1] - seconds[-2]) if len(lengths) > 1 else 0.0
    assert megabytes[-1] + growth * (600.0 - seconds[-1]) < 1000.0
