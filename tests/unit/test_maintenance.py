"""Maintenance: renewals, rotations, DELETE, status, warm and verify."""

import dataclasses
import json
from collections.abc import Callable, Mapping
from functools import partial
from itertools import product
from random import Random
from typing import Any

import pytest

from tests import subjects
from tests.unit.items import DOWN, FRESH, kept
from tests.unit.memory_aws import MemoryDynamoDB, timeout
from tests.unit.memory_broker import NOW, Context, MemoryBroker, around, raising, with_token
from token_broker.aws import clients
from token_broker.cache import TokenCache
from token_broker.dependencies import Dependencies
from token_broker.errors import (
    BrokerError,
    ConnectionHeld,
    InvalidRequest,
    NotConfigured,
    RefreshInProgress,
    StoreUnavailable,
)
from token_broker.exchange import Conversation, Request, Response
from token_broker.flows.vntana.credentials import LIFETIME
from token_broker.flows.vntana.organizations import organization
from token_broker.item import Item
from token_broker.maintenance import forget, is_of_another
from token_broker.records import replace
from token_broker.refresh.invocation import Invocation
from token_broker.status import status
from token_broker.tokens import ONLY, Token
from token_broker_fakes.vntana import Account, FakeVntana, Organization, Workspace


def raised_by(call: Callable[[], object]) -> Mapping[str, Any]:
    """Return the problem that a direct invocation ends with."""
    with pytest.raises(Exception, match="urn:token-broker:") as raised:
        call()
    problem: Mapping[str, Any] = json.loads(str(raised.value))
    return problem


def put_tokens(broker: MemoryBroker, *tokens: tuple[str, str, int], **changes: Any) -> None:
    """Put tokens into the table, as key, kind and when each was issued, of `v0`."""
    for key, kind, issued_at in tokens:
        values = {
            "schema": 1,
            "generation": 1,
            "fence": 1,
            "token": b"sealed",
            "context": "{}",
            "kind": kind,
            "fingerprint": "f",
            "secret_version": "v0",
            "issued_at": issued_at,
            "refresh_at": NOW,
            "expires_at": NOW + 1000,
        }
        broker.put(key, **values | changes)


def key(number: int) -> str:
    return f"{number:064x}"


def token_of(broker: MemoryBroker, kind: str) -> Item:
    """Return the only token of a kind."""
    [token] = [i for i in broker.aws.store.list(f"{broker.flow}#acme") if i.kind == kind]
    return token


def slow(broker: MemoryBroker, operation: str, seconds: float, kind: str = "") -> None:
    """Let *operation* of the table take so many *seconds*, for items of *kind*."""

    def slowly(operation: Any, item: Item) -> Item:
        done: Item = operation(item)
        broker.monotonic += seconds if kind in {"", item.kind} else 0
        return done

    around(broker.aws.store, operation, slowly)


# When a renewal is due


def test_a_token_of_another_version_is_renewed_if_it_is_live_or_failed() -> None:
    assert is_of_another(FRESH, NOW, "v2")
    assert is_of_another(kept(expires_at=NOW, failure=DOWN), NOW, "v2")
    assert not is_of_another(kept(expires_at=NOW), NOW, "v2")
    assert not any(is_of_another(token, NOW, "v1") for token in (FRESH, kept(failure=DOWN)))


def test_a_due_renewal_is_made_once() -> None:
    """An event may be delivered twice, and name a version that is no longer current.

    A renewal for a version is due if the token has another than the current one.
    """
    broker = with_token()

    def renewed(**payload: Any) -> Any:
        return broker.call(action="renew", variant="-", **payload)["renewed"]

    refresh_at = broker.item().refresh_at
    broker.now = refresh_at - 1
    assert (renewed(), renewed(version="v1")) == (0, 0)
    broker.now = refresh_at
    assert (renewed(), renewed()) == (1, 0)
    assert (broker.item().generation, broker.steps) == (2, ["login", "extend"])
    version = broker.put_secret()
    assert (renewed(version=version), renewed(version=version)) == (1, 0)
    later = broker.put_secret()
    assert (renewed(version=version), renewed(version=version)) == (1, 0)
    assert broker.item().secret_version == later


def test_aliases_and_listings_are_not_renewed() -> None:
    broker = with_token("vntana")
    version = broker.put_secret()
    found = list(broker.aws.store.list("vntana#acme"))
    rest = [item for item in found if item.kind in {"pointer", "listing"}]
    assert len(rest) == 2
    for item in (*rest, broker.item(key(9))):
        assert broker.call(action="renew", variant=item.variant, version=version) == {"renewed": 0}


def test_a_token_that_does_not_open_is_not_renewed() -> None:
    broker = MemoryBroker()
    put_tokens(broker, ("-", "login", NOW - 9))
    assert (broker.call(action="renew", variant="-"), broker.steps) == ({"renewed": 0}, [])


