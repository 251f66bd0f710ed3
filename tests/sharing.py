"""What is made once: in a test run, whichever of its workers asks first, or in a process."""

import fcntl
import os
import pickle
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar
from urllib.parse import quote

import pytest
from botocore import loaders, session

from tests.waiting import Put
from token_broker.aws import clients

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


@contextmanager
def new_clients() -> Iterator[None]:
    """Have the broker make new clients of boto3 in this context, and again after it."""

    def forget() -> None:
        for client in clients._made.values():
            client.close()
        clients._made.clear()
        clients._session.cache_clear()

    forget()
    yield
    forget()


def share_models(put: Put = setattr) -> None:
    """Have boto3 read what it knows of a service once in a process, not once in each session."""
    known: dict[str | None, dict[Any, Any]] = {}

    def loader(path: str | None = None) -> loaders.Loader:
        made = loaders.create_loader(path)
        made._cache = known.setdefault(path, {})  # type: ignore[attr-defined]  # no stub has it
        return made

    put(session, "create_loader", loader)
