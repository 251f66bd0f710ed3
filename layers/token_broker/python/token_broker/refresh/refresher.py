"""The steps of a miss: at most one exchange of a shared variant is in flight.

`_step` reads the table, which may show a hold, and takes the first of these that applies:

a. a token is good enough: return it;
b. another caller has the lease: wait, and read again;
c. a back-off, or the latch of the secret's version, forbids an exchange: raise its error;
d. the secret or a kept alias tells another variant: follow it;
e. acquire the lease by compare and swap, exchange, and keep the outcome. If another caller was
   faster, read again.

The lease of a dead holder ends once Lambda has certainly ended its invocation. The next one has a
higher fence, so a late commit fails. `Outcome` keeps an outage with a back-off, `CredentialGate` a
rejected version of the secret. docs/protocol.md tells more.
"""

from typing import NamedTuple

from token_broker.cache import CachedToken
from token_broker.decisions import MAX_REPORTS, AliasState, recent_reports, stored_error
from token_broker.errors import Internal, TooManyRequests
from token_broker.exchange import NeedToken
from token_broker.item import CREDENTIAL_REJECTED, REPORT_WINDOW_SECONDS, Item, is_ahead
from token_broker.look import Look
from token_broker.records import replace
from token_broker.refresh.attempt import ExchangeAttempt, SecretReplaced
from token_broker.refresh.credential_gate import CredentialGate
from token_broker.refresh.invocation import Invocation
from token_broker.refresh.outcome import Alias, Outcome
from token_broker.refresh.requirement import Requirement
from token_broker.refresh.resolver import Resolver
from token_broker.tokens import Token, Variant

MAX_ALIASES = 8
"""Aliases in a row that are followed. A flow whose variants lead in a circle has a defect."""

YOUNG_SECONDS = 60
"""A token that is younger than this is not the reason why the vendor refuses a step."""


class Obtained(NamedTuple):
    """A token, and where it came from: ``memory``, ``table`` or ``exchange``."""

    cached: CachedToken
    source: str
    seen: Look | None = None
    """The read of the table that showed it."""
    is_old: bool = False
    """Whether it is the token that a failed exchange should have replaced."""


