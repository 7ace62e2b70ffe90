"""The dropdowns of the panels Motion and Render: they show and set plain values of the take and keep nothing.

A dropdown's own number would mean something else after the server has learnt another engine or motion model.
"""

from __future__ import annotations

from typing import Any

from . import offers

__all__ = ["engine_items", "get_engine", "get_motion_model", "get_quality", "get_size", "motion_model_items",
           "quality_items", "set_engine", "set_motion_model", "set_quality", "set_size", "size_items"]  # fmt: skip

Items = list[tuple[str, str, str, int]]
_kept: dict[str, Items] = {}  # Blender reads the texts after the callback has returned


def _keep(name: str, items: Items) -> Items:
    _kept[name] = items
    return items


def engine_items(take: Any, _context: Any) -> Items:
    items = []
    for number, name in enumerate(offers.engine_names(take.engine)):
        engine = offers.engine_named(name)
        told = "Weights are missing: " + ", ".join(engine.lacks) if engine.lacks else engine.fidelity
        items.append((name, engine.title, told.capitalize(), number))
    return _keep("engine", items)


def get_engine(take: Any) -> int:
    return offers.engine_names(take.engine).index(take.engine)


def set_engine(take: Any, number: int) -> None:
    names = offers.engine_names(take.engine)
    take.engine = names[min(number, len(names) - 1)]


def motion_model_items(take: Any, _context: Any) -> Items:
    items = []
    for number, name in enumerate(offers.motion_model_names(take.motion_model)):
        model = offers.motion_model_named(name)
        needs = f"{model.title}, needs files"
        told = "Reads any words; the server makes the motion" if model.reads_text else "The moves that plans know"
        items.append((name, needs if model.lacks else model.title, told, number))
    return _keep("motion_model", items)


def get_motion_model(take: Any) -> int:
    return offers.motion_model_names(take.motion_model).index(take.motion_model)


def set_motion_model(take: Any, number: int) -> None:
    names = offers.motion_model_names(take.motion_model)
    take.motion_model = names[min(number, len(names) - 1)]


def quality_items(take: Any, _context: Any) -> Items:
    names = offers.quality_names(take.engine, take.quality) or [""]
    items = [(name or "usual", name.capitalize() or "Usual", "", number) for number, name in enumerate(names)]
    return _keep("quality", items)


def get_quality(take: Any) -> int:
    names = offers.quality_names(take.engine, take.quality)
    return names.index(take.quality) if take.quality else max(0, len(names) - 1)


def set_quality(take: Any, number: int) -> None:
    names = offers.quality_names(take.engine, take.quality)
    take.quality = names[min(number, len(names) - 1)] if names else ""


def size_items(_take: Any, _context: Any) -> Items:
    items = [("photo", "From the photo", "As the photo's shape asks for", 0)]
    for number, (width, height) in enumerate(offers.SIZES[1:], start=1):
        shape = "portrait" if height > width else "landscape" if width > height else "square"
        items.append((f"{width}x{height}", f"{width} x {height}, {shape}", "", number))
    items.append(("custom", "Custom", "Width and height below", offers.CUSTOM))
    return _keep("size", items)


def get_size(take: Any) -> int:
    size = tuple(take.size)
    return offers.SIZES.index(size) if size in offers.SIZES else offers.CUSTOM


def set_size(take: Any, number: int) -> None:
    if number < offers.CUSTOM:
        take.size = offers.SIZES[number]
    elif get_size(take) != offers.CUSTOM:
        width, height = take.size if any(take.size) else offers.SIZES[1]
        take.size = (width, height - 64)  # another than the presets, to be changed below
