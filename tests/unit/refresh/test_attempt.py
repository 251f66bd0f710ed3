"""The items that an exchange leaves in the table: each is compared completely."""

import json
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from random import Random
from string import ascii_letters, digits
from types import SimpleNamespace
from typing import Any

import pytest

from tests.subjects import FLOWS, body, wrong_login
from tests.unit.memory_aws import PREFIX
from tests.unit.memory_broker import NOW, SKEW, MemoryBroker, around, raising, with_token
from tests.unit.test_store import Record, plain
from token_broker.errors import (
    BrokerError,
    CredentialRejected,
    InvalidRequest,
    NotConfigured,
    RefreshInProgress,
    StoreUnavailable,
    UpstreamUnavailable,
)
from token_broker.exchange import Exchange, Request, Response
from token_broker.flows.editor.flow import VENDOR
from token_broker.flows.vntana.organizations import LISTING
from token_broker.item import Failure, Item, rfc3339
from token_broker.item_codec import OUTAGE
from token_broker.records import replace as replace_record
from token_broker.refresh.attempt import SecretReplaced
from token_broker.refresh.invocation import Invocation
from token_broker.refresh.outcome import Outcome, local_item
from token_broker.refresh.refresher import Refresher
from token_broker.refresh.requirement import Requirement
from token_broker.tokens import Variant
from token_broker_fakes.vntana import Workspace

FIFTEEN_DAYS = 15 * 24 * 60 * 60
ENDS = NOW + 3600
LOGIN = Variant("login")
LEASE = ("lease_owner", "lease_until")
CONTEXT = {"user_id": 4711, "display_name": "Demo User", "hostname": "app.vendorlink.nl"}


def record(broker: MemoryBroker, variant: str = "-") -> Record:
    """Return what the table keeps of a variant, but for the sealed token.

    What an outage leaves there, `test_announcements` looks at.
    """
    found = broker.aws.table.records.get((f"{broker.flow}#acme", variant), {})
    named = {name: plain(value) for name, value in found.items()}
    return {n: v for n, v in named.items() if n not in {"connection", "variant", "token", *OUTAGE}}


def outcome(broker: MemoryBroker, **payload: Any) -> dict[str, Any]:
    """Return the answer, or the problem that is raised."""
    try:
        return broker.call(**payload)
    except Exception as error:  # noqa: BLE001 (of a class that is made for it)
        return dict(json.loads(str(error)))


def failure(broker: MemoryBroker, detail: str, **changes: Any) -> Record:
    """Return a failure that is kept now: the first one, of `v1`, of an upstream that is down."""
    return {
        "code": "upstream_unavailable",
        "detail": detail,
        "since": broker.now,
        "count": 1,
        "retry_at": broker.now + 2,
        "secret_version": "v1",
    } | changes


def kept_token(broker: MemoryBroker, **changes: Any) -> Record:
    """Return the record of a token that Vendorlink made at the beginning."""
    return {
        "schema": 1,
        "generation": 1,
        "fence": 1,
        "kind": "login",
        "fingerprint": broker.item().fingerprint,
        "issued_at": NOW,
        "expires_at": ENDS,
        "refresh_at": NOW + 3030,
        "secret_version": "v1",
        "context": json.dumps(CONTEXT, sort_keys=True, separators=(",", ":")),
        "renewal": "ready",
        "ttl": ENDS + FIFTEEN_DAYS,
    } | changes


def refresher(broker: MemoryBroker, seconds: float = 29.0) -> Refresher:
    return Refresher(Invocation(broker.deps, "acme", broker.monotonic + seconds))


def answered(status: int) -> Record:
    """Return the error of an upstream that answers a login with *status*."""
    return {"detail": f"login: the upstream answered {status}", "upstream_status": status}


busy = raising(StoreUnavailable("the table is busy", retry_after=1))


def announced(broker: MemoryBroker) -> list[str]:
    return [what for what, _ in broker.announced]


def test_the_lifetime_of_a_new_token_counts_from_before_the_request() -> None:
    """Its renewal time is spread at random."""
    broker = with_token(vendor_seconds=3.0, roll=0.25)
    assert record(broker) == kept_token(
        broker, expires_at=ENDS + 3, refresh_at=NOW + 3123, ttl=ENDS + 3 + FIFTEEN_DAYS
    )
    assert broker.item().token
    assert broker.waited == [25.0]
    exchange = {"variant": "-", "kind": "login", "outcome": "success", "milliseconds": 3000}
    assert broker.telemetry.of("exchange") == [exchange]
    upstream = {"step": "login", "status": 200, "milliseconds": 3000}
    assert broker.telemetry.of("upstream") == [upstream]


DOWN: dict[str, Any] = {"kind": "status", "status": 503}
WAIT_77: dict[str, Any] = {"kind": "status", "status": 429, "headers": {"retry-after": "77"}}
ELSEWHERE = {"kind": "answer", "status": 200, "body": '{"hostname": "app.vendorlink.nl"}'}
PAGE = {
    "code": "upstream_contract_changed",
    "detail": "login: the answer is an HTML page",
    "upstream_status": 403,
    "upstream_message": "Service Unavailable",
}
CIRCLE = {
    "code": "upstream_contract_changed",
    "detail": "login: the hosts that it names lead in a circle",
    "upstream_status": 200,
}
ENDINGS: list[tuple[dict[str, Any], Record, tuple[int, int], int | None]] = [
    (DOWN, answered(503), (2, 4), 2),
    *((DOWN | {"headers": {"retry-after": less}}, answered(503), (2, 4), 2) for less in ("0", "1")),
    (WAIT_77, answered(429), (77, 77), 77),
    ({"kind": "drop"}, {"detail": "login: no answer (drop)"}, (2, 4), 2),
    ({"kind": "html", "status": 403}, PAGE, (30, 60), None),
    (ELSEWHERE, CIRCLE, (30, 60), None),
]


@pytest.mark.parametrize(("fault", "error", "waits", "retry_after"), ENDINGS)
def test_a_failed_exchange_stores_its_error_and_backoff(
    fault: dict[str, Any], error: Record, waits: tuple[int, int], retry_after: int | None
) -> None:
    """The back-off doubles with each equal failure; during it, callers get the error."""
    broker = MemoryBroker()
    broker.fake.fail(**fault, times=None)
    error = {"code": "upstream_unavailable"} | error
    for count, wait in enumerate(waits, 1):
        answers = [outcome(broker)]
        kept = failure(broker, **error, since=NOW, count=count, retry_at=broker.now + wait, login=1)
        ends = broker.now + max(29 + 2 + SKEW, wait)
        assert record(broker) == {
            "schema": 1,
            "fence": count,
            "failure": kept,
            "ttl": ends + FIFTEEN_DAYS,
        }
        broker.now += 1
        answers.append(outcome(broker))
        for answer in answers:
            assert answer | error == answer
            assert answer.keys() & {"upstream_status", "upstream_message"} <= error.keys()
        if count == 1:
            assert answers[0].get("retry_after") == retry_after
        assert answers[1]["retry_after"] == wait - 1
        broker.now += wait - 1
    assert broker.steps == ["login"] * 2
    line = {"variant": "-", "kind": "login", "outcome": error["code"], "milliseconds": 0}
    assert broker.telemetry.of("exchange") == [line] * 2


def test_a_failed_renewal_keeps_the_token_and_marks_its_renewal_token_spent() -> None:
    """I6: a renewal token that was sent is never sent again."""
    broker = with_token(after=3030)
    broker.fake.fail("status", status=503, times=None)
    assert broker.call(action="renew", variant="-") == {"renewed": 0}
    down = failure(broker, **answered(503), login=1)
    assert record(broker) == kept_token(broker, fence=2, renewal="in_use", failure=down)
    broker.fake.heal()
    broker.now += 2
    assert broker.call(action="renew", variant="-") == {"renewed": 1}
    assert broker.steps == ["login", "extend", "login", "login"]


def test_a_renewal_that_cannot_be_stored_leaves_its_renewal_token_spent() -> None:
    """I6, too."""
    broker = with_token(after=3030)
    around(broker.aws.store, "commit", raising(NotConfigured("KEY_ID: the key cannot be used")))
    assert broker.call(action="renew", variant="-") == {"renewed": 1}
    assert (broker.steps, broker.item().renewal) == (["login", "extend"], "in_use")