class Refresher:
    """Obtains tokens of one connection within one invocation."""

    def __init__(self, invocation: Invocation) -> None:
        self._invocation = invocation
        self._deps = invocation.deps
        self._secret = invocation.secret
        self._gate = CredentialGate(invocation)
        self._resolver = Resolver(invocation)
        self._made: dict[str, CachedToken] = {}
        """Tokens that this invocation made, by the variant's key, each with its `handoff`."""
        self._first_seen: dict[str, int] = {}
        """Generations that this invocation read first: force demands a token that is newer."""

    def obtain(
        self, variant: Variant, requirement: Requirement, seen: Look | None = None
    ) -> Obtained:
        """Return a token that meets *requirement*. Raises a `BrokerError` if there is none.

        *seen* is this invocation's last read of *variant*, which may be out of date.
        """
        try:
            return self._obtain_alone(variant, requirement, seen)
        finally:
            self._invocation.finish()  # last: to send events takes time

    def _obtain_alone(
        self, variant: Variant, requirement: Requirement, seen: Look | None
    ) -> Obtained:
        """Obtain the token while no other thread obtains the same variant, and cache it."""
        invocation, key = self._invocation, variant.key
        place, seconds = (invocation.partition, key), invocation.deadline.seconds_to_wait
        with self._deps.single_flight.lock(place, seconds):
            if cached := self._cached_meanwhile(key, requirement, seen):
                return Obtained(cached, "memory")
            if requirement.rejected:
                requirement, seen = self._report(invocation.look(key, seen), requirement)
            obtained = self._follow_aliases(variant, requirement, seen)
            self._deps.cache.put(key, obtained.cached)
            if obtained.source == "exchange":
                requirement.check_new(obtained.cached.item, self._now())
            return obtained

    def _cached_meanwhile(
        self, key: str, requirement: Requirement, seen: Look | None
    ) -> CachedToken | None:
        """Return the token that another thread has cached since *seen*, if it is good enough.

        Not if the caller reports a token: the cached one may be older.
        """
        cache = self._deps.cache
        cached = cache.recall(self._invocation.partition, key)
        if not cached or requirement.force or requirement.rejected:
            return None
        if seen and not cached.is_newer_than(seen.target):
            return None
        is_usable = cache.is_recent(cached, self._now()) and self._is_met(requirement, cached.item)
        return cached if is_usable else None

    def _report(self, seen: Look, requirement: Requirement) -> tuple[Requirement, Look | None]:
        """Mark the kept token as rejected, if *requirement* rejects it.

        Return *requirement* and *seen*: None if this write made it out of date. An exchange rejects
        a young token only while that is being replaced: then the vendor may have revoked it.
        """
        item, now = seen.target, self._now()
        if item.fingerprint not in requirement.rejected:
            return requirement, seen
        by_exchange = requirement.by_exchange
        is_young = is_ahead(item.issued_at + YOUNG_SECONDS, now, YOUNG_SECONDS)
        if by_exchange and is_young and item.lease_owner is None:
            return replace(requirement, rejected=frozenset()), seen
        if item.is_rejected:
            return requirement, seen
        times = recent_reports(item, now)
        if not by_exchange and len(times) >= MAX_REPORTS:
            raise TooManyRequests(
                f"rejected: at most {MAX_REPORTS} times in {REPORT_WINDOW_SECONDS} seconds",
                retry_after=times[0] + REPORT_WINDOW_SECONDS - now,
            )
        self._deps.store.report(item, times if by_exchange else (*times, now))
        return requirement, None

    def _follow_aliases(
        self, variant: Variant, requirement: Requirement, seen: Look | None
    ) -> Obtained:
        """Follow aliases from *variant* until there is a token that meets *requirement*."""
        followed: list[Alias] = []
        may_go_back = True
        while len(followed) <= MAX_ALIASES:
            result, seen = self._step(variant, requirement, seen), None
            if result is None:
                continue  # read the table again
            if isinstance(result, Alias):
                followed.append(result)
                variant, seen = result.leads_to, result.seen
            elif may_go_back and self._resolver.is_contradicted(followed, result.cached.item):
                # The last alias expects a role that the account no longer has: go back to it.
                variant, may_go_back = followed.pop().variant, False
            else:
                self._resolver.shorten(followed, variant, result.seen)
                return result
            # A generation counts within one variant.
            requirement = replace(requirement, newer_than=None)
        raise Internal("variants of this flow lead to each other")

    def _step(
        self, variant: Variant, requirement: Requirement, seen: Look | None
    ) -> Obtained | Alias | None:
        """Return the token of *variant*, or what it is an alias of; None to read again."""
        if made := self._made_here(variant.key, requirement):  # a
            return made
        seen = self._invocation.look(variant.key, seen)  # raises under a hold
        target, own = seen.target, seen.own  # one item, unless *variant* is an alias
        first = self._first_seen.setdefault(target.variant, target.generation)
        if requirement.force:
            requirement = replace(requirement, newer_than=first)
        if kept := self._kept(seen, requirement):  # a
            return kept
        requirement.refuse_too_long(target, self._now())  # before anything that waits
        if leased := self._leased_by_another(seen):  # b
            self._invocation.wait_for_lease(leased)
            return None
        if seen.alias_state is not AliasState.TARGET_LOST:  # c; else d resolves the alias again
            self._raise_if_backing_off(target, requirement)
        self._raise_if_backing_off(own, requirement)  # c: an alias has back-offs, too
        if self._has_secret_changed(target, requirement):
            return None
        version = self._secret.recent_version()
        exchanged = target if own.secret_version == version else own  # c: if the alias is of it
        self._gate.check(exchanged, version)
        if alias := self._resolver.resolve(variant, seen):  # d
            return alias
        return self._exchange(variant, own, requirement)  # e

    def _made_here(self, key: str, requirement: Requirement) -> Obtained | None:
        """Return the token of *key* that this invocation made, if it meets *requirement*."""
        made = self._made.get(key)
        is_met = made and self._is_met(requirement, made.item)
        return Obtained(made, "exchange") if made and is_met else None

    def _kept(self, seen: Look, requirement: Requirement) -> Obtained | None:
        """Return the token that *seen* shows, if it meets *requirement*."""
        target = seen.target
        if not self._is_met(requirement, target) or self._resolver.is_outdated(seen):
            return None
        token = self._deps.sealer.open_token(target)
        # KMS took time: the token may have expired.
        if not token or not self._is_met(requirement, target):
            return None
        self._resolver.confirm(seen)
        return Obtained(CachedToken(target, token, seen.read_at), "table", seen)

    def _is_met(self, requirement: Requirement, item: Item) -> bool:
        version = self._secret.version() if requirement.of_version_in_use else None
        return requirement.is_met(item, self._now(), version)

    def _leased_by_another(self, seen: Look) -> Item | None:
        """Return the item whose lease this call must wait for. Unshared tokens need no lease."""
        now = self._now()
        leased = next((item for item in (seen.target, seen.own) if item.is_leased(now)), None)
        return leased if leased and self._secret.is_shared() else None

    def _raise_if_backing_off(self, item: Item, requirement: Requirement) -> None:
        """Raise the stored error of *item* while it backs off: an outage, for any version.

        *force* ignores a back-off, but not that of a login, whose effect is unknown.
        """
        failure, secret = item.failure, self._secret
        if not failure or not failure.is_backing_off(self._now()):
            return
        if requirement.force and not failure.is_login:
            return
        if failure.code == CREDENTIAL_REJECTED:  # a latch tells callers more
            self._gate.check(item, secret.recent_version())
        if failure.is_outage or secret.recent_version() == failure.secret_version:
            raise stored_error(failure, self._now())

    def _has_secret_changed(self, item: Item, requirement: Requirement) -> bool:
        """Say whether the secret has changed, if *item* is of another version than was read."""
        if not requirement.of_version_in_use or not item.secret_version:
            return False
        return item.secret_version != self._secret.version() and self._secret.has_changed()

    def _exchange(
        self, variant: Variant, own: Item, requirement: Requirement
    ) -> Obtained | Alias | None:
        """Acquire the lease, and exchange. None if another caller acquired it first."""
        if self._secret.is_shared():
            forced = requirement.check_demand(own, self._now())
            item = self._invocation.acquire(own, forced=forced)
            if item is None:
                return None
        else:  # an exchange for one caller alone ignores a lease that was left behind
            if own.fingerprint:
                self._deps.store.drop(own)
            own = item = replace(own.without_token(), lease_owner=None)
        outcome = Outcome(self._invocation, variant, before=own, item=item)
        result = ExchangeAttempt(self._invocation, self._gate, outcome, self.token_of).run()
        if not isinstance(result, CachedToken):
            return result
        self._made[result.item.variant] = result
        return Obtained(result, "exchange")

    def token_of(self, need: NeedToken) -> Token:
        """Return a live token of another variant, of the version of the secret in use.

        Raises `SecretReplaced` if that changed meanwhile: a conversation uses one version.
        """
        version = self._secret.version()
        rejected = frozenset({need.rejected} if need.rejected else ())
        requirement = Requirement(rejected=rejected, by_exchange=True, of_version_in_use=True)
        if made := self._made_here(need.variant.key, requirement):
            return made.cached.token
        with self._invocation.deadline.nested():
            obtained = self._obtain_alone(need.variant, requirement, None)
        if self._secret.version() != version:
            raise SecretReplaced
        return obtained.cached.token

    def _now(self) -> int:
        return self._deps.clock.now()
