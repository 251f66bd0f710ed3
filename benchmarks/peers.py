"""Compares alternatives to the broker: logins, dead tokens, latency and cost.

A seeded simulation stands for 100 containers, ten lifetimes of a token, and 10,000 calls that come
in bursts; nothing here is measured by a clock. The upstream has one session: a login ends the one
before it, as VNTANA's does. `msal` and `authlib` are the libraries themselves, on simulated time,
and so is ours: the function as it is shipped, in `shipped`.

Targets for ours: one exchange per lifetime, and no more dead tokens than memory can explain.
"""

import heapq
import itertools
import random
import time as clock
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass, field
from typing import Any

from benchmarks.shipped import Fleet
from benchmarks.tables import Spread, Table, Target

CONTAINERS, CALLS, BURST = 100, 10_000, 20
LIFETIME, LIFETIMES = 3600, 10
LOGIN, READ, WRITE, SECRET = 0.30, 0.005, 0.008, 0.010
SECONDS = {
    "vendor": LOGIN, "read": READ, "write": WRITE, "kms": 0.006, "secret": SECRET,
    "invocation": 0.010,
}  # fmt: skip
"""Seconds of a login, DynamoDB's read and write, KMS, Secrets Manager and Invoke."""

USED_AFTER = 0.05
"""Seconds between the answer with a token and the token's use."""

START = 1_800_000_000.0

GB_SECOND, INVOCATION = 0.0000133334, 0.20 / 1e6
PRICES = {
    "read": 0.125 / 1e6, "write": 0.625 / 1e6, "kms": 3 / 1e6, "secret": 5 / 1e6,
    "invocation": INVOCATION, "vendor": 0.0,
}  # fmt: skip
ENTRANCE = 3.50
"""API Gateway's price of a million calls; a direct invocation does not pay it."""

"""US dollars by AWS's list for us-east-1, on demand, arm64: aws.amazon.com/<service>/pricing."""

MEMORY_GB = 1.0
HANDLING = 0.002
"""Billed seconds of the function besides its waiting."""

Steps = Generator[float, None, Any]
"""The steps of a call: yields the seconds of each step, and returns a token."""


@dataclass(frozen=True)
class Token:
    """The number and the end of a session."""

    session: int
    issued_at: float
    expires_at: float


@dataclass
class World:
    """The time, the upstream and the table, with the counts of requests."""

    now: float = START
    session: int = 0
    logins: int = 0
    dead: int = 0
    waits: list[float] = field(default_factory=list)
    spent: dict[str, int] = field(default_factory=lambda: dict.fromkeys(PRICES, 0))
    invocations: int = 0
    """Invocations of the broker's function; the alternatives run in their callers."""
    running: float = 0.0
    """The seconds that the function ran."""
    item: Token | None = None
    background: list[Steps] = field(default_factory=list)
    """Asynchronous invocations."""

    def login(self) -> Steps:
        """Log in: the session before this one ends."""
        began = self.now
        self.spent["secret"] += 1
        yield SECRET
        yield LOGIN
        return self.enter(began)

    def enter(self, began: float) -> Token:
        """Begin a session at once."""
        self.logins += 1
        self.session += 1
        return Token(self.session, began, began + LIFETIME)

    def take(self, what: str, seconds: float) -> Iterable[float]:
        """Make a priced request to AWS."""
        self.spent[what] += 1
        yield seconds

    def pay(self, what: str) -> float:
        """Count one request of a kind, and return its seconds."""
        self.spent[what] += 1
        return SECONDS[what]


@dataclass
class Container:
    """One Lambda process and its cache."""

    number: int
    token: Any = None
    read_at: float = -1e9
    library: Any = None


class Strategy(ABC):
    """A way to obtain a token."""

    name = ""
    retries = True
    """Whether a caller reports a rejected token and retries once."""

    def is_alive(self, world: World, token: Any) -> bool:
        """Return whether the upstream would accept *token*."""
        return bool(token.session == world.session and world.now < token.expires_at)

    @abstractmethod
    def get(self, world: World, own: Container, refused: Any) -> Steps:
        """Return a token that is not *refused*."""


class LoginPerCall(Strategy):
    name = "login per call"

    def get(self, world: World, own: Container, refused: Any) -> Steps:
        del own, refused
        return (yield from world.login())


class InProcess(Strategy):
    name = "cache in each process"
    retries = False

    def get(self, world: World, own: Container, refused: Any) -> Steps:
        is_good = own.token and world.now < own.token.expires_at - 60 and own.token != refused
        if not is_good:
            own.token = yield from world.login()
        return own.token