def test_after_a_lost_commit_the_token_of_the_winner_is_used() -> None:
    """I3, I4: its exchange may have revoked the one that was not stored."""
    broker = MemoryBroker()

    def lose(commit: Callable[..., Any], lease: Item, values: Record, **more: Any) -> Any:
        del broker.aws.store.commit  # the winner's is as usual
        broker.aws.store.release(lease, None, renewal=None)
        broker.restart()
        assert broker.call()["source"] == "exchange"
        return commit(lease, values, **more)

    around(broker.aws.store, "commit", lose)
    assert broker.call()["fingerprint"] == broker.item().fingerprint
    assert broker.steps == ["login"] * 2


def test_a_token_that_was_reported_before_its_maker_read_it_is_not_handed_out() -> None:
    """L1: a commit without an answer is read back later; its maker then gets the next token."""
    broker = MemoryBroker()

    def settle(commit: Callable[..., Any], lease: Item, values: Record, **more: Any) -> Any:
        del broker.aws.store.commit  # the next one is as usual
        return broker.aws.store.report(commit(lease, values, **more), (NOW,))

    around(broker.aws.store, "commit", settle)
    answer, item = broker.call(), broker.item()
    assert (answer["generation"], answer["fingerprint"]) == (2, item.fingerprint)
    assert not item.is_rejected
    assert broker.steps == ["login", "extend"]


def test_an_item_that_could_not_be_stored_has_nothing_of_the_one_before() -> None:
    """I13: that may have been an alias, whose variant has no token. No report outlives a commit."""
    before = Item("vntana#acme", "a", token=b"x", target="b", renewal="in_use", context="{}")
    before = replace_record(before, generation=3, rejected="f")
    found = local_item(before, {"fingerprint": "f", "expires_at": 1})
    expected = Item("vntana#acme", "a", token=b"", fingerprint="f", expires_at=1, generation=4)
    assert found == expected


def test_a_renewal_extends_the_session_and_its_token_is_cached() -> None:
    broker = with_token(after=3030)
    assert broker.call(action="renew", variant="-") == {"renewed": 1}
    at = {"issued_at": NOW + 3030, "expires_at": NOW + 6630, "refresh_at": NOW + 6060}
    ttl = NOW + 6630 + FIFTEEN_DAYS
    assert record(broker) == kept_token(broker, fence=2, generation=2, ttl=ttl, **at)
    assert broker.steps == ["login", "extend"]
    answer = broker.call()
    assert (answer["source"], answer["generation"]) == ("memory", 2)


SUSPECT = {"suspect_version": "v1", "suspect_at": NOW + 60}


@pytest.mark.parametrize(
    ("seconds", "gate", "error", "reason"),
    [
        (0.0, {}, UpstreamUnavailable, "login: no answer (drop)"),
        (25.2, {}, UpstreamUnavailable, "login: no time was left to send it"),
        (0.0, SUSPECT, CredentialRejected, "this version of the secret worked before"),
    ],
    ids=["no answer", "no time", "not admitted"],
)
def test_an_error_without_a_response_does_not_quote_an_earlier_response(
    seconds: float, gate: dict[str, Any], error: type[BrokerError], reason: str
) -> None:
    """The vendor has answered the extension; of the login there is no response."""
    broker = with_token(after=100)
    words = '{"message": "of the extension"}'
    broker.fake.fail("answer", step="extend", status=400, body=words)
    broker.fake.fail("drop", step="login")
    broker.vendor_seconds = seconds
    broker.put(**gate)
    with pytest.raises(error) as raised:
        refresher(broker).obtain(LOGIN, Requirement(force=True))
    assert raised.value.detail.startswith(reason)
    assert (raised.value.upstream_status, raised.value.upstream_message) == (None, None)
    assert broker.steps == ["login", "extend", *["login"] * ("(drop)" in reason)]


def test_a_renewal_token_of_another_secret_version_is_not_used() -> None:
    """It would continue the session of the previous user."""
    broker = with_token()
    broker.put_secret()
    broker.now += 100
    assert broker.call(force=True)["generation"] == 2
    assert broker.steps == ["login", "login"]


def test_an_unexpected_exception_leaves_the_stored_token_uncertain() -> None:
    """The request may have revoked it. Until the back-off ends, no other call logs in."""
    broker = with_token(after=100)
    fake, broker.fake = broker.fake, None  # type: ignore[assignment]  # a defect
    assert outcome(broker, force=True)["code"] == "internal"
    defect = failure(broker, "the exchange failed", code="internal", retry_at=broker.now + 2)
    assert record(broker) == kept_token(
        broker, fence=2, renewal="in_use", failure=defect, forced_at=broker.now
    )
    line = {"variant": "-", "kind": "login", "outcome": "internal", "milliseconds": 0}
    assert broker.telemetry.of("exchange")[-1] == line
    broker.fake = fake
    broker.restart()
    assert outcome(broker)["stale"] is True


def test_an_exchange_without_a_request_leaves_the_renewal_token_ready() -> None:
    broker = with_token(after=100)
    before = record(broker)
    broker.aws.manager.texts[f"{PREFIX}acme"] = ['{"nonsense": 1}']
    broker.deps.versions_seen.clear()
    with pytest.raises(NotConfigured):
        refresher(broker).obtain(LOGIN, Requirement(force=True))
    assert record(broker) | {"fence": 1} == before


LATCH = {"code": "credential_rejected", "upstream_status": 400, "upstream_message": "no"}


def test_a_rejected_version_that_was_never_accepted_latches_at_once() -> None:
    """I7, I15: after one login; the rejection has no ttl."""
    broker = MemoryBroker()
    broker.fake.fail("status", status=400, body='{"message": "no"}', times=None)
    assert outcome(broker)["code"] == "credential_rejected"
    assert record(broker) == {
        "schema": 1,
        "fence": 1,
        "failure": failure(broker, "login: refused", retry_at=NOW + 30, login=1, **LATCH),
        "rejected_versions": ["v1"],
        "latched_version": "v1",
        "latched_at": NOW,
    }
    detail = {"flow": "vendorlink", "connection": "acme", "secret_version": "v1"}
    assert broker.announced == [("Connection Latched", detail)]
    broker.now += 10_000
    latched = outcome(broker, force=True)
    assert latched | LATCH | {"code": "credential_latched"} == latched
    assert latched["detail"] == (
        "this version of the secret was rejected at 2030-03-17T17:46:40Z, and is not tried again:"
        " set a new one, or DELETE to try this one once more"
    )
    assert broker.steps == ["login"]

    broker.fake.heal()
    version = broker.put_secret()
    broker.now += 29
    assert outcome(broker)["code"] == "credential_latched"
    broker.now += 1
    assert broker.call()["source"] == "exchange"
    recovered = ("Connection Recovered", detail | {"secret_version": version})
    assert broker.announced[1:] == [recovered]
    kept = record(broker)
    assert kept["rejected_versions"] == ["v1"]
    assert kept.keys().isdisjoint({"latched_version", "failure", "ttl", *LEASE})


def test_a_rejected_version_that_was_accepted_is_tried_again_after_a_minute() -> None:
    """One rejection may come from a proxy."""
    broker = with_token(after=3030)
    broker.fake.fail("status", status=400, body='{"message": "no"}', times=None)
    rejected = outcome(broker, force=True)
    assert (rejected["code"], rejected["retry_after"]) == ("credential_rejected", 60)
    suspected = kept_token(
        broker,
        fence=2,
        renewal="in_use",
        forced_at=broker.now,
        failure=failure(broker, "login: refused", retry_at=broker.now + 60, login=1, **LATCH),
        suspect_version="v1",
        suspect_at=broker.now,
    )
    del suspected["ttl"]
    assert record(broker) == suspected
    assert broker.announced == []

    broker.now += 59
    early = outcome(broker, force=True)
    assert (early["code"], early["retry_after"]) == ("credential_rejected", 1)
    assert len(broker.steps) == 3
    broker.now += 1
    assert outcome(broker, force=True)["code"] == "credential_rejected"
    assert broker.item().rejected_versions == ("v1",)
    assert announced(broker) == ["Connection Latched"]
    assert broker.steps == ["login", "extend", "login", "login"]


