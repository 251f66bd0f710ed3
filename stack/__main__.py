"""`make stack`: deploy onto the emulator, run the scenario, and print the report."""

import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from stack import interactive
from stack.account import Account
from stack.deployment import Deployment, NotDeployed
from stack.processes import emulator
from stack.report import FAILED, Check, Report
from stack.scenario import (
    callers,
    cli,
    client,
    concurrency,
    deletion,
    events,
    flows,
    operations,
    permissions,
    roles,
    rotations,
    signers,
    updates,
)
from stack.settings import Settings
from stack.system import System
from token_broker_fakes import registry
from token_broker_fakes.fake import Fake

MEMORY_FOLDER = Path("/dev/shm")  # noqa: S108 (a temporary folder is made in it)
NEEDED_BYTES = 4 << 30

SCENARIO = (
    flows,
    callers,
    operations,
    roles,
    rotations,
    events,
    client,
    cli,
    signers,
    concurrency,
    updates,
    permissions,
    deletion,
)


def main(python: str, built: str, sam: str) -> int:
    """Run the scenario and return the number of failed checks; or keep the system running."""
    for number in (signal.SIGINT, signal.SIGTERM):  # a shell in the background ignores the first
        signal.signal(number, signal.default_int_handler)
    report = Report()
    try:
        with running(Path(python).absolute(), Path(built), Path(sam).absolute()) as system:
            if interactive.is_requested():
                interactive.serve(system)
            run_scenario(system, report)
    except KeyboardInterrupt:
        if not interactive.is_requested():
            report.checks.append(Check("", "interrupted", status=FAILED))
    except NotDeployed as error:
        report.checks.append(Check("", "not deployed", [str(error)], status=FAILED))
    if report.checks:
        print("\n".join(report.lines()))
    return len(report.failed)


def run_scenario(system: System, report: Report) -> None:
    """Run each module of the scenario."""
    for module in SCENARIO:
        with report.section(str(module.__doc__).partition("\n")[0].rstrip(".")):
            module.run(system, report)


@contextmanager
def running(python: Path, built: Path, sam: Path) -> Iterator[System]:
    """Deploy the stack and serve the vendors' fakes during the context."""
    with ExitStack() as stack:
        temporary = tempfile.TemporaryDirectory(prefix="token-broker-stack-", dir=memory_folder())
        folder = Path(stack.enter_context(temporary))
        settings = Settings(folder)
        stack.enter_context(emulator(python, settings))
        account = Account(settings)
        system = System(account, Deployment(account, built, sam), serve_fakes(stack))
        system.deploy()
        yield system


def memory_folder() -> Path | None:
    """Return a folder in memory if it has space: each function's process unpacks a layer."""
    if MEMORY_FOLDER.is_dir() and shutil.disk_usage(MEMORY_FOLDER).free > NEEDED_BYTES:
        return MEMORY_FOLDER
    return None


def serve_fakes(stack: ExitStack) -> Mapping[str, Fake[Any]]:
    """Serve the vendors' fakes until *stack* closes, and return them."""
    fakes = registry.fakes()
    for fake in fakes.values():
        stack.enter_context(fake.serve())
    return fakes


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
