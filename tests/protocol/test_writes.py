"""Conditions and results of the store's writes that no seed of the simulation reaches."""

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from tests.protocol.replay.counterparts import COUNTERPARTS
from tests.protocol.simulation.guard_bugs import GUARD_BUGS
from tests.protocol.simulation.planting import planted
from tests.protocol.simulation.table import Table
from tests.unit.memory_aws import TABLE_NAME, MemoryDynamoDB
from token_broker.conditional_writes import Rejection
from token_broker.decisions import Verdict
from token_broker.errors import StoreUnavailable
from token_broker.exchange import Request
from token_broker.item import Failure, Item
from token_broker.item_codec import attribute
from token_broker.refresh.outcome import Outcome, local_item
from token_broker.store import Store
from token_broker.tokens import Variant

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

PLACE = ("vntana#acme", "-")
KEY = {"connection": {"S": PLACE[0]}, "variant": {"S": PLACE[1]}}
FAILURE = Failure("credential_rejected", "no", 10, 1, 40, "v2", is_login=True)
KEPT = {"fence": 3, "accepted_version": "v1", "lease_owner": "a", "lease_until": 99}


def kept(**attributes: object) -> tuple[Table, Store]:
    """Return a table with one item, and a store over it."""
    table = Table()
    table.records[PLACE] = KEY | {name: attribute(value) for name, value in attributes.items()}
    client = cast("DynamoDBClient", MemoryDynamoDB(table))
    return table, Store(TABLE_NAME, lambda: client)


@pytest.mark.parametrize(
    ("meanwhile", "has_lease"),
    [
        ({"fence": 4, "lease_owner": "b"}, True),
        ({"fence": 4, "lease_owner": "b"}, False),
        ({"rejected_versions": ("v1",)}, True),
        ({"rejected_versions": ("v1",)}, False),
        ({"accepted_version": "v2"}, False),  # under a lease no other caller accepts
    ],
)
def test_a_verdict_from_an_outdated_gate_is_not_written(
    meanwhile: dict[str, object], has_lease: bool
) -> None:
    """I7: the caller that rejects reads the gate and decides again."""
    table, store = kept(**KEPT)
    read = store.read(*PLACE)
    changed = {name: attribute(value) for name, value in meanwhile.items()}
    before = table.records[PLACE] = {**table.records[PLACE], **changed}
    rejection = Rejection("v2", FAILURE, "-")

    written = store.judge(read, Verdict.LATCH, rejection, 10, has_lease=has_lease)

    assert written is None
    assert table.records[PLACE] == before


def test_a_report_keeps_a_latch_and_its_failure() -> None:
    """I7: a report of a rejected token does not concern the credentials."""
    failure = {"code": "credential_rejected", "since": 1, "count": 1, "retry_at": 2, "detail": "no"}
    token = {"token": b"t", "kind": "login", "fingerprint": "f", "context": "{}"}
    times = {"issued_at": 1, "expires_at": 9, "refresh_at": 5, "generation": 1, "fence": 1}
    latch = {"rejected_versions": ("v2",), "failure": failure | {"secret_version": "v2"}}
    _, store = kept(**token, **times, **latch, schema=1, secret_version="v1")
    reported = store.report(store.read(*PLACE), [1])

    assert reported is not None
    assert reported.rejected == "f"
    assert reported.failure is not None


def test_a_token_that_cannot_be_stored_has_the_next_generation() -> None:
    """I2: a caller can distinguish it from the previous one."""
    assert local_item(Item(*PLACE, generation=7, fence=2), {}).generation == 8


def uncertain_after(*, has_sent: bool, lease_until: int) -> bool:
    """Return whether a token is kept as uncertain, once an exchange ended as the table was away.

    Before it, there was a lease until then.
    """
    token = {"token": b"t", "kind": "login", "fingerprint": "f", "context": "{}", "fence": 3}
    times = {"issued_at": 1, "expires_at": 900, "refresh_at": 800, "generation": 1, "schema": 1}
    lease = {"lease_owner": "b", "lease_until": lease_until} if lease_until else {}
    _, store = kept(**token, **times, **lease, secret_version="v1")
    found = store.read(*PLACE)
    leased = store.acquire(found, "a", 99)
    assert leased
    deps = SimpleNamespace(store=store, clock=SimpleNamespace(now=lambda: 50))
    sent = Request("POST", "https://x", "list") if has_sent else None
    secret = SimpleNamespace(current=lambda: SimpleNamespace(version="v1"))
    invocation: Any = SimpleNamespace(deps=deps, secret=secret, last_request=sent)
    invocation.try_write = lambda _, write: write()
    outcome = Outcome(invocation, Variant("login", {}), before=found, item=leased)
    outcome.keep_failure(StoreUnavailable("no answer"), has_sent=has_sent)
    after = store.read(*PLACE)

    assert after.lease_owner is None
    assert after.failure is None or not after.failure.is_backing_off(50)
    return after.failure is not None


@pytest.mark.parametrize(
    ("has_sent", "lease_until", "is_uncertain"),
    [(False, 0, False), (True, 0, True), (False, 40, True)],
    ids=["nothing was sent", "something was sent", "the lease before ran out"],
)
def test_a_token_that_may_be_revoked_stays_uncertain(
    has_sent: bool, lease_until: int, is_uncertain: bool
) -> None:
    """I4: also if the failure of the exchange is not stored."""
    assert uncertain_after(has_sent=has_sent, lease_until=lease_until) == is_uncertain


def test_without_the_mark_of_an_unfinished_exchange_the_token_looks_certain() -> None:
    """I4: so the test above finds the planted bug that no seed shows."""
    (name,) = (one.bug for one in COUNTERPARTS.values() if one.by == "writes")
    with planted(GUARD_BUGS[name]):
        assert not uncertain_after(has_sent=True, lease_until=0)


@pytest.mark.parametrize("field", ["accepted_version", "secret_version"])
def test_a_version_is_accepted_by_the_gate_or_by_its_token(field: str) -> None:
    """I7: if the variant is its own gate, its token proves the version."""
    known: dict[str, Any] = {field: "v1"}

    assert Item(*PLACE, **known).has_accepted("v1")
    assert not Item(*PLACE, **known).has_accepted("v2")
