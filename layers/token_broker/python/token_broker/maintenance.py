"""Work on all variants of a connection: background renewal, rotation, and an operator's actions."""

from collections.abc import Sequence
from typing import Any

from token_broker.aliases import Look, look
from token_broker.decisions import latched_by, next_step, state
from token_broker.dependencies import Dependencies
from token_broker.errors import (
    BrokerError,
    ConnectionHeld,
    NotConfigured,
    RefreshInProgress,
    StoreUnavailable,
)
from token_broker.exchange import run
from token_broker.holds import gate_of, is_held
from token_broker.item import CLAIM_SECONDS, Item, rfc3339
from token_broker.refresh.invocation import COMMIT_SECONDS, Invocation
from token_broker.refresh.refresher import Refresher
from token_broker.refresh.requirement import Requirement
from token_broker.tokens import encode

LOG_OUT_SECONDS = 3.0
"""Seconds for the vendor to end a session. Its token is dropped in any case."""

LEAST_SECONDS = 1.0
"""With less time than this left, no further item is read, or dropped."""

MOST_RENEWED = 100
"""Tokens that a rotation renews, each in a separate invocation."""

MOST_DROPPED = 50
"""Tokens that one invocation drops."""

PASSING = (StoreUnavailable, RefreshInProgress, NotConfigured)
"""Errors that a later attempt may not meet: AWS refuses, or another has the lease."""


