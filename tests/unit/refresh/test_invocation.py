"""The shared state of an invocation: deadlines, secret, leases."""

from contextlib import nullcontext
from typing import Any

import pytest

from tests.unit.memory_broker import NOW, SKEW, MemoryBroker, around
from token_broker.errors import NotConfigured, RefreshInProgress, StoreUnavailable
from token_broker.item import Item
from token_broker.refresh.invocation import Invocation


def invocation(broker: MemoryBroker, seconds: float = 20.0, **known: Any) -> Invocation:
    return Invocation(broker.deps, "acme", broker.monotonic + seconds, **known)


def test_time_is_reserved_for_commit_and_response() -> None:
    """Four seconds for the commit, two if the call only waits."""
    work = invocation(MemoryBroker()).deadline
    assert (work.seconds_left, work.seconds_for_requests, work.seconds_to_wait) == (20, 16, 18)
    assert work.seconds_to_commit == 20
    with work.nested(), work.nested():
        assert work.seconds_to_commit == 8
    assert work.seconds_to_commit == 20
    with pytest.raises(NotConfigured), work.nested():
        raise NotConfigured("inner")
    assert work.seconds_to_commit == 20


@pytest.mark.parametrize(("is_nested", "least"), [(False, 1), (True, 7)])
def test_the_last_write_is_repeated_while_there_is_time(is_nested: bool, least: int) -> None:
    """An outer exchange keeps six seconds for itself."""
    for seconds, times in ((least, 2), (least - 0.01, 1)):
        broker, tries = MemoryBroker(), list[int]()
        work = invocation(broker, seconds)

        def write(tries: list[int] = tries) -> None:
            tries.append(1)
            raise StoreUnavailable("busy")

        with work.deadline.nested() if is_nested else nullcontext():
            work.try_write(broker.item(), write)
        assert len(tries) == times


def test_no_lease_is_acquired_with_less_than_six_seconds_left() -> None:
    broker = MemoryBroker()
    with pytest.raises(RefreshInProgress) as raised:
        invocation(broker, 5.999).acquire(broker.item())
    assert raised.value.detail == "too little time is left for an exchange"
    assert raised.value.retry_after == 1
    lease = invocation(broker, 6.0).acquire(broker.item())
    assert lease
    assert (lease.lease_owner, lease.lease_until) == ("owner-0", NOW + 6 + 2 + SKEW)
    assert (lease.fence, lease.forced_at) == (1, 0)


def test_a_forced_lease_sets_forced_at_and_each_lease_has_its_owner() -> None:
    broker = MemoryBroker()
    work = invocation(broker, 19.3)
    first = work.acquire(broker.item(), forced=True)
    second = work.acquire(broker.item("a" * 64))
    assert first
    assert second
    assert (first.forced_at, first.lease_until) == (NOW, NOW + 20 + 2 + SKEW)
    assert [first.lease_owner, second.lease_owner] == ["owner-0", "owner-1"]
    assert work.acquire(Item("vendorlink#acme", "-")) is None


def test_the_poll_interval_doubles_up_to_its_bound() -> None:
    broker = MemoryBroker()
    work = invocation(broker)
    lease = Item("vendorlink#acme", "-", lease_owner="a", lease_until=NOW + 9)
    work.finish()
    assert broker.telemetry.of("wait") == []
    for _ in range(5):
        work.wait_for_lease(lease)
    for roll in (0.0, 1.0):
        broker.roll = roll
        work.wait_for_lease(lease)
    assert broker.slept == pytest.approx([0.05, 0.1, 0.2, 0.25, 0.25, 0.125, 0.375])
    work.announcements.send_later("Token Unkept", lease)
    for _ in range(2):
        work.finish()
    assert broker.telemetry.of("wait") == [{"milliseconds": 1350}], "once"
    assert [what for what, _ in broker.announced] == ["Token Unkept"], "once"


def test_a_call_without_time_to_wait_gets_retry_after() -> None:
    """The rest of the lease, from one to thirty seconds."""
    broker = MemoryBroker()
    for ends, retry_after in ((9, 9), (30, 30), (31, 30), (1, 1), (0, 1), (-9, 1)):
        lease = Item("vendorlink#acme", "-", lease_owner="a", lease_until=NOW + ends)
        with pytest.raises(RefreshInProgress) as raised:
            invocation(broker, 2.0).wait_for_lease(lease)
        assert raised.value.detail == "another caller is renewing this token"
        assert raised.value.retry_after == retry_after
    assert broker.slept == []
    invocation(broker, 2.01).wait_for_lease(lease)
    assert broker.slept == pytest.approx([0.01])


def test_the_secret_is_read_once_and_each_version_parsed_once() -> None:
    broker = MemoryBroker()
    secret = invocation(broker).secret
    assert secret.version() == "v1"
    parsed = secret.credentials()
    broker.put_secret()
    assert secret.version() == "v1"
    assert secret.credentials() is parsed
    assert broker.aws.manager.calls == ["get_secret_value"]
    assert broker.deps.versions_seen == {"acme": (NOW, "v1")}
    assert secret.reread().version == "v2"
    assert secret.credentials() is not parsed
    assert broker.deps.versions_seen == {"acme": (NOW, "v2")}


def test_a_version_named_by_an_event_is_read() -> None:
    broker = MemoryBroker()
    assert invocation(broker, noticed_version="v1").secret.version() == "v1"
    broker.put_secret()
    assert invocation(broker, noticed_version="v1").secret.version() == "v2"
    assert broker.aws.manager.calls == ["get_secret_value"] * 3


def test_a_seen_secret_version_is_used_for_30_seconds() -> None:
    """None of the future."""
    for age, version in ((0, "v1"), (29, "v1"), (30, "v2"), (-1, "v2")):
        broker = MemoryBroker()
        assert invocation(broker).secret.recent_version() == "v1"
        broker.put_secret()
        broker.now += age
        assert invocation(broker).secret.recent_version() == version


def test_the_previous_version_is_used_until_the_end_of_the_invocation() -> None:
    broker = MemoryBroker()
    broker.put_secret()
    secret = invocation(broker).secret
    assert secret.recent_version() == "v2"
    assert not secret.is_previous
    broker.aws.manager.created_at = NOW
    secret.reread()
    previous = secret.previous()
    assert previous
    secret.use(previous)
    assert secret.previous() is None
    assert (secret.is_previous, secret.version(), secret.recent_version()) == (True, "v1", "v1")
    broker.put_secret()
    assert not secret.has_changed()
    assert secret.current().version == "v2"


def test_a_change_of_the_secret_is_looked_for_once() -> None:
    broker = MemoryBroker()
    secret = invocation(broker).secret
    assert secret.version() == "v1"
    broker.put_secret()
    assert secret.has_changed()
    broker.put_secret()
    assert not secret.has_changed()
    assert secret.version() == "v2"


@pytest.mark.parametrize("key", ["-", "a" * 64])
def test_the_age_of_a_read_counts_from_before_its_request(key: str) -> None:
    """I16: a slow read may miss a hold or a DELETE."""
    broker = MemoryBroker("vntana")

    def slowly(operation: Any, **request: Any) -> Any:
        found = operation(**request)
        broker.now += 9
        return found

    around(broker.aws.dynamodb, "get_item", slowly)
    around(broker.aws.dynamodb, "batch_get_item", slowly)
    work = invocation(broker)
    assert (work.look(key).read_at, work.gate_read_at) == (NOW, NOW)
    began = broker.now
    work.read_gate()
    assert work.gate_read_at == began
