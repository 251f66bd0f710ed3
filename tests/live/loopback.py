"""A bridge between loopbacks: what a container asks of its own 127.0.0.1, the host's answers.

The fakes of the vendors are reached by plain HTTP, which the broker allows to loopback only; and
SAM puts no container on the host's network. Copied beside a function's app.py, this is its handler
under `sam local`: it opens the bridge and is the function's own handler from there on.
"""

import os
import socket
import threading
from ipaddress import ip_address
from pathlib import Path

OUTSIDE = 1000
"""What is added to a port for the containers' end of the bridge."""


def bridge(listen: tuple[str, int], target: tuple[str, int]) -> socket.socket:
    """Pass every connection to *listen* on to *target*, until the socket returned is closed."""
    listener = socket.create_server(listen)
    threading.Thread(target=serve, args=(listener, target), daemon=True).start()
    return listener


def serve(listener: socket.socket, target: tuple[str, int]) -> None:
    """Accept connections from this machine and its containers."""
    while True:
        try:
            near, (peer, _) = listener.accept()
        except OSError:
            return
        if not ip_address(peer).is_private:
            near.close()
            continue
        far = socket.create_connection(target)
        for pair in ((near, far), (far, near)):
            threading.Thread(target=pump, args=pair, daemon=True).start()


def pump(source: socket.socket, sink: socket.socket) -> None:
    """Pass on what comes, then the end of it."""
    try:
        while chunk := source.recv(65536):
            sink.sendall(chunk)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        source.close()
        sink.close()


def host() -> str:
    """Return the host's address as a container sees it: where its default route leads."""
    routes = [line.split() for line in Path("/proc/net/route").read_text().splitlines()[1:]]
    gateway = next(route[2] for route in routes if route[1] == "00000000")
    return socket.inet_ntoa(bytes.fromhex(gateway)[::-1])


def ports(first: int) -> range:
    """Return the ports of the local system."""
    return range(first, first + 5)


if "BRIDGED_PORT" in os.environ:
    for port in ports(int(os.environ["BRIDGED_PORT"])):
        bridge(("127.0.0.1", port), (host(), port + OUTSIDE))
    from app import handler  # type: ignore[import-not-found]  # noqa: F401 (the function's, in its folder)
