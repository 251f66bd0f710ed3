"""What no caller waits for: renewal in time, rotation; and forgetting, and telling the state."""

from typing import Any

from token_broker.broker import NUDGE_SECONDS
from token_broker.errand import COMMIT_SECONDS, LEAST_EXCHANGE_SECONDS, Errand, Wish
from token_broker.errors import BrokerError, UnknownConnection
from token_broker.exchange import Request, Response, run
from token_broker.item import Item, State, state
from token_broker.moments import iso
from token_broker.tools import Tools
from token_broker.variants import ONLY

FAREWELL_SECONDS = 3.0
"""How long a vendor is given to end a session that is thrown away in any case."""


class Upkeep:
    """The operations on all variants of one connection."""

    def __init__(self, tools: Tools, connection: str, deadline: float) -> None:
        self._tools = tools
        self._connection = connection
        self._deadline = deadline
        self._partition = f"{tools.flow.NAME}#{connection}"

    def renew(self, key: str | None) -> int:
        """Renew the variant *key*, or all of them, if they are due; return how many were.

        That one cannot be renewed is noted, not raised: nobody waits for it.
        """
        now = self._tools.clock.now()
        items = [self._tools.store.read(self._partition, key)] if key else self._tokens()
        return self._each([item for item in items if is_due(item, now)], None)

    def rotate(self) -> int:
        """Renew every token that lives with the new version of the secret; return how many."""
        version = self._errand().read_secret().version
        now = self._tools.clock.now()
        old = [item for item in self._tokens() if item.secret_version != version]
        return self._each([item for item in old if item.is_live(now) or item.failure], version)

    def forget(self) -> int:
        """End the sessions and drop the tokens, failures and latches; return how many tokens."""
        items = self._tools.store.list(self._partition)
        tokens = [item for item in items if self._is_token(item)]
        for item in tokens:
            self._say_farewell(item)
        for item in items:
            self._tools.store.forget(item)
        self._tools.memory.drop(self._partition)
        self._tools.looks.pop(self._connection, None)
        return len(tokens)

    def status(self) -> dict[str, Any]:
        """Return the state of each variant. Never a token."""
        version = self._tools.secrets.version(self._connection)
        if version is None:
            raise UnknownConnection(f"there is no secret for connection {self._connection}")
        items = self._tools.store.list(self._partition)
        gate = next((item for item in items if item.variant == ONLY), None)
        latched = gate is not None and gate.is_latched(version)
        now = self._tools.clock.now()
        shown = [item for item in items if self._is_shown(item)]
        return {
            "flow": self._tools.flow.NAME,
            "connection": self._connection,
            "secret_version": version,
            "variants": [row(item, now, latched=latched) for item in shown],
        }

    def _errand(self) -> Errand:
        return Errand(self._tools, self._connection, self._deadline)

    def _tokens(self) -> list[Item]:
        items = self._tools.store.list(self._partition)
        return [item for item in items if self._is_token(item)]

    def _is_token(self, item: Item) -> bool:
        return item.token is not None and item.kind in self._tools.flow.TOKEN_KINDS

    def _is_shown(self, item: Item) -> bool:
        """Say whether *item* tells an operator something: a token, or why there is none."""
        return self._is_token(item) or item.failure is not None

    def _each(self, items: list[Item], version: str | None) -> int:
        """Renew *items*; those for which the time is too short are left to another invocation."""
        renewed = 0
        for position, item in enumerate(items):
            left = self._deadline - self._tools.clock.monotonic()
            if left < COMMIT_SECONDS + LEAST_EXCHANGE_SECONDS:
                if position:
                    action = "rotate" if version else "renew"
                    self._tools.invoke({"action": action, "connection": self._connection})
                break
            newer_than = None if version else item.generation
            wish = Wish(version=version, newer_than=newer_than)
            try:
                renewed += self._renew(item, wish)
            except BrokerError as error:
                self._tools.note("unrenewed", variant=item.variant, code=error.code)
        return renewed

    def _renew(self, item: Item, wish: Wish) -> int:
        variant = self._tools.sealer.open_variant(item)
        if variant is None:
            return 0
        self._errand().obtain(variant, wish)
        return 1

    def _say_farewell(self, item: Item) -> None:
        """End the session of a token upstream; that it fails changes nothing."""
        now = self._tools.clock.now()
        if self._deadline - self._tools.clock.monotonic() < COMMIT_SECONDS + FAREWELL_SECONDS:
            return
        try:
            token = self._tools.sealer.open_token(item) if item.is_live(now) else None
            secret = self._tools.secrets.current(self._connection)
            credentials = self._tools.flow.Credentials.parse(secret.content)
            farewell = self._tools.flow.log_out(credentials, token) if token else None
            if farewell:
                run(farewell, self._send)
        except BrokerError as error:
            self._tools.note("farewell", variant=item.variant, code=error.code)

    def _send(self, request: Request) -> Response:
        return self._tools.send(request, FAREWELL_SECONDS)


def is_due(item: Item, now: int) -> bool:
    """Say whether a token that still lives is to be renewed; an event may be delivered twice."""
    if state(item, now, 0) is State.DEAD or item.is_leased(now):
        return False
    return not item.failure.is_backing_off(now) if item.failure else now >= item.refresh_at


def row(item: Item, now: int, *, latched: bool) -> dict[str, Any]:
    """Return what an operator is told of one variant."""
    failure = item.failure
    return {
        "variant": item.variant,
        "state": state(item, now).value,
        "generation": item.generation,
        "fingerprint": item.fingerprint,
        "issued_at": iso(item.issued_at),
        "expires_at": iso(item.expires_at),
        "refresh_after": iso(item.refresh_at),
        "context": item.told(),
        "failure": {
            "code": failure.code,
            "since": iso(failure.since),
            "count": failure.count,
            "retry_at": iso(failure.retry_at),
        }
        if failure
        else None,
        "latched": latched,
        "renewing": item.is_leased(now) or now < item.nudged_until <= now + NUDGE_SECONDS,
    }
