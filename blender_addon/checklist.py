"""What has to be well for a take to be rendered, one line each with its remedy. Reads state; asks nobody."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from fleximo import __version__

from . import offers, preferences, properties, takes

__all__ = ["INSTALL_LINE", "Line", "lacking", "lines"]

INSTALL_LINE = "python3 -m pip install ."  # in Fleximo's source folder


@dataclass(frozen=True)
class Line:
    """One thing to be well: True, False, or None where it is not known yet."""

    well: bool | None
    text: str
    fix: str = ""  # the operator that mends it
    label: str = ""  # on its button
    values: Mapping[str, Any] = field(default_factory=dict)  # the operator's


def lines(context: Any) -> Iterator[Line]:
    """The checklist in the order in which one thing needs the other."""
    live = properties.live()
    yield _online()
    connected = live.server == "connected"
    yield from _server(live)
    if connected:
        yield _version()
        take = takes.active_take(context.scene)
        if take is not None:
            yield from _weights(offers.engine_named(take.engine))
            yield from lacking(offers.motion_model_named(take.motion_model))
    yield _colours(context.scene)


def _online() -> Line:
    host = preferences.server_host()
    if preferences.is_loopback(host):
        return Line(True, "The server is on this computer; Blender may be offline.")
    if preferences.may_go_online():
        return Line(True, f"The server is {host}; Blender may go online.")
    return Line(False, f"The server is {host}; Blender may not go online.", "screen.userpref_show", "Preferences")


def _server(live: Any) -> Iterator[Line]:
    if live.server == "connected":
        yield Line(True, live.server_text)
        yield Line(True, "It takes this computer's token.")
        return
    if live.server_code == "bad_token":
        yield Line(False, "The server does not take this computer's token; start it anew.", "fleximo.start_server")
    elif live.server == "missing":
        yield Line(False, live.server_text, "fleximo.start_server", "Start")
        copied = {"text": INSTALL_LINE, "told": "the install line"}
        yield Line(None, "Not installed? In Fleximo's source folder:", "fleximo.copy_line", INSTALL_LINE, copied)
    else:
        yield Line(None, "The server has not been asked yet.", "fleximo.connect", "Connect")


def _version() -> Line:
    version = offers.version()
    if version in ("", __version__):
        return Line(True, f"Server and add-on are both version {__version__}.")
    return Line(False, f"The server is version {version}, the add-on {__version__}; install the same of both.")


def _weights(engine: offers.Engine) -> Iterator[Line]:
    if engine.name not in [known.name for known in offers.engines()]:
        yield Line(False, f"The server does not know the engine {engine.name}; choose another in Render.")
    elif not engine.lacks:
        yield Line(True, f"{engine.title} has all that it needs.")
    yield from lacking(engine)


def lacking(model: offers.Engine | offers.MotionModel) -> Iterator[Line]:
    """A line to copy for each bundle of weights that the model lacks."""
    for name in model.lacks:
        line = f"fleximo models pull {name}"
        copied = {"text": line, "told": "the line that fetches them"}
        yield Line(False, f"{model.title} lacks the weights {name}:", "fleximo.copy_line", line, copied)


def _colours(scene: Any) -> Line:
    transform = scene.view_settings.view_transform
    if transform == "Standard":
        return Line(True, "Strips are shown in the colours of their files.")
    return Line(False, f"The view transform {transform} changes the colours of strips.", "fleximo.standard_view")
