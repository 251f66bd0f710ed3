"""What no caller waits for: renewal in time, rotation; and forgetting, and telling the state."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from token_broker.broker import NUDGE_SECONDS
from token_broker.errand import COMMIT_SECONDS, LEAST_EXCHANGE_SECONDS, Errand, Wish
from token_broker.errors import BrokerError, UnknownConnection
from token_broker.exchange import Request, Response, run
from token_broker.item import Item, State, next_step, state
from token_broker.moments import iso
from token_broker.tools import Tools
from token_broker.variants import ONLY

FAREWELL_SECONDS = 3.0
"""How long a vendor is given to end a session that is thrown away in any case."""

LEAST_STATUS_SECONDS = 1.0
LEAST_FORGET_SECONDS = 1.0
"""With less time than this left, no further item is looked at, or dropped."""


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

    def forget(self) -> dict[str, Any]:
        """End the sessions and drop the tokens, failures and latches; return how many tokens.

        ``complete`` is false where the time did not suffice for all: the next call goes on.
        """
        forgotten = 0
        listing = self._in_time(LEAST_FORGET_SECONDS)
        for item in listing:
            if self._is_token(item):
                self._say_farewell(item)
                forgotten += 1
            self._tools.store.forget(item)
        self._tools.memory.drop(self._partition)
        self._tools.looks.pop(self._connection, None)
        return {"forgotten": forgotten, "complete": listing.is_complete}

    def status(self) -> dict[str, Any]:
        """Return the state of each variant. Never a token."""
        version = self._tools.secrets.version(self._connection)
        if version is None:
            raise UnknownConnection(f"there is no secret for connection {self._connection}")
        gate = self._tools.store.read(self._partition, ONLY)
        now = self._tools.clock.now()
        listing = self._in_time(LEAST_STATUS_SECONDS)
        return {
            "flow": self._tools.flow.NAME,
            "connection": self._connection,
            "secret_version": version,
            "variants": [entry(i, gate, now, version) for i in listing if self._is_shown(i)],
            "complete": listing.is_complete,
        }

    def _in_time(self, seconds: float) -> "Listing":
        """Return the items of the connection, for as long as *seconds* are left after each."""

        def is_time_left() -> bool:
            return self._deadline - self._tools.clock.monotonic() >= seconds

        return Listing(self._tools.store.list(self._partition), is_time_left)

    def _errand(self) -> Errand:
        return Errand(self._tools, self._connection, self._deadline)

    def _tokens(self) -> list[Item]:
        return [item for item in self._tools.store.list(self._partition) if self._is_token(item)]

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
                self._tools.note(
                    "unrenewed",
                    variant=item.variant,
                    code=error.code,
                    upstream_message=error.upstream_message,
                )
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


class Listing:
    """Items one after the other, for as long as there is time; says whether it came to the end."""

    def __init__(self, items: Iterable[Item], is_time_left: Callable[[], bool]) -> None:
        self._items = items
        self._is_time_left = is_time_left
        self.is_complete = False

    def __iter__(self) -> Iterator[Item]:
        for item in self._items:
            if not self._is_time_left():
                return
            yield item
        self.is_complete = True


def is_due(item: Item, now: int) -> bool:
    """Say whether a token that still lives is to be renewed; an event may be delivered twice."""
    if state(item, now, 0) is State.DEAD or item.is_leased(now):
        return False
    return not item.failure.is_backing_off(now) if item.failure else now >= item.refresh_at


def entry(item: Item, gate: Item, now: int, version: str) -> dict[str, Any]:
    """Return what an operator is told of one variant."""
    failure = item.failure
    following, because = next_step(item, gate, now, version)
    return {
        "variant": item.variant,
        "state": state(item, now, version=version).value,
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
        "latched": gate.is_latched(version),
        "renewing": item.is_leased(now) or now < item.nudged_until <= now + NUDGE_SECONDS,
        "next": following.value,
        "because": because,
    }
