"""The exchange path: at most one exchange of a variant is in flight, whoever asks and dies.

An `Errand` is one invocation's way through it: look, wait, take the lease, have an `Attempt` at
the exchange. An exchange that is made from another variant's token runs that one's within the same
errand. See docs/protocol.md.
"""

from dataclasses import dataclass, replace

from token_broker.cache import Held
from token_broker.dependencies import Tools
from token_broker.errors import (
    InvalidRequest,
    RefreshInProgress,
    TooManyRequests,
    UpstreamContractChanged,
    UpstreamUnavailable,
)
from token_broker.exchange import Ask
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
from token_broker.pointers import expects_another, is_outdated, pointer_values
from token_broker.refresh.attempt import Attempt, Led, SecretReplaced
from token_broker.refresh.credential_gate import Gate
from token_broker.refusals import again, refuse_too_long
from token_broker.secrets_manager import Secret
from token_broker.tokens import Token, Variant

COMMIT_SECONDS = 4.0
"""Kept back of an invocation's time, for the write after an exchange and for the answer."""

LEAST_EXCHANGE_SECONDS = 2.0
"""An exchange with less time than this is not begun."""

YOUNG_SECONDS = 60
"""A token younger than this is not reported because a step with it was refused: it is the step."""

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

    def elsewhere(self, version: str) -> "Wish":
        """Return this wish as it is of another variant, whose generations are its own.

        *version* is the one that is used by now, which may be the one before.
        """
        return replace(self, newer_than=None, version=self.version and version)

    def after(self, item: Item) -> "Wish":
        """Return this wish, by which force means: newer than what *item* is now."""
        is_forced = self.force and self.newer_than is None
        return replace(self, newer_than=item.generation) if is_forced else self

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

    def __init__(
        self, tools: Tools, connection: str, deadline: float, noticed: str | None = None
    ) -> None:
        self.tools = tools
        self.connection = connection
        self.partition = f"{tools.flow.NAME}#{connection}"
        self.deadline = deadline
        self.gate = Gate(self)
        self.secret: Secret | None = None
        self._noticed = noticed
        """The version of the secret that an event told of, for replicas that are late."""
        self.has_talked = False
        self.was_login = False
        """Whether the last request that was sent showed the credentials."""
        self._depth = 0
        self._has_waited = False
        self.uses_previous = False
        self._may_look_again = True
        self._earned: dict[str, Held] = {}

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
        """Return a live token of another variant, made with the version that this errand uses.

        Raises `SecretReplaced` if by then it uses another one: what was begun with the version
        before is not to go on with this one's token.
        """
        wish = Wish(rejected=self._rejectable(ask), version=self.read_secret().version)
        if made := self._made(ask.variant.key, wish):
            return made.token
        self._depth += 1
        try:
            held, _ = self.obtain(ask.variant, wish)
        finally:
            self._depth -= 1
        if self.read_secret().version != wish.version:
            raise SecretReplaced
        made = self._made(ask.variant.key, wish)
        return made.token if made and made.item == held.item else held.token

    def read_secret(self) -> Secret:
        """Return the current version of the secret; it is read once in an errand."""
        if self.secret is None:
            self.secret = self.tools.secrets.current(self.connection, self._noticed)
            look = self.tools.clock.now(), self.secret.version
            self.tools.looks[self.connection] = look
        return self.secret

    def look_again(self) -> Secret:
        """Read the secret anew: it has another version than the one that was seen last."""
        self.secret = None
        return self.read_secret()

    def use(self, secret: Secret) -> None:
        """Use this version of the secret from now on: the current one was rejected."""
        self.secret = secret
        self.uses_previous = True

    def version(self) -> str:
        """Return the secret's version as of the last seconds: a latch needs no more.

        That is the version before, once that the current one was rejected and that one was not.
        """
        if self.uses_previous:
            return self.read_secret().version
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
        alias: Led | None = None
        has_returned = False
        while True:
            outcome: Held | Led | None = self._made(variant.key, wish)
            if not outcome:
                own, subject = self._look(variant.key)
                now = self.tools.clock.now()
                wish = wish.after(subject)
                if token := self._opened(own, subject, wish):
                    return Held(subject, token, now), "table"
                refuse_too_long(subject, wish.min_ttl, now)
                is_leased = subject.is_leased(now) or own.is_leased(now)
                if is_leased and self.is_shared():
                    self.wait(subject if subject.is_leased(now) else own, polls)
                    polls += 1
                    continue
                outcome, wish = self._outcome(variant, own, subject, wish)
            if not outcome:
                continue
            if alias and not has_returned and self._has_misled(alias.item, outcome):
                variant, alias, has_returned = alias.variant, None, True
            elif isinstance(outcome, Led):
                variant, alias = outcome.variant, Led(variant, outcome.item)
            else:
                return replace(outcome, token=replace(outcome.token, seed={})), "exchange"
            wish = wish.elsewhere(self.read_secret().version)

    def _outcome(
        self, variant: Variant, own: Item, subject: Item, wish: Wish
    ) -> tuple[Held | Led | None, Wish]:
        """Tell where *variant* leads, or have an exchange of it; None if that is to be seen again.

        Returned with the wish as it is by then.
        """
        self._heed(subject, wish)
        self._heed(own, wish)
        current = self._look_again(subject, wish)
        if current != wish:
            return None, current
        if step := self._step(variant, own, subject):
            return Led(step, own), wish
        if not self.is_shared():
            return self._make_unshared(variant, own), wish
        is_on_demand = self._is_on_demand(own, wish)
        lease = self.take(own, forced=is_on_demand)
        return Attempt(self, own, lease, variant).make() if lease else None, wish

    def _has_misled(self, alias: Item | None, made: Held | Led) -> bool:
        """Say whether *alias* led here by a role that the vendor says no more, as was just met."""
        if not alias or self.uses_previous:
            return False
        return isinstance(made, Led) or expects_another(alias, made.item)

    def _made(self, key: str, wish: Wish) -> Held | None:
        """Return the token of *key* that this errand made, with its seed, if it would do.

        It is new, which is all that force can mean.
        """
        held = self._earned.get(key)
        new = replace(wish, force=False, newer_than=None)
        return held if held and new.is_met(held.item, self.tools.clock.now()) else None

    def _rejectable(self, ask: Ask) -> str | None:
        """Return the fingerprint of the token that *ask* rejects, unless that one is young.

        Where somebody is at replacing it, it may be dead all the same.
        """
        if not ask.rejected:
            return None
        _, item = self._look(ask.variant.key)
        age = self.tools.clock.now() - item.issued_at
        is_young = age < YOUNG_SECONDS and item.lease_owner is None
        return None if is_young and item.fingerprint == ask.rejected else ask.rejected

    def _look_again(self, item: Item, wish: Wish) -> Wish:
        """Return *wish* by the version that is current now, where *item* was made with another.

        Raises `SecretReplaced` where a conversation was begun with the version before.
        """
        is_other = item.secret_version and wish.version not in (None, item.secret_version)
        if not (is_other and self._may_look_again) or self.uses_previous:
            return wish
        self._may_look_again = False
        version = self.look_again().version
        if version != wish.version and self._depth:
            raise SecretReplaced
        return replace(wish, version=version)

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
        """Say whether *own* may lead to another item by now: by a new version, or by a new role.

        Not while that version was rejected, or an exchange fails: then the old way is good enough.
        """
        if not own.target or not is_outdated(own, subject) or own.failure or subject.failure:
            return False
        if expects_another(own, subject):
            return True
        version = self.version()
        return own.secret_version != version and not self.gate.knows_rejected(own, version)

    def _step(self, variant: Variant, own: Item, subject: Item) -> Variant | None:
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
        if not (own.target and is_current) or expects_another(own, subject):
            return None
        led = self.tools.sealer.open_variant(own)
        if led is None or led.key != own.target:
            self.tools.note("damaged", variant=own.variant, attributes=["target"])
            return None
        return led

    def is_shared(self) -> bool:
        """Say whether callers share tokens, by the secret."""
        flow = self.tools.flow
        if flow.ALWAYS_SHARES:
            return True
        return flow.is_shared(flow.Credentials.parse(self.read_secret().content))

    def _make_unshared(self, variant: Variant, own: Item) -> Held:
        """Return a token for one caller alone; what was shared before, nobody gets any more."""
        if own.fingerprint:
            self.tools.store.drop(own)
        # Nor does a lease matter that somebody left behind.
        bare = replace(own.without_token(), lease_owner=None, lease_until=0)
        return Attempt(self, bare, bare, variant).make_unshared()

    def _point(self, own: Item, settled: Variant, secret: Secret) -> None:
        now = self.tools.clock.now()
        sealed = self.tools.sealer.seal_variant(own, settled)
        self.tools.store.point(own, pointer_values(sealed, settled, secret.version, now))

    def _heed(self, item: Item, wish: Wish) -> None:
        """Raise what went wrong last time, if it asks to wait and no new secret was set since."""
        failure = item.failure
        now = self.tools.clock.now()
        is_passed_by = wish.force and failure is not None and not failure.is_login
        if not failure or is_passed_by or not failure.is_backing_off(now):
            return
        if failure.code == LATCHES:
            self.gate.check(item, self.version())  # it may have been told of another version
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

        Return *wish*, which only a newer token meets then. Reports of callers are limited; an
        exchange reports no token that is young.
        """
        _, item = self._look(key)
        if item.fingerprint != wish.rejected:
            return wish
        newer = replace(wish, newer_than=item.generation)
        if item.is_rejected:
            return newer
        now = self.tools.clock.now()
        times = recent_reports(item, now)
        if not self._depth and len(times) >= MOST_REPORTS:
            raise TooManyRequests(
                f"rejected: at most {MOST_REPORTS} times in {REPORT_WINDOW} seconds",
                retry_after=times[0] + REPORT_WINDOW - now,
            )
        self.tools.store.report(item, times if self._depth else (*times, now))
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

    def earn(self, item: Item, token: Token) -> None:
        """Remember what this errand made and kept, with what only it can use."""
        self._earned[item.variant] = Held(item, token, self.tools.clock.now())
