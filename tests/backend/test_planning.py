"""Where plans are made: every planner by name, in the pipeline, on the command line and in jobs."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any, get_args

import PIL.Image
import pytest

from backend import catalog, pipeline, reports
from backend.cli import main
from backend.doctor import examine
from backend.jobs import tasks
from backend.jobs.records import DONE, FAILED, Task
from backend.models import detect
from backend.server.schemas import PlannerName
from fleximo import Cancelled, FleximoError, Motion, MotionPlan, RenderJob
from fleximo.camera_fit import legs_in_frame
from tests.backend.llm_server import openai, serving

ANNA = Path(__file__).parents[1] / "data" / "people" / "anna.jpg"
SMALL = {"size": (144, 256), "fps": 10}
KEY = "sk-never-to-be-seen"
ANSWER = '{"setting": "a park", "segments": [{"text": "a person nods", "move": "nod"}], "unmatched": []}'


@pytest.fixture(scope="module")
def bust(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Anna from the hips up."""
    path = tmp_path_factory.mktemp("photos") / "bust.jpg"
    with PIL.Image.open(ANNA) as photo:
        photo.crop((0, 0, photo.width, round(photo.height * 0.56))).save(path, quality=95)
    return path


@pytest.fixture(autouse=True)
def warm_detector(monkeypatch: pytest.MonkeyPatch) -> None:
    """Loading the key-point models for each run would take most of the tests' time."""
    monkeypatch.setattr(detect, "release", lambda: None)


