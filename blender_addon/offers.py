"""What the server that was asked last can do: its engines, their qualities and what they lack; and what a take may ask.

Keeps lists for the panels' dropdowns. A name that the server does not list stays in the take.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import bpy

__all__ = [
    "CUSTOM",
    "MOVES",
    "SIZES",
    "Engine",
    "MotionModel",
    "engine_named",
    "engine_names",
    "engines",
    "motion_model_named",
    "motion_model_names",
    "quality_names",
    "version",
]

# Width and height; the first lets the photo decide.
SIZES = ((0, 0), (576, 1024), (1024, 576), (768, 768), (384, 640), (640, 384))
CUSTOM = len(SIZES)

MOVES = "moves"  # the motion model that needs no server

_TITLES = {"draft": "Draft puppet", "mimicmotion": "MimicMotion", "wan-vace": "Wan VACE"}
_MOTION_TITLES = {MOVES: "Moves, in Blender", "t2m-gpt": "T2M-GPT"}


@dataclass(frozen=True)
class Engine:
    """A video engine as the server tells it."""

    name: str
    fidelity: str = ""
    qualities: tuple[str, ...] = ()  # the usual one last
    multiple: int = 2  # px that width and height must be multiples of
    lacks: tuple[str, ...] = ()  # bundles of weights that have to be fetched first
    seeded: bool = True  # whether another seed gives another picture, as far as the server has told

    @property
    def title(self) -> str:
        return _TITLES.get(self.name, self.name)


@dataclass(frozen=True)
class MotionModel:
    """A motion model: the moves, which Blender has itself, or one of the server's."""

    name: str
    reads_text: bool = False  # whether it can do more than the moves that plans know
    lacks: tuple[str, ...] = ()  # bundles of weights that have to be fetched first

    @property
    def title(self) -> str:
        return _MOTION_TITLES.get(self.name, self.name)


def _offer() -> dict[str, Any]:
    offer: dict[str, Any] = json.loads(bpy.data.window_managers[0].fleximo.offer or "{}")
    return offer


def version() -> str:
    """The server's version, empty where none has been asked yet."""
    return str(_offer().get("version", ""))


def engines() -> tuple[Engine, ...]:
    """The video engines of the server; none where none has been asked yet."""
    offer = _offer()
    return tuple(
        Engine(
            row["name"],
            row.get("fidelity", ""),
            tuple(row.get("qualities", ())),
            row.get("multiple") or 2,
            _lacking(offer, row),
            row.get("seeded", True),
        )
        for row in offer.get("models", ())
        if row["stage"] == "video"
    )


def _lacking(offer: dict[str, Any], model: dict[str, Any]) -> tuple[str, ...]:
    there = {row["name"] for row in offer.get("weights", ()) if row["state"] not in ("absent", "incomplete")}
    return tuple(name for name in model.get("weights", ()) if name not in there)


def engine_named(name: str) -> Engine:
    """The engine of that name, with nothing known but its name where the server does not list it."""
    return next((engine for engine in engines() if engine.name == name), Engine(name))


def engine_names(chosen: str) -> list[str]:
    """The names to choose from, among them the one that is chosen."""
    names = [engine.name for engine in engines()] or ["draft"]
    return names if chosen in names else [*names, chosen]


def quality_names(engine: str, chosen: str) -> list[str]:
    """The qualities to choose from; empty where the engine has none."""
    names = list(engine_named(engine).qualities)
    return names if not chosen or chosen in names else [*names, chosen]


def motion_model_named(name: str) -> MotionModel:
    """The motion model of that name; one that the server does not list is taken to read words, as all but the moves."""
    listed = (row for row in _offer().get("models", ()) if row["stage"] == "motion" and row["name"] == name)
    row = next(listed, {"reads_text": name != MOVES})
    return MotionModel(name, bool(row.get("reads_text")), _lacking(_offer(), row))


def motion_model_names(chosen: str) -> list[str]:
    """The names to choose from, the moves first, among them the one that is chosen."""
    listed = [row["name"] for row in _offer().get("models", ()) if row["stage"] == "motion" and row["name"] != MOVES]
    return list(dict.fromkeys([MOVES, *listed, chosen]))
