"""Many calls at once, which Ctrl-C does not wait for."""

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from typing import TypeVar

Given = TypeVar("Given")
Made = TypeVar("Made")

THREADS = 8


def at_once(call: Callable[[Given], Made], given: Iterable[Given]) -> list[Made]:
    """Return what *call* makes of each of *given*, in their order; raise what it raises."""
    tasks: SimpleQueue[tuple[int, Given]] = SimpleQueue()
    for task in enumerate(given):
        tasks.put(task)
    made: SimpleQueue[tuple[int, Future[Made]]] = SimpleQueue()
    count = tasks.qsize()

    def work() -> None:
        while True:
            try:
                position, one = tasks.get_nowait()
            except Empty:
                return
            result: Future[Made] = Future()
            try:
                result.set_result(call(one))
            except BaseException as error:  # noqa: BLE001 (raised where it is waited for)
                result.set_exception(error)
            made.put((position, result))

    for _ in range(min(THREADS, count)):
        # A thread that is no daemon, as a pool's are, is waited for at the end of the process.
        threading.Thread(target=work, daemon=True).start()
    done = dict(made.get() for _ in range(count))
    return [done[position].result() for position in range(count)]
