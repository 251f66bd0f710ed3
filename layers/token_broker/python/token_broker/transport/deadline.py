"""The limits of one request to a vendor: its deadline, and the addresses that it may connect to.

A host name is looked up once. The addresses that were checked are the ones that are connected to,
so a second, different answer of the DNS has no effect.
"""

import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from ipaddress import ip_address
from queue import Empty, SimpleQueue
from threading import Thread
from time import monotonic
from typing import TypeAlias

from token_broker.transport.urls import is_loopback, is_loopback_host, is_public

Resolve: TypeAlias = Callable[[str], Sequence[str]]
"""Returns the IP addresses of a host. Raises `OSError` if it has none."""


class Ended(Exception):
    """The request failed before there was an answer. Its text is the broker's own."""


class Forbidden(Exception):
    """A request would connect to a forbidden address. Its text is the broker's own."""


@dataclass(frozen=True, slots=True)
class Deadline:
    """The limits of one request: until when, and to which addresses."""

    ends_at: float
    """By the monotonic clock."""
    connect_seconds: float
    resolve: Resolve = field(repr=False)
    internal_hosts: frozenset[str] = frozenset()

    @property
    def left(self) -> float:
        """Seconds that are left. Raises `Ended` if there are none."""
        seconds = self.ends_at - monotonic()
        if seconds <= 0:
            raise Ended("timed out")
        return seconds

    @property
    def left_to_connect(self) -> float:
        """Seconds that are left for one try to connect, or to look up a name."""
        return min(self.connect_seconds, self.left)

    @property
    def is_over(self) -> bool:
        """Say whether the deadline has passed, but for 10 ms: a timeout may end slightly early."""
        return monotonic() >= self.ends_at - 0.01

    def addresses(self, host: str) -> Sequence[str]:
        """Return the addresses of *host*. Raises `Forbidden` if one of them must not be reached."""
        addresses = self._looked_up(host)
        if not all(self._may_reach(host, address) for address in addresses):
            raise Forbidden("the host leads to an internal address")
        return addresses

    def _may_reach(self, host: str, address: str) -> bool:
        if is_loopback_host(host):
            return is_loopback(address)
        # Never link-local, even for an internal host: clouds serve their credentials there.
        trusted = host in self.internal_hosts and not ip_address(address).is_link_local
        return trusted or is_public(address)

    def _looked_up(self, host: str) -> Sequence[str]:
        with suppress(ValueError):
            return [str(ip_address(host))]
        answer: SimpleQueue[Sequence[str]] = SimpleQueue()
        # In a separate thread, because the system's resolver has no timeout.
        Thread(target=_look_up, args=(self.resolve, host, answer), daemon=True).start()
        with suppress(Empty):
            if addresses := answer.get(timeout=self.left_to_connect):
                return addresses
            raise Ended("the host's name leads nowhere")
        raise Ended("looking the host's name up timed out")


current_deadline: ContextVar[Deadline] = ContextVar("deadline")
"""The limits of the request that this thread sends. urllib3 cannot pass them to a socket."""


def resolve(host: str) -> Sequence[str]:
    """Ask the system for the addresses of *host*, the best first."""
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


def _look_up(resolve: Resolve, host: str, answer: SimpleQueue[Sequence[str]]) -> None:
    try:
        answer.put(resolve(host))
    except (OSError, UnicodeError):
        answer.put([])
