"""The requests of an exchange to a vendor and AWS, and the time that it adds to the vendor's.

Measured: calls of the function with an exchange at the vendor's fake, which takes 150 ms for each
answer, in a process with existing clients (`cold-start` measures those). Floor: the same number of
bare requests over a persistent connection.

Targets: the protocol's least number of upstream calls; two writes to the table and one read of the
secret; at most 10 % above the bare calls, the time in which AWS answers counted apart.
"""

import contextlib
import os
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import requests
from botocore.httpsession import URLLib3Session

from benchmarks import cloud
from benchmarks.tables import Spread, Table, Target
from tests.functions.world import World
from token_broker.aws.http1 import Connection
from token_broker_local import environment, provisions
from token_broker_local.addresses import Addresses

if TYPE_CHECKING:
    from tests.functions.world import Counted

DELAY = 0.15
ROUNDS = int(os.environ.get("ROUNDS", "12"))

ACME, STUDIO = "ac3e0000-0000-4000-8000-00000000000a", "57d10000-0000-4000-8000-00000000000b"
CHAIRS = "c4a125aa-0000-4000-8000-000000000001"
TABLES = "7ab1e5aa-0000-4000-8000-000000000002"


@dataclass
class Case:
    """A call that needs an exchange."""

    name: str
    flow: str
    payload: Mapping[str, Any]
    least: int
    """Requests to the vendor that the protocol needs."""
    writes: int = 2
    """Writes to the table that the protocol needs."""
    total: list[float] = field(default_factory=list)
    aws: list[float] = field(default_factory=list)
    vendor: list[float] = field(default_factory=list)
    calls: Counter[str] = field(default_factory=Counter)
    steps: list[str] = field(default_factory=list)

    @property
    def written(self) -> int:
        """Writes to the table."""
        return self.calls["UpdateItem"]

    def added(self) -> Spread:
        """Return the added time without AWS's, as a share of the bare calls' time."""
        rows = zip(self.total, self.aws, self.vendor, strict=True)
        return Spread([(total - aws) / vendor - 1 for total, aws, vendor in rows])


def cases() -> list[Case]:
    """Return the exchanges in their order.

    The workspaces are listed before one is entered, so that a wrong uuid ends no token.
    """
    studio = {"organization": STUDIO, "workspace": CHAIRS}
    return [
        Case("vntana: organization by uuid, listed once", "vntana", {"organization": ACME}, 3, 8),
        Case("vntana: its renewal", "vntana", {"organization": ACME, "force": True}, 2),
        Case("vntana: workspace by uuid, its organization too", "vntana", studio, 2 + 2, 6),
        Case("vntana: a further workspace", "vntana", studio | {"workspace": TABLES}, 1 + 1, 4),
        Case("vntana: its renewal", "vntana", studio | {"workspace": TABLES, "force": True}, 1),
        Case("vendorlink: login", "vendorlink", {}, 1),
        Case("vendorlink: renewal", "vendorlink", {"force": True}, 1),
        Case("editor", "editor", {"parameters": {"userId": "7", "file": "a.dwg"}}, 1, 4),
        Case(
            "editor: forced",
            "editor",
            {"parameters": {"userId": "7", "file": "a.dwg"}, "force": True},
            1,
        ),
    ]


def bare(url: str, count: int, session: requests.Session) -> float:
    """Return the milliseconds of *count* requests to the vendor, one after the other."""
    began = time.perf_counter()
    for _ in range(count):
        session.get(f"{url}/nothing", timeout=5)
    return (time.perf_counter() - began) * 1000


def measure(
    case: Case, world: World, services: cloud.Cloud, connection: str, waiting: "Waiting"
) -> None:
    """Make the exchange once, for a connection with the tokens of the earlier cases, or none."""
    fake = getattr(world, case.flow)
    world.advance(11)  # an exchange can be forced again
    services.aws.calls.clear()
    before, aws = len(fake.log), waiting.seconds
    began = time.perf_counter()
    answer = world.call(case.flow, connection, **case.payload)
    case.total.append((time.perf_counter() - began) * 1000)
    assert answer["source"] == "exchange", answer
    case.aws.append((waiting.seconds - aws) * 1000)
    case.calls = Counter(services.aws.calls)
    case.steps = [entry.step for entry in list(fake.log)[before:]]
    with requests.Session() as session:
        session.get(f"{fake.url}/nothing", timeout=5)  # so that the connection is open
        case.vendor.append(bare(fake.url, len(case.steps), session))


class Waiting:
    """The time of AWS requests: from the request's first byte to the answer's last."""

    def __init__(self) -> None:
        self.seconds = 0.0

    @contextlib.contextmanager
    def counted(self, owner: Any, name: str) -> Iterator[None]:
        """Count the time in one method of a class during the context."""
        method = getattr(owner, name)

        def counting(*arguments: Any) -> Any:
            began = time.perf_counter()
            try:
                return method(*arguments)
            finally:
                self.seconds += time.perf_counter() - began

        setattr(owner, name, counting)
        try:
            yield
        finally:
            setattr(owner, name, method)


def measured() -> list[Case]:
    """Make every exchange several times, always in the same order."""
    found = cases()
    waiting = Waiting()
    with (
        cloud.running() as services,
        waiting.counted(URLLib3Session, "send"),
        waiting.counted(Connection, "post"),
    ):
        environment.enter(Addresses(), os.environ)
        os.environ["AWS_ENDPOINT_URL"] = services.url
        # Only its count of requests is used here.
        world = World(cast("Counted", services.aws), services.fakes, stands_at=None)
        for fake in services.fakes.values():
            fake.fail("delay", times=None, seconds=DELAY)
        for number in range(ROUNDS + 1):
            services.forget()
            for flow in services.fakes:
                world.service(flow).deps.cache.clear()
            for case in found:
                measure(case, world, services, provisions.DEMO, waiting)
            if number == 0:
                for case in found:
                    for times in (case.total, case.aws, case.vendor):
                        times.clear()
        world.close()
    return found


def main() -> None:
    """Measure and publish."""
    shown = Table(
        "exchange",
        f"An exchange; the vendor answers after {DELAY * 1000:.0f} ms",
        (
            "exchange",
            "upstream calls",
            "writes",
            "secret reads",
            "reads",
            "KMS",
            "total, ms",
            "AWS, ms",
            "vendor alone, ms",
            "added by the broker",
        ),
        "AWS is moto; its time is the wait for its answers. The first resolution of a name, and"
        " the first use of a connection's secret, take further leases of two writes each: for the"
        " list of organizations, the alias and the gate.",
    )
    with Path(os.devnull).open("w") as nowhere, contextlib.redirect_stdout(nowhere):  # audit lines
        found = measured()
    for case in found:
        reads = sum(case.calls[name] for name in ("GetItem", "BatchGetItem"))
        kms = case.calls["Encrypt"] + case.calls["Decrypt"]
        secrets = case.calls["GetSecretValue"]
        added = case.added().median
        shown.add(
            case.name, len(case.steps), case.written, secrets, reads, kms,
            Spread(case.total), Spread(case.aws), Spread(case.vendor), f"{added:.0%}",
        )  # fmt: skip
        shown.targets += [
            Target(f"{case.name}: upstream calls", len(case.steps), case.least),
            Target(f"{case.name}: secret reads", secrets, 1),
            Target(f"{case.name}: writes", case.written, case.writes),
            Target(f"{case.name}: added share", max(added, 0), 0.1),
        ]
    shown.publish()
