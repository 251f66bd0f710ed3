"""The exchange path: at most one exchange of a variant is in flight, whoever asks and dies.

An `Errand` is one invocation's way through it: look, wait, take the lease, have an `Attempt` at
the exchange. An exchange that is made from another variant's token runs that one's within the same
errand. See docs/protocol.md.
"""

from dataclasses import dataclass, replace

from token_broker.attempt import Attempt
from token_broker.errors import (
    InvalidRequest,
    RefreshInProgress,
    TooManyRequests,
    UpstreamContractChanged,
    UpstreamUnavailable,
)
from token_broker.exchange import Ask
from token_broker.gate import Gate
from token_broker.item import (
    FORCE_INTERVAL,
    LATCH_LOOK,
    LATCHES,
    MOST_REPORTS,
    REPORT_WINDOW,
    Item,
    lease_end,
    may_force,
    recent_reports,
)
from token_broker.memory import Held
from token_broker.pointers import may_mislead, pointer_values
from token_broker.refusals import again, refuse_too_long
from token_broker.secret_versions import Secret
from token_broker.tokens import Token
from token_broker.tools import Tools
from token_broker.variants import Variant

COMMIT_SECONDS = 4.0
"""Kept back of an invocation's time, for the write after an exchange and for the answer."""

LEAST_EXCHANGE_SECONDS = 2.0
"""An exchange with less time than this is not begun."""

FIRST_POLL_SECONDS, LAST_POLL_SECONDS = 0.05, 0.25
"""How long those without the lease wait between two looks, give or take a half."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What would do: a token that lives *min_ttl*, and is not the one it is to replace."""

    min_ttl: int | None = None
    rejected: str | None = None
    """Fingerprint of a token that the upstream refused."""
    force: bool = False
    newer_than: int | None = None
    version: str | None = None
    """The version of the secret that it must be made with."""

    def elsewhere(self) -> "Wish":
        """Return this wish as it is of another variant, whose generations are its own."""
        return replace(self, newer_than=None)

    @property
    def may_be_cached(self) -> bool:
        """Say whether what this process read a moment ago is new enough.

        Not for a caller that reports a token: what is cached may be older than that.
        """
        return not (self.force or self.rejected)

    def is_met(self, item: Item, now: int) -> bool:
        """Say whether the token of *item* would do."""
        return (
            item.is_live(now, self.min_ttl)
            and not item.is_in_doubt(now)
            and item.fingerprint != self.rejected
            and (self.newer_than is None or item.generation > self.newer_than)
            and self.version in (None, item.secret_version)
        )


