"""`python -m token_broker_local`: run the whole system on this machine until interrupted."""

import os
import signal
import sys
import time
from contextlib import suppress
from types import FrameType

SLEEP_SECONDS = 0.2
"""The most seconds until a signal that arrives just before the sleep is handled."""


def main() -> None:
    """Start everything, print the addresses, and wait."""
    open_outputs()
    signal.signal(signal.SIGINT, end)
    signal.signal(signal.SIGTERM, end)
    # Slow imports begin here, where an interrupt already ends the process without a traceback.
    from token_broker_local import environment, log_capture, ports  # noqa: PLC0415 (see above)

    try:
        addresses = ports.chosen(os.environ.get("PORT"))
        ports.check(addresses)
    except ports.PortError as error:
        sys.exit(str(error))
    environment.enter(addresses)
    sys.stdout = log_capture.CapturedStdout(sys.stdout)
    from token_broker_local import banner, provisions, system  # noqa: PLC0415 (see above)

    with system.running(addresses, report=report):
        print(banner.banner(addresses, provisions.demo_secrets(addresses)["vntana"]))
        print("ready: Ctrl-C stops everything", flush=True)
        while True:
            time.sleep(SLEEP_SECONDS)


def open_outputs() -> None:
    """Open the outputs that were closed at the start: their numbers must be no other file's."""
    for number, name in enumerate(("stdout", "stderr"), start=1):
        if getattr(sys, name) is None:
            os.dup2(os.open(os.devnull, os.O_WRONLY), number)
            setattr(sys, name, open(number, "w"))  # noqa: SIM115, PTH123 (as long as the process)


def report(line: str) -> None:
    """Print a line as a whole, if somebody reads it. This is thread-safe."""
    with suppress(OSError):
        sys.stderr.write(f"{time.strftime('%H:%M:%S')} {line}\n")


def end(signum: int, frame: FrameType | None) -> None:  # noqa: ARG001 (a signal handler's form)
    """End the process at once. It has no state to clean up."""
    with suppress(OSError):
        os.write(sys.stderr.fileno(), b"\nended\n")
    os._exit(0)


if __name__ == "__main__":
    main()
