"""The two kinds of operators: those that are done at once, and those that hand work to the session.

Each turns a `FleximoError` into a report of its sentence. Scripts call `execute` and wait; people press a button
(`invoke`) and go on working.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import bpy

from fleximo.errors import Cancelled, FleximoError

from .. import preview_picture, properties, takes
from ..session import TICK_S, Session, Task, as_fleximo_error

__all__ = [
    "CHANGES_FILE",
    "LEAVES_FILE",
    "FleximoOperator",
    "TaskOperator",
    "begin",
    "close_session",
    "open_session",
    "session",
    "soon",
    "tick",
]

# Operators that change the file at once take part in undo; a task makes its own undo step when its result lands.
CHANGES_FILE = {"REGISTER", "UNDO"}
LEAVES_FILE = {"REGISTER"}

_session: Session | None = None


def open_session() -> None:
    """Makes the session; its thread starts with the first task."""
    global _session
    _session = Session()


def close_session() -> None:
    """Ends the session's tasks, thread and timer."""
    global _session
    if bpy.app.timers.is_registered(tick):
        bpy.app.timers.unregister(tick)
    if _session is not None:
        _session.close()
        _session = None


def session() -> Session:
    """The add-on's one session."""
    if _session is None:
        raise FleximoError("Fleximo is disabled.", remedy="Enable it in the preferences under Add-ons.")
    return _session


def begin(task: Task) -> None:
    """Begins `task`; the timer shows its end."""
    session().begin(task)
    show(task)
    if not bpy.app.timers.is_registered(tick):
        bpy.app.timers.register(tick, persistent=True)


def soon(task: Task) -> None:
    """Begins `task`; waits for it where no timer ticks, as in a script without a window."""
    if not bpy.app.background:
        begin(task)
        return
    session().begin(task)
    session().finish(task)


def tick() -> float | None:
    """The timer: lets results land and shows progress; stops itself when nothing is at work."""
    if _session is None:
        return None
    with _in_window():
        for task in _session.pump():
            show(task)
    _redraw()
    return TICK_S if _session.tasks else None


def _in_window() -> AbstractContextManager[Any]:
    """Timers run without a window; what lands may need one."""
    windows = bpy.context.window_manager.windows
    if bpy.context.window is not None or not windows:
        return nullcontext()
    manager: AbstractContextManager[Any] = bpy.context.temp_override(window=windows[0])
    return manager


def _redraw() -> None:
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            if area.type in ("VIEW_3D", "SEQUENCE_EDITOR", "DOPESHEET_EDITOR"):
                area.tag_redraw()


def show(task: Task) -> None:
    """Writes where `task` stands to the live state that the panel draws."""
    state = properties.live()
    if not task.ended:
        _show_running(state)
        return
    if task.picture:
        preview_picture.clear()
    _show_server(task)
    _show_end(state, task)
    _show_running(state)


def _show_running(state: Any) -> None:
    """The task that runs for the longest time, and how many wait behind it."""
    running = list(session().tasks.values())
    state.task, state.progress = "", 0.0
    if running:
        first, more = running[0], len(running) - 1
        state.task = first.title + (f", {more} more wait" if more else "")
        state.progress, state.message = min(1.0, max(0.0, first.fraction)), first.text
        if first.picture:
            preview_picture.show(first.picture)


def _show_end(state: Any, task: Task) -> None:
    if task.error is None:
        state.message, state.error, state.detail = task.message, "", ""
        if task.changes_file and not bpy.app.background:
            bpy.ops.ed.undo_push(message=task.title)  # so that one Ctrl+Z removes exactly what landed
    elif isinstance(task.error, Cancelled):
        state.message = f"{task.title}: cancelled."
    else:
        show_error(task.error, task.detail)


def _show_server(task: Task) -> None:
    """What the end of a task tells of the server."""
    state = properties.live()
    if task.error is None and task.asks_server:
        state.server, state.server_text = (
            "connected",
            state.server_text if state.server == "connected" else "It answers.",
        )
    elif task.error is not None and task.error.code in ("server_not_running", "bad_token", "offline"):
        state.server, state.server_text = "missing", task.error.message
        state.server_code = task.error.code


def show_error(error: FleximoError, detail: str = "") -> None:
    """Keeps the sentence for the panel and the full text for Copy Diagnostics."""
    state = properties.live()
    state.message, state.error, state.code = "", str(error), error.code
    state.detail = detail or f"{error.code}: {error}"


class FleximoOperator:
    """Done at once: a subclass writes `act`, which returns what to tell the user."""

    report: Callable[[set[str], str], None]
    poll_message_set: Callable[[str], None]

    @classmethod
    def refuse(cls, reason: str) -> bool:
        """For `poll`: disables the button and says why."""
        cls.poll_message_set(reason)
        return False

    def act(self, context: Any) -> str:
        raise NotImplementedError

    def execute(self, context: Any) -> set[str]:
        return self.guarded(lambda: self.act(context))

    def guarded(self, action: Callable[[], str]) -> set[str]:
        """Runs `action` and reports its sentence, or the sentence of what went wrong."""
        takes.separate()
        try:
            message = action()
        except Cancelled as error:
            self.report({"WARNING"}, str(error))
            return {"CANCELLED"}
        except Exception as error:
            told = as_fleximo_error(error)
            show_error(told, "" if told is error else traceback.format_exc())
            self.report({"ERROR"}, str(told))
            return {"CANCELLED"}
        if message:
            properties.live().message = message
            self.report({"INFO"}, message)
        return {"FINISHED"}


class TaskOperator(FleximoOperator):
    """Takes time: a subclass writes `prepare`, which reads all it needs from Blender and returns the task."""

    kind = ""

    def prepare(self, context: Any) -> Task:
        raise NotImplementedError

    def act(self, context: Any) -> str:
        task = self.prepare(context)
        session().begin(task)
        try:
            return session().finish(task, watch=show)
        finally:
            show(task)

    def invoke(self, context: Any, _event: Any) -> set[str]:
        if bpy.app.background:
            return self.execute(context)
        return self.guarded(lambda: self._begin(context))

    def _begin(self, context: Any) -> str:
        begin(self.prepare(context))
        return ""

    @classmethod
    def idle(cls, about: str = "") -> bool:
        """For `poll`: whether no task of this kind and about that runs; says so on the button if one does."""
        if _session is None or _session.running(cls.kind, about) is None:
            return True
        return cls.refuse("Wait for the running one, or cancel it")
