"""The miss path: at most one exchange of a variant is in flight, even if its holder dies.

`Refresher.obtain` reads, waits for another holder, or acquires the lease and runs an
`ExchangeAttempt`. An exchange that is made from another variant's token obtains that one within
the same invocation. See docs/protocol.md.
"""

from token_broker.aliases import Look, expects_another
from token_broker.cache import CachedToken
from token_broker.decisions import (
    FORCE_INTERVAL,
    MOST_REPORTS,
    may_force,
    recent_reports,
    refuse_too_long,
    stored_error,
)
from token_broker.errors import (
    InvalidRequest,
    TooManyRequests,
    UpstreamContractChanged,
    UpstreamUnavailable,
)
from token_broker.exchange import NeedToken
from token_broker.item import LATCHES, REPORT_WINDOW, Item
from token_broker.records import replace
from token_broker.refresh.attempt import Alias, ExchangeAttempt, SecretReplaced
from token_broker.refresh.credential_gate import CredentialGate
from token_broker.refresh.invocation import Invocation
from token_broker.refresh.outage import tell
from token_broker.refresh.requirement import Requirement
from token_broker.refresh.resolver import Resolver
from token_broker.tokens import Token, Variant

YOUNG_SECONDS = 60
"""A token younger than this is not reported because a step with it was refused: it is the step."""


