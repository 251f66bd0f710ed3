"""The ports of the local system: their choice, and whether they are free."""

import os
import socket
from collections.abc import Mapping

from token_broker_descriptors import every
from token_broker_local.addresses import DEFAULT_PORT, HOST, Addresses

LAST_PORT = 65_535
LISTENERS = {
    "gateway": "gateway",
    "services": "AWS services",
    **{name: f"fake of {flow.vendor}" for name, flow in every().items()},
}
HIGHEST = LAST_PORT - len(LISTENERS) + 1
"""The highest first port: the others follow it."""


class PortError(Exception):
    """The ports cannot be used. The message names a remedy."""


def chosen(text: str | None) -> Addresses:
    """Return the addresses for the value of the environment variable `PORT`."""
    if not text:
        return Addresses()
    if not (text.isascii() and text.isdigit() and 0 < int(text) <= HIGHEST):
        raise PortError(f"PORT is {text!r}, but should be a number from 1 to {HIGHEST}.")
    return Addresses(int(text))


def check(addresses: Addresses) -> None:
    """Raise `PortError` if one of the ports cannot be listened on."""
    reasons = {name: obstacle(port) for name, port in addresses.ports.items()}
    if taken := {name: reason for name, reason in reasons.items() if reason}:
        raise PortError(advice(addresses, taken))


def obstacle(port: int) -> str | None:
    """Return why *port* cannot be listened on, or None if it can."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            return os.strerror(error.errno) if error.errno else str(error)
        return None


def advice(addresses: Addresses, taken: Mapping[str, str]) -> str:
    """Return a message with the taken ports, and how to choose others."""
    listed = [
        f"Port {addresses.ports[name]}, for the {LISTENERS[name]}: {reason}."
        for name, reason in taken.items()
    ]
    other = DEFAULT_PORT + 1000 if addresses.port == DEFAULT_PORT else DEFAULT_PORT
    choose = f"Choose other ports by the first of them, for example: PORT={other} make run"
    return "\n".join([*listed, choose])
