"""Virtual time: tasks that take turns, each a greenlet, in an order that a seed decides.

A task runs until it pauses; nothing else happens meanwhile, and no time passes but in pauses.
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
    """The process was killed: nothing in it may catch this, and no clean-up may do any I/O."""


@dataclass(slots=True, eq=False)
class Task:
    """Something that runs, pauses, and may die in a pause."""

    thread: greenlet
    is_dead: bool = False


Due = tuple[float, int, "Task | Callable[[], object]"]


class Scheduler:
    """Runs what is due, in order of time; what is due at once runs in order of its asking."""

    def __init__(self) -> None:
        self.now = EPOCH
        self.current: Task | None = None
        self.turns = 0
        self._queue: list[Due] = []
        self._count = 0
        self._tasks: list[Task] = []
        self._hub = greenlet.getcurrent()
        self._is_closed = False

    def at(self, time: float, action: Callable[[], object]) -> None:
        """Have *action*, which may not pause, done at *time*."""
        self._count += 1
        heappush(self._queue, (max(time, self.now), self._count, action))

    def start(self, body: Callable[[], None]) -> Task:
        """Begin a task now."""
        task = Task(greenlet(body, self._hub))
        self._tasks.append(task)
        self._resume_at(self.now, task)
        return task

    @property
    def task(self) -> Task:
        """The task whose turn it is. Raises `Killed`, in clean-up code of one that was killed."""
        if self.current is None or self._is_closed:
            raise Killed
        return self.current

    def pause(self, until: float) -> None:
        """Let others run until then."""
        self._resume_at(until, self.task)
        self._hub.switch()
        if self._is_closed:
            raise Killed

    def die(self) -> NoReturn:
        """End the current task where it is: none of its code runs any more."""
        self.task.is_dead = True
        self._hub.switch()
        raise Killed

    def run(self, is_over: Callable[[], bool] = lambda: False) -> None:
        """Run until nothing is due, or until that is enough."""
        while self._queue and not is_over():
            time, _, due = heappop(self._queue)
            if not isinstance(due, Task):
                self.now = time
                due()
            elif not due.is_dead:
                self.now = time
                self._turn(due)

    def close(self) -> None:
        """Unwind the tasks that died, so that they can be freed: what they try to do, fails."""
        self._is_closed = True
        for task in self._tasks:
            with suppress(Killed):
                if not task.thread.dead:
                    task.thread.throw(Killed)

    def _resume_at(self, time: float, task: Task) -> None:
        self._count += 1
        heappush(self._queue, (max(time, self.now), self._count, task))

    def _turn(self, task: Task) -> None:
        self.turns += 1
        self.current = task
        task.thread.switch()
        self.current = None
