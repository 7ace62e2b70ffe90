"""Work that must not hold Blender up: one worker thread, small typed messages, and a pump on the main thread.

The worker runs tasks as generators and turns to the next one at each yield, so that a render that is waited for does
not hold up a detection. It never sees bpy. What reads or writes Blender runs on the main thread, in `pump`, a short
step at a time.
"""

from __future__ import annotations

import queue
import threading
import time
import traceback
import uuid
from collections.abc import Callable, Generator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from fleximo.errors import Cancelled, FleximoError

__all__ = [
    "LATER",
    "Done",
    "Failed",
    "Kept",
    "Message",
    "Picture",
    "Progress",
    "Report",
    "Session",
    "Steps",
    "Task",
    "Work",
    "as_fleximo_error",
]

TICK_S = 0.1
_LONGEST_TICK_S = 0.04  # of the 0.05 that Blender may be held: steps are not all of one length
_PAUSE_S = 0.05  # between two rounds of the worker over tasks that wait
_JOIN_S = 3.0
_GATHERED = 0.1  # of the progress bar, where a task reads Blender before it works


@dataclass(frozen=True)
class Progress:
    """A task is `fraction` (0..1) done."""

    key: str
    fraction: float
    text: str


@dataclass(frozen=True)
class Done:
    """A task has ended with `result`."""

    key: str
    result: Any


@dataclass(frozen=True)
class Failed:
    """A task has ended with `error`; `detail` is the full text for a report."""

    key: str
    error: FleximoError
    detail: str


@dataclass(frozen=True)
class Picture:
    """A task shows how far it is, as a JPEG."""

    key: str
    content: bytes


@dataclass(frozen=True)
class Kept:
    """What a task wants kept in the file while it waits."""

    key: str
    value: Any


Message = Progress | Done | Failed | Picture | Kept


class Report:
    """Given to a task's work: called with (fraction, text) it tells progress, and stops the work if asked to."""

    def __init__(
        self, task: Task, outbox: queue.SimpleQueue[Message], part: tuple[float, float] = (0.0, 1.0), before: str = ""
    ) -> None:
        self._task, self._part, self._before = task, part, before
        self._key, self._outbox, self._stop, self._left = task.key, outbox, task.stop, task.left

    def part(self, number: int, count: int, before: str) -> Report:
        """Tells the progress of one of `count` equal parts, the first is 0, with words `before` what it says."""
        begin, share = self._part[0], self._part[1] / count
        return Report(self._task, self._outbox, (begin + number * share, share), self._before + before)

    @property
    def stopping(self) -> bool:
        """Whether the user asked to stop."""
        return self._stop.is_set()

    @property
    def leaving(self) -> bool:
        """Whether Blender waits no longer, and what the server does for it shall go on."""
        return self._left.is_set()

    def __call__(self, fraction: float, text: str = "", /) -> None:
        if self.stopping or self.leaving:
            raise Cancelled
        self.tell(fraction, text)

    def tell(self, fraction: float, text: str) -> None:
        """Tells progress without stopping: for work that has something to tidy up first."""
        begin, share = self._part
        self._outbox.put(Progress(self._key, begin + share * float(fraction), f"{self._before}{text}"))

    def picture(self, content: bytes) -> None:
        """Shows a JPEG beside the progress."""
        self._outbox.put(Picture(self._key, content))

    def keep(self, value: Any) -> None:
        """Has `value` kept in the file; from now on the task is left, not stopped, when Blender is closed."""
        self._outbox.put(Kept(self._key, value))


Work = Callable[[Report], Generator[None, None, Any]]
Steps = Generator[float, None, Any]  # on the main thread, each step a few ms; yields how much is done, 0..1
LATER = -1.0  # yielded by a step that waits for Blender itself: the next one belongs to a later tick


