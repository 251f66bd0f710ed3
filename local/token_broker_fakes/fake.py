"""The base of the fakes: a lock, a clock, modes, faults, a log, and two entrances.

A fake is called with a `Request` and returns a `Response`, or is served over HTTP. Both entrances
use `Fake.deliver`, so they cannot differ.
"""

import threading
import time
from abc import abstractmethod
from collections.abc import Callable, Mapping
from random import Random
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypedDict, TypeVar, Unpack

from token_broker.errors import UpstreamUnavailable
from token_broker.exchange import Request, Response
from token_broker_fakes.clock import Clock
from token_broker_fakes.faults import (
    LOST,
    UNPROCESSED,
    Fault,
    Faults,
    Kind,
    Sleep,
    damaged,
    instead,
    waits,
)
from token_broker_fakes.log import Log
from token_broker_fakes.modes import Modes
from token_broker_fakes.opaque import uuid
from token_broker_fakes.wire import (
    Answer,
    Call,
    Delivery,
    Refused,
    in_json,
    without,
    without_headers,
)

if TYPE_CHECKING:
    from token_broker_fakes.serving import Server

M = TypeVar("M", bound=Modes)
Handler = Callable[[Call], Answer]

SHOWN = -50
"""The start of the slice of tokens that are shown: the last 50."""


class Clockwork(TypedDict, total=False):
    """What drives a fake besides its modes. A test or a simulation gives its own."""

    clock: Callable[[], float]
    rng: Random | None
    sleep: Sleep