def test_the_backoff_of_an_outage_applies_to_a_new_secret_version() -> None:
    broker = MemoryBroker()
    broker.fake.fail("status", status=503, times=None)
    outcome(broker)
    broker.put_secret()
    broker.restart()
    broker.now += 1
    assert outcome(broker)["retry_after"] == 1
    assert outcome(broker, force=True)["retry_after"] == 1
    assert broker.steps == ["login"]


@pytest.mark.parametrize("status", [401, 404, 503])
@pytest.mark.parametrize("was_accepted", [True, False])
@pytest.mark.parametrize("flow", FLOWS)
def test_a_process_without_an_exchange_reads_the_secret_twice_a_minute(
    flow: str, was_accepted: bool, status: int
) -> None:
    """For callers in a loop who are told to wait, or of a latch: it may have another version.

    Also if an event has named the version that is latched.
    """
    broker, reads = MemoryBroker(flow), list[int]()

    def noted(read: Any, *asked: Any) -> Any:
        reads.append(broker.now)
        return read(*asked)

    if was_accepted:
        outcome(broker, **body(flow))
        broker.now += 10**7
    broker.put(noticed_version="v1")
    broker.fake.fail("status", times=None, status=status)
    for name in ("current", "previous", "of_version", "version"):
        around(broker.aws.secrets, name, noted)
    read_at = 0
    for _ in range(30):
        sent, seen = len(broker.steps), len(reads)
        assert "code" in outcome(broker, **body(flow))
        if len(reads) > seen:
            assert len(broker.steps) > sent or broker.now - read_at >= 30
            read_at = broker.now
        broker.now += 4


def test_an_alias_of_a_refused_variant_costs_no_read_of_the_secret() -> None:
    """The editor's 403 latches the variant, and neither the gate nor the alias."""
    broker = MemoryBroker("editor", secret=wrong_login("editor"))
    outcome(broker, **body("editor"))
    broker.now += 100
    assert outcome(broker, **body("editor"))["code"] == "credential_latched"
    around(broker.aws.secrets, "current", raising(StoreUnavailable("throttled")))
    assert outcome(broker, **body("editor"))["code"] == "credential_latched"


def test_a_forced_call_ignores_the_backoff_except_that_of_a_login() -> None:
    """A login without a clear result is not repeated within its back-off."""
    broker = with_token(after=100)
    broker.fake.fail("drop", step="extend")
    assert outcome(broker, force=True)["stale"] is True
    broker.now += 1
    broker.put(forced_at=None)
    assert outcome(broker, force=True)["generation"] == 2
    assert broker.steps == ["login", "extend", "login"]


@pytest.mark.parametrize("flow", FLOWS)
def test_the_event_of_a_new_version_lifts_a_latch_in_every_process(flow: str) -> None:
    """A latch of the connection, and one of a variant (editor)."""
    broker = MemoryBroker(flow, secret=wrong_login(flow))
    outcome(broker, **body(flow))
    assert outcome(broker, **body(flow))["code"] == "credential_latched"
    seen = dict(broker.deps.versions_seen)
    version = broker.put_secret()
    broker.call(action="rotate", version=version)
    broker.restart()
    broker.deps.versions_seen.update(seen)
    assert outcome(broker, **body(flow))["source"] == "exchange"


@pytest.mark.parametrize("flow", FLOWS)
def test_a_late_replica_of_the_secret_sends_no_login_that_was_rejected(flow: str) -> None:
    """I7, I11: the process knows the new version, a replica returns the old one once more.

    The new one is tried then, and not blamed for the old one.
    """
    broker = MemoryBroker(flow, secret=wrong_login(flow))
    outcome(broker, **body(flow))
    rejected = broker.aws.secrets.current("acme")
    version = broker.put_secret()
    broker.call(action="rotate", version=version)
    broker.deps.versions_seen["acme"] = (broker.now, version)
    late = [rejected]
    around(broker.aws.secrets, "current", lambda read, *asked: late.pop() if late else read(*asked))
    sent = len(broker.steps)
    assert outcome(broker, **body(flow))["source"] == "exchange"
    assert broker.steps[sent:].count(broker.steps[0]) == 1
    assert version not in broker.item().rejected_versions


# The version before


@pytest.mark.parametrize(
    ("age", "bridges"), [(-30, True), (0, True), (86_400, True), (86_401, False)]
)
def test_the_previous_version_is_used_for_a_day_after_a_rotation(age: int, bridges: bool) -> None:
    """By clocks that may differ."""
    broker = MemoryBroker()
    broker.put_secret(password="wrong")
    broker.aws.manager.created_at = NOW - age
    answer = outcome(broker)
    assert broker.steps == ["login"] * (1 + bridges)
    if not bridges:
        assert answer["code"] == "credential_rejected"
        return
    assert answer["source"] == "exchange"
    kept = broker.item()
    assert (kept.secret_version, kept.rejected_versions) == ("v1", ("v2",))
    assert kept.latched_version == "v2"
    assert broker.deps.versions_seen["acme"][1] == "v2", "for other calls of this process"
    assert announced(broker) == ["Connection Latched"]
    broker.now += 100
    latched = outcome(broker, force=True)
    assert latched["code"] == "credential_latched"
    assert f"was rejected at {rfc3339(NOW)}, and" in latched["detail"]
    broker.put(latched_at=None)  # as an older version of the broker wrote it
    assert "was rejected, and" in outcome(broker, force=True)["detail"]


def test_a_token_of_the_previous_version_that_cannot_be_stored_is_tried_again_later() -> None:
    """The back-off is of the version in use: or callers would hear of the latch only."""
    broker = MemoryBroker()
    broker.put_secret(password="wrong")
    broker.aws.manager.created_at = NOW
    around(broker.aws.store, "commit", busy)
    assert outcome(broker)["source"] == "exchange"
    broker.restart()
    assert (outcome(broker)["code"], broker.steps) == ("store_unavailable", ["login"] * 2)


@pytest.mark.parametrize("was_in_use", [False, True])
def test_the_previous_version_is_tried_once(was_in_use: bool) -> None:
    """Either while it was current, or after the current one was rejected."""
    broker = MemoryBroker(secret={"password": "wrong"})
    if was_in_use:
        outcome(broker)
    broker.put_secret(password="wrong, too")
    broker.aws.manager.created_at = NOW
    broker.now += 30
    assert outcome(broker)["code"] == "credential_rejected"
    assert broker.item().rejected_versions == (("v1", "v2") if was_in_use else ("v2", "v1"))
    broker.now += 1000
    assert outcome(broker)["code"] == "credential_latched"
    assert broker.steps == ["login", "login"]


@pytest.mark.parametrize("flow", ["vendorlink", "vntana"])
def test_a_rejected_version_is_not_tried_as_the_previous_one(flow: str) -> None:
    """I7: the secret may get a new version after this invocation has read the rejected one."""
    broker = MemoryBroker(flow, secret=wrong_login(flow))
    broker.aws.manager.created_at = NOW

    def replaced(read: Any, *asked: Any) -> Any:
        broker.put_secret()
        return read(*asked)

    around(broker.aws.secrets, "previous", replaced)
    assert outcome(broker)["code"] == "credential_rejected"
    assert broker.steps == ["login"]


@pytest.mark.parametrize("flow", ["vendorlink", "vntana"])
def test_one_rejection_does_not_latch_a_previous_version_that_worked(flow: str) -> None:
    """I7: nor does it while that is current. Its second try is a minute later, at the earliest."""
    broker = with_token(flow)
    broker.put_secret()
    broker.aws.manager.created_at = broker.now = NOW + 100
    logins = broker.steps.count("login")
    broker.fake.fail("status", step="login", times=2, status=401)
    assert "retry_after" not in outcome(broker, force=True), "the version in use is latched"
    assert broker.steps.count("login") == logins + 2
    gate = broker.item()
    assert (gate.rejected_versions, gate.suspect_version) == (("v2",), "v1")
    assert announced(broker) == ["Connection Latched"]
    broker.aws.manager.texts = {name: texts[:1] for name, texts in broker.aws.manager.texts.items()}
    broker.restart()
    broker.now += 49
    assert outcome(broker, force=True)["code"] == "credential_rejected"
    broker.now += 11
    assert outcome(broker, force=True)["source"] == "exchange"
    assert broker.item().suspect_version is None
    assert announced(broker) == ["Connection Latched", "Connection Recovered"]