class Maintenance:
    """The operations on all variants of one connection."""

    def __init__(self, deps: Dependencies, connection: str, deadline: float) -> None:
        self._deps = deps
        self._connection = connection
        self._deadline = deadline
        self._partition = deps.partition(connection)

    def renew(self, key: str, version: str | None = None) -> int:
        """Renew the variant *key* if it is due; return how many were.

        With *version*, which an event named, it is due while its token is of another version than
        the current one. An error of the vendor is emitted, not raised: its failure is kept. With
        *version*, the errors in `PASSING` are raised, so that the platform tries again.
        """
        try:
            seen = look(self._deps, self._partition, key)
        except ConnectionHeld as error:
            return self._unrenewed(key, error)
        item, now = seen.own, self._deps.clock.now()
        if version is None:
            requirement = Requirement(newer_than=item.generation)
            return self._renew(self._invocation(), seen, requirement) if is_due(item, now) else 0
        invocation = self._invocation(version)
        requirement = Requirement(version=invocation.secret().version)
        if not self._is_token(item) or not is_of_another(item, now, requirement.version):
            return 0
        return self._renew(invocation, seen, requirement, raises=PASSING)

    def renew_all(self) -> int:
        """Start the renewal of each variant that is due and not claimed by a caller."""
        if is_held(self._deps, self._connection):
            return 0
        now = self._deps.clock.now()
        due = [i for i in self._tokens() if i.is_live(now) and i.is_renewal_due(now)]
        until = now + CLAIM_SECONDS
        return self._start(
            [i for i in due[:MOST_RENEWED] if self._deps.store.claim_refresh(i, until)]
        )

    def rotate(self, version: str | None = None) -> int:
        """Renew every live token with the current version of the secret; return how many started.

        Each renewal is a separate invocation. Tokens that other tokens need come first. *version*
        is the one that an event named. The oldest beyond `MOST_RENEWED` are dropped, by further
        invocations; the next call for one of these makes it again.
        """
        current = self._invocation(version).secret().version
        gate = gate_of(self._deps, self._connection)
        if gate.raw:
            self._deps.store.notice(gate, current)
        if is_held(self._deps, self._connection, gate):
            return 0  # lifting the hold rotates again
        now = self._deps.clock.now()
        old = [item for item in self._tokens() if is_of_another(item, now, current)]
        kinds = self._deps.flow.vendor.token_kinds
        old.sort(key=lambda item: (kinds.index(item.kind or ""), -item.issued_at))
        started = self._start(old[:MOST_RENEWED], version=current)
        rest = [item.variant for item in old[MOST_RENEWED:]]
        for first in range(0, len(rest), MOST_DROPPED):
            payload = {"connection": self._connection, "drop": rest[first : first + MOST_DROPPED]}
            self._deps.invoke({"action": "rotate", "version": current} | payload)
        return started

    def drop(self, keys: Sequence[str], version: str | None = None) -> int:
        """Drop the tokens of these variants, if they are not of the secret's current version."""
        current = self._invocation(version).secret().version
        now = self._deps.clock.now()
        items = self._deps.store.read_all(self._partition, *keys)
        old = [item for item in items if is_of_another(item, now, current)]
        for item in old:
            self._deps.store.drop(item)
        return len(old)

    def forget(self) -> dict[str, Any]:
        """End the sessions and drop the tokens, failures and latches; return how many tokens.

        A hold stays. While it lasts, no session is ended: nothing is sent to the vendor.
        ``complete`` is false if the time was too short for all: the next call goes on. Raises
        `UnknownConnection` if there is neither an item nor a secret.
        """
        forgotten, is_complete, is_known = 0, False, False
        may_log_out = not gate_of(self._deps, self._connection).held
        for item in self._deps.store.list(self._partition):
            is_known = True
            if self._seconds_left < LEAST_SECONDS:
                break
            if item.is_bare:
                continue  # so that repeated calls come to an end
            self._deps.store.forget(item)
            if self._is_token(item):
                # After the table: until then, an exchange may use the token for another one.
                if may_log_out:
                    self._log_out(item)
                forgotten += 1
            if item.is_gate and item.awaits_recovery:
                version = item.failure.secret_version if item.failure else None
                version = item.latched_version or version or ""
                self._invocation().announce("Connection Recovered", version)
        else:
            is_complete = True
        if not is_known:
            self._deps.secrets.version(self._connection)  # raises if there is no secret
        self._deps.cache.drop(self._partition)
        self._deps.versions_seen.pop(self._connection, None)
        return {"forgotten": forgotten, "complete": is_complete}

    def status(self) -> dict[str, Any]:
        """Return the state of each variant. Never a token."""
        version = self._deps.secrets.version(self._connection)
        gate, now = gate_of(self._deps, self._connection), self._deps.clock.now()
        variants, is_complete = [], False
        for item in self._deps.store.list(self._partition):
            if self._seconds_left < LEAST_SECONDS:
                break
            if self._is_token(item) or item.failure:  # the failure is the reason for no token
                variants.append(entry(item, gate, now, version))
        else:
            is_complete = True
        return {
            "flow": self._deps.flow.name,
            "connection": self._connection,
            "secret_version": version,
            "variants": variants,
            "held": gate.held.to_dict() if gate.held else None,
            "complete": is_complete,
        }

    @property
    def _seconds_left(self) -> float:
        return self._deadline - self._deps.clock.monotonic()

    def _invocation(self, noticed_version: str | None = None) -> Invocation:
        return Invocation(self._deps, self._connection, self._deadline, noticed_version)

    def _tokens(self) -> list[Item]:
        return [item for item in self._deps.store.list(self._partition) if self._is_token(item)]

    def _is_token(self, item: Item) -> bool:
        return item.token is not None and item.kind in self._deps.flow.vendor.token_kinds

    def _start(self, items: list[Item], **members: str) -> int:
        """Start one invocation for the renewal of each of *items*; return how many.

        *members* are added to the payload of each. No renewal starts another invocation, because
        Lambda ends a chain of invocations after sixteen.
        """
        for item in items:
            payload = {"connection": self._connection, "variant": item.variant}
            self._deps.invoke({"action": "renew"} | payload | members)
        return len(items)

    def _renew(
        self,
        invocation: Invocation,
        seen: Look,
        requirement: Requirement,
        raises: tuple[type[BrokerError], ...] = (),
    ) -> int:
        item = seen.own
        variant = invocation.sealer.open_variant(item)
        if variant is None:
            return 0
        try:
            if not invocation.is_shared() or self._may_be_pinned_away(invocation, item):
                self._deps.store.drop(item)
                return 0
            Refresher(invocation).obtain(variant, requirement, seen)
        except raises:
            raise
        except BrokerError as error:
            return self._unrenewed(item.variant, error)
        return 1

    def _unrenewed(self, key: str, error: BrokerError) -> int:
        """Emit why the variant *key* was not renewed, and return how many were: 0."""
        self._deps.emit(
            "unrenewed", variant=key, code=error.code, upstream_message=error.upstream_message
        )
        return 0

    def _may_be_pinned_away(self, invocation: Invocation, item: Item) -> bool:
        """Say whether *item* may have a value that a newer pin of the secret forbids.

        Not if it was made under the same pins: a new password alone forbids nothing.
        """
        vendor, secret = self._deps.flow.vendor, invocation.secret()
        pins = vendor.pins(invocation.credentials())
        if not pins or item.secret_version == secret.version:
            return False
        before = self._deps.secrets.of_version(self._connection, item.secret_version or "")
        pins_before = vendor.pins(vendor.parse(before.content)) if before else {}
        return any(
            name not in pins_before or encode(value) != encode(pins_before[name])
            for name, value in pins.items()
        )

    def _log_out(self, item: Item) -> None:
        """End the session of a token at the vendor. An error is emitted."""
        now = self._deps.clock.now()
        if self._seconds_left < COMMIT_SECONDS + LOG_OUT_SECONDS:
            return
        log_out = self._deps.flow.vendor.log_out
        if log_out is None or not item.is_live(now):
            return
        try:
            token = self._deps.sealer.open_token(item)
            if token:
                run(log_out(token), lambda request: self._deps.send(request, LOG_OUT_SECONDS))
        except BrokerError as error:
            self._deps.emit("log out failed", variant=item.variant, code=error.code)


def is_due(item: Item, now: int) -> bool:
    """Say whether a live token is to be renewed. Not if an earlier delivery of the event did."""
    return item.is_live(now) and item.is_due(now)


def is_of_another(item: Item, now: int, version: str | None) -> bool:
    """Say whether a token that lives, or whose renewal failed, is of another version."""
    return item.secret_version != version and (item.is_live(now) or item.failure is not None)


def entry(item: Item, gate: Item, now: int, version: str) -> dict[str, Any]:
    """Return one variant as an operator sees it."""
    failure = item.failure
    following, because = next_step(item, gate, now, version)
    return {
        "variant": item.variant,
        "state": state(item, now, version=version).value,
        "generation": item.generation,
        "fingerprint": item.fingerprint,
        "issued_at": rfc3339(item.issued_at),
        "expires_at": rfc3339(item.expires_at),
        "refresh_after": rfc3339(item.refresh_at),
        "context": item.decoded_context(),
        "failure": {
            "code": failure.code,
            "since": rfc3339(failure.since),
            "count": failure.count,
            "retry_at": rfc3339(failure.retry_at),
        }
        if failure
        else None,
        "latched": latched_by(gate, item, version) is not None,
        "renewing": item.is_leased(now) or item.is_claimed(now),
        "next": following.value,
        "because": because,
    }