class Refresher:
    """Obtains tokens of one connection within one invocation."""

    def __init__(self, invocation: Invocation, gate: CredentialGate) -> None:
        self._invocation = invocation
        self._deps = invocation.deps
        self._gate = gate
        self._resolver = Resolver(invocation, gate)
        self._may_reread_secret = True
        self._obtained: dict[str, CachedToken] = {}
        """What this invocation made, by key, with what only it can use."""

    def obtain(
        self, variant: Variant, requirement: Requirement, seen: Look | None = None
    ) -> tuple[CachedToken, str]:
        """Return a token that meets *requirement*, and its source: ``table`` or ``exchange``.

        *seen* is this invocation's last read of *variant*, if there was one. It may be out of date:
        acquiring a lease is a compare and swap, and a loser reads again. Raises a `BrokerError` if
        there is no such token. Events are sent at the end, not before: an exchange that needs
        this one's token has yet to send its requests.
        """
        try:
            return self._obtained_alone(variant, requirement, seen)
        finally:
            if not self._invocation.is_nested:
                tell(self._invocation)

    def _obtained_alone(
        self, variant: Variant, requirement: Requirement, seen: Look | None
    ) -> tuple[CachedToken, str]:
        """Return a token that meets *requirement*, while no other thread wants the same."""
        invocation, cache = self._invocation, self._deps.cache
        partition, key = invocation.partition, variant.key
        with self._deps.single_flight.hold((partition, key), invocation.seconds_to_wait):
            cached = cache.get(partition, key, self._now())
            # What is remembered of the same generation as was seen knows no more than that.
            is_newer = not seen or (cached and cached.item.generation > seen.target.generation)
            may_be_cached = requirement.may_be_cached and is_newer
            if cached and may_be_cached and requirement.is_met(cached.item, self._now()):
                return cached, "table"
            if seen:
                invocation.take(seen)
            if requirement.rejected:
                requirement, seen = self._report(seen or invocation.look(key), requirement)
            began = self._deps.clock.monotonic()
            try:
                held, source = self._obtain(variant, requirement, seen)
            finally:
                self._emit_wait(began)
            cache.put(partition, key, held)
            if source == "exchange":
                self._check(held, requirement)
            return held, source

    def token_of(self, need: NeedToken) -> Token:
        """Return a live token of another variant, of the version of the secret that is used.

        Raises `SecretReplaced` if by then another version is used: what was begun with the version
        before is not to go on with this one's token.
        """
        version = self._invocation.secret().version
        requirement = Requirement(rejected=self._rejectable(need), version=version)
        if made := self._made(need.variant.key, requirement):
            return made.token
        with self._invocation.nested():
            held, _ = self.obtain(need.variant, requirement)
        if self._invocation.secret().version != version:
            raise SecretReplaced
        made = self._made(need.variant.key, requirement)
        return made.token if made and made.item == held.item else held.token

    def _obtain(
        self, variant: Variant, requirement: Requirement, seen: Look | None
    ) -> tuple[CachedToken, str]:
        """Follow aliases from *variant* until there is a token that meets *requirement*."""
        alias: Alias | None = None
        may_go_back = True
        while True:
            found = self._obtain_one(variant, requirement, seen)
            if isinstance(found, CachedToken):
                return found, "table"
            result, requirement, seen = found
            if alias and may_go_back and self._is_contradicted(alias.item, result):
                variant, alias, may_go_back, seen = alias.variant, None, False, None
            elif isinstance(result, Alias):
                shown = seen if seen and seen.own is result.item else None
                seen = shown.of_target(result.variant.key) if shown else None
                variant, alias = result.variant, Alias(variant, result.item)
            else:
                return without_handoff(result), "exchange"
            requirement = requirement.resolved(self._invocation.secret().version)

    def _obtain_one(
        self, variant: Variant, requirement: Requirement, seen: Look | None
    ) -> CachedToken | tuple[CachedToken | Alias, Requirement, Look | None]:
        """Read, wait and exchange until *variant* has a token, or leads to another variant.

        Return the kept token that meets *requirement*, or else what an exchange made or where the
        variant leads to, the requirement as it is by then, and what was read last.
        """
        polls = 0
        while True:
            if made := self._made(variant.key, requirement):
                return made, requirement, None
            current, seen = seen or self._invocation.look(variant.key), None
            now = self._now()
            requirement = requirement.after(current.target)
            if token := self._opened(current, requirement):
                return CachedToken(current.target, token, current.read_at)
            refuse_too_long(current.target, requirement.min_ttl, now)
            both = (current.target, current.own)
            leased = next((item for item in both if item.is_leased(now)), None)
            if leased and self._invocation.is_shared():
                self._invocation.wait_for_lease(leased, polls)
                polls += 1
                continue
            result, requirement = self._next(variant, current, requirement)
            if result:
                return result, requirement, current

    def _next(
        self, variant: Variant, seen: Look, requirement: Requirement
    ) -> tuple[CachedToken | Alias | None, Requirement]:
        """Resolve *variant*, or have an exchange of it; None if the table is to be read again.

        The requirement is returned as it is by then.
        """
        own, target = seen.own, seen.target
        self._raise_if_backing_off(target, requirement)
        self._raise_if_backing_off(own, requirement)
        current = self._by_current_version(target, requirement)
        if current != requirement:
            return None, current
        if resolved := self._resolver.resolve(variant, seen):
            return Alias(resolved, own), requirement
        if not self._invocation.is_shared():
            return self._exchange_unshared(variant, own), requirement
        lease = self._invocation.acquire(own, forced=self._is_on_demand(own, requirement))
        return self._exchange(variant, own, lease) if lease else None, requirement

    def _exchange(self, variant: Variant, found: Item, lease: Item) -> CachedToken | Alias | None:
        attempt = ExchangeAttempt(
            self._invocation,
            self._gate,
            self.token_of,
            found=found,
            lease=lease,
            variant=variant,
        )
        result = attempt.run()
        if isinstance(result, CachedToken) and result.is_shared:
            self._obtained[result.item.variant] = result
        return result

    def _exchange_unshared(self, variant: Variant, own: Item) -> CachedToken | Alias | None:
        """Return a token for one caller alone; what was shared before is handed out no more."""
        if own.fingerprint:
            self._deps.store.drop(own)
        # A lease that was left behind does not matter either.
        bare = replace(own.without_token(), lease_owner=None, lease_until=0)
        return self._exchange(variant, bare, bare)

    def _is_contradicted(self, alias: Item | None, result: CachedToken | Alias) -> bool:
        """Say whether *alias* led here by a role that the vendor has just said no more."""
        if not alias or self._invocation.uses_previous:
            return False
        return isinstance(result, Alias) or expects_another(alias, result.item)

    def _made(self, key: str, requirement: Requirement) -> CachedToken | None:
        """Return the token of *key* that this invocation made, if it would do."""
        held = self._obtained.get(key)
        return held if held and requirement.is_met_by_new(held.item, self._now()) else None

    def _opened(self, seen: Look, requirement: Requirement) -> Token | None:
        """Return the token that *seen* leads to if it would do, even once it was opened."""
        target = seen.target
        if not requirement.is_met(target, self._now()):
            return None
        if self._resolver.is_outdated(seen):
            return None
        token = self._deps.sealer.open_token(target)
        return token if requirement.is_met(target, self._now()) else None

    def _rejectable(self, need: NeedToken) -> str | None:
        """Return the fingerprint of the token that *need* rejects, unless that one is young.

        While another holder replaces it, it may be dead all the same.
        """
        if not need.rejected:
            return None
        item = self._invocation.look(need.variant.key).target
        age = self._now() - item.issued_at
        is_young = age < YOUNG_SECONDS and item.lease_owner is None
        return None if is_young and item.fingerprint == need.rejected else need.rejected

    def _by_current_version(self, item: Item, requirement: Requirement) -> Requirement:
        """Return *requirement* by the version that is current now, if *item* is of another one.

        Raises `SecretReplaced` where a conversation was begun with the version before.
        """
        is_other = item.secret_version and requirement.version not in (None, item.secret_version)
        may_reread = self._may_reread_secret and not self._invocation.uses_previous
        if not (is_other and may_reread):
            return requirement
        self._may_reread_secret = False
        version = self._invocation.reread_secret().version
        if version != requirement.version and self._invocation.is_nested:
            raise SecretReplaced
        return replace(requirement, version=version)

    def _raise_if_backing_off(self, item: Item, requirement: Requirement) -> None:
        """Raise the stored error if it asks to wait, and no new secret was set since."""
        failure, invocation = item.failure, self._invocation
        if not failure or not failure.is_backing_off(self._now()):
            return
        if requirement.force and not failure.is_login:
            return
        if failure.code == LATCHES:
            self._gate.check(item, invocation.version())  # it may know of another version
        is_outage = failure.code == UpstreamUnavailable.code
        if is_outage or invocation.version() == failure.secret_version:
            if failure.code == LATCHES:
                self._gate.remember_rejection(failure.secret_version)
            raise stored_error(failure, self._now())

    def _is_on_demand(self, own: Item, requirement: Requirement) -> bool:
        """Say whether the caller alone is the reason for an exchange of a token that lives.

        Raises `TooManyRequests` so soon after another one.
        """
        now = self._now()
        is_early = own.is_live(now) and now < own.refresh_at
        is_on_demand = requirement.force or (is_early and requirement.min_ttl is not None)
        if is_on_demand and not may_force(own, now):
            raise TooManyRequests(
                f"force: at most once in {FORCE_INTERVAL} seconds",
                retry_after=own.forced_at + FORCE_INTERVAL - now,
            )
        return is_on_demand

    def _report(self, seen: Look, requirement: Requirement) -> tuple[Requirement, Look | None]:
        """Mark the kept token as rejected, if it is still the one that was rejected.

        Return *requirement*, which only a newer token meets then, and what was seen, unless it is
        out of date now. Reports of callers are limited; an exchange reports no token that is young.
        """
        item = seen.target
        if item.fingerprint != requirement.rejected:
            return requirement, seen
        newer = replace(requirement, newer_than=item.generation)
        if item.is_rejected:
            return newer, seen
        now, is_nested = self._now(), self._invocation.is_nested
        times = recent_reports(item, now)
        if not is_nested and len(times) >= MOST_REPORTS:
            raise TooManyRequests(
                f"rejected: at most {MOST_REPORTS} times in {REPORT_WINDOW} seconds",
                retry_after=times[0] + REPORT_WINDOW - now,
            )
        self._deps.store.report(item, times if is_nested else (*times, now))
        return newer, None

    def _check(self, held: CachedToken, requirement: Requirement) -> None:
        """Raise if even a new token is not what is required; others may have it."""
        if requirement.rejected and held.item.fingerprint == requirement.rejected:
            raise UpstreamContractChanged("the upstream issued the reported token once more")
        if held.item.is_live(self._now(), requirement.min_ttl):
            return
        if requirement.min_ttl is None:
            raise UpstreamUnavailable("the token ended before it could be handed out")
        lifetime = held.item.lifetime
        raise InvalidRequest(f"min_ttl: tokens of this upstream live {lifetime} seconds")

    def _emit_wait(self, began: float) -> None:
        if self._invocation.has_waited:
            milliseconds = round((self._deps.clock.monotonic() - began) * 1000)
            self._deps.emit("wait", milliseconds=milliseconds)

    def _now(self) -> int:
        return self._deps.clock.now()


def without_handoff(held: CachedToken) -> CachedToken:
    """Return *held* without what only the invocation that made it can use: a login ends early."""
    return replace(held, token=replace(held.token, handoff={}))


def refresher(invocation: Invocation) -> Refresher:
    """Return what obtains tokens within *invocation*."""
    return Refresher(invocation, CredentialGate(invocation))
