"""Whether the ports that are needed are free."""

import socket
from collections.abc import Mapping

from token_broker_local.places import DEFAULT_PORT, HOST, Places

LAST_PORT = 65_535


class PortError(Exception):
    """The ports cannot be used. The message says what to do."""


def chosen(text: str | None) -> Places:
    """Return the places that `PORT`, as the environment has it, asks for."""
    if not text:
        return Places()
    if not (text.isascii() and text.isdigit() and 0 < int(text) <= LAST_PORT - 4):
        raise PortError(f"PORT is {text!r}, but should be a number from 1 to {LAST_PORT - 4}.")
    return Places(int(text))


def check(places: Places) -> None:
    """Raise `PortError` if one of the ports is taken."""
    taken = {name: port for name, port in places.ports.items() if not is_free(port)}
    if taken:
        raise PortError(advice(places, taken))


def is_free(port: int) -> bool:
    """Say whether *port* could be listened on."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True


def advice(places: Places, taken: Mapping[str, int]) -> str:
    """Return which ports are taken, and how to take others."""
    listed = ", ".join(f"{port} ({name})" for name, port in taken.items())
    other = DEFAULT_PORT + 1000 if places.port == DEFAULT_PORT else DEFAULT_PORT
    return (
        f"Something else listens on port {listed}.\n"
        f"Choose five other ports by the first of them, for example: PORT={other} make run"
    )
