"""`make stack`: deploy onto the emulator, run the scenario, and print the results."""

import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from stack import keeping
from stack.account import Account
from stack.deployment import Deployment, NotDeployed
from stack.places import Places
from stack.processes import emulator
from stack.scenario import (
    bus,
    callers,
    client,
    command,
    crowd,
    flows,
    grants,
    leaving,
    operating,
    roles,
    rotations,
    signers,
    updates,
)
from stack.system import System
from stack.table import FAILED, Row, Table
from token_broker_fakes import registry
from token_broker_fakes.fake import Fake

MEMORY = Path("/dev/shm")  # noqa: S108 (a folder with a name of its own is made in it)
ROOM_BYTES = 4 << 30

CHAPTERS = (
    flows,
    callers,
    operating,
    roles,
    rotations,
    bus,
    client,
    command,
    signers,
    crowd,
    updates,
    grants,
    leaving,
)


def main(python: str, built: str, sam: str) -> int:
    """Run everything, and return the number of failed rows; or keep the system running."""
    for each in (signal.SIGINT, signal.SIGTERM):  # a shell in the background ignores the first
        signal.signal(each, signal.default_int_handler)
    table = Table()
    try:
        with running(Path(python).absolute(), Path(built), Path(sam).absolute()) as system:
            if keeping.is_wanted():
                keeping.keep(system)
            play(system, table)
    except KeyboardInterrupt:
        if not keeping.is_wanted():
            table.rows.append(Row("", "interrupted", verdict=FAILED))
    except NotDeployed as error:
        table.rows.append(Row("", "not deployed", [str(error)], verdict=FAILED))
    if table.rows:
        print("\n".join(table.lines()))
    return len(table.failed)


def play(system: System, table: Table) -> None:
    """Run each module of the scenario."""
    for chapter in CHAPTERS:
        with table.about(str(chapter.__doc__).partition("\n")[0].rstrip(".")):
            chapter.play(system, table)


@contextmanager
def running(python: Path, built: Path, sam: Path) -> Iterator[System]:
    """Deploy the stack and serve the vendors' fakes during the context."""
    with ExitStack() as stack:
        made = tempfile.TemporaryDirectory(prefix="token-broker-stack-", dir=in_memory())
        folder = Path(stack.enter_context(made))
        places = Places(folder)
        stack.enter_context(emulator(python, places))
        system = System(Account(places), Deployment(Account(places), built, sam), served(stack))
        system.deploy()
        yield system


def in_memory() -> Path | None:
    """Return a folder in memory, if it has space: each function's process unpacks a layer."""
    if MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > ROOM_BYTES:
        return MEMORY
    return None


def served(stack: ExitStack) -> Mapping[str, Fake[Any]]:
    """Return the vendors' fakes, served."""
    fakes = registry.fakes()
    for fake in fakes.values():
        stack.enter_context(fake.serve())
    return fakes


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
