"""The miss path: at most one exchange of a variant is in flight, even if its holder dies.

`Refresher.obtain` goes through these steps:

1. `_obtain_alone`: one thread of this process at a time; a reported token is marked as rejected.
2. `_follow_aliases`: from the requested variant to the one that has the token.
3. `_obtain_variant`: read the item; if its token is not good enough, wait for another holder of
   the lease, or back off, or go on.
4. `Resolver.resolve`: find the variant that is meant, if the secret or an alias tells it.
5. `_exchange`: otherwise acquire the lease, and run an `ExchangeAttempt`.

An exchange may need the token of another variant (`NeedToken`). Then `token_of` goes through the
same steps for that variant, in the same invocation. See docs/protocol.md.
"""

from typing import NamedTuple

from token_broker.aliases import Look
from token_broker.cache import CachedToken
from token_broker.decisions import (
    FORCE_INTERVAL_SECONDS,
    MAX_REPORTS,
    may_force,
    recent_reports,
    refuse_too_long,
    stored_error,
)
from token_broker.errors import Internal, TooManyRequests
from token_broker.exchange import NeedToken
from token_broker.item import CREDENTIAL_REJECTED, REPORT_WINDOW_SECONDS, Item
from token_broker.records import replace
from token_broker.refresh.attempt import ExchangeAttempt, SecretReplaced
from token_broker.refresh.credential_gate import CredentialGate
from token_broker.refresh.invocation import Invocation
from token_broker.refresh.outage import send_events
from token_broker.refresh.outcome import Alias
from token_broker.refresh.requirement import Requirement
from token_broker.refresh.resolver import Followed, Resolver
from token_broker.tokens import Token, Variant

MAX_ALIASES = 8
"""Aliases in a row that are followed. A flow whose variants lead in a circle has a defect."""

YOUNG_SECONDS = 60
"""If the vendor refuses a step with a younger token, the token is not the reason."""


class Found(NamedTuple):
    """What `_obtain_variant` found for one variant."""

    result: CachedToken | Alias
    source: str
    """``table`` for a token that was kept; ``exchange`` for anything that was obtained now."""
    seen: Look | None
    """The last read of the table; None if an exchange has made it out of date."""


