"""Serve the fakes: ``python -m token_broker_fakes [--port 8082]``. Ctrl-C ends them."""

import argparse
import json
import signal
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import Any

from token_broker_descriptors import every
from token_broker_fakes.fake import Fake
from token_broker_fakes.registry import fakes
from token_broker_fakes.serving import PortTaken

COMMANDS = """\
Look        curl {url}/_control
Switch      curl -X PATCH {url}/_control -d '{{"modes": {{"{mode}": "{value}"}}}}'
Break       curl -X PATCH {url}/_control -d '{{"faults": [{{"kind": "drop", "step": "{step}"}}]}}'
Age         curl -X PATCH {url}/_control -d '{{"advance": 3600}}'
Log         curl {url}/_control/log
Ctrl-C ends them all.

ready"""
EXAMPLE = {"mode": "dead_token", "value": "401", "step": "login"}
"""Of VNTANA, which is the first flow."""


def banner(fakes: Mapping[str, Fake[Any]]) -> str:
    """Return the fakes' addresses and credentials, and how to switch them."""
    lines = [line for name, fake in fakes.items() for line in lines_of(name, fake)]
    first = next(iter(fakes.values()))
    return "\n".join([*lines, "", COMMANDS.format(url=first.url, **EXAMPLE)])


def lines_of(name: str, fake: Fake[Any]) -> list[str]:
    """Return where one fake is, and a secret of the demo, which is no secret, to be stored."""
    secret = json.dumps(fake.demo_secret(fake.url), ensure_ascii=False)
    return [f"{every()[name].label:<11} {fake.url}", f"  {'secret':<9} {secret}"]


DEFAULT_PORT = 8082
ENDS = (signal.SIGINT, signal.SIGTERM)
LAST_PORT = 65_535
VENDORS = tuple(every())


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve the fakes until interrupted; return 1 where a port is taken."""
    ports, served = chosen(arguments), fakes()
    # Blocked and waited for: a handler's call can be missed by a thread that is about to wait.
    signal.pthread_sigmask(signal.SIG_BLOCK, ENDS)
    try:
        with ExitStack() as stack:
            for fake, port in zip(served.values(), ports, strict=True):
                stack.enter_context(fake.serve(port))
            print(banner(served), flush=True)
            signal.sigwait(ENDS)
    except PortTaken as error:
        print(f"{error}. Choose others with --port.", file=sys.stderr)
        return 1
    return 0


def chosen(arguments: Sequence[str] | None) -> list[int]:
    """Return the ports that the command line chooses, in the order of the flows."""
    parser = argparse.ArgumentParser("python -m token_broker_fakes", description=__doc__)
    first = "first of the ports; 0: any free ones"
    parser.add_argument("--port", type=port_of, default=DEFAULT_PORT, help=first)
    for vendor in VENDORS:
        parser.add_argument(
            f"--{vendor}-port", type=port_of, help="a port of its own; 0: any free one"
        )
    options = vars(parser.parse_args(arguments))
    own, port = [options[f"{vendor}_port"] for vendor in VENDORS], options["port"]
    ports = [(port + i if port else 0) if one is None else one for i, one in enumerate(own)]
    if max(ports) > LAST_PORT:
        parser.error(f"argument --port: a port is a number from 0 to {LAST_PORT}, the last one too")
    return ports


def port_of(text: str) -> int:
    """Return *text* as a port."""
    if not (text.isascii() and text.isdigit() and int(text) <= LAST_PORT):
        raise argparse.ArgumentTypeError(f"a port is a number from 0 to {LAST_PORT}")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
