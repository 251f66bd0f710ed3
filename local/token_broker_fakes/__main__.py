"""Serve the fakes: ``python -m token_broker_fakes [--port 8082]``. Ctrl-C ends them."""

import argparse
import signal
import sys
import threading
from collections.abc import Sequence

from token_broker_fakes.banner import banner
from token_broker_fakes.editor import FakeEditor
from token_broker_fakes.serving import PortTaken
from token_broker_fakes.vendorlink import FakeVendorlink
from token_broker_fakes.vntana import FakeVntana

DEFAULT_PORT = 8082
VENDORS = ("vntana", "vendorlink", "editor")


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve the three fakes until interrupted; return 1 where a port is taken."""
    ports = chosen(arguments)
    vntana, vendorlink, editor = FakeVntana(), FakeVendorlink(), FakeEditor()
    is_over = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: is_over.set())
    try:
        with vntana.serve(ports[0]), vendorlink.serve(ports[1]), editor.serve(ports[2]):
            print(banner(vntana, vendorlink, editor), flush=True)
            is_over.wait()
    except PortTaken as error:
        print(f"{error}. Choose others with --port.", file=sys.stderr)
        return 1
    return 0


def chosen(arguments: Sequence[str] | None) -> list[int]:
    """Return the ports that the command line chooses for VNTANA, Vendorlink and the editor."""
    parser = argparse.ArgumentParser("python -m token_broker_fakes", description=__doc__)
    parser.add_argument("--port", type=int, default=DEFAULT_PORT, help="first of three ports")
    for vendor in VENDORS:
        parser.add_argument(f"--{vendor}-port", type=int, help="a port of its own; 0: any free one")
    options = vars(parser.parse_args(arguments))
    own = [options[f"{vendor}_port"] for vendor in VENDORS]
    return [options["port"] + i if port is None else port for i, port in enumerate(own)]


if __name__ == "__main__":
    sys.exit(main())