@pytest.mark.parametrize("flow", ["vendorlink", "vntana", "editor"])
@pytest.mark.parametrize(("later", "tried"), [(59, 0), (60, 1)])
def test_a_suspect_previous_version_is_not_tried_within_a_minute(
    flow: str, later: int, tried: int
) -> None:
    """I7: the latch of another version leaves it suspect; also by another variant (editor)."""
    broker = with_token(flow, after=20 * 86_400)
    step = "generate" if flow == "editor" else "login"
    broker.fake.fail("status", step=step, times=None, status=401)
    assert outcome(broker)["retry_after"] == 60
    broker.put_secret()
    broker.now += later
    broker.aws.manager.created_at = float(broker.now)
    logins = broker.steps.count(step)
    broker.restart()
    other = {"parameters": {"userId": "another"}} if flow == "editor" else {}
    answer = outcome(broker, **other)
    assert answer["code"] == "credential_rejected"
    assert "retry_after" not in answer, "the version in use is latched"
    assert broker.steps.count(step) == logins + 1 + tried
    gate = broker.item()
    assert gate.rejected_versions == ("v2", *["v1"] * tried)
    assert gate.suspect_version == (None if tried else "v1")


@pytest.mark.parametrize("flow", ["editor", "vntana"])
def test_a_previous_version_that_the_gate_refuses_is_not_rejected_by_that(flow: str) -> None:
    """I7: another caller's rejection of it came after this caller had read the gate.

    Its minute ends between the refusal and the next read.
    """
    broker = with_token(flow)
    broker.put_secret()
    broker.aws.manager.created_at = broker.now = NOW + 100
    step = "generate" if flow == "editor" else "login"
    logins = broker.steps.count(step)
    broker.fake.fail("status", step=step, times=1, status=401)

    def slow(original: Any, *asked: Any) -> Any:
        broker.now += 1
        return original(*asked)

    def meanwhile(original: Any, *asked: Any) -> Any:
        broker.put(suspect_version="v1", suspect_at=broker.now - 58)
        around(broker.aws.store, "read", slow)
        return original(*asked)

    around(broker.aws.secrets, "previous", meanwhile)
    assert outcome(broker, force=True)["code"] == "credential_rejected"
    assert broker.steps.count(step) == logins + 1
    gate = broker.item()
    assert (gate.rejected_versions, gate.suspect_version) == (("v2",), "v1")
    assert announced(broker) == ["Connection Latched"]


def test_an_unsent_request_or_an_unavailable_table_starts_no_outage() -> None:
    """There was no time for it; the vendor has responded to all others."""
    broker = MemoryBroker()
    broker.put_secret(password="wrong")
    broker.aws.manager.created_at = NOW

    def slowly(previous: Any, connection: str) -> Any:
        broker.monotonic += 25
        return previous(connection)

    around(broker.aws.secrets, "previous", slowly)
    unsent = outcome(broker)
    late = ("upstream_unavailable", "login: no time was left to send it")
    assert (unsent["code"], unsent["detail"], broker.steps) == (*late, ["login"])
    assert broker.item().outage_since == 0
    broker = MemoryBroker(secret={"password": "wrong"})
    around(broker.aws.store, "acquire", busy)
    assert outcome(broker)["code"] == "store_unavailable"
    assert broker.item().outage_since == 0


@pytest.mark.parametrize("kind", [StoreUnavailable, NotConfigured])
@pytest.mark.parametrize("flow", ["vendorlink", "vntana"])
def test_a_rejection_that_the_table_does_not_take_as_a_verdict_backs_off(
    flow: str, kind: type[BrokerError]
) -> None:
    """I7: the login is not repeated by each call. Its caller hears why it failed."""
    broker = MemoryBroker(flow, secret=dict(wrong_login(flow)))
    judge = broker.aws.store.judge
    around(broker.aws.store, "judge", raising(kind("x")))
    assert outcome(broker)["code"] == "credential_rejected"
    broker.aws.store.judge = judge  # type: ignore[method-assign]  # as it was
    broker.restart()
    broker.now += 29
    assert outcome(broker, force=True)["code"] == "credential_rejected"
    broker.now += 1
    assert [outcome(broker)["code"] for _ in range(2)] == [
        "credential_rejected",
        "credential_latched",
    ]
    assert broker.steps == ["login"] * 2


def test_an_exchange_that_sends_no_request_ends_no_outage() -> None:
    """A second name of an organization is found in the listing that is kept.

    It does not end a latch either, by a version that the vendor has not accepted since.
    """
    broker = with_token("vntana")
    broker.put(outage_since=NOW, outage_phase="told", accepted_version="v0", latched_version="v2")
    assert broker.call(organization="acme")["generation"] == 1
    assert broker.telemetry.of("exchange")[-1]["kind"] == "asked"
    assert (broker.steps[3:], broker.item().outage_phase) == ([], "told")
    assert broker.item().latched_version == "v2"
    broker.call(force=True)
    assert (broker.item().outage_phase, broker.item().latched_version) == (None, None)
    assert announced(broker) == ["Connection Recovered", "Upstream Up"]


@pytest.mark.parametrize("is_malformed", [True, False], ids=["malformed", "throttled"])
def test_a_rejection_is_reported_if_the_previous_version_cannot_be_used(
    is_malformed: bool,
) -> None:
    """An error of the previous version does not hide it."""
    broker = MemoryBroker()
    if is_malformed:
        broker.aws.manager.texts[PREFIX + "acme"] = ["{}"]
    else:
        around(broker.aws.secrets, "previous", busy)
    broker.put_secret(password="wrong")
    broker.aws.manager.created_at = NOW
    assert outcome(broker)["code"] == "credential_rejected"
    assert broker.steps == ["login"]
    kept = broker.item().failure
    assert kept
    assert (kept.code, kept.upstream_status) == ("credential_rejected", 200)


def test_the_previous_version_is_not_tried_if_the_current_one_was_accepted() -> None:
    """The current version may still be right after one rejection; the second one latches it."""
    broker = MemoryBroker()
    broker.put_secret()
    broker.call()
    broker.fake.fail("status", status=400, step="login", body='{"message": "no"}', times=None)
    broker.now = ENDS + 20 * 24 * 60 * 60  # its renewal token has ended, too
    broker.aws.manager.created_at = broker.now
    assert outcome(broker)["code"] == "credential_rejected"
    assert broker.steps.count("login") == 2
    assert (broker.item().suspect_version, broker.item().rejected_versions) == ("v2", ())
    broker.now += 60
    assert outcome(broker)["code"] == "credential_rejected"
    assert broker.steps.count("login") == 3
    assert broker.item().rejected_versions == ("v2",)


# Time


@pytest.mark.parametrize(
    ("left", "ends", "seconds"),
    [(29.0, None, [25.0]), (29.0, NOW + SKEW + 7, [7]), (29.0, NOW + SKEW, []), (6.0, None, [2.0])],
)
def test_the_timeout_of_a_request_ends_within_the_lease(
    left: float, ends: int | None, seconds: list[float]
) -> None:
    """At the end of the lease less the skew, and four seconds before that of the invocation."""
    broker = MemoryBroker()
    lease_ends(broker, ends)
    no_time = pytest.raises(RefreshInProgress, match="too little time is left for an exchange")
    with nullcontext() if seconds else no_time as raised:
        refresher(broker, left).obtain(LOGIN, Requirement())
    assert broker.waited == seconds
    assert raised is None or raised.value.retry_after == 1


def lease_ends(broker: MemoryBroker, at: int | None) -> None:
    """Let a lease that is acquired end at another time."""

    def acquire(method: Any, item: Item, owner: str, until: int, **more: Any) -> Any:
        return method(item, owner, at or until, **more)

    around(broker.aws.store, "acquire", acquire)


