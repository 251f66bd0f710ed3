"""Serve the fakes: ``python -m token_broker_fakes [--port 8082]``. Ctrl-C ends them."""

import argparse
import signal
import sys
from collections.abc import Sequence

from token_broker_fakes.banner import banner
from token_broker_fakes.editor import FakeEditor
from token_broker_fakes.serving import PortTaken
from token_broker_fakes.vendorlink import FakeVendorlink
from token_broker_fakes.vntana import FakeVntana

DEFAULT_PORT = 8082
ENDS = (signal.SIGINT, signal.SIGTERM)
LAST_PORT = 65_535
VENDORS = ("vntana", "vendorlink", "editor")


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve the three fakes until interrupted; return 1 where a port is taken."""
    ports = chosen(arguments)
    vntana, vendorlink, editor = FakeVntana(), FakeVendorlink(), FakeEditor()
    # Blocked and waited for: a handler's call can be missed by a thread that is about to wait.
    signal.pthread_sigmask(signal.SIG_BLOCK, ENDS)
    try:
        with vntana.serve(ports[0]), vendorlink.serve(ports[1]), editor.serve(ports[2]):
            print(banner(vntana, vendorlink, editor), flush=True)
            signal.sigwait(ENDS)
    except PortTaken as error:
        print(f"{error}. Choose others with --port.", file=sys.stderr)
        return 1
    return 0


def chosen(arguments: Sequence[str] | None) -> list[int]:
    """Return the ports that the command line chooses for VNTANA, Vendorlink and the editor."""
    parser = argparse.ArgumentParser("python -m token_broker_fakes", description=__doc__)
    parser.add_argument("--port", type=port, default=DEFAULT_PORT, help="first of three ports")
    for vendor in VENDORS:
        parser.add_argument(
            f"--{vendor}-port", type=port, help="a port of its own; 0: any free one"
        )
    options = vars(parser.parse_args(arguments))
    own = [options[f"{vendor}_port"] for vendor in VENDORS]
    return [options["port"] + i if one is None else one for i, one in enumerate(own)]


def port(text: str) -> int:
    """Return *text* as a port."""
    if not (text.isascii() and text.isdigit() and int(text) <= LAST_PORT):
        raise argparse.ArgumentTypeError(f"a port is a number from 0 to {LAST_PORT}")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