@dataclass(eq=False)
class Task:
    """`work` runs on the worker thread; `land` takes its result on the main thread and says what happened.

    Where more is to be read from Blender than a few ms allow, `gather` reads it in steps and returns the work; where
    more is to be written, `land` returns steps whose result is the sentence. Steps that are stopped half-way are
    closed, and undo in their `finally` what they began.
    """

    kind: str  # one task of a kind runs at a time for each thing that it is about
    title: str  # for the panel: "Rendering Take 1"
    work: Work | None
    land: Callable[[Any], str | Steps]
    gather: Callable[[], Steps] | None = None
    changes_file: bool = True  # whether landing is worth an undo step
    asks_server: bool = False  # whether its success shows that the server answers
    about: str = ""  # the uid of a take that tasks of this kind wait in a queue for; empty: they do not
    keep: Callable[[Any], None] | None = None  # takes what `Report.keep` gives into the file
    failed: Callable[[FleximoError], None] | None = None  # hears of an error
    key: str = field(default_factory=lambda: uuid.uuid4().hex)
    stop: threading.Event = field(default_factory=threading.Event)
    left: threading.Event = field(default_factory=threading.Event)
    kept: Any = None  # what `Report.keep` gave
    fraction: float = 0.0
    text: str = ""
    picture: bytes = b""  # a JPEG of what is done so far
    error: FleximoError | None = None
    detail: str = ""
    message: str = ""  # what `land` said
    ended: bool = False
    steps: Steps | None = None  # gathering or landing


