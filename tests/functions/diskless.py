"""A process that calls each function and may write no file. `test_shortages` starts it."""

import json
import os
import resource
import signal
import sys
from typing import Any

from token_broker_local import functions

WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
MAKING = ("os.mkdir", "os.rename", "os.link", "os.symlink", "shutil.", "tempfile.", "sqlite3.")


def main(root: str, connections: str) -> None:
    """Call each function twice, and print its responses and the files that it tried to write."""
    sys.path.insert(0, root)
    from tests.waiting import wait_for_aws  # noqa: PLC0415 (a script is not where `tests` is)

    wait_for_aws()
    written: list[str] = []

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        is_open = event == "open" and isinstance(arguments[2], int) and arguments[2] & WRITING
        if is_open or event.startswith(MAKING):
            written.append(f"{event} {arguments[0]}")

    sys.addaudithook(watch)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    sources = []
    for flow, connection in json.loads(connections).items():
        function = functions.load(flow)
        for _ in range(2):
            outcome = function.invoke(json.dumps({"connection": connection}).encode())
            sources.append(json.loads(outcome.payload)["source"])
    sys.stdout.write("\n" + json.dumps({"sources": sources, "written": written}) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
