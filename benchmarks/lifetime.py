"""The cost of a renewal for callers, in round trips to AWS that are counted, not timed.

The shipped code of Vendorlink in virtual time, as in `peers`: 20 processes get a call each
second for an hour. The token lives one hour, so it is renewed once; or two hours, so it is not. A
call's milliseconds are those of its round trips, by the figures of `peers`.

Target: p99.9 of a lifetime with a renewal <= 1.25 of that of one without.
"""

import heapq
import itertools
import random

from benchmarks.peers import SECONDS, START, Steps, World
from benchmarks.shipped import Fleet
from benchmarks.tables import Spread, Table, Target
from token_broker_fakes.vendorlink import VendorlinkModes

PROCESSES, LIFETIME = 20, 3600
EVERY = (1, 60)
"""Seconds between two calls of a process: frequent, or so rare that each reads the table."""

READ = (SECONDS["read"] + SECONDS["kms"]) * 1000
"""Milliseconds of a call that reads the table and decrypts the token."""


def call(fleet: Fleet, world: World, process: int) -> Steps:
    """Get a token, and record the duration."""
    began = world.now
    yield from fleet.steps(process)
    world.waits.append(world.now - began)


def simulated(memory_seconds: int, every: int, *, renews: bool) -> World:
    """Simulate an hour of calls, after each process has the token."""
    dice, order, world = random.Random(7), itertools.count(), World()
    lifetime = LIFETIME if renews else 2 * LIFETIME
    fleet = Fleet(world, memory_seconds, VendorlinkModes(lifetime=lifetime))
    events: list[tuple[float, int, Steps]] = []

    def add(at: float, steps: Steps) -> None:
        heapq.heappush(events, (at, next(order), steps))

    def carry_out() -> None:
        while events:
            world.now, _, steps = heapq.heappop(events)
            pause = next(steps, None)
            if pause is not None:
                add(world.now + pause, steps)
            for started in world.background:
                add(world.now, started)
            world.background.clear()

    for process in range(PROCESSES):
        add(world.now, call(fleet, world, process))
    carry_out()
    world.waits.clear()
    for process, second in itertools.product(range(PROCESSES), range(0, LIFETIME, every)):
        add(START + 10 + second + dice.random(), call(fleet, world, process))
    carry_out()
    return world


def main() -> None:
    """Simulate and publish."""
    shown = Table(
        "lifetime",
        f"A token's lifetime in {PROCESSES} processes, {LIFETIME} s, simulated",
        (
            "frequency of calls",
            "calls",
            "logins and renewals",
            "p50, ms",
            "p99, ms",
            "p99.9, ms",
            "max, ms",
            "calls slower than a read",
        ),
        "Milliseconds are the time of requests to AWS only, in round figures: a read 5, a"
        " decryption 6, a write 8, an asynchronous invocation 10. A hit in memory needs none; a"
        f" hit in the table reads and decrypts ({READ:.0f}). One caller also writes and invokes."
        " With fewer than a thousand calls in a lifetime, that call is the p99.9.",
    )
    for every, memory_seconds in itertools.product(EVERY, (0, 60, 300)):
        name = f"one call in {every} s, MEMORY_SECONDS={memory_seconds}"
        tails = []
        for renews in (False, True):
            world = simulated(memory_seconds, every, renews=renews)
            waits = Spread([wait * 1000 for wait in world.waits])
            tails.append(waits.quantile(0.999))
            beyond = sum(wait > READ + 0.01 for wait in waits.values)
            shown.add(
                f"{name}{', renewed' if renews else ''}",
                len(waits.values),
                world.logins,
                *(round(waits.quantile(share), 3) for share in (0.5, 0.99, 0.999, 1)),
                beyond,
            )
        quiet, renewed = tails
        shown.targets.append(Target(f"{name}: p99.9 / without a renewal", renewed / quiet, 1.25))
    shown.publish()