@pytest.mark.parametrize(("has_sent", "count", "wait"), [(False, 3, 5), (True, 4, 16)])
def test_the_backoff_of_another_item_is_not_extended(has_sent: bool, count: int, wait: int) -> None:
    """The exchange needed another token, whose item backs off."""
    work = Invocation(MemoryBroker().deps, "acme", 529.0)
    if has_sent:
        work.last_request = Request("POST", "https://x", "login")
    before = Failure("upstream_unavailable", "x", NOW - 9, 3, NOW, "v1")
    lease = Item("vntana#acme", "a", lease_owner="me", lease_until=NOW + 60, failure=before)
    met = UpstreamUnavailable("x", retry_after=5)
    kept = Outcome(work, Variant("login"), before=lease, item=lease).failure_for(met)
    assert (kept.since, kept.count, kept.retry_at) == (NOW - 9, count, NOW + wait)


def test_a_mark_of_an_unfinished_exchange_shortens_no_wait() -> None:
    """The mark itself ends at once: the caller waits as long as the error says."""
    broker = with_token(after=100)
    work, error = Invocation(broker.deps, "acme", 529.0), RefreshInProgress("x", retry_after=7)
    leased = broker.aws.store.acquire(broker.item(), "me", broker.now + 60)
    assert leased
    Outcome(work, LOGIN, before=leased, item=leased).keep_failure(error, has_sent=True)
    assert (error.retry_after, broker.item().failure is not None) == (7, True)


@pytest.mark.parametrize("meanwhile", [None, 4])
def test_the_backoff_counts_the_failures_that_the_lease_shows(meanwhile: int | None) -> None:
    """DELETE may remove them after they were read, and an earlier holder may keep its own late."""
    broker = MemoryBroker()
    broker.fake.fail("status", times=None, status=503)
    outcome(broker)
    broker.now += 2

    def change() -> None:
        broker.aws.dynamodb.before_write = None
        kept = failure(broker, "x", since=NOW, count=meanwhile, retry_at=broker.now)
        broker.put(failure=meanwhile and kept)

    broker.aws.dynamodb.before_write = change
    outcome(broker)
    failed = broker.item().failure
    assert failed
    assert failed.count == (meanwhile or 0) + 1


DIED: dict[str, Any] = {"lease_owner": "dead", "lease_until": NOW}


@pytest.mark.parametrize(
    ("renewal", "lease", "step"),
    [("ready", {}, "extend"), ("in_use", {}, "login"), ("in_use", DIED, "login")],
)
def test_an_unsent_renewal_token_is_ready_again(
    renewal: str, lease: dict[str, Any], step: str
) -> None:
    """I6: unless an earlier lease holder may have sent it. It is no failure of the vendor's.

    I4: after the death of that holder, the token stays uncertain.
    """
    broker = with_token()
    broker.put(renewal=renewal, **lease)
    broker.now = NOW + 3030
    lease_ends(broker, broker.now + SKEW)
    assert broker.call(action="renew", variant="-") == {"renewed": 0}
    unfinished = failure(broker, "the last exchange was not finished", retry_at=broker.now)
    uncertain = {"failure": unfinished} if lease else {}
    assert record(broker) == kept_token(broker, fence=2, renewal=renewal, **uncertain)
    del broker.aws.store.acquire  # as it was
    assert broker.call(action="renew", variant="-") == {"renewed": 1}
    assert broker.steps == ["login", step]


@pytest.mark.parametrize(("flow", "leases"), [("vendorlink", 1), ("editor", 2)])
def test_a_failure_that_cannot_be_stored_does_not_hide_the_error(flow: str, leases: int) -> None:
    """Nor does a gate's lease that cannot be released."""
    broker = MemoryBroker(flow)
    broker.fake.fail("status", status=503)
    around(broker.aws.store, "release", busy)
    assert outcome(broker, **body(flow))["code"] == "upstream_unavailable"
    told = [one["code"] for one in broker.telemetry.of("unreleased")]
    assert told == ["store_unavailable"] * leases


@pytest.mark.parametrize("flow", ["vendorlink", "editor"])
def test_a_failed_exchange_ends_its_leases_though_one_write_fails(flow: str) -> None:
    """I13: no call that fails, without a crash, makes others wait until a lease expires."""
    broker = MemoryBroker(flow, secret=wrong_login(flow))

    def once(release: Any, lease: Item, *arguments: Any, **named: Any) -> Any:
        if lease.variant in released:
            return release(lease, *arguments, **named)
        released.append(lease.variant)
        return busy()

    released: list[str] = []
    around(broker.aws.store, "release", once)
    assert outcome(broker, **body(flow))["code"] == "credential_rejected"
    assert released
    assert [one for one in items(broker) if one.lease_owner] == []


def test_a_failure_to_store_the_end_of_an_outage_fails_no_call() -> None:
    broker = MemoryBroker()
    broker.put(fence=1, outage_since=NOW - 9)

    def noted(note: Callable[..., Any], item: Item, changes: Record, as_read: Record) -> Any:
        return (busy if OUTAGE[0] in changes else note)(item, changes, as_read)

    around(broker.aws.store, "write_if", noted)
    assert outcome(broker)["source"] == "exchange"
    unannounced = {"what": "Upstream", "reason": "the table is busy"}
    assert broker.telemetry.of("unannounced") == [unannounced]


# Connections with a gate


PARAMETERS: list[dict[str, Any]] = [{"parameters": {"userId": str(user)}} for user in range(4)]


def items(broker: MemoryBroker) -> list[Item]:
    return list(broker.aws.store.list(f"{broker.flow}#acme"))


def test_a_verdict_is_decided_again_if_the_gate_has_changed() -> None:
    """A DELETE removed the accepted version after the login was sent."""
    broker = with_token("vntana")
    broker.fake.fail("status", status=401, step="login")

    def raced(judge: Any, *values: Any, **named: Any) -> Any:
        broker.put(accepted_version=None)
        return judge(*values, **named)

    around(broker.aws.store, "judge", raced)
    broker.now += 400
    assert outcome(broker, force=True)["code"] == "credential_rejected"
    gate = broker.item()
    assert (gate.rejected_versions, gate.suspect_version) == (("v1",), None)
    assert announced(broker) == ["Connection Latched"]


@pytest.mark.parametrize("flow", ["vntana", "vendorlink"])
def test_a_verdict_ends_no_lease_of_another(flow: str) -> None:
    """I3: the gate's lease has expired meanwhile, and another caller has acquired it."""
    broker = MemoryBroker(flow, secret=wrong_login(flow))

    def raced(judge: Any, *values: Any, **named: Any) -> Any:
        broker.put(lease_owner="another", lease_until=broker.now + 60, fence=9)
        return judge(*values, **named)

    around(broker.aws.store, "judge", raced)
    assert outcome(broker)["code"] == "credential_rejected"
    gate = broker.item()
    assert (gate.rejected_versions, gate.lease_owner, gate.fence) == (("v1",), "another", 9)


def refuse(broker: MemoryBroker) -> None:
    broker.fake.fail("answer", status=403, body='{"message": "no"}', times=None)


def test_a_refusal_of_a_variant_ends_no_lease_of_another() -> None:
    """I3: the variant's lease has expired, and its next holder has kept the same refusal."""
    broker = MemoryBroker("editor")
    refuse(broker)

    def raced(judge: Any, item: Item, *values: Any, **named: Any) -> Any:
        if not item.is_gate:
            lease = {"lease_owner": "another", "lease_until": broker.now + 60, "fence": 9}
            broker.put(item.variant, rejected_versions=("v1",), **lease)
        return judge(item, *values, **named)

    around(broker.aws.store, "judge", raced)
    assert outcome(broker, **PARAMETERS[0])["code"] == "credential_rejected"
    [own] = [item for item in items(broker) if item.fence == 9]
    assert own.lease_owner == "another"


def test_a_latch_found_during_an_exchange_leaves_no_back_off() -> None:
    """A variant for which no request was sent has a token at once when the latch has ended."""
    broker = MemoryBroker("editor")

    def latching(acquire: Callable[..., Item], *args: Any, **rest: Any) -> Item:
        broker.put(rejected_versions=("v1",))
        return acquire(*args, **rest)

    around(broker.aws.store, "acquire", latching)
    assert outcome(broker, **PARAMETERS[0])["code"] == "credential_latched"
    del broker.aws.store.acquire
    broker.put(rejected_versions=None)
    assert broker.call(**PARAMETERS[0])["source"] == "exchange"