class Fake(Generic[M]):
    """A vendor that enforces its rules. It is thread-safe."""

    vendor: ClassVar[str]
    home: ClassVar[str]
    """The vendor's own URL."""
    steps: ClassVar[frozenset[str]]
    exchanges: ClassVar[frozenset[str]]
    """The steps that log in or renew. An exchange takes exactly one: of a login with several
    requests, one of them."""
    secrets: ClassVar[frozenset[str]]
    """Headers, and members of a body in JSON or a form, that hold credentials: no log shows them.

    Basic credentials need not be named: they are always masked.
    """

    other_refusals: ClassVar[tuple[tuple[int, object], ...]] = ()
    """Refusals of a login that are not about its credentials: the status, and the body in JSON."""

    token_members: ClassVar[frozenset[str]] = frozenset()
    """Members of an answer in JSON, its headers, and cookies that it sets, that hold a token: the
    fault ``no_token`` removes them."""

    def __init__(
        self,
        modes: M,
        *,
        clock: Callable[[], float] = time.time,
        rng: Random | None = None,
        sleep: Sleep = time.sleep,
    ) -> None:
        self.modes = modes
        """How this vendor behaves: ``fake.modes.dead_token = "401"``."""
        self.clock = Clock(clock)
        """The vendor's clock, for its ``offset``."""
        self.rng = rng or Random()
        self.sleep = sleep
        self.faults = Faults(self.steps)
        self.log = Log(self.secrets)
        self.servers: list[Server] = []
        """The servers of this fake: it can have several addresses."""
        self.lock = threading.RLock()
        """Held while a request is processed; hold it to change several parts at once."""

    def __call__(self, request: Request) -> Response:
        """Answer *request* as the vendor would, or raise as the broker's transport would."""
        delivery = self.deliver(Call.of(request), self.sleep)
        if delivery.lost:
            raise UpstreamUnavailable(f"{request.step}: no answer ({delivery.lost})")
        if delivery.drip:
            self.sleep(delivery.drip * len(delivery.answer.content))
        return delivery.answer.response(request.method)

    def serve(self, port: int = 0, host: str = "127.0.0.1") -> "Server":
        """Serve this fake over HTTP until the server's `close` or the end of its ``with``."""
        from token_broker_fakes.serving import Server  # noqa: PLC0415 (http.server only if served)

        return Server(self, host, port)

    @property
    def address(self) -> str:
        """The ``host:port`` at which this fake is served."""
        if not self.servers:
            raise LookupError(f"this fake of {self.vendor} is not being served")
        return self.servers[0].address

    @property
    def url(self) -> str:
        """The URL at which this fake is served."""
        return f"http://{self.address}"

    @property
    def base(self) -> str:
        """The URL to send requests to: where it is served, else the vendor's own."""
        return self.url if self.servers else self.home

    def advance(self, seconds: float) -> None:
        """Move this vendor's clock forward."""
        self.clock.advance(seconds)

    def fail(
        self, kind: Kind, *, step: str | None = None, times: int | None = 1, **details: Any
    ) -> Fault:
        """Set a fault for the next *times* requests of *step*; None: for all of them."""
        with self.lock:
            return self.faults.add(Fault(kind, step, times, **details))

    def heal(self) -> None:
        """Remove all faults."""
        with self.lock:
            self.faults.clear()

    @property
    def now(self) -> float:
        """The vendor's time, in seconds since the epoch."""
        return self.clock.now()

    def deliver(self, call: Call, sleep: Sleep) -> Delivery:
        """Apply faults and rules to *call*, and log it."""
        with self.lock:
            step, handler = self._routed(call)
            faults = self.faults.take(step, call.path)
            if not faults:
                answer = self._handled(handler, call)
                self.log.add(self.now, step, call, answer)
                return Delivery(answer)
        return self._faulty(call, step, handler, faults, sleep)

    def _faulty(
        self, call: Call, step: str, handler: Handler, faults: tuple[Fault, ...], sleep: Sleep
    ) -> Delivery:
        waits(faults, "delay", sleep)
        with self.lock:
            early = next((fault for fault in faults if fault.kind in UNPROCESSED), None)
            answer = instead(early) if early else self._handled(handler, call)
            for fault in faults:
                answer = damaged(answer, fault, self.without_token)
            lost = next((fault.kind for fault in faults if fault.kind in LOST), None)
            kinds = tuple(fault.kind for fault in faults)
            self.log.add(self.now, step, call, answer, kinds)
        waits(faults, "late", sleep)
        return Delivery(answer, lost, sum(f.seconds for f in faults if f.kind == "drip"))

    def _handled(self, handler: Handler, call: Call) -> Answer:
        try:
            return handler(call)
        except Refused as refusal:
            return refusal.answer

    def _routed(self, call: Call) -> tuple[str, Handler]:
        if call.is_exposed:
            self.log.breaches.append(f"{call.method} {call.path} over http")
        found = self.route(call)
        if found is None:
            self.log.unknown.append(f"{call.method} {call.path}")
            return "unknown", self.lost_way
        if found[0] not in self.steps:
            raise LookupError(f"{self.vendor}: `steps` has no {found[0]!r}, which is a route")
        return found

    @staticmethod
    @abstractmethod
    def demo_secret(url: str, /) -> dict[str, Any]:
        """Return the secret of a connection to the demo's account at *url*."""

    @abstractmethod
    def accept(self, secret: Mapping[str, Any]) -> None:
        """Accept the credentials in *secret*, besides those of the demo or instead of them."""

    @abstractmethod
    def route(self, call: Call) -> tuple[str, Handler] | None:
        """Return the step of *call* and the function that answers it; None for an unknown route."""

    def lost_way(self, call: Call) -> Answer:
        """Answer a call without a route: 404. A vendor may answer 405 to another method."""
        return in_json(404, {"error": f"no {call.path}"}, "no such route")

    def without_token(self, answer: Answer) -> Answer:
        """Return *answer* without the token, and with all else. Header names have any case."""
        names = {name.lower() for name in self.token_members}
        bare = without_headers(answer, names)
        return without(bare, *((name,) for name in self.token_members))

    @abstractmethod
    def revoke(self, token: str | None = None) -> int:
        """Revoke *token*, or all tokens; return how many of them were live."""

    @abstractmethod
    def describe(self) -> dict[str, Any]:
        """Return the vendor's state with the tokens that live, and without passwords and keys."""


class TokenFake(Fake[M]):
    """A vendor whose tokens are random texts that end at a time, unless they are revoked before."""

    def __init__(self, modes: M, **clockwork: Unpack[Clockwork]) -> None:
        super().__init__(modes, **clockwork)
        self.expiries: dict[str, float] = {}
        """When each token ends."""

    def issue(self, lifetime: int) -> str:
        """Return a new token that lives so many seconds."""
        token = uuid(self.rng)
        self.expiries[token] = int(self.now) + lifetime
        return token

    def live(self) -> list[str]:
        """Return the tokens that live."""
        return [token for token, ends_at in self.expiries.items() if ends_at > self.now]

    def revoke(self, token: str | None = None) -> int:
        """End *token*, or every token; return how many lived until now."""
        with self.lock:
            lived = [one for one in self.live() if token in (None, one)]
            self.expiries |= dict.fromkeys(lived, self.now)
            return len(lived)

    def describe(self) -> dict[str, Any]:
        """Return the tokens that live."""
        return {"tokens": self.live()[SHOWN:]}