class Errand:
    """One invocation's way to tokens of one connection, until *deadline* by the monotonic clock."""

    def __init__(self, tools: Tools, connection: str, deadline: float) -> None:
        self.tools = tools
        self.connection = connection
        self.partition = f"{tools.flow.NAME}#{connection}"
        self.deadline = deadline
        self.gate = Gate(self)
        self.secret: Secret | None = None
        self.has_talked = False
        self._depth = 0
        self._has_waited = False
        self._earned: dict[str, Token] = {}

    @property
    def seconds_left(self) -> float:
        """Seconds until the platform ends this invocation."""
        return self.deadline - self.tools.clock.monotonic()

    @property
    def seconds_for_requests(self) -> float:
        """Seconds in which requests may still be sent and answered, before the commit."""
        return self.seconds_left - COMMIT_SECONDS

    @property
    def seconds_to_keep(self) -> float:
        """Seconds in which the table may be tried again, before those that wait need theirs.

        An exchange that is made from this one's token has still to be sent, and kept.
        """
        return self.seconds_left - self._depth * (COMMIT_SECONDS + LEAST_EXCHANGE_SECONDS)

    @property
    def seconds_to_wait(self) -> float:
        """Seconds in which another may still be waited for, before the answer."""
        return self.seconds_left - COMMIT_SECONDS / 2

    def announce(self, what: str, version: str) -> None:
        """Tell the bus that this connection latched or recovered."""
        detail = {"flow": self.tools.flow.NAME, "connection": self.connection}
        self.tools.announce(what, detail | {"secret_version": version})

    def obtain(self, variant: Variant, wish: Wish) -> tuple[Held, str]:
        """Return a token that meets *wish*, and whether it came from ``table`` or ``exchange``."""
        key = variant.key
        with self.tools.flights.hold((self.partition, key), self.seconds_to_wait):
            kept = self.tools.memory.get(self.partition, key, self.tools.clock.now())
            if kept and wish.may_be_cached and wish.is_met(kept.item, self.tools.clock.now()):
                return kept, "table"
            if wish.rejected:
                wish = self._report(key, wish)
            began = self.tools.clock.monotonic()
            try:
                held, source = self._pursue(variant, wish)
            finally:
                self._note_wait(began)
            self.tools.memory.put(self.partition, key, held)
            if source == "exchange":
                self._check(held, wish)
            return held, source

    def ask(self, ask: Ask) -> Token:
        """Return a live token of another variant, as any caller would get it."""
        key = ask.variant.key
        if key not in self._earned or self._earned[key].fingerprint == ask.rejected:
            self._earned.pop(key, None)
            self._depth += 1
            try:
                held, _ = self.obtain(ask.variant, Wish(rejected=ask.rejected))
            finally:
                self._depth -= 1
            return self._earned.get(key, held.token)
        return self._earned[key]

    def read_secret(self) -> Secret:
        """Return the current version of the secret; it is read once in an errand."""
        if self.secret is None:
            self.secret = self.tools.secrets.current(self.connection)
            look = self.tools.clock.now(), self.secret.version
            self.tools.looks[self.connection] = look
        return self.secret

    def version(self) -> str:
        """Return the secret's version as of the last seconds: a latch needs no more."""
        at, version = self.tools.looks.get(self.connection, (0, ""))
        if 0 <= self.tools.clock.now() - at < LATCH_LOOK:
            return version
        return self.read_secret().version

    def wait(self, item: Item, polls: int) -> None:
        """Wait a moment for the holder of a lease. Raises `RefreshInProgress` if none is left."""
        self._has_waited = True
        left = self.seconds_to_wait
        if left <= 0:
            ends = item.lease_until - self.tools.clock.now()
            raise RefreshInProgress(
                "another caller is renewing this token", retry_after=max(1, min(ends, 30))
            )
        pause = min(FIRST_POLL_SECONDS * 2 ** min(polls, 8), LAST_POLL_SECONDS)
        self.tools.clock.sleep(min(left, pause * (0.5 + self.tools.dice())))

    def take(self, item: Item, *, forced: bool = False) -> Item | None:
        """Take the lease of *item*; None if another was quicker.

        Raises `RefreshInProgress` if there is too little time for an exchange and its commit.
        """
        if self.seconds_left < COMMIT_SECONDS + LEAST_EXCHANGE_SECONDS:
            raise RefreshInProgress("too little time is left for an exchange", retry_after=1)
        now = self.tools.clock.now()
        until = lease_end(now, self.seconds_left, self.tools.skew)
        owner = self.tools.owner()
        return self.tools.store.acquire(item, owner, until, forced_at=now if forced else None)

    def _pursue(self, variant: Variant, wish: Wish) -> tuple[Held, str]:
        """Look, wait and attempt until there is a token that meets *wish*."""
        polls = 0
        while True:
            own, subject = self._look(variant.key)
            now = self.tools.clock.now()
            if wish.force and wish.newer_than is None:
                wish = replace(wish, newer_than=subject.generation)
            if token := self._opened(own, subject, wish):
                return Held(subject, token, now), "table"
            refuse_too_long(subject, wish.min_ttl, now)
            if subject.is_leased(now) or own.is_leased(now):
                self.wait(subject if subject.is_leased(now) else own, polls)
                polls += 1
                continue
            self._heed(subject, wish)
            self._heed(own, wish)
            if step := self._step(variant, own):
                variant, wish = step, wish.elsewhere()
                continue
            is_on_demand = self._is_on_demand(own, wish)
            if not self._is_shared():
                return Attempt(self, own, own, variant).make_unshared(), "exchange"
            lease = self.take(own, forced=is_on_demand)
            earned = lease and Attempt(self, own, lease, variant).make()
            if isinstance(earned, Variant):
                variant, wish = earned, wish.elsewhere()
            elif earned:
                return earned, "exchange"

    def _note_wait(self, began: float) -> None:
        if self._has_waited:
            milliseconds = round((self.tools.clock.monotonic() - began) * 1000)
            self.tools.note("wait", milliseconds=milliseconds)

    def _look(self, key: str) -> tuple[Item, Item]:
        """Return the item of *key*, and the one it leads to if it leads to another."""
        own = self.tools.store.read(self.partition, key)
        if not own.target:
            return own, own
        return own, self.tools.store.read(self.partition, own.target)

    def _opened(self, own: Item, subject: Item, wish: Wish) -> Token | None:
        """Return the token of *subject* if it would do, even once that it was opened."""
        clock = self.tools.clock
        if not wish.is_met(subject, clock.now()) or self._is_misled(own, subject):
            return None
        token = self.tools.sealer.open_token(subject)
        return token if wish.is_met(subject, clock.now()) else None

    def _is_misled(self, own: Item, subject: Item) -> bool:
        """Say whether the secret has a new version by which *own* may lead to another item.

        Not while that version was rejected, or an exchange fails: then the old way is good enough.
        """
        if not own.target or not may_mislead(own, subject) or own.failure or subject.failure:
            return False
        version = self.version()
        return own.secret_version != version and not self.gate.knows_rejected(own, version)

    def _step(self, variant: Variant, own: Item) -> Variant | None:
        """Return the variant that *variant* stands for, if that can be told without the vendor.

        Raises `CredentialLatched` before a secret that was rejected is read again.
        """
        self.gate.check(own, self.version())
        secret = self.read_secret()
        credentials = self.tools.flow.Credentials.parse(secret.content)
        settled = self.tools.flow.settle(credentials, variant)
        is_current = own.secret_version == secret.version
        if settled.key != variant.key:
            if not (is_current and own.target == settled.key):
                self._point(own, settled, secret)
            return settled
        if not (own.target and is_current):
            return None
        led = self.tools.sealer.open_variant(own)
        if led is None or led.key != own.target:
            self.tools.note("damaged", variant=own.variant, attributes=["target"])
            return None
        return led

    def _is_shared(self) -> bool:
        flow = self.tools.flow
        return flow.is_shared(flow.Credentials.parse(self.read_secret().content))

    def _point(self, own: Item, settled: Variant, secret: Secret) -> None:
        now = self.tools.clock.now()
        sealed = self.tools.sealer.seal_variant(own, settled)
        self.tools.store.point(own, pointer_values(sealed, settled, secret.version, now))

    def _heed(self, item: Item, wish: Wish) -> None:
        """Raise what went wrong last time, if it asks to wait and no new secret was set since."""
        failure = item.failure
        now = self.tools.clock.now()
        if not failure or failure.code == LATCHES or wish.force or not failure.is_backing_off(now):
            return
        if failure.code == UpstreamUnavailable.code or self.version() == failure.secret_version:
            raise again(failure, now)

    def _is_on_demand(self, own: Item, wish: Wish) -> bool:
        """Say whether the caller alone is the reason for an exchange of a token that lives.

        Raises `TooManyRequests` so soon after another one.
        """
        now = self.tools.clock.now()
        is_early = own.is_live(now) and now < own.refresh_at
        is_on_demand = wish.force or (is_early and wish.min_ttl is not None)
        if is_on_demand and not may_force(own, now):
            raise TooManyRequests(
                f"force: at most once in {FORCE_INTERVAL} seconds",
                retry_after=own.forced_at + FORCE_INTERVAL - now,
            )
        return is_on_demand

    def _report(self, key: str, wish: Wish) -> Wish:
        """Mark the kept token as rejected, if it is still the one that was rejected.

        Return *wish*, which only a newer token meets then.
        """
        _, item = self._look(key)
        if item.fingerprint != wish.rejected:
            return wish
        newer = replace(wish, newer_than=item.generation)
        if item.is_rejected:
            return newer
        now = self.tools.clock.now()
        times = recent_reports(item, now)
        if len(times) >= MOST_REPORTS:
            raise TooManyRequests(
                f"rejected: at most {MOST_REPORTS} times in {REPORT_WINDOW} seconds",
                retry_after=times[0] + REPORT_WINDOW - now,
            )
        self.tools.store.report(item, (*times, now))
        return newer

    def _check(self, held: Held, wish: Wish) -> None:
        """Raise if even a new token is not what is required; others may have it."""
        if wish.rejected and held.item.fingerprint == wish.rejected:
            raise UpstreamContractChanged("the upstream issued the reported token once more")
        if held.item.is_live(self.tools.clock.now(), wish.min_ttl):
            return
        if wish.min_ttl is None:
            raise UpstreamUnavailable("the token ended before it could be handed out")
        lifetime = held.item.lifetime
        raise InvalidRequest(f"min_ttl: tokens of this upstream live {lifetime} seconds")

    def earn(self, variant: Variant, token: Token) -> None:
        """Remember what this errand earned, with what only it can use."""
        self._earned[variant.key] = token