@pytest.mark.parametrize("error", [StoreUnavailable, RefreshInProgress, NotConfigured])
def test_a_temporary_error_of_a_rotation_renewal_is_raised_for_a_retry(
    error: type[BrokerError],
) -> None:
    broker = with_token()
    version = broker.put_secret()
    around(broker.aws.store, "acquire", raising(error("later")))
    problem = raised_by(lambda: broker.call(action="renew", variant="-", version=version))
    assert problem["code"] == error.code
    broker.now = broker.item().refresh_at
    assert broker.call(action="renew", variant="-") == {"renewed": 0}
    unrenewed = {"variant": "-", "code": error.code, "upstream_message": None}
    assert broker.telemetry.of("unrenewed") == [unrenewed]


def test_a_renewal_that_the_vendor_rejects_is_logged() -> None:
    broker = with_token()
    version = broker.put_secret()
    told = {"upstream_message": "account is blocked"}
    broker.fake.fail("status", status=400, body=json.dumps({"message": "account is blocked"}))
    assert broker.call(action="renew", variant="-", version=version) == {"renewed": 0}
    unrenewed = {"variant": "-", "code": "credential_rejected"}
    assert broker.telemetry.of("unrenewed") == [unrenewed | told]


def test_a_renewal_under_the_pins_of_its_token_reads_no_other_version() -> None:
    broker = MemoryBroker("vntana", secret={"organization": "acme", "pinned": ["organization"]})
    broker.call()
    token = token_of(broker, "organization")
    around(broker.aws.secrets, "of_version", raising(StoreUnavailable("throttled")))
    broker.now = token.refresh_at
    assert broker.call(action="renew", variant=token.variant) == {"renewed": 1}
    version = broker.put_secret(organization="acme", pinned=["organization"])
    around(broker.aws.secrets, "of_version", lambda *_: None)
    renew = {"action": "renew", "variant": token.variant, "version": version}
    assert broker.call(**renew) == {"renewed": 0}, "what its version pinned is not known"
    assert broker.item(token.variant).token is None


def test_a_renewal_drops_a_token_that_is_no_longer_shared() -> None:
    broker = MemoryBroker("editor")
    broker.call(parameters={"userId": "1"})
    token = token_of(broker, "parameters")
    version = broker.put_secret(options={"reuse": False})
    renew = {"action": "renew", "variant": token.variant, "version": version}
    assert broker.call(**renew) == {"renewed": 0}
    assert broker.item(token.variant).token is None
    assert broker.steps == ["generate"]


# All at once


def test_each_due_renewal_is_a_separate_invocation() -> None:
    """A hundred at a time, without those that have ended or that a caller has just started."""
    broker = MemoryBroker("editor", page=7)
    put_tokens(broker, *((key(number), "parameters", NOW - 9) for number in range(102)))
    for number, changes in (
        (200, {"nudged_until": NOW + 1}),
        (201, {"nudged_until": NOW}),
        (202, {"refresh_at": NOW + 1}),
        (203, {"kind": "pointer"}),
        (204, {"nudged_until": NOW + 3600}),  # by a wrong clock
        (205, {"expires_at": NOW}),
    ):
        put_tokens(broker, (key(number), "parameters", NOW - 9), **changes)
    assert broker.call(action="renew") == {"started": 100}
    assert broker.invoked == [
        {"action": "renew", "connection": "acme", "variant": key(number)} for number in range(100)
    ]
    assert {broker.item(key(number)).nudged_until for number in range(100)} == {NOW + 30}
    assert broker.item(key(100)).nudged_until == 0
    assert broker.call(action="renew") == {"started": 4}
    rest = [key(number) for number in (100, 101, 201, 204)]
    assert [call["variant"] for call in broker.invoked[100:]] == rest


@pytest.mark.parametrize("failing", ["the third claim", "the third start"])
def test_each_renewal_that_was_claimed_before_a_failure_is_started(failing: str) -> None:
    """A claim keeps others from that work for half a minute."""
    broker = MemoryBroker("editor")
    put_tokens(broker, *((key(number), "parameters", NOW - 9) for number in range(4)))

    def fail_third(operation: Any, *arguments: Any) -> Any:
        if len(broker.invoked) == 2:
            raise StoreUnavailable("AWS is down")
        return operation(*arguments)

    if failing == "the third claim":
        around(broker.aws.store, "claim_refresh", fail_third)
    else:
        broker.deps = replace(broker.deps, invoke=partial(fail_third, broker.deps.invoke))
        broker.service.use(broker.deps)
    assert raised_by(lambda: broker.call(action="renew"))["code"] == "store_unavailable"
    claimed = [n for n in range(4) if broker.item(key(n)).nudged_until]
    assert [call["variant"] for call in broker.invoked] == [key(0), key(1)]
    assert claimed == [0, 1] + [2] * (failing == "the third start")


def test_a_rotation_renews_parents_first_and_newer_tokens_before_older() -> None:
    broker = MemoryBroker("vntana")
    put_tokens(
        broker,
        (key(1), "workspace", NOW - 9),
        (key(2), "organization", NOW - 90),
        (key(3), "workspace", NOW - 8),
        (key(4), "organization", NOW - 80),
        (key(5), "listing", NOW),
        (key(6), "pointer", NOW),
    )
    put_tokens(broker, (key(7), "organization", NOW), secret_version="v1")
    assert broker.call(action="rotate") == {"started": 4}
    assert broker.invoked == [
        {"action": "renew", "connection": "acme", "variant": key(number), "version": "v1"}
        for number in (4, 2, 3, 1)
    ]