class InProcessAgain(InProcess):
    name = "cache in each process, login again on 401"
    retries = True


class TableWithoutLock(Strategy):
    name = "secret by parameters, token in DynamoDB, no lock"

    def get(self, world: World, own: Container, refused: Any) -> Steps:
        del own
        yield from world.take("read", READ)
        found = world.item
        if found and world.now < found.expires_at - 60 and found != refused:
            return found
        token = yield from world.login()
        yield from world.take("write", WRITE)
        world.item = token
        return token


class Ours(Strategy):
    """The shipped function by direct invocation, with reports of rejected tokens."""

    def __init__(self, memory_seconds: int, kept_seconds: int = 0) -> None:
        self.name = f"Token Broker, MEMORY_SECONDS={memory_seconds}"
        if kept_seconds:
            self.name += f", callers keep it {kept_seconds} s"
        self.memory_seconds = memory_seconds
        self.kept_seconds = kept_seconds
        self._fleet: Fleet | None = None

    def is_alive(self, world: World, token: Any) -> bool:
        del world
        return self._fleet is not None and self._fleet.is_alive(token)

    def get(self, world: World, own: Container, refused: Any) -> Steps:
        self._fleet = self._fleet or Fleet(world, self.memory_seconds)
        is_kept = own.token and world.now - own.read_at < self.kept_seconds
        if is_kept and not refused:
            return own.token
        world.invocations += 1
        began = world.now
        report = {"rejected": refused["fingerprint"]} if refused else {}
        own.token = yield from self._fleet.steps(own.number, **report)
        own.read_at = world.now
        world.running += world.now - began + HANDLING
        return own.token


class Msal(Strategy):
    name = "msal in each process"
    retries = False

    def get(self, world: World, own: Container, refused: Any) -> Steps:
        del refused
        import msal

        own.library = own.library or msal.ConfidentialClientApplication(
            "client",
            client_credential="secret",
            authority="https://login.microsoftonline.com/tenant",
            instance_discovery=False,
            http_client=Answering(world),
        )
        before = world.logins
        answer = own.library.acquire_token_for_client(["https://vendor/.default"])
        if world.logins > before:
            world.spent["secret"] += 1
            yield SECRET + LOGIN
        return _token(answer)


class Authlib(Strategy):
    name = "authlib in each process"
    retries = False

    def get(self, world: World, own: Container, refused: Any) -> Steps:
        del refused
        from authlib.oauth2.client import OAuth2Client

        endpoint = "https://vendor/token"
        own.library = own.library or OAuth2Client(
            Answering(world), "client", "secret", token_endpoint=endpoint, leeway=60
        )
        before = world.logins
        token = own.library.token
        if not token or token.is_expired(leeway=60):
            own.library.fetch_token(endpoint, grant_type="client_credentials")
        if world.logins > before:
            world.spent["secret"] += 1
            yield SECRET + LOGIN
        return _token(own.library.token)


class Answering:
    """An HTTP client for both libraries; each answer is a new token."""

    def __init__(self, world: World) -> None:
        self._world = world

    def post(self, *_: object, **__: object) -> Any:
        """Log in."""
        return self.request()

    def get(self, url: str, **_: object) -> Any:
        """Return the metadata of msal's authority."""
        base = url.split("/v2.0/", maxsplit=1)[0]
        found = {f"{name}_endpoint": f"{base}/{name}" for name in ("token", "authorization")}
        return Answered(found | {"issuer": "https://login.microsoftonline.com/tenant/v2.0"})

    def request(self, *_: object, **__: object) -> Any:
        """Log in."""
        token = self._world.enter(self._world.now)
        value = f"{token.session} {token.issued_at}"
        return Answered({"access_token": value, "token_type": "Bearer", "expires_in": LIFETIME})


class Answered:
    """An answer with the interface of requests' responses."""

    status_code = 200

    def __init__(self, content: dict[str, Any]) -> None:
        import json

        self.text = json.dumps(content)
        self.headers = {"Content-Type": "application/json"}
        self._content = content

    def json(self) -> dict[str, Any]:
        """Return the body."""
        return self._content

    def raise_for_status(self) -> None:
        """Do nothing."""


def _token(answer: Any) -> Token:
    session, issued_at = answer["access_token"].split()
    return Token(int(session), float(issued_at), float(issued_at) + LIFETIME)