@pytest.fixture
def configured(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Sets the planner's environment to a server."""

    def configure(url: str) -> None:
        monkeypatch.setenv("FLEXIMO_LLM_URL", url)
        monkeypatch.setenv("FLEXIMO_LLM_MODEL", "small")
        monkeypatch.setenv("FLEXIMO_LLM_KEY", KEY)

    return configure


# -- by name -----------------------------------------------------------------------------------------------------------


def test_planners_have_names() -> None:
    assert set(catalog.PLANNERS) == set(get_args(PlannerName)) == {"rules", "llm", "local"}
    assert catalog.planner("rules").plan("he nods").segments[0].move == "nod"
    with pytest.raises(FleximoError, match="rules, llm, local") as caught:
        catalog.planner("magic")
    assert caught.value.code == "unknown_planner"


def test_planners_that_are_not_set_up_say_what_they_lack(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("URL", "MODEL", "KEY"):
        monkeypatch.delenv(f"FLEXIMO_LLM_{name}", raising=False)
    for name in ("llm", "local"):
        with pytest.raises(FleximoError, match="FLEXIMO_LLM_MODEL") as caught:
            catalog.planner(name)
        assert caught.value.code == "llm_not_configured"


# -- the pipeline ------------------------------------------------------------------------------------------------------


def test_the_report_names_who_planned(configured: Any, tmp_path: Path) -> None:
    request = pipeline.Request(photo=ANNA.read_bytes(), text="she nods in a park", planner="llm", **SMALL)
    with serving(openai(ANSWER)) as asked:
        configured(asked.url)
        done = pipeline.animate(request, tmp_path / "1")
    assert done.plan is not None and done.plan.setting == "a park"
    report = reports.report(done)
    assert report["stages"]["plan"]["implementation"] == "language model small"
    assert report["plan"]["segments"][0]["move"] == "nod" and "planner_fallback" not in report["warnings"]
    assert KEY not in json.dumps(report)

    with serving(openai("no")) as asked:
        configured(asked.url)
        report = reports.report(pipeline.animate(request, tmp_path / "2"))
    assert report["stages"]["plan"]["implementation"] == "rules"
    assert "planner_fallback" in report["warnings"]


def test_a_photo_without_feet_rewrites_the_plan(bust: Path, tmp_path: Path) -> None:
    text = "she walks forward for two seconds, waves and does a squat"
    done = pipeline.animate(pipeline.Request(photo=bust.read_bytes(), text=text, **SMALL), tmp_path / "run")
    assert not legs_in_frame(done.person)
    assert done.plan is not None
    assert [(s.move, [layer.move for layer in s.layers]) for s in done.plan.segments] == [
        ("idle", ["walk"]),
        ("wave", []),
        ("idle", []),
    ]
    travel = done.motion.root[:, [0, 2]]
    assert float((travel.max(axis=0) - travel.min(axis=0)).max()) < 0.05
    reports.keep(done, tmp_path / "keep")
    kept = json.loads((tmp_path / "keep" / "plan.json").read_text())
    report = json.loads((tmp_path / "keep" / "report.json").read_text())
    assert kept == report["plan"] == done.plan.to_json()
    assert {"upper_body_only", "limb_out_of_frame"} <= set(report["warnings"])
    [told] = [notice["message"] for notice in report["notices"] if notice["code"] == "upper_body_only"]
    assert "Walk: arms only; squat: held." in told


# -- the command line --------------------------------------------------------------------------------------------------


def test_plan_and_motion_ask_the_planner_chosen(
    configured: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving(openai(ANSWER)) as asked:
        configured(asked.url)
        assert main(["plan", "she agrees", "--planner", "llm", "--seed", "4"]) == 0
        document = json.loads(capsys.readouterr().out)
        assert main(["motion", "she agrees", "--planner", "llm", "-o", str(tmp_path / "nod.npz")]) == 0
        assert len(asked.requests) == 2
    assert (document["segments"][0]["move"], document["setting"], document["seed"]) == ("nod", "a park", 4)
    assert len(Motion.load(tmp_path / "nod.npz")) > 10
    capsys.readouterr()
    assert main(["motion", "she nods", "--planner", "llm", "-o", str(tmp_path / "nod.npz")]) == 0  # nobody serves now
    told = capsys.readouterr().out
    assert "planner_fallback: " in told and "cannot be reached" in told
    assert main(["plan", "she nods", "--planner", "magic"]) == 1
    assert "rules, llm, local" in capsys.readouterr().err


def test_the_doctor_tells_which_model_is_set_up(
    configured: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def told() -> str:
        [line] = [check.sentence() for check in examine() if check.name == "language model"]
        return line

    for name in ("URL", "MODEL", "KEY"):
        monkeypatch.delenv(f"FLEXIMO_LLM_{name}", raising=False)
    assert told() == "ok   language model: none: the rules plan"
    configured("http://127.0.0.1:9")  # where nobody answers, and nobody is asked
    assert told() == "ok   language model: small at 127.0.0.1:9 (not asked now)"
    configured("127.0.0.1:9")
    assert told().startswith("FIX  language model: FLEXIMO_LLM_URL is no http")
    monkeypatch.delenv("FLEXIMO_LLM_URL")
    monkeypatch.setenv("FLEXIMO_LLM_MODEL", str(tmp_path))
    assert "holds no config.json" in told() and KEY not in told()


def test_a_key_is_no_option(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["plan", "she nods", "--planner", "llm", "--key", KEY])
    assert caught.value.code == 2


def test_what_the_owner_knows_of_the_photo_counts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def detected(*options: str) -> dict[str, Any]:
        assert main(["detect", str(ANNA), "-o", str(tmp_path / "person.json"), *options]) == 0
        return dict(json.loads((tmp_path / "person.json").read_text()))

    plain, tall, wide = detected(), detected("--stature", "2.0"), detected("--lens-degrees", "75")
    assert (plain["stature_m"], tall["stature_m"], wide["lens_degrees"]) == (1.7, 2.0, 75.0)
    lengths = [person["bone_lengths_m"] for person in (plain, tall, wide)]
    assert lengths[1]["thigh"] / lengths[0]["thigh"] == pytest.approx(2.0 / 1.7, rel=0.02)
    assert abs(lengths[2]["thigh"] / lengths[2]["torso"] - lengths[0]["thigh"] / lengths[0]["torso"]) > 0.005
    capsys.readouterr()
    for options, words in ((("--lens-degrees", "190"), "2 to 150"), (("--stature", "nan"), "0.3 to 3 m")):
        assert main(["detect", str(ANNA), "-o", str(tmp_path / "x.json"), *options]) == 1
        assert words in capsys.readouterr().err


def test_lens_stature_height_and_pitch_reach_the_camera(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    jobs: list[RenderJob] = []

    def stop(job: RenderJob, *_: Any, **__: Any) -> None:
        jobs.append(job)
        raise Cancelled

    monkeypatch.setattr(pipeline, "render_job", stop)

    def camera(**given: float) -> tuple[float, float, float]:
        """Focal length in px, height in m and pitch in degrees."""
        with pytest.raises(Cancelled):
            pipeline.animate(pipeline.Request(photo=ANNA.read_bytes(), text="she nods", **SMALL, **given), tmp_path)
        found = jobs[-1].camera
        rotation, shift = found.world_to_camera[0, :3, :3], found.world_to_camera[0, :3, 3]
        return float(found.K[0, 0]), float(-(rotation.T @ shift)[1]), math.degrees(math.asin(-rotation[2, 1]))

    plain = camera()
    assert camera(lens_degrees=60.0)[0] < 0.7 * plain[0]
    assert camera(stature_m=0.85)[1] == pytest.approx(plain[1] / 2, rel=0.02)
    assert camera(camera_height_m=0.5)[1] == pytest.approx(0.5, abs=1e-3)
    assert camera(camera_pitch_degrees=9.0)[2] == pytest.approx(9.0, abs=1e-3)
    assert camera(camera_height_m=2.2, camera_pitch_degrees=15.0)[1:] == pytest.approx((2.2, 15.0), abs=1e-3)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"camera_height_m": float("nan")}, "height nan m is out of reach"),
        ({"camera_height_m": 0.0}, "above 0 to 100 m"),
        ({"camera_pitch_degrees": 90.0}, "too steep"),
        ({"camera_pitch_degrees": float("nan")}, "too steep"),
        ({"camera_height_m": 1.0, "camera_pitch_degrees": -60.0}, "does not see the person's feet"),
    ],
)
def test_cameras_that_cannot_be_are_refused(given: dict[str, float], words: str, tmp_path: Path) -> None:
    with pytest.raises(FleximoError, match=words):
        pipeline.animate(pipeline.Request(photo=ANNA.read_bytes(), text="she nods", **SMALL, **given), tmp_path)


# -- jobs --------------------------------------------------------------------------------------------------------------


def done_task(folder: Path, kind: str, request: dict[str, Any]) -> dict[str, Any]:
    task = Task("job", kind, request, folder, folder / "store")
    folder.mkdir()
    outcome = tasks.run(task, lambda event: None)
    if outcome.state == FAILED:
        return dict(outcome.error or {})
    assert outcome.state == DONE
    return dict(json.loads((folder / outcome.files["plan"].path).read_text()))


def test_jobs_ask_the_planner_of_the_request(configured: Any, tmp_path: Path) -> None:
    with serving(openai(ANSWER)) as asked:
        configured(asked.url)
        document = done_task(tmp_path / "1", "plan", {"text": "she agrees", "seed": 5, "planner": "llm"})
        moved = {"text": "she agrees", "plan": None, "fps": 10.0, "seed": None, "planner": "llm"}
        again = done_task(tmp_path / "2", "motion", moved)
    assert document["segments"][0]["move"] == again["segments"][0]["move"] == "nod" and document["seed"] == 5
    older = done_task(tmp_path / "3", "plan", {"text": "she nods", "seed": 0})  # handed in before planners had names
    assert MotionPlan.from_json(older).segments[0].move == "nod"


def test_a_motion_job_for_the_upper_body_gives_the_plan_that_is_played(tmp_path: Path) -> None:
    request = {"text": "she walks and waves", "plan": None, "fps": 10.0, "seed": 3, "upper_body": True}
    document = done_task(tmp_path / "job", "motion", request)
    assert [segment["move"] for segment in document["segments"]] == ["idle", "wave"]
    assert [notice["code"] for notice in document["warnings"]] == ["upper_body_only"]
