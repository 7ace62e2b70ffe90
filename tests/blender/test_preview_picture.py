"""The picture of a render that is under way: from the server to the panel, and gone at the end."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from fleximo.client import JobStatus
from tests.blender.conftest import PEOPLE

bpy = pytest.importorskip("bpy", reason="the bpy module is not installed")


def status(state: str) -> JobStatus:
    return JobStatus("id", "render", state, 0.5, "")


def test_a_render_is_looked_at_while_it_runs(addon: Any, monkeypatch: Any) -> None:
    renders, seen = addon("remote.renders"), []
    now = [100.0]
    monkeypatch.setattr(renders.time, "monotonic", lambda: now[0])
    pictures = iter([None, b"one", b"two"])
    client = SimpleNamespace(preview=lambda _job: next(pictures))
    onlooker = renders._Onlooker(SimpleNamespace(picture=seen.append))
    onlooker(client, status("queued"))
    assert onlooker.seconds == 0.0, "waiting is no rendering"
    for _ in range(6):  # 3 s, asked twice a second
        onlooker(client, status("running"))
        now[0] += 0.5
    assert seen == [b"one", b"two"]
    assert onlooker.seconds == pytest.approx(3.0)


def test_the_picture_comes_with_the_task_and_goes_with_it(addon: Any) -> None:
    base, pictures = addon("operators.base"), addon("preview_picture")
    task = addon("session").Task("test", "Rendering", None, str)
    task.picture = (PEOPLE / "anna.jpg").read_bytes()
    assert pictures.icon() == 0
    tasks = base.session().tasks
    tasks[task.key] = task
    base.show(task)
    assert list(pictures._pictures) == ["rendering"], "without a window Blender gives it no number"
    assert tuple(pictures._pictures["rendering"].image_size) > (0, 0)
    task.ended = True
    del tasks[task.key]
    base.show(task)
    assert pictures.icon() == 0 and not list(pictures._pictures)


def test_the_session_hands_pictures_on(addon: Any) -> None:
    session = addon("session")
    made = session.Session()

    def work(report: Any) -> Any:
        report.picture(b"jpeg")
        yield
        return ""

    task = session.Task("test", "Testing", work, str)
    made.begin(task)
    made.finish(task, 10.0)
    made.close()
    assert task.picture == b"jpeg"