@pytest.mark.parametrize("reuse", [True, False])
def test_rejections_of_three_variants_latch_an_unaccepted_version(reuse: bool) -> None:
    """I7, I17: up to two rejections are attributed to the parameters."""
    options = {"reuse": reuse}
    broker = MemoryBroker("editor", secret={"options": options})
    refuse(broker)
    codes = [outcome(broker, **parameters)["code"] for parameters in PARAMETERS[:2]]
    assert codes == ["credential_rejected"] * 2
    suspects = record(broker)
    assert suspects.keys() == {"schema", "fence", "suspect_version", "suspect_variants"}
    assert suspects["suspect_version"] == "v1"
    assert len(suspects["suspect_variants"]) == 2
    for variant in suspects["suspect_variants"]:
        own = record(broker, variant)
        assert own["rejected_versions"] == ["v1"]
        assert own["failure"]["code"] == "credential_rejected"
        assert own.keys() & {"lease_owner", "ttl", "latched_version"} == set()
    assert broker.announced == []
    assert outcome(broker, **PARAMETERS[0])["code"] == "credential_latched"
    assert len(broker.steps) == 2
    assert outcome(broker, **PARAMETERS[2])["code"] == "credential_rejected"
    gate = record(broker)
    assert (gate["rejected_versions"], gate["latched_version"]) == (["v1"], "v1")
    assert gate.keys() & {"suspect_version", "suspect_variants", "ttl", "lease_owner"} == set()
    assert announced(broker) == ["Connection Latched"]
    assert outcome(broker, **PARAMETERS[3])["code"] == "credential_latched"
    assert len(broker.steps) == 3

    broker.fake.heal()
    broker.put_secret(options=options)
    broker.now += 30
    assert outcome(broker, **PARAMETERS[0])["source"] == "exchange"
    assert announced(broker) == ["Connection Latched", "Connection Recovered"]
    gate = record(broker)
    assert (gate["accepted_version"], gate["rejected_versions"]) == ("v2", ["v1"])
    assert gate.keys() & {"latched_version", "failure", "lease_owner"} == set()


@pytest.mark.parametrize("flow", ["vntana", "editor"])
def test_a_token_of_the_previous_version_is_handed_out_if_the_gate_cannot_be_released(
    flow: str,
) -> None:
    """I13: a caller whose exchange made a token gets it, even if one write fails."""
    broker = MemoryBroker(flow)
    broker.put_secret(**wrong_login(flow))
    broker.aws.manager.created_at = NOW

    def fail(method: Any, lease: Item, *arguments: Any, **named: Any) -> Any:
        return busy() if lease.is_gate else method(lease, *arguments, **named)

    around(broker.aws.store, "release", fail)
    assert outcome(broker, **body(flow))["source"] == "exchange"
    unreleased = {"code": "store_unavailable", "variant": "-"}
    assert broker.telemetry.of("unreleased") == [unreleased]


@pytest.mark.parametrize("flow", FLOWS)
@pytest.mark.parametrize(
    ("noticed", "age"), [(None, 60), ("v1", 60), ("v2", 60), (None, 59), ("v1", 59)]
)
def test_the_return_to_an_accepted_version_ends_the_latch_of_another(
    flow: str, noticed: str | None, age: int
) -> None:
    """Not if this process may have read an old replica of the secret.

    So it may within a minute of the latch, or if the last event named the latched version.
    """
    broker = MemoryBroker(flow)
    broker.call(**body(flow))
    latch = {"code": "credential_rejected", "detail": "x", "retry_at": NOW, "secret_version": "v2"}
    broker.put(accepted_version="v1", latched_version="v2", noticed_version=noticed)
    broker.put(failure=latch, rejected_versions=["v2"], latched_at=broker.now - age)
    broker.announced.clear()
    assert outcome(broker, force=True, **body(flow))["source"] == "exchange"
    is_ended = (noticed != "v2" and age == 60) or flow == "vendorlink"  # whose commit ends it
    detail = {"flow": flow, "connection": "acme", "secret_version": "v1"}
    assert broker.announced == [("Connection Recovered", detail)] * is_ended
    assert (broker.item().latched_version is None) is is_ended
    assert (broker.item().failure is None) is is_ended
    assert broker.item().rejected_versions == ("v2",)


def test_an_exchange_that_lacks_another_token_ends_no_latch() -> None:
    """The vendor has accepted nothing: AWS refused the lease of the other token."""
    broker = with_token("vntana")
    [listing] = [i.variant for i in items(broker) if i.kind == "listing"]
    broker.put(latched_version="v2", rejected_versions=["v2"])
    broker.now += 40 * 86_400

    def denied(acquire: Any, item: Item, *arguments: Any, **named: Any) -> Any:
        if item.variant == listing:
            raise NotConfigured("TABLE: access is denied")
        return acquire(item, *arguments, **named)

    around(broker.aws.store, "acquire", denied)
    assert outcome(broker)["code"] == "not_configured"
    assert broker.item().latched_version == "v2"


@pytest.mark.parametrize(("write", "accepted"), [("accept", None), ("recover", "v1")])
def test_a_recovery_is_announced_only_by_the_exchange_that_keeps_it(
    write: str, accepted: str | None
) -> None:
    """Another caller has taken the gate's lease, or latched another version, meanwhile."""
    broker = MemoryBroker("editor")
    broker.put(latched_version="v0", accepted_version=accepted)
    writes = []
    around(broker.aws.store, write, lambda *_, **__: writes.append(write))
    assert outcome(broker, **PARAMETERS[0])["source"] == "exchange"
    assert (writes, broker.announced) == ([write], [])


def test_a_rejection_concerns_the_variant_if_the_version_was_accepted() -> None:
    """The gate stores the accepted version without `ttl`; no lease of it is needed any more."""
    broker = MemoryBroker("editor")
    broker.call(**PARAMETERS[0])
    broker.call(**PARAMETERS[2])
    refuse(broker)
    refused = outcome(broker, **PARAMETERS[1])
    told = {"code": "upstream_refused", "upstream_status": 403, "upstream_message": "no"}
    assert refused | told == refused
    assert record(broker) == {"schema": 1, "fence": 1, "accepted_version": "v1"}
    [failed] = [one for one in items(broker) if one.failure]
    assert failed.failure
    assert failed.failure.retry_at == NOW + 30
    assert failed.rejected_versions == ()
    refusing = broker.fake

    def meanwhile(request: Request) -> Response:
        broker.put(accepted_version=None, rejected_versions=["v1"])
        return refusing(request)

    broker.fake = meanwhile  # type: ignore[assignment]  # another caller finds the version wrong
    assert outcome(broker, **PARAMETERS[3])["code"] == "credential_rejected"


def test_a_rejected_variant_is_tried_again_after_another_variant_succeeded() -> None:
    broker = MemoryBroker("editor")
    refuse(broker)
    assert outcome(broker, **PARAMETERS[0])["code"] == "credential_rejected"
    broker.fake.heal()
    assert outcome(broker, **PARAMETERS[1])["source"] == "exchange"
    broker.now += 30
    assert outcome(broker, **PARAMETERS[0])["source"] == "exchange"


def test_an_alias_has_the_secret_version_of_its_defaults() -> None:
    """To write it costs no further read of its target."""
    broker = MemoryBroker("editor")
    broker.call(**PARAMETERS[0])
    version = broker.put_secret()
    broker.now += 100
    reads = broker.aws.dynamodb.reads
    assert broker.call(force=True, **PARAMETERS[0])["source"] == "exchange"
    assert broker.aws.dynamodb.reads - reads == len(["alias, target and gate", "gate"])
    kept = [i for i in items(broker) if i.token]
    assert {item.secret_version for item in kept} == {version}
    assert [item.kind for item in kept if item.target] == ["pointer"]


def test_an_alias_has_the_secret_version_that_resolved_it() -> None:
    """I11: that may be the version before, if the current one is rejected."""
    broker = MemoryBroker("vntana")
    broker.put_secret(personal_access_token="wrong")
    broker.aws.manager.created_at = NOW
    assert outcome(broker)["source"] == "exchange"
    assert {item.secret_version for item in items(broker) if item.token} == {"v1"}