class Refresher:
    """Obtains tokens of one connection within one invocation."""

    def __init__(self, invocation: Invocation) -> None:
        self._invocation = invocation
        self._deps = invocation.deps
        self._gate = CredentialGate(invocation)
        self._resolver = Resolver(invocation, self._gate)
        self._may_reread_secret = True
        self._obtained: dict[str, CachedToken] = {}
        """Tokens that this invocation made, by the variant's key, each with its `handoff`."""
        self._first_seen: dict[str, Item] = {}
        """Items as this invocation read them first: force demands a token that is newer."""

    def obtain(
        self, variant: Variant, requirement: Requirement, seen: Look | None = None
    ) -> tuple[CachedToken, str]:
        """Return a token that meets *requirement*, and its source, as in `Answer`.

        *seen* is this invocation's last read of *variant*, if there was one. It may be out of date:
        acquiring a lease is a compare and swap, and a loser reads again. Raises a `BrokerError` if
        there is no such token. Events are sent last: the exchange needs that time for its requests.
        """
        try:
            return self._obtain_alone(variant, requirement, seen)
        finally:
            self._invocation.emit_wait()
            send_events(self._invocation)

    def token_of(self, need: NeedToken) -> Token:
        """Return a live token of another variant, of the version of the secret that is used.

        Raises `SecretReplaced` if the version changed meanwhile: a conversation that began with
        the old version must not use a token of the new one.
        """
        version = self._invocation.secret().version
        requirement = Requirement(rejected=self._rejectable(need), version=version)
        if made := self._made_here(need.variant.key, requirement):
            return made.token
        with self._invocation.nested():
            obtained, _ = self._obtain_alone(need.variant, requirement, None)
        if self._invocation.secret().version != version:
            raise SecretReplaced
        return obtained.token

    def _obtain_alone(
        self, variant: Variant, requirement: Requirement, seen: Look | None
    ) -> tuple[CachedToken, str]:
        """Obtain the token while no other thread obtains the same variant, and cache it."""
        invocation = self._invocation
        partition, key = invocation.partition, variant.key
        with self._deps.single_flight.lock((partition, key), invocation.seconds_to_wait):
            if cached := self._cached_meanwhile(key, requirement, seen):
                return cached, "memory"
            if seen:
                invocation.take(seen)
            if requirement.rejected:
                requirement, seen = self._report(seen or invocation.look(key), requirement)
            obtained, source = self._follow_aliases(variant, requirement, seen)
            self._deps.cache.put(partition, key, obtained.without_handoff())
            if source == "exchange":
                requirement.check_new(obtained.item, self._now())
            return obtained, source

    def _cached_meanwhile(
        self, key: str, requirement: Requirement, seen: Look | None
    ) -> CachedToken | None:
        """Return the token that another thread has cached since *seen*, if it is good enough."""
        cached = self._deps.cache.get(self._invocation.partition, key, self._now())
        if not cached or not requirement.may_be_cached:
            return None
        if seen and not cached.is_newer_than(seen.target):
            return None
        return cached if requirement.is_met(cached.item, self._now()) else None

    def _follow_aliases(
        self, variant: Variant, requirement: Requirement, seen: Look | None
    ) -> tuple[CachedToken, str]:
        """Follow aliases from *variant* until there is a token that meets *requirement*."""
        followed, may_go_back = list[Followed](), True
        while len(followed) <= MAX_ALIASES:
            result, source, seen = self._obtain_variant(variant, requirement, seen)
            if isinstance(result, Alias):
                followed.append(Followed(variant, result.item))
                variant = result.target
                seen = seen and seen.of_target(variant.key)
            elif (
                may_go_back
                and source == "exchange"
                and self._resolver.is_contradicted(followed, result.item)
            ):
                # The last alias was made for a role that the account no longer has: go back to it.
                variant, may_go_back, seen = followed.pop().variant, False, None
            else:
                self._resolver.shorten(followed, variant, seen)
                return result, source
            requirement = requirement.resolved(self._invocation.secret().version)
        raise Internal("variants of this flow lead to each other")

    def _obtain_variant(
        self, variant: Variant, requirement: Requirement, seen: Look | None
    ) -> Found:
        """Read, wait and exchange until *variant* has a token, or leads to another variant."""
        polls = 0
        while True:
            if made := self._made_here(variant.key, requirement):
                return Found(made, "exchange", None)
            current, seen = seen or self._invocation.look(variant.key), None
            now = self._now()
            first = self._first_seen.setdefault(current.target.variant, current.target)
            requirement = requirement.after(first)
            if kept := self._kept(current, requirement):
                return Found(kept, "table", current)
            refuse_too_long(current.target, requirement.min_ttl, now)
            if leased := self._leased_by_another(current, now):
                self._invocation.wait_for_lease(leased, polls)
                polls += 1
                continue
            self._raise_if_backing_off(current.target, requirement)
            self._raise_if_backing_off(current.own, requirement)
            if version := self._changed_version(current.target, requirement):
                requirement = replace(requirement, version=version)
            elif alias := self._resolver.resolve(variant, current):
                return Found(alias, "exchange", current)
            elif result := self._exchange(variant, current.own, requirement):
                return Found(result, "exchange", None)

    def _leased_by_another(self, seen: Look, now: int) -> Item | None:
        """Return the item whose lease this call must wait for. Unshared tokens need no lease."""
        both = (seen.target, seen.own)
        leased = next((item for item in both if item.is_leased(now)), None)
        return leased if leased and self._invocation.is_shared() else None

    def _exchange(
        self, variant: Variant, own: Item, requirement: Requirement
    ) -> CachedToken | Alias | None:
        """Exchange. None if another caller acquired the lease first: the table is read again."""
        if self._invocation.is_shared():
            item = self._invocation.acquire(own, forced=self._is_on_demand(own, requirement))
            if item is None:
                return None
        else:
            # A kept token is dropped, and a lease that was left behind is ignored.
            if own.fingerprint:
                self._deps.store.drop(own)
            own = item = replace(own.without_token(), lease_owner=None, lease_until=0)
        attempt = ExchangeAttempt(
            self._invocation, self._gate, self.token_of, variant, before=own, item=item
        )
        result = attempt.run()
        if isinstance(result, CachedToken) and result.is_shared:
            self._obtained[result.item.variant] = result
        return result

    def _made_here(self, key: str, requirement: Requirement) -> CachedToken | None:
        """Return the token of *key* that this invocation made, if it meets *requirement*."""
        made = self._obtained.get(key)
        return made if made and requirement.is_met_by_new(made.item, self._now()) else None

    def _kept(self, seen: Look, requirement: Requirement) -> CachedToken | None:
        """Return the token that *seen* shows, if it meets *requirement*."""
        target = seen.target
        if not requirement.is_met(target, self._now()):
            return None
        if self._resolver.is_outdated(seen):
            return None
        token = self._deps.sealer.open_token(target)
        # To open it takes time: it may have expired meanwhile.
        if not token or not requirement.is_met(target, self._now()):
            return None
        return CachedToken(target, token, seen.read_at)

    def _rejectable(self, need: NeedToken) -> str | None:
        """Return the fingerprint of the token that *need* rejects; None if that token is young.

        A young token that is being replaced counts as rejected, too: the vendor may have revoked
        it already.
        """
        if not need.rejected:
            return None
        item = self._invocation.look(need.variant.key).target
        age = self._now() - item.issued_at
        is_young = age < YOUNG_SECONDS and item.lease_owner is None
        return None if is_young and item.fingerprint == need.rejected else need.rejected

    def _changed_version(self, item: Item, requirement: Requirement) -> str | None:
        """Return the secret's current version, if that is another than *requirement* has.

        A token of another version shows that the secret may have changed since this invocation read
        it. So it is read once more, but only once. Raises `SecretReplaced` if an outer conversation
        began with the version before.
        """
        is_other = item.secret_version and requirement.version not in (None, item.secret_version)
        if not is_other or not self._may_reread_secret or self._invocation.uses_previous:
            return None
        self._may_reread_secret = False
        version = self._invocation.reread_secret().version
        if version == requirement.version:
            return None
        if self._invocation.is_nested:
            raise SecretReplaced
        return version

    def _raise_if_backing_off(self, item: Item, requirement: Requirement) -> None:
        """Raise the stored error of *item* while it backs off and the secret is the same.

        An outage backs off for any version of the secret. *force* ignores a back-off, but not
        after a request with the credentials: its effect on the account is unknown.
        """
        failure, invocation = item.failure, self._invocation
        if not failure or not failure.is_backing_off(self._now()):
            return
        if requirement.force and not failure.is_login:
            return
        if failure.code == CREDENTIAL_REJECTED:
            self._gate.check(item, invocation.recent_version())  # may read the secret again
        if failure.is_outage or invocation.recent_version() == failure.secret_version:
            if failure.code == CREDENTIAL_REJECTED:
                self._gate.remember_rejection(failure.secret_version)
            raise stored_error(failure, self._now())

    def _is_on_demand(self, own: Item, requirement: Requirement) -> bool:
        """Say whether only the caller's demand causes this exchange: the token would still do.

        Raises `TooManyRequests` within `FORCE_INTERVAL_SECONDS` seconds of the last such exchange.
        """
        now = self._now()
        is_early = own.is_good(now) and now < own.refresh_at
        is_on_demand = requirement.force or (is_early and requirement.min_ttl is not None)
        if is_on_demand and not may_force(own, now):
            field = "force" if requirement.force else "min_ttl, while the kept token is young"
            raise TooManyRequests(
                f"{field}: at most once in {FORCE_INTERVAL_SECONDS} seconds",
                retry_after=own.forced_at + FORCE_INTERVAL_SECONDS - now,
            )
        return is_on_demand

    def _report(self, seen: Look, requirement: Requirement) -> tuple[Requirement, Look | None]:
        """Mark the kept token as rejected, if it is the one that *requirement* rejects.

        Return the requirement, which then demands a newer token, and *seen*, or None if this write
        made it out of date. Reports of callers are limited. Those of exchanges are not: they
        report no young token.
        """
        item = seen.target
        if item.fingerprint != requirement.rejected:
            return requirement, seen
        newer = replace(requirement, newer_than=item.generation)
        if item.is_rejected:
            return newer, seen
        now, is_nested = self._now(), self._invocation.is_nested
        times = recent_reports(item, now)
        if not is_nested and len(times) >= MAX_REPORTS:
            raise TooManyRequests(
                f"rejected: at most {MAX_REPORTS} times in {REPORT_WINDOW_SECONDS} seconds",
                retry_after=times[0] + REPORT_WINDOW_SECONDS - now,
            )
        self._deps.store.report(item, times if is_nested else (*times, now))
        return newer, None

    def _now(self) -> int:
        return self._deps.clock.now()
