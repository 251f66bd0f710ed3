"""What is made once in a test run, whichever of its workers asks first; the others wait for it."""

import fcntl
import os
import pickle
from collections.abc import Callable
from typing import TypeVar
from urllib.parse import quote

import pytest

_Made = TypeVar("_Made")


def once(factory: pytest.TempPathFactory, name: str, make: Callable[[], _Made]) -> _Made:
    """Return what *make* returns, which was called by this worker or by another under *name*."""
    folder = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent  # of all workers
    with (folder / f"{quote(name, safe='')}.shared").open("a+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        if kept := file.read():
            made: _Made = pickle.loads(kept)  # noqa: S301 (a worker of this run wrote it)
            return made
        made = make()
        file.write(pickle.dumps(made))
        return made