class Session:
    """The tasks at work. Every method is for the main thread."""

    def __init__(self) -> None:
        self._inbox: queue.SimpleQueue[tuple[Task, Report] | None] = queue.SimpleQueue()
        self._outbox: queue.SimpleQueue[Message] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self.tasks: dict[str, Task] = {}

    def running(self, kind: str, about: str = "") -> Task | None:
        """The running task of a kind, of those about something the one about that."""
        return next((task for task in self.tasks.values() if task.kind == kind and about in ("", task.about)), None)

    def kept(self, kind: str, about: str) -> Any:
        """What the running task of that kind about that wanted kept, None if nothing."""
        task = self.running(kind, about)
        return None if task is None else task.kept

    def begin(self, task: Task) -> None:
        """Hands `task` to the worker; its end shows in `pump`. Raises `FleximoError` if one like it runs."""
        other = self.running(task.kind, task.about)
        if other is not None:
            raise FleximoError(f"{other.title} has not ended yet.", code="busy", remedy="Wait for it or cancel it.")
        self.tasks[task.key] = task
        if task.gather is not None:
            task.steps = task.gather()
        else:
            self._hand_over(task)

    def _hand_over(self, task: Task) -> None:
        if self._thread is None or not self._thread.is_alive():
            arguments = (self._inbox, self._outbox)
            self._thread = threading.Thread(target=_worker, args=arguments, name="fleximo", daemon=True)
            self._thread.start()
        self._inbox.put((task, Report(task, self._outbox)))

    def cancel(self, kind: str = "", about: str = "") -> int:
        """Asks the tasks of `kind` and about that (or all) to stop; returns how many were asked."""
        asked = [task for task in self.tasks.values() if kind in ("", task.kind) and about in ("", task.about)]
        for task in asked:
            task.stop.set()
            task.text = "Stopping..."
        return len(asked)

    def leave(self, task: Task) -> None:
        """Waits for `task` no longer; what the server does for it goes on."""
        task.left.set()
        del self.tasks[task.key]

    def pump(self) -> list[Task]:
        """Takes in what the worker sent and goes on with steps, for at most a tick. Returns the tasks that changed."""
        deadline = time.perf_counter() + _LONGEST_TICK_S
        changed: dict[str, Task] = {}
        while time.perf_counter() < deadline:
            try:
                message = self._outbox.get_nowait()
            except queue.Empty:
                break
            task = self.tasks.get(message.key)
            if task is not None:
                changed[task.key] = task
                self._take_in(task, message)
        stepping = [task for task in self.tasks.values() if task.steps is not None]
        for number, task in enumerate(stepping):
            if number and time.perf_counter() >= deadline:
                break  # the others in a later tick
            changed[task.key] = task
            self._step(task, deadline)
        return list(changed.values())

    def _take_in(self, task: Task, message: Message) -> None:
        if isinstance(message, Progress):
            share = 0.0 if task.gather is None else _GATHERED
            task.fraction = share + (1.0 - share) * message.fraction
            task.text = "Stopping..." if task.stop.is_set() else message.text
        elif isinstance(message, Picture):
            task.picture = message.content
        elif isinstance(message, Kept):
            task.kept = message.value
            if task.keep is not None:
                self._guarded(task, lambda: self._keep(task))
        elif isinstance(message, Failed):
            self._end(task, message.error, message.detail)
        else:
            self._guarded(task, lambda: self._land(task, message.result))

    def _keep(self, task: Task) -> None:
        assert task.keep is not None
        task.keep(task.kept)

    def _land(self, task: Task, result: Any) -> None:
        told = task.land(result)
        if isinstance(told, str):
            task.message = told
            self._end(task)
        else:
            task.steps = told

    def _step(self, task: Task, deadline: float) -> None:
        """One step at least, and more until `deadline`; afterwards the work begins, or the task has landed."""
        steps, landing = task.steps, task.work is not None
        assert steps is not None

        def go_on() -> None:
            if task.stop.is_set():
                steps.close()
                raise Cancelled
            try:
                while True:
                    begun = time.perf_counter()
                    fraction = next(steps)
                    if fraction == LATER:
                        return
                    if not landing:
                        task.fraction = _GATHERED * fraction
                    now = time.perf_counter()
                    if now + (now - begun) >= deadline:  # the next one is taken to be as long
                        return
            except StopIteration as end:
                task.steps = None
                if landing:
                    task.message = end.value
                    self._end(task)
                else:
                    task.work = end.value
                    self._hand_over(task)

        self._guarded(task, go_on)

    def _guarded(self, task: Task, action: Callable[[], None]) -> None:
        try:
            action()
        except Exception as error:
            self._end(task, as_fleximo_error(error), traceback.format_exc())

    def _end(self, task: Task, error: FleximoError | None = None, detail: str = "") -> None:
        if error is not None and task.failed is not None:
            with suppress(FleximoError):  # its take is gone
                task.failed(error)
        del self.tasks[task.key]
        task.error, task.detail, task.steps, task.ended = error, detail, None, True

    def finish(self, task: Task, timeout_s: float = 3600.0, watch: Callable[[Task], None] | None = None) -> str:
        """Waits until the begun `task` has ended; returns what its landing said, raises its error."""
        deadline = time.monotonic() + timeout_s
        while not task.ended:
            changed = self.pump()
            if watch is not None and task in changed:
                watch(task)
            if time.monotonic() > deadline:
                task.stop.set()
                raise FleximoError(f"{task.title} took longer than {timeout_s:.0f} seconds.", code="timeout")
            if not changed:
                time.sleep(0.01)
        if task.error is not None:
            raise task.error
        return task.message

    def close(self) -> None:
        """Stops all tasks (leaves those that the file keeps) and the worker; waits for it a few seconds at most."""
        for task in list(self.tasks.values()):
            if task.kept is not None:
                self.leave(task)
        self.cancel()
        self.tasks.clear()
        self._inbox.put(None)
        if self._thread is not None:
            self._thread.join(_JOIN_S)
            self._thread = None


def as_fleximo_error(error: BaseException) -> FleximoError:
    """`error` itself if it is one of ours, else a sentence about it."""
    if isinstance(error, FleximoError):
        return error
    return FleximoError(
        f"Something unexpected went wrong: {type(error).__name__}: {error}.",
        code="unexpected",
        remedy="Press Copy Diagnostics and report it.",
    )


def _worker(inbox: queue.SimpleQueue[tuple[Task, Report] | None], outbox: queue.SimpleQueue[Message]) -> None:
    """The worker thread: a step of each task in turn, until None arrives."""
    active: list[tuple[str, Generator[None, None, Any]]] = []
    while True:
        while True:
            try:
                item = inbox.get(block=not active)
            except queue.Empty:
                break
            if item is None:
                return
            task, report = item
            assert task.work is not None
            active.append((task.key, task.work(report)))
        for entry in list(active):
            key, steps = entry
            try:
                next(steps)
            except StopIteration as end:
                outbox.put(Done(key, end.value))
                active.remove(entry)
            except BaseException as error:
                outbox.put(Failed(key, as_fleximo_error(error), traceback.format_exc()))
                active.remove(entry)
        if active:
            time.sleep(_PAUSE_S)
