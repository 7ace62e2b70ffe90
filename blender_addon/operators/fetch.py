"""Renders that an opened file waits for: they are fetched, or begun anew where the server was not asked yet.

Also what a file remembers of them when it is saved.
"""

# mypy: disable-error-code="valid-type"

from collections.abc import Generator
from contextlib import suppress
from typing import Any

import bpy
from bpy.app.handlers import persistent

from fleximo.errors import FleximoError

from .. import properties, takes
from ..preferences import server_folder
from ..session import Report, Task
from . import orders
from .base import LEAVES_FILE, FleximoOperator, begin, session, show
from .render import task_of

__all__ = ["CLASSES", "attach", "close_waiting", "open_waiting"]

_NOT_SENT = "{}"  # of a take whose render was begun when the file was saved, but not yet at the server


def attach() -> list[Task]:
    """Waits again for the renders that the open file's takes wait for; returns the tasks."""
    waiting = [take for scene in bpy.data.scenes for take in scene.fleximo.takes if take.order]
    return [_attached(take) for take in waiting if session().running(orders.KIND, take.uid) is None]


def _attached(take: Any) -> Task:
    if take.order == _NOT_SENT:
        task = task_of(take, None)
        begin(task)
        return task
    server, asked = server_folder(), orders.Asked.of(take)

    def work(report: Report) -> Generator[None, None, orders.Landed]:
        report.keep(asked)
        return (yield from orders.wait_steps(server, asked.order, report))

    task = orders.render_task(take, f"Rendering {take.name}", work)
    begin(task)
    return task


def _opened(*_: Any) -> None:
    """Another file: its renders are waited for, those of the former one stay at the server."""
    here = {take.uid for scene in bpy.data.scenes for take in scene.fleximo.takes}
    for task in list(session().tasks.values()):
        if task.keep is not None and task.about not in here:
            session().leave(task)
    properties.live().error, properties.live().code = takes.told_of_format(), ""
    try:
        attach()
    except (FleximoError, ValueError, KeyError, TypeError) as error:
        properties.live().message = f"A render that this file waits for cannot be had: {error}"


def _saved(*_: Any) -> None:
    """An undo may have taken away what is waited for; the file shall know it."""
    for task in session().tasks.values():
        if task.keep is None:
            continue
        with suppress(FleximoError):  # its take is no longer in this file
            if task.kept is None:
                takes.find_take(task.about)[1].order = _NOT_SENT
            else:
                task.kept.keep(task.about)


def open_waiting() -> None:
    """From now on opened files' renders are waited for."""
    bpy.app.handlers.load_post.append(persistent(_opened))
    bpy.app.handlers.save_pre.append(persistent(_saved))


def close_waiting() -> None:
    """Undoes `open_waiting`."""
    for handlers, own in ((bpy.app.handlers.load_post, _opened), (bpy.app.handlers.save_pre, _saved)):
        if own in handlers:
            handlers.remove(own)


class FLEXIMO_OT_fetch_renders(FleximoOperator, bpy.types.Operator):
    """Wait for the renders that were asked for before this file was closed"""

    bl_idname = "fleximo.fetch_renders"
    bl_label = "Fetch Renders"
    bl_options = LEAVES_FILE

    @classmethod
    def poll(cls, _context: Any) -> bool:
        if not any(take.order for scene in bpy.data.scenes for take in scene.fleximo.takes):
            return cls.refuse("No render is waited for")
        return True

    def invoke(self, _context: Any, _event: Any) -> set[str]:
        return self.guarded(lambda: f"{len(attach())} renders are waited for.")

    def act(self, _context: Any) -> str:
        attach()
        waiting = [task for task in session().tasks.values() if task.kind == orders.KIND]
        for task in waiting:
            session().finish(task, watch=show)
            show(task)
        return f"{len(waiting)} renders have landed."


CLASSES = (FLEXIMO_OT_fetch_renders,)
