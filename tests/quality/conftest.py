"""One render per person and text, shared by the judges of this tier."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pytest

from backend.media import read_video
from backend.pipeline import Animation, Request, animate

PEOPLE = Path(__file__).resolve().parents[1] / "data" / "people"


@dataclass(frozen=True)
class Shot:
    """A person, a text and what came of them; frames from the lossless master."""

    person: str
    text: str
    animation: Animation

    @cached_property
    def frames(self) -> np.ndarray:
        return read_video(self.animation.rendered.master).frames


class Studio:
    """Renders a shot once and keeps its files; the frames of the last one stay in memory."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._animations: dict[tuple[str, str], Animation] = {}
        self._last: Shot | None = None

    def shoot(self, person: str, text: str) -> Shot:
        key = (person, text)
        if self._last is not None and (self._last.person, self._last.text) == key:
            return self._last
        if key not in self._animations:
            folder = self._folder / f"{len(self._animations):02d}"
            request = Request(photo=(PEOPLE / f"{person}.jpg").read_bytes(), text=text, seed=1)
            self._animations[key] = animate(request, folder)
        self._last = Shot(person, text, self._animations[key])
        return self._last


@pytest.fixture(scope="session")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Studio:
    return Studio(tmp_path_factory.mktemp("studio"))


@pytest.fixture(scope="session")
def truth() -> dict[str, dict]:
    return {name: json.loads((PEOPLE / f"{name}.json").read_text()) for name in ("anna", "david", "kenji")}