def test_a_rotation_renews_100_tokens_and_drops_the_older_ones_by_50() -> None:
    broker = MemoryBroker("editor")
    put_tokens(broker, *((key(number), "parameters", NOW - number) for number in range(171)))
    assert broker.call(action="rotate", version="v1") == {"started": 100}
    assert [c["variant"] for c in broker.invoked[:100]] == [key(number) for number in range(100)]
    rotate = {"action": "rotate", "connection": "acme", "version": "v1"}
    assert broker.invoked[100:] == [
        rotate | {"drop": [key(number) for number in numbers]}
        for numbers in (range(100, 150), range(150, 171))
    ]
    put_tokens(broker, (key(150), "parameters", NOW), secret_version="v1")
    assert broker.call(**broker.invoked[100]) == {"dropped": 50}
    assert broker.call(**broker.invoked[101]) == {"dropped": 20}
    kept = [item for item in broker.aws.store.list("editor#acme") if item.token]
    assert [item.variant for item in kept] == [key(n) for n in (*range(100), 150)]


@pytest.mark.parametrize(
    ("has_gate", "held"), [(True, {}), (True, {"held": {"since": 1}}), (False, {})]
)
def test_a_rotation_notes_the_version_in_an_existing_gate(
    has_gate: bool, held: dict[str, Any]
) -> None:
    """An event creates no item for an unused connection. Also while held."""
    broker = MemoryBroker("vntana")
    if has_gate:
        broker.put(fence=1, accepted_version="v0", **held)
    assert broker.call(action="rotate", version="v1") == {"started": 0}
    assert broker.item().noticed_version == ("v1" if has_gate else None)
    assert (("vntana#acme", "-") in broker.aws.table.records) is has_gate


def test_a_rotation_falls_back_to_the_other_reading_of_the_name() -> None:
    """A connection's name may end like a suffix of Secrets Manager."""
    broker = with_token()
    version = broker.put_secret()
    rotate = {"action": "rotate", "connection": "acme-abcdef", "version": version}
    assert raised_by(lambda: broker.call(**rotate))["code"] == "unknown_connection"
    assert broker.call(**rotate, otherwise="acme") == {"started": 1}
    renew = {"action": "renew", "connection": "acme", "variant": "-", "version": version}
    assert broker.invoked == [renew]


@pytest.mark.parametrize(
    "payload",
    [
        {"action": "rotate"},
        {"action": "rotate", "drop": [key(1)]},
        {"action": "rotate", "connection": "acme-abcdef", "otherwise": "acme"},
        {"action": "renew", "variant": "-"},
    ],
    ids=str,
)
def test_an_outdated_replica_of_the_secret_is_a_retryable_error(payload: dict[str, Any]) -> None:
    """It has only the previous version. Lambda retries."""
    broker = with_token()
    version = broker.put_secret()
    broker.aws.manager.late = True
    problem = raised_by(lambda: broker.call(**payload, version=version))
    assert (problem["code"], problem["retry_after"]) == ("store_unavailable", 1)
    assert broker.invoked == []


def test_after_a_rotation_to_another_account_its_default_is_served() -> None:
    """I11: also while the token of the old account lives, which the new one cannot renew."""
    broker = with_token("vntana", after=1000)
    assert isinstance(broker.fake, FakeVntana)
    other = Account("other@example.com", key="other-key", organizations=[Organization("pier")])
    broker.fake.accounts.append(other)
    version = broker.put_secret(personal_access_token="other-key", organization="pier")
    broker.call(action="rotate", version=version)
    [payload] = broker.invoked
    problem = raised_by(lambda: broker.call(**payload))
    assert problem["code"] == "not_configured"
    broker.restart()
    assert broker.call()["context"]["organization"] == other.organizations[0].uuid
    problem = raised_by(lambda: broker.call(organization="acme"))
    assert problem["code"] == "invalid_request"


@pytest.mark.parametrize("refusal", ["INVALID_CLIENT_UUID", "FORBIDDEN", "BAD_CREDENTIALS"])
def test_after_a_rotation_to_another_account_its_only_workspace_is_served(refusal: str) -> None:
    """I11: as above. It is not documented how the vendor refuses the workspace of before."""
    broker = MemoryBroker("vntana")
    assert isinstance(broker.fake, FakeVntana)
    member = "ORGANIZATION_CLIENT_MEMBER"
    acme = broker.fake.accounts[0].organizations[0]
    acme.role, acme.workspaces = member, [Workspace("desks")]
    lofts = Workspace("lofts")
    other = Organization("acme", member, [lofts], uuid=acme.uuid)
    broker.fake.accounts.append(Account("other@example.com", "", "other-key", [other]))
    send = broker.deps.send

    def refusing(request: Request, seconds: float) -> Response:
        response = send(request, seconds)
        content = response.content.replace(b"INVALID_CLIENT_UUID", refusal.encode())
        return dataclasses.replace(response, content=content)

    broker.service.use(replace(broker.deps, send=refusing))
    assert broker.call()["context"]["workspace"] == acme.workspaces[0].uuid
    broker.now += 1000
    version = broker.put_secret(personal_access_token="other-key")
    broker.call(action="rotate", version=version)
    assert [broker.call(**payload)["renewed"] for payload in broker.invoked] == [1, 0]
    broker.service.use(replace(broker.deps, cache=TokenCache(60, 9), send=refusing))
    answer = broker.call()
    assert (answer["context"]["workspace"], answer["stale"]) == (lofts.uuid, False)


