"""A deterministic scheduler in virtual time: each task is a greenlet.

A task runs until it pauses. No other task runs meanwhile, and time passes only in pauses.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from heapq import heappop, heappush
from typing import NoReturn

from greenlet import greenlet

EPOCH = 1_800_000_000.0
"""The second at which each run begins."""


class Killed(BaseException):
    """The process was killed: its code must not catch this, and clean-up must not do I/O."""


@dataclass(slots=True, eq=False)
class Task:
    """A greenlet that runs, pauses, and may be killed in a pause."""

    thread: greenlet
    is_dead: bool = False


Due = tuple[float, int, "Task | Callable[[], object]"]


class Scheduler:
    """Runs tasks and actions in order of time; those of the same time in order of submission."""

    def __init__(self) -> None:
        self.now = EPOCH
        self.current: Task | None = None
        self._queue: list[Due] = []
        self._count = 0
        self._tasks: list[Task] = []
        self._hub = greenlet.getcurrent()
        self._is_closed = False

    def at(self, time: float, action: Callable[[], object]) -> None:
        """Run *action*, which must not pause, at *time*."""
        self._count += 1
        heappush(self._queue, (max(time, self.now), self._count, action))

    def start(self, body: Callable[[], None]) -> Task:
        task = Task(greenlet(body, self._hub))
        self._tasks.append(task)
        self._resume_at(self.now, task)
        return task

    @property
    def task(self) -> Task:
        """The running task. Raises `Killed` in the clean-up code of a killed task."""
        if self.current is None or self._is_closed:
            raise Killed
        return self.current

    def pause(self, until: float) -> None:
        """Suspend the current task until *until*."""
        self._resume_at(until, self.task)
        self._hub.switch()
        if self._is_closed:
            raise Killed

    def die(self) -> NoReturn:
        """Kill the current task: none of its code runs any more."""
        self.task.is_dead = True
        self._hub.switch()
        raise Killed

    def run(self, is_over: Callable[[], bool] = lambda: False) -> None:
        """Run until the queue is empty, or until *is_over* returns true."""
        while self._queue and not is_over():
            time, _, due = heappop(self._queue)
            if not isinstance(due, Task):
                self.now = time
                due()
            elif not due.is_dead:
                self.now, self.current = time, due
                due.thread.switch()
                self.current = None

    def close(self) -> None:
        """Unwind the killed tasks so that they can be freed; any I/O of theirs fails."""
        self._is_closed = True
        for task in self._tasks:
            with suppress(Killed):
                if not task.thread.dead:
                    task.thread.throw(Killed)

    def _resume_at(self, time: float, task: Task) -> None:
        self._count += 1
        heappush(self._queue, (max(time, self.now), self._count, task))