def arrivals(dice: random.Random) -> list[tuple[float, int]]:
    """Return the times of calls with their containers: in bursts, each call to another one."""
    found = []
    for _ in range(CALLS // BURST):
        began = START + dice.uniform(0, LIFETIME * LIFETIMES)
        containers = dice.sample(range(CONTAINERS), BURST)
        found += [(began + dice.uniform(0, 0.5), container) for container in containers]
    return sorted(found)


def call(strategy: Strategy, world: World, own: Container) -> Steps:
    """Obtain a token and use it; if it is dead, report it and retry once."""
    began = world.now
    token = yield from strategy.get(world, own, None)
    waited = world.now - began
    yield USED_AFTER
    if not strategy.is_alive(world, token):
        world.dead += 1
        if strategy.retries:
            again = world.now
            yield from strategy.get(world, own, token)
            waited += world.now - again
    world.waits.append(waited)


def simulated(strategy: Strategy, seed: int = 7) -> World:
    """Simulate all calls, and return the world with its counts."""
    world, containers = World(), [Container(number) for number in range(CONTAINERS)]
    order = itertools.count()
    events: list[tuple[float, int, Steps | int]] = [
        (at, next(order), container) for at, container in arrivals(random.Random(seed))
    ]
    heapq.heapify(events)
    real = clock.time
    clock.time = lambda: world.now
    try:
        while events:
            world.now, _, what = heapq.heappop(events)
            steps = call(strategy, world, containers[what]) if isinstance(what, int) else what
            pause = next(steps, None)
            if pause is not None:
                heapq.heappush(events, (world.now + pause, next(order), steps))
            for started in world.background:
                heapq.heappush(events, (world.now, next(order), started))
            world.background.clear()
    finally:
        clock.time = real
    return world


def dollars(world: World) -> tuple[float, float, float, float]:
    """Return the cost of a million calls: function, table, KMS, secrets.

    Alternatives have no function: they pay for the time that callers wait for a token.
    """
    seconds = world.running if world.invocations else sum(world.waits)
    function = seconds * MEMORY_GB * GB_SECOND
    function += (world.invocations + world.spent["invocation"]) * INVOCATION
    table = sum(PRICES[what] * world.spent[what] for what in ("read", "write"))
    kms, secret = (PRICES[what] * world.spent[what] for what in ("kms", "secret"))
    function, table, kms, secret = (each / CALLS * 1e6 for each in (function, table, kms, secret))
    return function, table, kms, secret


def main(strategies: Callable[[], list[Strategy]] | None = None) -> None:
    """Simulate and publish."""
    shown = Table(
        "peers",
        f"Peers: {CALLS:,} calls over {CONTAINERS} containers and {LIFETIMES} lifetimes, simulated",
        (
            "who",
            "logins per 10,000",
            "calls with a dead token",
            "p50, ms",
            "p99, ms",
            "function, $",
            "table, $",
            "KMS, $",
            "secrets, $",
            "$ a million",
            "through the API, $",
        ),
        f"A seeded simulation. Calls come in bursts of {BURST} within half a second. Waiting is"
        " for a token, and for a second one after a dead one if the row retries. Token Broker is"
        " the shipped code of Vendorlink in virtual time; its waiting excludes the round trip to"
        " its function. Cost is for a million calls at list prices: Lambda (1 GB, arm64; 2 ms"
        " besides the waiting for AWS and the vendor; the others pay for their callers' waiting),"
        " DynamoDB, KMS, Secrets Manager. Only Token Broker pays the API's 3.50 $ a million"
        " requests, and not for direct invocations. In the last row callers keep an answer for 300"
        " s, as the client does. No row includes logs.",
    )
    rows = strategies() if strategies else [
        LoginPerCall(), InProcess(), InProcessAgain(), Msal(), Authlib(), TableWithoutLock(),
        Ours(0), Ours(60), Ours(300), Ours(60, 300),
    ]  # fmt: skip
    for strategy in rows:
        world = simulated(strategy)
        waits = Spread([wait * 1000 for wait in world.waits])
        shown.add(
            strategy.name, world.logins, world.dead, waits.median, waits.quantile(0.99),
            *dollars(world), sum(dollars(world)),
            sum(dollars(world)) + ENTRANCE * world.invocations / CALLS if world.invocations else "",
        )  # fmt: skip
        if isinstance(strategy, Ours):
            # A token is renewed after 85 to 100 % of its life, and by the first call after that.
            most = LIFETIMES / 0.85 + 1
            shown.targets.append(Target(f"{strategy.name}: logins", world.logins, most))
    shown.publish()