# DELETE


def test_delete_removes_tokens_and_logs_out() -> None:
    broker = with_token("vntana")
    assert broker.deps.versions_seen
    assert broker.call(action="forget") == {"forgotten": 1, "complete": True}
    assert [step for step in broker.steps if step == "logout"] == ["logout"]
    assert all(item.is_bare for item in broker.aws.store.list("vntana#acme"))
    assert len(broker.deps.cache) == 0
    assert broker.deps.versions_seen == {}
    assert broker.announced == []
    writes = broker.aws.dynamodb.writes
    for again in (broker, MemoryBroker()):
        assert again.call(action="forget") == {"forgotten": 0, "complete": True}
    assert broker.aws.dynamodb.writes == writes


class Revoking(MemoryBroker):
    """A broker of a vendor that ends a session only for the credentials that made it."""

    def _deps(self) -> Dependencies:
        known = super()._deps()

        def revoke(credentials: Any, token: Token, now: int) -> Conversation[None]:
            self.revoked.append((credentials.password, token.fingerprint, now))
            yield Request("POST", f"{token.base_url}/revoke", "revoke")

        vendor = dataclasses.replace(known.flow.vendor, revoke=revoke)
        return replace(known, flow=known.flow._replace(adapted=vendor))

    def __post_init__(self) -> None:
        self.revoked = list[tuple[str, str, int]]()
        super().__post_init__()


@pytest.mark.parametrize("change", ["same", "another", "gone", "malformed", "rejected"])
def test_delete_ends_a_session_with_the_credentials_that_made_it(change: str) -> None:
    """Those of the current version are other ones. Without any, the token is dropped only.

    Rejected ones are not sent again: that could lock the account.
    """
    broker = Revoking()
    token = broker.call()["fingerprint"]
    if change != "same":
        broker.put_secret(password=[] if change == "malformed" else "another")
    if change == "gone":
        around(broker.aws.secrets, "of_version", lambda *_: None)
    if change == "rejected":
        broker.put(rejected_versions=["v1"])
    broker.restart()
    broker.now += 9
    assert broker.call(action="forget") == {"forgotten": 1, "complete": True}
    known = [] if change in {"gone", "rejected"} else [(broker.working["password"], token, NOW + 9)]
    assert broker.revoked == known
    assert broker.telemetry.of("log out failed") == []


def with_four_sessions() -> MemoryBroker:
    """Return a broker of two organizations' and two workspaces' tokens."""
    broker = with_token("vntana")
    for workspace in ("chairs", "tables"):
        broker.call(organization="studio", workspace=workspace)
    return broker