@pytest.mark.parametrize("was_in_use", [False, True])
def test_an_uncertain_rejection_forbids_the_previous_version_to_its_variant(
    was_in_use: bool,
) -> None:
    """I7: it is tried once, either while it was current or after the current one was rejected.

    The gate keeps what it knows of the current version: it has room for the refusals of one.
    """
    broker = MemoryBroker("editor")
    refuse(broker)
    if was_in_use:
        outcome(broker, **PARAMETERS[0])
    broker.put_secret()
    broker.aws.manager.created_at = NOW
    broker.now += 30
    assert outcome(broker, **PARAMETERS[0])["code"] == "credential_rejected"
    rejected = [one.rejected_versions for one in items(broker) if one.rejected_versions]
    assert rejected == [("v1", "v2") if was_in_use else ("v2", "v1")]
    assert "rejected_versions" not in record(broker)
    assert record(broker)["suspect_version"] == "v2"
    assert broker.announced == []
    assert broker.steps == ["generate", "generate"]


def test_a_variant_without_a_lease_does_not_try_what_was_refused_for_it_meanwhile() -> None:
    """I7: while a call waits for the gate, its version is rejected as the previous one."""
    secret: dict[str, Any] = {"options": {"reuse": False}}
    broker = MemoryBroker("editor", secret=secret)
    refuse(broker)

    def meanwhile(read: Any, *place: str) -> Item:
        del broker.aws.store.read  # as it was
        broker.put_secret(**secret)
        broker.aws.manager.created_at = NOW
        broker.restart()
        assert outcome(broker, **PARAMETERS[0])["code"] == "credential_rejected"
        item: Item = read(*place)
        return item

    around(broker.aws.store, "read", meanwhile)
    assert outcome(broker, **PARAMETERS[0])["code"] == "credential_latched"
    assert broker.steps == ["generate", "generate"]


@pytest.mark.parametrize(("later", "tried"), [(29, 0), (30, 1)])
def test_the_previous_version_is_not_tried_during_its_backoff(later: int, tried: int) -> None:
    """I7: a variant that the upstream refused does not log in with the same version at once."""
    broker = with_token("editor")
    refuse(broker)
    assert outcome(broker, **PARAMETERS[0])["code"] == "upstream_refused"
    broker.put_secret()
    broker.now += later
    broker.aws.manager.created_at = float(broker.now)
    broker.restart()
    assert outcome(broker, **PARAMETERS[0])["code"] == "credential_rejected"
    assert broker.steps[2:] == ["generate"] * (1 + tried), "v2, and v1 if its back-off is over"


def test_an_unshared_token_is_not_stored_but_its_backoff_is() -> None:
    broker = MemoryBroker("editor", secret={"options": {"reuse": False}})
    broker.fake.fail("status", status=503)
    assert outcome(broker, **PARAMETERS[0])["retry_after"] == 2
    [failed] = [i for i in items(broker) if i.failure]
    assert outcome(broker, **PARAMETERS[0])["code"] == "upstream_unavailable"
    broker.now += 2
    for _ in range(2):
        assert outcome(broker, **PARAMETERS[0])["source"] == "exchange"
        kept = broker.item(failed.variant)
        assert (kept.failure, kept.token, kept.lease_owner) == (None, None, None)
    assert broker.steps == ["generate"] * 3
    writes = broker.aws.dynamodb.writes
    broker.call(**PARAMETERS[0])
    assert broker.aws.dynamodb.writes == writes


NOISE = "".join(Random(1).choices(ascii_letters + digits, k=5_000))


def test_parameters_are_stored_or_refused_before_the_request() -> None:
    """All accepted ones fit into the sealed text, with URL and token."""
    broker = MemoryBroker("editor")
    ends = {}
    for size in range(2_800, 4_600, 100):
        answer = outcome(broker, parameters={"userId": "1", "note": NOISE[:size]})
        ends[size] = answer.get("source") or answer["detail"]
    refused = [size for size, end in ends.items() if end != "exchange"]
    assert refused == [size for size in ends if size >= refused[0]]
    assert 3_500 < refused[0] < 4_600
    assert {ends[size] for size in refused} == {"parameters: are too large to share a token for"}
    assert len(broker.steps) == len(ends) - len(refused)
    assert broker.telemetry.of("unkept") == []


# VNTANA, whose tokens are made from tokens


def test_a_success_of_the_previous_version_does_not_reopen_the_connection() -> None:
    """With a recent listing, and a gate without the accepted version."""
    broker = MemoryBroker("vntana")
    broker.put_secret()
    broker.call()
    broker.put(accepted_version=None)
    wrong = json.dumps({"personal_access_token": "wrong"})
    broker.aws.manager.texts[f"{PREFIX}acme"][1] = wrong
    broker.now += 100
    broker.aws.manager.created_at = broker.now
    broker.restart()
    assert broker.call(force=True)["generation"] == 2
    assert announced(broker) == ["Connection Latched"]
    assert record(broker) | {"failure": None} == {
        "schema": 1,
        "fence": 3,
        "failure": None,
        "accepted_version": "v1",
        "rejected_versions": ["v2"],
        "latched_version": "v2",
        "latched_at": broker.now,
    }


@pytest.mark.parametrize(
    ("flow", "calls"),
    [
        ("vntana", [{}, {}, {"organization": "00000000-0000-4000-8000-000000000000"}]),
        ("editor", PARAMETERS[:3]),
    ],
)
def test_no_variant_tries_a_suspect_version_within_a_minute(
    flow: str, calls: list[dict[str, Any]]
) -> None:
    """Each gets `retry_after`; the gate's refusal is no second rejection."""
    broker = MemoryBroker(flow)
    broker.call(**calls[0])
    broker.fake.fail("answer", status=401, body="{}", times=None)
    broker.now += 100_000
    first = outcome(broker, **calls[1])
    assert (first["code"], first["retry_after"]) == ("credential_rejected", 60)
    steps, gate = broker.steps, record(broker)
    broker.now += 45
    broker.restart()
    other = outcome(broker, **calls[2])
    assert (other["code"], other["retry_after"]) == ("credential_rejected", 15)
    assert broker.steps == steps
    assert record(broker) == gate


@pytest.mark.parametrize("is_down", [False, True])
def test_an_exchange_begins_again_if_the_secret_changes_meanwhile(is_down: bool) -> None:
    """I11: both its token and its failure are of the new version, as the listing that it found."""
    broker = with_token("vntana", after=100)
    broker.restart()
    if is_down:
        broker.fake.fail("status", status=503, step="enter organization", times=None)

    def changed(current: Any, *arguments: Any) -> Any:
        found = current(*arguments)
        if found.version == "v1":
            broker.put_secret()
            broker.put(LISTING.key, secret_version="v2")
        return found

    around(broker.aws.secrets, "current", changed)
    assert outcome(broker, force=True)["stale"] is is_down
    [kept] = [i for i in items(broker) if i.kind == "organization"]
    assert (kept.secret_version, kept.failure and kept.failure.secret_version) == (
        ("v1", "v2") if is_down else ("v2", None)
    )


def test_an_outer_exchange_begins_again_if_the_previous_version_is_used() -> None:
    """I12: nothing of it goes to the host of the rejected version."""
    broker, hosts = with_token("vntana"), list[str]()
    [kept] = [i for i in items(broker) if i.kind == "organization"]
    fake, working = broker.fake, broker.working["base_url"]
    broker.put_secret(personal_access_token="wrong", base_url="https://other.example")
    broker.now = broker.aws.manager.created_at = kept.refresh_at

    def sent(request: Request) -> Response:
        hosts.append(request.url.partition("/v1/")[0])
        return fake(request)

    broker.fake = sent  # type: ignore[assignment]  # which writes the hosts down
    assert broker.call(action="renew", variant=kept.variant) == {"renewed": 1}
    assert hosts == ["https://other.example", *[working] * 3]


