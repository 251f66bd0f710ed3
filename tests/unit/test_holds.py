"""An operator's hold: responses, announcements, log events, and concurrent holds."""

from typing import Any

import pytest

from tests.subjects import body
from tests.unit.memory_aws import PREFIX
from tests.unit.memory_broker import NOW, MemoryBroker, around, raising, with_token
from token_broker.errors import ConnectionHeld, StoreUnavailable, UnknownConnection
from token_broker.holds import gate_of, hold, is_held, lift
from token_broker.item import Hold, Item, rfc3339
from token_broker.records import replace

NAMED: dict[str, Any] = {"flow": "vendorlink", "connection": "acme"}
ROTATE = {"action": "rotate", "connection": "acme"}


def entry(since: int, by: str, reason: str) -> dict[str, str | None]:
    return {"since": rfc3339(since), "by": by, "reason": reason}


def unrenewed(code: str) -> dict[str, str]:
    return {"connection": "acme", "variant": "-", "code": code}


def test_a_hold_is_announced_with_start_holder_and_reason() -> None:
    """A second one has its own holder and reason, and the start of the first."""
    broker = MemoryBroker()
    first, second = entry(NOW, "ann", "a move"), entry(NOW, "bob", "an audit")
    assert hold(broker.deps, "acme", "ann", "a move") == NAMED | {"held": first}
    broker.now += 100
    assert hold(broker.deps, "acme", "bob", "an audit") == NAMED | {"held": second}
    assert broker.announced == [("Connection Held", NAMED | held) for held in (first, second)]
    assert gate_of(broker.deps, "acme").held == Hold(NOW, "bob", "an audit")


@pytest.mark.parametrize("reason", ["x", " two words ", "x" * 200, " é " * 66])
def test_a_reason_has_200_characters_at_most(reason: str) -> None:
    """Blanks around it do not belong to it."""
    held = MemoryBroker().call(action="hold", reason=reason)["held"]
    assert held["reason"] == reason.strip()


def test_a_concurrent_hold_keeps_the_earlier_start() -> None:
    """The write fails and is repeated after a new read."""
    broker = MemoryBroker()

    def meanwhile() -> None:
        broker.aws.dynamodb.before_write = None
        broker.now -= 9  # by another clock
        hold(broker.deps, "acme", "bob", "an audit")
        broker.now += 100

    broker.aws.dynamodb.before_write = meanwhile
    hold(broker.deps, "acme", "ann", "a move")
    assert gate_of(broker.deps, "acme").held == Hold(NOW - 9, "ann", "a move")
    assert [detail["by"] for _, detail in broker.announced] == ["bob", "ann"]


def test_a_lift_also_ends_a_hold_whose_reason_changes_meanwhile() -> None:
    """The write fails and is repeated after a new read: the answer is that nothing is held."""
    broker = MemoryBroker()
    hold(broker.deps, "acme", "ann", "a move")

    def meanwhile() -> None:
        broker.aws.dynamodb.before_write = None
        hold(broker.deps, "acme", "ann", "a longer move")

    broker.aws.dynamodb.before_write = meanwhile
    assert lift(broker.deps, "acme", "bob") == NAMED | {"held": None}
    assert gate_of(broker.deps, "acme").held is None
    assert broker.announced[2:] == [("Connection Lifted", NAMED | {"by": "bob"})]


def test_a_hold_put_right_after_a_lift_stays() -> None:
    """A lift ends the hold that it read, and no other."""
    broker = MemoryBroker()
    hold(broker.deps, "acme", "ann", "a move")
    write = broker.aws.store.hold

    def followed(gate: Item, put: Hold | None) -> Item | None:
        broker.aws.store.hold = write  # type: ignore[method-assign]  # once
        written = write(gate, put)
        hold(broker.deps, "acme", "bob", "an audit")
        return written

    broker.aws.store.hold = followed  # type: ignore[assignment, method-assign]  # once
    lift(broker.deps, "acme", "cat")
    assert gate_of(broker.deps, "acme").held == Hold(NOW, "bob", "an audit")
    assert [what.rpartition(" ")[2] for what, _ in broker.announced] == ["Held", "Held", "Lifted"]


def test_a_process_whose_hold_may_be_written_keeps_no_token() -> None:
    """No answer to the write arrives, nor to the read after it."""
    broker = with_token()

    def lose(operation: Any, *new: Any) -> None:
        operation(*new)
        raise StoreUnavailable("the table is down")

    around(broker.aws.store, "hold", lose)
    with pytest.raises(StoreUnavailable):
        hold(broker.deps, "acme", "ann", "a move")
    with pytest.raises(Exception, match="connection_held"):
        broker.call()


@pytest.mark.parametrize("flow", ["vendorlink", "editor"])
def test_a_lease_that_is_read_with_a_hold_sends_no_login(flow: str) -> None:
    """I16: no answer came to the write of the lease, so it was read, after the hold was put."""
    broker = MemoryBroker(flow)

    def settled(acquire: Any, item: Item, *arguments: Any, **named: Any) -> Item:
        assert acquire(item, *arguments, **named)
        if item.is_gate:
            hold(broker.deps, "acme", "ann", "a move")
        return broker.item(item.variant)

    around(broker.aws.store, "acquire", settled)
    with pytest.raises(Exception, match="connection_held"):
        broker.call(**body(flow))
    assert broker.steps == []
    assert broker.item().lease_owner is None


def test_an_unknown_connection_cannot_be_held() -> None:
    """A mistyped name is an error. A connection with items, but without a secret, can be held."""
    broker = MemoryBroker()
    for name in ("acne", "no-version"):
        broker.aws.manager.texts[f"{PREFIX}no-version"] = []
        with pytest.raises(UnknownConnection, match=rf"^there is no secret for connection {name}$"):
            hold(broker.deps, name, "ann", "a move")
    assert (broker.aws.table.records, broker.announced) == ({}, [])
    broker.call()
    broker.aws.manager.texts.clear()
    assert hold(broker.deps, "acme", "ann", "a move")["held"]


def test_a_repeated_lift_starts_the_renewals_without_another_announcement() -> None:
    """The first lift may have failed before it started the rotation."""
    broker = MemoryBroker()
    hold(broker.deps, "acme", "ann", "a move")
    broker.announced.clear()
    for _ in range(2):
        assert lift(broker.deps, "acme", "bob") == NAMED | {"held": None}
    assert broker.announced == [("Connection Lifted", NAMED | {"by": "bob"})]
    assert broker.invoked == [ROTATE, ROTATE]
    assert gate_of(broker.deps, "acme").held is None


def test_a_lift_logs_that_its_renewals_could_not_be_started() -> None:
    broker = MemoryBroker()
    hold(broker.deps, "acme", "ann", "a move")
    unreachable = raising(StoreUnavailable("the function itself cannot be reached"))
    assert lift(replace(broker.deps, invoke=unreachable), "acme", "ann") == NAMED | {"held": None}
    assert broker.telemetry.of("unrenewed") == [unrenewed(StoreUnavailable.code)]


@pytest.mark.parametrize("is_read", [False, True])
def test_a_renewal_skipped_by_a_hold_is_logged(*, is_read: bool) -> None:
    """Whether the gate was read before or not."""
    broker = MemoryBroker()
    for is_so in (False, True):
        if is_so:
            hold(broker.deps, "acme", "ann", "a move")
        gate = gate_of(broker.deps, "acme") if is_read else None
        assert is_held(broker.deps, "acme", gate) is is_so
        assert broker.telemetry.of("unrenewed") == [unrenewed(ConnectionHeld.code)] * is_so
