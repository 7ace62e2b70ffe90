"""What runs tasks: one machine's worker process today; each engine runs the same `backend.jobs.tasks.run`.

The scheduler knows engines by this protocol alone.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

from backend.jobs.records import Task

__all__ = ["Engine", "Event"]


@dataclass(frozen=True)
class Event:
    """What an engine tells of one attempt at a job.

    `kind`: started, progress, done, failed, canceled, or lost (its process died; `detail` says how). Of a lost
    attempt `begun` tells whether the worker had taken the task up.
    """

    kind: str
    job: str
    attempt: int
    detail: dict[str, Any] = field(default_factory=dict)
    begun: bool = True


class Engine(Protocol):
    """Runs one task at a time. All methods are called by the scheduler's thread, `wake` and `cancel` by any."""

    starts: int  # processes or actors started so far

    def start(self, task: Task, attempt: int) -> None: ...

    def cancel(self, job: str, attempt: int) -> None:
        """Asks the attempt to stop, and ends its process if it has not stopped after the grace time."""
        ...

    def next_event(self, timeout_s: float) -> Event | None: ...

    def wake(self) -> None:
        """Lets a waiting `next_event` return at once."""
        ...

    def close(self) -> None: ...