@pytest.mark.parametrize("mistake", [NotConfigured, InvalidRequest])
def test_a_version_with_a_successful_login_is_accepted_despite_later_errors(
    mistake: type[BrokerError],
) -> None:
    """A later configuration error is no rejection."""
    broker = MemoryBroker("editor")

    def mistaken(*arguments: Any) -> Exchange:
        yield from VENDOR.exchange(*arguments)
        raise mistake("userId: is not known")

    flow: Any = SimpleNamespace(name="editor", vendor=replace(VENDOR, exchange=mistaken))
    broker.deps = replace_record(broker.deps, flow=flow)
    with pytest.raises(mistake):
        refresher(broker).obtain(Variant("asked", PARAMETERS[0]), Requirement())
    assert record(broker) == {"schema": 1, "fence": 1, "accepted_version": "v1"}


def test_a_version_that_no_login_used_is_not_accepted() -> None:
    """The secret changed after a login with the version before: the new one cannot be parsed."""
    broker = MemoryBroker("editor")

    def replaced(*arguments: Any) -> Exchange:
        yield from VENDOR.exchange(*arguments)
        broker.put_secret(api_key=7)
        work.secret.reread()
        raise SecretReplaced

    flow: Any = SimpleNamespace(name="editor", vendor=replace(VENDOR, exchange=replaced))
    broker.deps = replace_record(broker.deps, flow=flow)
    work = Invocation(broker.deps, "acme", broker.monotonic + 29)
    with pytest.raises(NotConfigured):
        Refresher(work).obtain(Variant("asked", PARAMETERS[0]), Requirement())
    assert "accepted_version" not in record(broker)


def test_a_rejection_in_a_nested_exchange_is_counted_once() -> None:
    """I7: the outer exchange fails with the same error."""
    broker = MemoryBroker("vntana")
    broker.fake.fail("status", status=401, step="login", times=None)
    assert outcome(broker)["code"] == "credential_rejected"
    assert broker.steps == ["login"]
    assert announced(broker) == ["Connection Latched"]
    gate = record(broker)
    rejection = {"code": "credential_rejected", "retry_at": NOW + 30, "upstream_status": 401}
    assert gate["failure"] == failure(broker, "login: refused", login=1, **rejection)
    assert gate["rejected_versions"] == ["v1"]
    assert gate.keys().isdisjoint({"ttl", "accepted_version", *LEASE})


def test_the_error_of_a_nested_exchange_does_not_quote_the_outer_one() -> None:
    broker = MemoryBroker("vntana")
    broker.call(organization="studio", workspace="chairs")
    body = '{"success": false, "errors": ["FORBIDDEN"], "message": "of the workspace"}'
    broker.fake.fail("answer", step="enter workspace", status=403, body=body, times=None)
    broker.fake.revoke()
    broker.fake.fail("drop", step="login", times=None)
    broker.now += 400
    failed = broker.http({"organization": "studio", "workspace": "chairs", "force": True})["body"]
    assert broker.steps[-3:] == ["enter workspace", "current", "login"]
    [workspace] = [i for i in items(broker) if i.kind == "workspace"]
    assert workspace.failure
    assert workspace.failure.upstream_message is None
    assert failed.get("stale") is True


def kinds_exchanged(broker: MemoryBroker) -> list[str]:
    return [line["kind"] for line in broker.telemetry.of("exchange")]


def test_the_previous_version_does_not_replace_aliases_of_the_current_one() -> None:
    """An alias to a workspace by the current version stays as it is."""
    broker = MemoryBroker("vntana")
    [account] = broker.fake.accounts  # type: ignore[attr-defined]  # VNTANA's
    acme = next(one for one in account.organizations if one.slug == "acme")
    acme.role, acme.workspaces = "CLIENT_ORGANIZATION_ADMIN", [Workspace("desks")]
    broker.put_secret()
    requested = Variant("asked", {"organization": "acme", "workspace": None})
    assert broker.call(organization="acme")["context"]["workspace"]
    alias = record(broker, requested.key)
    acme.role = "ORGANIZATION_ADMIN"
    broker.now += 86_400
    broker.put(accepted_version="v1")
    wrong = json.dumps({"personal_access_token": "wrong"})
    broker.aws.manager.texts[f"{PREFIX}acme"][1] = wrong
    broker.aws.manager.created_at = broker.now
    broker.restart()
    assert broker.call(organization="acme")["context"]["workspace"] is None
    assert record(broker, requested.key) == alias


def test_one_login_serves_listing_and_entry_and_the_alias_is_stored() -> None:
    """The alias is used as long as secret and role are the same; the login is not cached."""
    broker = with_token("vntana")
    assert broker.steps == ["login", "list organizations", "enter organization"]
    assert kinds_exchanged(broker) == ["listing", "asked", "organization"]
    [alias] = [i for i in items(broker) if i.target]
    assert alias.decoded_context() == {"role": "ORGANIZATION_ADMIN"}
    cached = broker.deps.cache.recall("vntana#acme", LISTING.key)
    assert cached
    assert cached.token.handoff == {}
    broker.telemetry.events.clear()
    broker.now += 86_400
    broker.restart()
    assert broker.call()["generation"] == 2
    assert kinds_exchanged(broker) == ["listing", "organization"]
    assert broker.telemetry.of("damaged") == []
    assert broker.steps[3:] == ["login", "list organizations", "enter organization"]


def test_a_changed_alias_target_is_logged_and_not_followed() -> None:
    """The sealed target is compared with the clear one."""
    broker = MemoryBroker("vntana")
    first = broker.call()
    [alias] = [i for i in items(broker) if i.target]
    broker.now += 86_400
    broker.put(alias.variant, target="d" * 64)
    broker.restart()
    answer = broker.call()
    assert answer["context"] == first["context"]
    damaged = {"variant": alias.variant, "attributes": ["target"]}
    assert broker.telemetry.of("damaged") == [damaged]
    assert broker.item(alias.variant).target == alias.target


@pytest.mark.parametrize("flow", ["vntana", "editor"])
@pytest.mark.parametrize("error", [NotConfigured("no key"), StoreUnavailable("the key is busy")])
def test_a_failure_to_store_an_alias_fails_no_call(flow: str, error: BrokerError) -> None:
    """I13: nor a later one: nothing backs off. An exchange found the alias, or the secret alone."""
    broker = MemoryBroker(flow)
    around(broker.aws.sealer, "seal_variant", raising(error))
    assert broker.call()["source"] == "exchange"
    [unkept] = broker.telemetry.of("unkept")
    assert unkept["code"] == error.code
    left = broker.item(unkept["variant"])
    assert (left.lease_owner, left.failure) == (None, None)
    broker.restart()
    assert broker.call()["source"] == "table"


def test_values_of_the_secret_are_masked_in_the_message_of_each_step() -> None:
    """Also if the step did not send them."""
    broker = MemoryBroker("vntana", secret={"organization": "acme"})
    refusal = json.dumps({"success": False, "errors": ["NOPE"], "message": "not for <acme>"})
    broker.fake.fail("answer", step="list organizations", status=400, body=refusal)
    assert "not for <***>" in outcome(broker)["upstream_message"]


def test_a_rejected_key_latches_also_without_shared_tokens() -> None:
    broker = MemoryBroker("editor", secret={"options": {"reuse": False}})
    broker.fake.fail("answer", status=401, body="{}", times=None)
    assert outcome(broker, **PARAMETERS[0])["code"] == "credential_rejected"
    assert record(broker)["rejected_versions"] == ["v1"]
    assert outcome(broker, **PARAMETERS[1])["code"] == "credential_latched"
    assert broker.steps == ["generate"]


def test_without_shared_tokens_a_leftover_lease_blocks_no_previous_version() -> None:
    """The rejection is written without a lease."""
    broker = MemoryBroker("editor", secret={"options": {"reuse": False}})
    broker.fake.fail("status", status=503)
    outcome(broker, **PARAMETERS[0])
    [failed] = [i for i in items(broker) if i.failure]
    broker.put_secret(api_key="wrong", options={"reuse": False})
    broker.now += 30
    broker.restart()
    broker.aws.manager.created_at = NOW
    lease = {"lease_owner": "dead", "lease_until": broker.now + SKEW}
    broker.put(failed.variant, fence=1, **lease)
    assert outcome(broker, **PARAMETERS[0])["source"] == "exchange"
    assert broker.steps == ["generate"] * 3
    assert broker.waited == [25.0] * 3