@pytest.mark.parametrize("left", [5.0, 7.999, 10.999, 11.0, 13.0, 19.5])
def test_delete_ends_the_session_of_each_token_that_it_drops(left: float) -> None:
    """I16. With less than eight seconds for the next one, it ends; the next call goes on."""
    broker = with_four_sessions()
    assert isinstance(broker.fake, FakeVntana)
    sessions, answers = broker.fake.sessions, list[dict[str, Any]]()
    live = len(sessions.live(broker.now))
    broker.vendor_seconds = 3.0
    while not answers or not answers[-1]["complete"]:
        answers.append(forget(Invocation(broker.deps, "acme", broker.monotonic + left)))
        assert broker.steps.count("logout") == sum(answer["forgotten"] for answer in answers)
        assert answers[-1]["forgotten"] or answers[-1]["complete"]
    assert broker.steps.count("logout") == 4
    assert len(sessions.live(broker.now)) == live - 4
    assert max(answer["forgotten"] for answer in answers) == 1 + max(0, int(left - 8) // 3)
    assert broker.telemetry.of("log out failed") == []


@pytest.mark.parametrize("read_was", ["live", "ended", "without a token"])
def test_delete_ends_the_session_of_a_token_that_replaced_what_it_read(read_was: str) -> None:
    """I16: it reads many items at once, and removes one after the other."""
    broker = with_token("vntana", after=LIFETIME * (read_was == "ended"))
    assert isinstance(broker.fake, FakeVntana)
    if read_was == "without a token":
        variant = organization(broker.call()["context"]["organization"]).key
        broker.aws.store.drop(broker.item(variant))
        broker.put(variant, kind="organization", report_times=[NOW])
    read = token_of(broker, "organization")

    made = list[str]()

    def replace_first(operation: Any, item: Item) -> Item:
        if item == read:
            made.append(broker.call(force=True)["headers"]["X-AUTH-TOKEN"].removeprefix("Bearer "))
        removed: Item = operation(item)
        return removed

    around(broker.aws.store, "forget", replace_first)
    assert broker.call(action="forget") == {"forgotten": 1, "complete": True}
    assert broker.item(read.variant).is_bare
    assert broker.fake.sessions.by_token[made[0]].is_dead(broker.now)


@pytest.mark.parametrize(
    ("write", "waited"), [(0.0, [3.0]), (2.0, [3.0]), (3.0, [2.0]), (4.75, [0.25]), (4.875, [])]
)
def test_a_logout_gets_what_is_left_after_a_slow_write_or_is_logged_as_failed(
    write: float, waited: list[float]
) -> None:
    """The token is dropped already, so the session may live on."""
    broker = with_token("vntana")
    broker.waited.clear()
    slow(broker, "forget", write, "organization")
    forget(Invocation(broker.deps, "acme", broker.monotonic + 5.0))
    assert broker.waited == waited
    failed = [entry["code"] for entry in broker.telemetry.of("log out failed")]
    assert failed == ([] if waited else ["upstream_unavailable"])


@pytest.mark.parametrize("fault", ["drop", "status"])
@pytest.mark.parametrize(
    ("left", "gate", "is_sent"),
    [(0, {}, False), (1, {}, True), (1, {"held": {"since": NOW}}, False)],
    ids=["expired", "its logout fails", "held"],
)
def test_delete_removes_a_token_that_cannot_be_logged_out(
    left: int, gate: dict[str, Any], is_sent: bool, fault: Any
) -> None:
    """For an expired one, or amid a hold, no logout is sent; a failed logout is logged."""
    broker = with_token("vntana")
    token = token_of(broker, "organization")
    broker.now = token.expires_at - left
    broker.put(**gate)
    steps = len(broker.steps)
    broker.fake.fail(fault, step="logout")
    assert broker.call(action="forget")["complete"]
    assert broker.steps[steps:] == ["logout"] * is_sent
    assert broker.item(token.variant).is_bare
    failed = {"variant": token.variant, "code": "upstream_unavailable"}
    assert broker.telemetry.of("log out failed") == [failed] * is_sent
    assert broker.telemetry.of("unrenewed") == []


@pytest.mark.parametrize("gate", [{}, {"held": {"since": NOW}}], ids=["free", "held"])
def test_a_session_whose_token_may_be_dropped_is_logged_if_delete_fails(
    gate: dict[str, Any],
) -> None:
    """I16: no answer to the write arrives, nor to the read after it. A hold ends no session."""
    broker = with_token("vntana")
    broker.put(**gate)
    token = token_of(broker, "organization")
    table = broker.aws.dynamodb

    def lose(operation: Any, item: Item) -> Item:
        if item.kind == "organization":
            table.lose_answer = True
            around(table, "get_item", raising(timeout()))
        removed: Item = operation(item)
        return removed

    around(broker.aws.store, "forget", lose)
    assert raised_by(lambda: broker.call(action="forget"))["code"] == "store_unavailable"
    assert ("vntana#acme", token.variant) in broker.aws.table.records
    assert "token" not in broker.aws.table.records["vntana#acme", token.variant]
    failed = {"variant": token.variant, "code": "store_unavailable"}
    assert broker.telemetry.of("log out failed") == ([] if gate else [failed])


def test_a_session_whose_token_is_damaged_is_logged_as_not_ended() -> None:
    """I16: the token with which it could be ended is gone."""
    broker = with_token("vntana")
    token = token_of(broker, "organization")
    broker.put(token.variant, token=b"damaged")
    assert broker.call(action="forget") == {"forgotten": 1, "complete": True}
    damaged = {"variant": token.variant, "code": "damaged"}
    assert broker.telemetry.of("log out failed") == [damaged]
    assert "logout" not in broker.steps


REJECTION = {"code": "credential_rejected", "detail": "x", "secret_version": "v1"}
NOT_LATCHED: dict[str, Any] = {"rejected_versions": ["v1"], "accepted_version": "v1"}


@pytest.mark.parametrize(
    ("attributes", "version"),
    [
        ({"latched_version": "v7", "failure": {"code": "x", "secret_version": "v8"}}, "v7"),
        ({"rejected_versions": ["v1"], "failure": REJECTION}, "v1"),
        ({"latched_version": 7}, None),  # damaged
        *(({name: value}, None) for name, value in NOT_LATCHED.items()),
    ],
)
def test_delete_announces_the_recovery_of_a_latched_connection(
    attributes: dict[str, Any], version: str
) -> None:
    broker = MemoryBroker("vntana")
    broker.put(**attributes)
    assert broker.call(action="forget") == {"forgotten": 0, "complete": True}
    detail = {"flow": "vntana", "connection": "acme", "secret_version": version}
    assert broker.announced == ([("Connection Recovered", detail)] if version else [])
    assert broker.item().is_bare


@pytest.mark.parametrize("before", [None, "v7"])
def test_delete_announces_the_recovery_of_a_latch_that_came_after_its_read(
    before: str | None,
) -> None:
    """`Connection Recovered` follows each `Connection Latched`."""
    broker = with_token("vendorlink")
    broker.put(latched_version=before)

    def latch() -> None:
        broker.aws.dynamodb.before_write = None
        broker.put(latched_version="v1", rejected_versions=["v1"], latched_at=NOW)

    broker.aws.dynamodb.before_write = latch
    assert broker.call(action="forget")["complete"]
    assert [detail["secret_version"] for _, detail in broker.announced] == ["v1"]
    assert broker.item().is_bare


@pytest.mark.parametrize("action", [forget, status])
@pytest.mark.parametrize(("left", "is_complete"), [(5.0, True), (4.999, False)])
def test_delete_and_status_report_that_they_are_incomplete(
    action: Callable[[Invocation], dict[str, Any]], left: float, is_complete: bool
) -> None:
    """With less than a write and its read-back may take: two seconds, and twice 1.5."""
    broker = MemoryBroker("editor")
    put_tokens(broker, (key(1), "parameters", NOW), (key(2), "parameters", NOW))
    answer = action(Invocation(broker.deps, "acme", broker.monotonic + left))
    assert answer["complete"] is is_complete
    found = len(answer["variants"]) if action is status else answer["forgotten"]
    assert found == (2 if is_complete else 0)


def with_deadline(broker: MemoryBroker, monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """Let each call to the table take *seconds*, and be refused as `clients` refuses it."""
    monkeypatch.setattr(clients, "monotonic", lambda: broker.monotonic)

    def client() -> MemoryDynamoDB:
        clients._timeouts("dynamodb")
        broker.monotonic += seconds
        return broker.aws.dynamodb

    monkeypatch.setattr(broker.aws.store, "_client", client)


@pytest.mark.parametrize("page", [8, 1000])
@pytest.mark.parametrize("seconds", [0.01, 0.4, 1.4])
@pytest.mark.parametrize("is_lost", [False, True], ids=["answered", "answers are lost"])
def test_delete_and_status_that_run_out_of_time_answer_all_the_same(
    monkeypatch: pytest.MonkeyPatch, page: int, seconds: float, is_lost: bool
) -> None:
    """However slow the table is within its timeouts; repeated calls of DELETE come to an end."""
    broker = MemoryBroker("editor", page=page)
    put_tokens(broker, *((key(number), "parameters", NOW) for number in range(30)))
    with_deadline(broker, monkeypatch, seconds)
    broker.aws.dynamodb.lose_answer = is_lost
    context = Context(milliseconds=13_000)
    shown = broker.service({"connection": "acme", "action": "status"}, context)
    assert shown["complete"] is (len(shown["variants"]) == 30)
    forgotten, answer = 0, {"complete": False}
    while not answer["complete"]:
        answer = broker.service({"connection": "acme", "action": "forget"}, context)
        forgotten += answer["forgotten"]
        assert answer["forgotten"] or answer["complete"]
    assert forgotten == 30


def test_delete_reads_no_further_page_after_a_slow_write(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would be refused, with too little time for an answer of the table."""
    broker = MemoryBroker("editor", page=1)
    put_tokens(broker, (key(1), "parameters", NOW), (key(2), "parameters", NOW))
    with_deadline(broker, monkeypatch, 0.0)
    slow(broker, "forget", 12.0)
    event = {"connection": "acme", "action": "forget"}
    answer = broker.service(event, Context(milliseconds=13_000))
    assert answer == {"forgotten": 1, "complete": False}


def test_a_delete_that_fails_midway_leaves_no_token_in_its_process() -> None:
    """Nor the version of the secret that it has seen."""
    broker = with_token("vendorlink")
    around(broker.aws.store, "forget", raising(StoreUnavailable("the table is down")))
    assert raised_by(lambda: broker.call(action="forget"))["code"] == "store_unavailable"
    assert (len(broker.deps.cache), broker.deps.versions_seen) == (0, {})


# The status


def test_the_status_describes_each_variant() -> None:
    broker = MemoryBroker("editor")
    put_tokens(broker, (key(1), "parameters", NOW - 1000), context='{"a": 1}')
    failure: dict[str, Any] = {"code": "upstream_unavailable", "count": 3}
    times = {"since": NOW - 60, "retry_at": NOW + 8}
    down = failure | times | {"detail": "generate: down"}
    broker.put(key(2), failure=down, lease_owner="a", lease_until=NOW)
    put_tokens(broker, (key(3), "pointer", NOW))
    broker.put(rejected_versions=["v1"])
    names = ("fingerprint", "issued_at", "expires_at", "refresh_after", "context", "failure")
    bare = dict.fromkeys(names) | {"latched": True, "renewing": False}
    assert broker.call(action="status") == {
        "flow": "editor",
        "connection": "acme",
        "secret_version": "v1",
        "held": None,
        "variants": [
            bare
            | {
                "variant": key(1),
                "state": "aging",
                "generation": 1,
                "fingerprint": "f",
                "issued_at": "2030-03-17T17:30:00Z",
                "expires_at": "2030-03-17T18:03:20Z",
                "refresh_after": "2030-03-17T17:46:40Z",
                "context": {"a": 1},
                "next": "refresh",
                "because": "the token is handed out, and its refresh starts in the background",
            },
            bare
            | {
                "variant": key(2),
                "state": "dead",
                "generation": 0,
                "failure": failure
                | {"since": "2030-03-17T17:45:40Z", "retry_at": "2030-03-17T17:46:48Z"},
                "next": "refuse",
                "because": "the last exchange failed (upstream_unavailable): it is backing off",
            },
        ],
        "complete": True,
    }
    assert broker.steps == []


def test_the_status_shows_a_hold() -> None:
    broker = MemoryBroker("editor")
    broker.put(held={"since": NOW, "by": "arn:caller", "reason": "laptop stolen"})
    held = broker.call(action="status")["held"]
    assert held == {"since": "2030-03-17T17:46:40Z", "by": "arn:caller", "reason": "laptop stolen"}


def test_the_status_shows_that_a_token_is_being_renewed() -> None:
    """By a lease, or by a caller's claim; not by one that is over, or of a wrong clock.

    A claim by a clock that is up to a minute ahead counts for callers, so it is shown.
    """
    broker = MemoryBroker("editor")
    renewing: list[dict[str, Any]] = [{"nudged_until": NOW + ahead} for ahead in (0, 90, 91)]
    renewing.append({"lease_owner": "a", "lease_until": NOW + 1})
    for number, changes in enumerate(renewing):
        put_tokens(broker, (key(number), "parameters", NOW), **changes)
    told = [variant["renewing"] for variant in broker.call(action="status")["variants"]]
    assert told == [False, True, False, True]


def outcome(broker: MemoryBroker, **payload: Any) -> dict[str, Any]:
    """Return the answer, or the problem, of a direct invocation."""
    try:
        return broker.call(**payload)
    except Exception as error:  # noqa: BLE001 (a problem, or the test fails to read it)
        problem: dict[str, Any] = json.loads(str(error))
        return problem


def happenings(broker: MemoryBroker, random: Random) -> Mapping[str, Callable[[], object]]:
    """Return what may happen to a connection, by name."""

    def reach_refresh() -> None:
        shown = broker.call(action="status")["variants"]
        broker.now = max(broker.now, *(broker.item(one["variant"]).refresh_at for one in shown), 0)

    def report() -> None:
        shown = broker.call(action="status")["variants"]
        for fingerprint in filter(None, (one["fingerprint"] for one in shown)):
            outcome(broker, rejected=fingerprint)

    def pass_time() -> None:
        broker.now += random.choice([1, 5, 31, 61, 600, 90_000])

    wrong = subjects.wrong_login(broker.flow)
    return {
        "a call": lambda: outcome(broker),
        "another call": lambda: outcome(broker, force=True),
        "a report": report,
        "time": pass_time,
        "a token due": reach_refresh,
        "an outage": lambda: broker.fake.fail("status", status=503, times=None),
        "a refusal": lambda: broker.fake.fail("status", status=random.choice([401, 403])),
        "no answer": lambda: broker.fake.fail("drop"),
        "a page": lambda: broker.fake.fail("html", status=200),
        "the vendor works": broker.fake.heal,
        "a new secret": broker.put_secret,
        "a wrong secret": lambda: broker.put_secret(**wrong),
        "forget": lambda: outcome(broker, action="forget"),
        "hold": lambda: outcome(broker, action="hold", reason="stolen"),
        "lift": lambda: outcome(broker, action="lift"),
        "rotate": lambda: outcome(broker, action="rotate"),
    }


@pytest.mark.parametrize("flow", subjects.FLOWS)
def test_the_status_says_what_the_next_call_does(flow: str) -> None:
    """Whatever happened before. A latch does not always let that call start a due refresh."""
    for seed in range(120):
        random = Random(seed)
        broker = MemoryBroker(flow, secret=random.choice([{}, subjects.wrong_login(flow)]))
        may_happen, story = happenings(broker, random), list[str]()
        for _ in range(random.randint(1, 12)):
            story.append(random.choice([*may_happen, "a call"]))
            may_happen[story[-1]]()
            broker.aws.manager.created_at = broker.now - random.choice([0, 100_000])
        broker.restart()
        broker.invoked.clear()
        shown = broker.call(action="status")["variants"]
        of_tokens = [one for one in shown if one["variant"] != ONLY or len(shown) == 1]
        if len(of_tokens) != 1:
            continue
        [said], sent = of_tokens, len(broker.steps)
        answer = outcome(broker)
        if len(broker.steps) > sent:
            done = "exchange"
        elif "source" in answer:
            done = "refresh" if broker.invoked else "hand_out"
        else:
            done = "refuse"
        told = (seed, story, said, answer)
        assert said["next"] == done or (said["latched"], done) == (True, "hand_out"), told
        if done in {"refresh", "hand_out"}:
            assert answer["stale"] == (said["state"] == "stale"), told
            assert said["state"] == "fresh" or said["because"] != "the token is fresh", told
        if "code" in answer:
            is_latched = answer["code"] == "credential_latched"
            assert is_latched == ("was rejected" in said["because"]), told
            assert said["latched"] or not is_latched, told
            assert "None" not in answer["detail"], told


# Warming and verifying


FORGETTING = {"action": "forget"}


def test_warm_makes_a_separate_invocation_for_each_of_215_calls_for_a_token() -> None:
    broker = MemoryBroker()
    one: dict[str, Any] = {"connection": "acme"}

    def warm(**payload: Any) -> Any:
        return broker.service({"action": "warm"} | payload, Context())

    for each, calls in product(("token", "check"), ([one] * 216, [one, one | FORGETTING])):
        problem = raised_by(lambda: warm(each=each, calls=calls))  # noqa: B023 (called at once)
        assert problem["detail"] == f"calls: must be at most 215 calls for a {each}"
    assert raised_by(lambda: warm(calls=[], odd=1))["detail"] == "odd: is not known"
    assert broker.invoked == []
    calls = [one | {"min_ttl": number} for number in range(215)]
    assert warm(calls=calls) == {"invoked": 215}
    assert broker.invoked == calls


@pytest.mark.parametrize("each", ["token", "check"])
def test_a_held_connection_is_neither_warmed_checked_nor_renewed(each: str) -> None:
    broker = MemoryBroker()
    broker.put_secret("other")
    broker.call(action="hold", reason="a move")
    calls = [{"connection": "other"}, {"connection": "acme"}]
    event = {"action": "warm", "each": each, "calls": calls}
    assert broker.service(event, Context()) == {"invoked": 1}
    assert [one["connection"] for one in broker.invoked] == ["other"]
    assert broker.call(action="renew", variant="-") == {"renewed": 0}


def test_a_token_is_verified_by_its_vendor() -> None:
    broker = MemoryBroker("editor")
    value = broker.call(parameters={"userId": "1"})["headers"]["x-api-token"]
    broker.waited.clear()
    answer = broker.call(action="verify", token=value)
    assert answer["valid"] is True
    assert answer["parameters"]["userId"] == "1"
    assert broker.call(action="verify", token="unknown") == {"valid": False}
    assert broker.waited == [5.0, 5.0]


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (
            {"kind": "status", "status": 418, "body": "no tea at c4nary.test"},
            (418, "no tea at ***"),
        ),
        ({"kind": "html", "status": 200}, (200, "Service Unavailable")),
        ({"kind": "answer", "status": 200, "body": '{"plpass": "of a'}, (200, None)),
        ({"kind": "drop"}, (None, None)),
    ],
)
def test_a_failed_verify_says_what_the_vendor_answered(
    fault: dict[str, Any], said: tuple[int | None, str | None]
) -> None:
    """Without what the secret holds, whether the request had it or not."""
    broker = MemoryBroker("editor", secret={"parameters": {"host": "c4nary.test"}})
    broker.fake.fail(**fault)
    problem = raised_by(lambda: broker.call(action="verify", token="x" * 36))
    assert (problem.get("upstream_status"), problem.get("upstream_message")) == said


@pytest.mark.parametrize("action", ["verify", "check", "probe"])
def test_verify_check_and_probe_are_refused_while_the_connection_is_held(action: str) -> None:
    """By another process: this one has a token in its cache."""
    broker = MemoryBroker("editor")
    parameters: dict[str, Any] = {"parameters": {"userId": "1"}}
    broker.call(**parameters)
    broker.put(held={"since": NOW, "by": "ann", "reason": "a move"})
    payload = {"token": "x"} if action == "verify" else parameters
    problem = raised_by(lambda: broker.call(action=action, **payload))
    assert (problem["code"], broker.steps) == (ConnectionHeld.code, ["generate"])


@pytest.mark.parametrize(
    ("payload", "detail"),
    [
        *(
            (
                {"action": "verify", "token": odd},
                "token: must be printable ASCII of at most 4096 characters",
            )
            # A vendor's server answers too long a header in its own way: the alarm would ring that
            # the vendor answers other than documented.
            for odd in ("ü", "x\n", "x" * 4097)
        ),
        ({"action": "verify"}, "token: is missing"),
        ({"action": "verify", "token": "x", "odd": 1}, "odd: is not known"),
        *(
            ({"action": action, "odd": 1}, "odd: is not known")
            for action in ("status", "forget", "renew", "rotate")
        ),
        *(
            ({"action": "rotate", "drop": keys}, "drop: must be at most 50 variants' keys")
            for keys in ([key(number) for number in range(51)], ["-", "x"], ["x", "-"])
        ),
        *(
            ({"action": "hold", "reason": odd}, "reason: must be 1 to 200 printable characters")
            for odd in ("two\nlines", "\u202e", "x" * 201)
        ),
    ],
)
def test_an_action_with_an_invalid_field_is_refused(payload: dict[str, Any], detail: str) -> None:
    problem = raised_by(lambda: MemoryBroker("editor").call(**payload))
    assert (problem["code"], problem["detail"]) == (InvalidRequest.code, detail)


def test_a_token_of_a_vendor_without_a_verification_is_not_verified() -> None:
    problem = raised_by(lambda: MemoryBroker("vntana").call(action="verify", token="x"))
    assert problem["detail"] == "action: tokens of vntana cannot be verified"
