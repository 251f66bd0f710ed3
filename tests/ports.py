"""Ports for servers that have to be told theirs before they start."""

import random
import socket
from pathlib import Path

from token_broker_local import ports
from token_broker_local.addresses import HOST, Addresses

COUNT = len(Addresses().ports) + 1
"""Of a row: with room for the flow that a test adds."""

EPHEMERAL = Path("/proc/sys/net/ipv4/ip_local_port_range")


def free_ports() -> Addresses:
    """Return free ports in a row that no other test is given while this process lives.

    The one after them is the sign: it is bound, so that two processes cannot have the same ones.
    """
    while True:
        addresses = Addresses(random.choice(rows()))
        with socket.socket() as sign:
            try:
                sign.bind((HOST, addresses.port + COUNT))
                ports.check(addresses)
            except (OSError, ports.PortError):
                continue
            sign.detach()  # it stays bound
            return addresses


def rows() -> range:
    """Return the first ports of possible rows, outside the system's range of ephemeral ports."""
    low, high = 32_768, 60_999
    if EPHEMERAL.exists():
        low, high = map(int, EPHEMERAL.read_text().split())
    below = range(10_000, low - COUNT, COUNT + 1)
    above = range(high + 1, ports.LAST_PORT - COUNT, COUNT + 1)
    return max(below, above, key=len) or range(10_000, 32_000, COUNT + 1)
