"""The hit path: the source of a token, the start of a refresh, and stale tokens."""

import json
from functools import partial
from typing import Any, NoReturn

import pytest

from tests.protocol.simulation.table import client_error
from tests.subjects import FLOWS
from tests.unit.memory_aws import timeout
from tests.unit.memory_broker import (
    MEMORY_SECONDS,
    NOW,
    MemoryBroker,
    around,
    raising,
    with_token,
)
from tests.unit.test_item import kinds_of
from token_broker.cache import CachedToken
from token_broker.errors import (
    BrokerError,
    ConnectionHeld,
    InvalidRequest,
    NotConfigured,
    StoreUnavailable,
    UpstreamContractChanged,
    UpstreamUnavailable,
)
from token_broker.look import look
from token_broker.tokens import TokenRequest, Variant
from token_broker_fakes.vntana import FakeVntana, Workspace

LOGIN = Variant("login")
ISSUED, REFRESH, ENDS = NOW, NOW + 3030, NOW + 3600
"""Of a token that Vendorlink makes at `NOW`, in the middle of how renewals are spread."""


def call(broker: MemoryBroker, **request: Any) -> tuple[str, bool, int]:
    """Return source, staleness and generation of the answer."""
    deadline, rejected = broker.monotonic + 29, request.pop("rejected", None)
    wanted = TokenRequest(LOGIN, rejected=frozenset({rejected} if rejected else ()), **request)
    answer = broker.service._broker.token("acme", wanted, deadline)
    assert answer.item.fingerprint == answer.token.fingerprint
    return answer.source, answer.stale, answer.item.generation


def remember(broker: MemoryBroker) -> CachedToken:
    """Put the current item of the table into the cache."""
    item = broker.item()
    token = broker.deps.sealer.open_token(item)
    assert token
    held = CachedToken(item, token, broker.now)
    broker.deps.cache.put("-", held)
    return held


def refusal(broker: MemoryBroker, **request: Any) -> BrokerError:
    with pytest.raises(BrokerError) as raised:
        call(broker, **request)
    return raised.value


# From where


def test_a_token_is_handed_out_from_the_cache_for_a_minute() -> None:
    """Also one that was read from the table; none of the future."""
    broker = with_token()
    assert (broker.item().refresh_at, broker.item().expires_at) == (REFRESH, ENDS)
    sources = []
    for age in (0, 9, 59, 60, 119, 120, -1):
        broker.now = NOW + age
        sources.append(call(broker, min_ttl=3600 - 10 if age == 9 else None)[0])
    assert sources == [*["memory"] * 3, "table", "memory", "table", "table"]
    assert broker.steps == ["login"]


def slow_opening(broker: MemoryBroker, seconds: int) -> None:
    slow(broker, seconds, broker.aws.sealer, "open_token")


def slow(broker: MemoryBroker, seconds: int, owner: object, operation: str) -> None:
    """Let *operation* take so many *seconds*, after it has read."""

    def slowly(method: Any, *arguments: Any) -> Any:
        found = method(*arguments)
        broker.now += seconds
        return found

    around(owner, operation, slowly)


@pytest.mark.parametrize(("min_ttl", "least"), [(None, 31), (0, 1), (100, 101)])
@pytest.mark.parametrize(("where", "opening"), [("memory", 0), ("table", 0), ("table", 9)])
@pytest.mark.parametrize("is_met", [True, False])
def test_a_token_whose_remaining_life_is_too_short_is_not_handed_out(
    where: str, opening: int, min_ttl: int | None, least: int, is_met: bool
) -> None:
    """I8. What counts is the time after KMS has opened it, which takes *opening* seconds."""
    broker = with_token()
    broker.now = ENDS - least - opening + (not is_met)
    if where == "memory":
        broker.put(nudged_until=broker.now + 30)  # else the table is asked first
        remember(broker)
    else:
        broker.restart()
        slow_opening(broker, opening)
    expected = (where, 1) if is_met else ("exchange", 2)
    assert call(broker, min_ttl=min_ttl)[::2] == expected


def test_an_uncertain_token_is_handed_out_from_neither_cache_nor_table() -> None:
    """The lease holder died during an exchange: the vendor may have revoked the token."""
    broker = with_token()
    broker.put(lease_owner="dead", lease_until=NOW)
    remember(broker)
    assert call(broker) == ("exchange", False, 2)


def test_a_min_ttl_above_the_lifetime_is_refused_before_an_exchange() -> None:
    broker = with_token()
    error = refusal(broker, min_ttl=3600)
    detail = "min_ttl: 3570 at most, as tokens of this upstream live 3600 seconds"
    assert (type(error), error.detail, broker.steps) == (InvalidRequest, detail, ["login"])


@pytest.mark.parametrize("is_read", [True, False], ids=["read", "decrypted"])
@pytest.mark.parametrize("at", [NOW, REFRESH], ids=["fresh", "due, so its refresh is started"])
def test_the_age_of_a_cached_token_counts_from_the_start_of_its_read(
    at: int, *, is_read: bool
) -> None:
    """I16: a hold or DELETE may come while the token is read, or decrypted."""
    broker = with_token(after=at - NOW)
    broker.restart()
    if is_read:
        slow(broker, 9, broker.aws.store, "read_all")
    else:
        slow_opening(broker, 9)
    broker.call()
    cached = broker.deps.cache.recall("vendorlink#acme", "-")
    assert cached
    assert (cached.read_at, len(broker.invoked)) == (at, int(at == REFRESH))


# While the table is down


def break_table(broker: MemoryBroker, kind: type[BrokerError] = StoreUnavailable) -> None:
    def broken(*_: object) -> Any:
        broker.now += 4
        raise kind("the table cannot be used")

    around(broker.aws.store, "read_all", broken)
    around(broker.aws.store, "read", broken)


@pytest.mark.parametrize(
    ("left", "request_", "is_served"),
    [
        *((left, {}, left > 34) for left in (500, 35, 34)),
        *((504, {"min_ttl": seconds}, seconds < 500) for seconds in (499, 500)),
        (500, {"force": True}, False),
        (500, {"rejected": "0123456789abcdef"}, False),
    ],
)
@pytest.mark.parametrize("kind", [StoreUnavailable, NotConfigured])
def test_a_live_cached_token_is_handed_out_while_the_table_is_unavailable(
    kind: type[BrokerError], left: int, request_: dict[str, Any], is_served: bool
) -> None:
    """It cannot be reached, or a permission is missing. The read takes four seconds."""
    broker = with_token()
    broker.now = ENDS - left
    broker.put(nudged_until=broker.now + 30)
    break_table(broker, kind)
    if is_served:
        assert call(broker, **request_) == ("memory", False, 1)
    else:
        assert type(refusal(broker, **request_)) is kind
    assert broker.steps == ["login"]


def test_a_due_token_costs_one_failed_call_while_the_table_is_unavailable() -> None:
    """Each failed call takes seconds, which the caller waits: no refresh is claimed either."""
    broker = with_token()
    broker.now, failures = REFRESH, list[str]()

    def broken(operation: str, *_: object) -> NoReturn:
        failures.append(operation)
        raise StoreUnavailable("the table cannot be reached", retry_after=1)

    for operation in ("read_all", "claim_refresh"):
        setattr(broker.aws.store, operation, partial(broken, operation))
    assert call(broker) == ("memory", False, 1)
    assert failures == ["read_all"]


def test_an_uncertain_token_is_handed_out_if_the_table_fails_after_it_was_read() -> None:
    """It lives, and no exchange can replace it."""
    broker = with_token(after=MEMORY_SECONDS)
    broker.put(lease_owner="dead", lease_until=NOW)

    def read_once(read_all: Any, *names: str) -> Any:
        break_table(broker)
        return read_all(*names)

    around(broker.aws.store, "read_all", read_once)
    around(broker.aws.store, "acquire", raising(StoreUnavailable("the table cannot be used")))
    assert call(broker) == ("table", True, 1)


@pytest.mark.parametrize("is_deleted", [True, False])
def test_a_cached_token_that_the_table_shows_as_dead_is_not_handed_out(is_deleted: bool) -> None:
    """Another caller has reported it, or DELETE has dropped it; then Secrets Manager fails."""
    broker = with_token(after=MEMORY_SECONDS)
    if is_deleted:
        broker.aws.store.forget(broker.item())
    else:
        broker.put(rejected=broker.item().fingerprint)
    around(broker.aws.secrets, "current", raising(StoreUnavailable("throttled")))
    assert type(refusal(broker)) is StoreUnavailable


@pytest.mark.parametrize("kind", [StoreUnavailable, NotConfigured])
@pytest.mark.parametrize("is_same", [True, False])
def test_a_token_that_kms_does_not_open_is_taken_from_the_cache_if_it_is_the_same(
    is_same: bool, kind: type[BrokerError]
) -> None:
    """KMS is throttled, or the key is disabled."""
    broker = with_token(after=MEMORY_SECONDS)
    if not is_same:
        broker.put(fingerprint="0123456789abcdef")
    around(broker.aws.sealer, "open_token", raising(kind("the key")))
    if is_same:
        assert call(broker) == ("table", False, 1)
        assert call(broker) == ("memory", False, 1)
    else:
        assert type(refusal(broker)) is kind
    assert broker.steps == ["login"]
    broker.now = ENDS
    assert call(broker) == ("exchange", False, 2), "a token that has ended is not opened"


# What may be old


def fail_vendor(broker: MemoryBroker, **fault: Any) -> None:
    broker.fake.fail("status", times=None, **{"status": 503} | fault)


@pytest.mark.parametrize(
    ("request_", "left", "is_served"),
    [
        *(({"force": True}, left, left > 30) for left in (500, 31, 30)),
        *(({"force": True, "min_ttl": 60}, left, left > 60) for left in (61, 60)),
        ({"min_ttl": 600}, 500, False),
        ({}, 30, False),
    ],
)
@pytest.mark.parametrize("opening", [0, 9])
def test_the_old_token_is_handed_out_during_an_outage(
    request_: dict[str, Any], left: int, is_served: bool, opening: int
) -> None:
    """If it still lives once it is opened, which takes *opening* seconds."""
    broker = with_token()
    broker.now = ENDS - left - opening
    slow_opening(broker, opening)
    fail_vendor(broker)
    if is_served:
        assert call(broker, **request_) == ("table", True, 1)
    else:
        assert type(refusal(broker, **request_)) is UpstreamUnavailable


def test_an_old_token_is_stale_also_if_the_failure_is_that_of_its_alias() -> None:
    """With a new version of the secret, a forced call resolves the alias first."""
    broker = with_token("vntana", after=100)
    broker.put_secret()
    broker.restart()
    fail_vendor(broker)
    answer = broker.call(force=True)
    assert (answer["source"], answer["stale"], answer["generation"]) == ("table", True, 1)


@pytest.mark.parametrize("down", [503, 403, "Secrets Manager"])
@pytest.mark.parametrize(
    ("context", "is_served"), [({}, True), ({"role": "OTHER"}, False)], ids=["", "of another role"]
)
@pytest.mark.parametrize("options", [{}, {"force": True}, {"min_ttl": 60}], ids=str)
def test_a_renewed_token_is_handed_out_by_an_older_alias_during_an_outage(
    down: object, context: dict[str, str], is_served: bool, options: dict[str, Any]
) -> None:
    """A rotation renews the tokens, and callers resolve the aliases of the version before."""
    broker = MemoryBroker("vntana")
    assert isinstance(broker.fake, FakeVntana)
    organization = broker.fake.accounts[0].organizations[0]
    organization.role, organization.workspaces = "CLIENT_ORGANIZATION_ADMIN", [Workspace("desks")]
    broker.call()
    broker.now += 1000
    broker.call(action="rotate", version=broker.put_secret())
    for payload in broker.invoked:
        broker.call(**payload)
    [alias] = [i for i in broker.aws.store.list("vntana#acme") if i.target]
    broker.put(alias.variant, context=json.dumps(context) if context else None)
    broker.restart()
    if isinstance(down, int):
        fail_vendor(broker, status=down)
    else:
        around(broker.aws.manager, "get_secret_value", raising(timeout()))
    if is_served and not (options.get("force") and down != 503):
        answer = broker.call(**options)
        assert (answer["source"], answer["stale"], answer["generation"]) == ("table", True, 2)
        return
    with pytest.raises(Exception, match=r"unavailable|refused"):
        broker.call(**options)


def test_a_token_reported_as_rejected_is_never_handed_out_again() -> None:
    """I14: not even during an outage."""
    broker = with_token()
    fingerprint = str(broker.item().fingerprint)
    fail_vendor(broker)
    for request in ({"rejected": fingerprint}, {"rejected": fingerprint, "force": True}):
        assert type(refusal(broker, **request)) is UpstreamUnavailable
    broker.fake.heal()
    broker.now += 30
    assert call(broker, rejected=fingerprint) == ("exchange", False, 2)
    assert call(broker, rejected=fingerprint) == ("table", False, 2)


@pytest.mark.parametrize("kind", [StoreUnavailable, NotConfigured])
def test_a_token_that_another_call_has_replaced_is_not_handed_out_if_kms_fails(
    kind: type[BrokerError],
) -> None:
    """I4: the table shows a newer one, so the vendor may have revoked the old one."""
    broker, another = with_token(after=100), MemoryBroker()
    broker.put(lease_owner="dead", lease_until=NOW)
    another.aws, another.now = broker.aws, broker.now
    another.restart()

    def replace_it() -> None:
        broker.aws.dynamodb.before_write = None
        assert another.call(force=True)["generation"] == 2
        for name in ("open_token", "opening_once"):
            around(broker.aws.sealer, name, raising(kind("the key")))

    broker.aws.dynamodb.before_write = replace_it
    assert type(refusal(broker)) is kind


@pytest.mark.parametrize("is_first", [True, False])
def test_a_report_of_a_token_that_could_not_be_kept_gets_no_older_one(is_first: bool) -> None:
    """I14: the process that made it knows that the token in the table is older, or that none is."""
    broker = MemoryBroker() if is_first else with_token(after=100)
    encrypt = broker.aws.kms.encrypt
    around(broker.aws.kms, "encrypt", raising(client_error("DisabledException", "Encrypt")))
    unkept = broker.call(force=True)
    around(broker.aws.kms, "encrypt", lambda _, **request: encrypt(**request))
    if is_first:
        assert type(refusal(broker, rejected=unkept["fingerprint"])) is NotConfigured
    else:
        assert call(broker, rejected=unkept["fingerprint"]) == ("exchange", False, 2)
        assert broker.item().report_times == (broker.now,)
        assert broker.item().fingerprint != unkept["fingerprint"]


@pytest.mark.parametrize("was_rotated", [False, True], ids=["", "the alias may be outdated"])
def test_a_report_of_an_unkept_token_reaches_the_one_that_its_alias_leads_to(
    was_rotated: bool,
) -> None:
    """I14: that one is older."""
    broker = with_token("vntana", after=100)
    alias = next(item for item in broker.aws.store.list("vntana#acme") if item.target)
    if was_rotated:
        version = broker.put_secret()
        broker.now += 600
        assert broker.call(action="renew", variant=alias.target, version=version) == {"renewed": 1}
    older = broker.item(str(alias.target)).fingerprint
    around(broker.aws.kms, "encrypt", raising(client_error("DisabledException", "Encrypt")))
    unkept = broker.call(force=True)["fingerprint"]
    del broker.aws.kms.encrypt  # as it was
    assert broker.call(rejected=unkept)["fingerprint"] not in {older, unkept}


def test_a_late_report_of_a_cached_token_gets_the_one_that_replaced_it() -> None:
    """I9: the process that made the old one still has it in its cache."""
    broker, another = with_token(after=100), MemoryBroker()
    another.aws, another.now = broker.aws, broker.now
    another.restart()
    assert another.call(force=True)["generation"] == 2
    old = broker.deps.cache.recall("vendorlink#acme", "-")
    assert old
    assert call(broker, rejected=old.token.fingerprint) == ("table", False, 2)


@pytest.mark.parametrize("kind", kinds_of(BrokerError), ids=lambda kind: kind.code)
def test_a_failed_forced_call_gets_the_old_token_only_during_an_outage(
    kind: type[BrokerError], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Any other error is raised for a forced call; another call gets the old token.

    But not if it met a hold, which the table shows no longer.
    """
    broker = with_token(after=100)
    broker.put(lease_owner="dead", lease_until=NOW)
    obtain = "token_broker.refresh.refresher.Refresher.obtain"
    monkeypatch.setattr(obtain, raising(kind("x")))
    for request in ({}, {"force": True}):
        if kind is ConnectionHeld or (request and kind is not UpstreamUnavailable):
            assert type(refusal(broker, **request)) is kind
        else:
            assert call(broker, **request) == ("table", True, 1)


def test_a_failed_call_without_a_stored_token_reads_the_table_once() -> None:
    """There is no old token to look for."""
    broker = MemoryBroker()
    fail_vendor(broker, status=404)
    reads = reads_of(broker)
    assert type(refusal(broker)) is UpstreamContractChanged
    assert reads == ["get_item"]


# Refreshes beside


def test_a_due_refresh_is_started_by_one_caller() -> None:
    broker = with_token()
    broker.now = REFRESH - 1
    assert call(broker) == ("table", False, 1)
    assert broker.invoked == []
    broker.now = REFRESH
    for _ in range(3):
        assert call(broker)[1:] == (False, 1)
    assert broker.invoked == [{"action": "renew", "connection": "acme", "variant": "-"}]
    assert broker.item().nudged_until == REFRESH + 30
    assert broker.telemetry.of("nudge") == [{"variant": "-"}]
    broker.now = REFRESH + 29
    broker.restart()
    assert call(broker) == ("table", False, 1)
    assert len(broker.invoked) == 1
    broker.now = REFRESH + 30
    assert call(broker)[1:] == (False, 1)
    assert len(broker.invoked) == 2


def test_a_cached_token_that_is_due_is_read_again_before_a_refresh() -> None:
    broker = with_token()
    broker.now = REFRESH
    held = remember(broker)
    broker.put(nudged_until=REFRESH + 30)
    broker.deps.cache.put("-", held)
    writes = broker.aws.dynamodb.writes
    assert [call(broker) for _ in range(2)] == [("table", False, 1), ("memory", False, 1)]
    assert (broker.aws.dynamodb.writes, broker.invoked) == (writes, [])


def test_a_caller_that_loses_the_claim_starts_no_refresh() -> None:
    """Another caller claims the refresh between this one's read and write."""
    broker = with_token()
    broker.now = REFRESH
    broker.aws.dynamodb.before_write = lambda: broker.put(nudged_until=REFRESH + 30)
    assert call(broker) == ("table", False, 1)
    writes = broker.aws.dynamodb.writes
    assert call(broker) == ("memory", False, 1)
    assert (broker.aws.dynamodb.writes, broker.invoked) == (writes, [])


@pytest.mark.parametrize("lost", ["lose_answer", "repeat"])
def test_a_claim_whose_answer_is_lost_delays_the_refresh_until_it_ends(lost: str) -> None:
    broker = with_token()
    broker.now = REFRESH
    setattr(broker.aws.dynamodb, lost, True)
    assert call(broker) == ("table", False, 1)
    setattr(broker.aws.dynamodb, lost, False)
    for later, started in ((29, 0), (30, 1)):
        broker.now = REFRESH + later
        broker.restart()
        assert call(broker)[1:] == (False, 1)
        assert len(broker.invoked) == started


@pytest.mark.parametrize("flow", FLOWS)
def test_a_failure_to_start_a_refresh_fails_no_call(flow: str) -> None:
    """A process does not try again at once, whether calls name the token or its alias."""
    broker = with_token(flow)
    kinds = broker.deps.flow.vendor.token_kinds
    [kept] = [i for i in broker.aws.store.list(f"{flow}#acme") if i.kind in kinds]
    broker.now = kept.refresh_at
    broker.aws.dynamodb.break_before = True
    for source in ("table", "memory"):
        answer = broker.call()
        assert (answer["source"], answer["stale"], answer["generation"]) == (source, False, 1)
    nudge = {"variant": kept.variant, "code": "store_unavailable"}
    assert (broker.telemetry.of("nudge"), broker.invoked) == ([nudge], [])


RUNS = {"lease_owner": "a", "lease_until": ENDS}
FAILED = {"failure": {"code": "x", "detail": "x", "retry_at": ENDS}}


@pytest.mark.parametrize("attributes", [RUNS, FAILED], ids=["it runs", "it failed"])
def test_no_refresh_is_started_while_it_runs_or_backs_off(attributes: dict[str, Any]) -> None:
    """The token is marked as stale then, to its last second."""
    broker = with_token()
    broker.now = REFRESH
    broker.put(**attributes)
    assert call(broker) == ("table", True, 1)
    assert broker.invoked == []
    broker.now = ENDS - 1
    broker.restart()
    assert call(broker, min_ttl=0) == ("table", True, 1)


# What cannot be read


@pytest.mark.parametrize(
    ("attributes", "bad"),
    [
        ({"token": b"nonsense"}, ["token"]),
        ({"expires_at": "x"}, ["expires_at"]),
        ({"fence": "x", "failure": "x"}, ["fence", "failure"]),
    ],
)
def test_a_corrupt_item_is_logged_and_replaced(attributes: dict[str, Any], bad: list[str]) -> None:
    broker = with_token()
    broker.put(**attributes)
    broker.restart()
    assert call(broker)[0] == "exchange"
    assert broker.telemetry.of("damaged")[0] == {"variant": "-", "attributes": bad}


# Aliases


def reads_of(broker: MemoryBroker) -> list[str]:
    """Write down from now on how the table is read."""
    reads: list[str] = []

    def noted(name: str, operation: Any, **request: Any) -> Any:
        reads.append(name)
        return operation(**request)

    for name in ("get_item", "batch_get_item"):
        around(broker.aws.dynamodb, name, partial(noted, name))
    return reads


def test_a_hold_is_seen_by_the_first_read_of_an_alias() -> None:
    """I16: the process drops its tokens, also if what the alias leads to could not be read."""
    broker = MemoryBroker("vntana")
    broker.call()
    [alias] = [i for i in broker.aws.store.list("vntana#acme") if i.target]
    broker.deps.cache.drop(alias.partition)
    broker.call(organization="studio", workspace="chairs")
    assert len(broker.deps.cache) > 0
    broker.put(held={"since": NOW, "by": "ann", "reason": "a move"})
    reads = reads_of(broker)
    with pytest.raises(ConnectionHeld, match=r"^an operator has held .*: a move$"):
        look(broker.deps, alias.partition, alias.variant)
    assert reads == ["batch_get_item"]
    assert len(broker.deps.cache) == 0, "those of other variants, too"


def test_a_known_alias_and_its_target_are_read_by_one_request() -> None:
    broker = MemoryBroker("vntana")
    token = broker.call()
    reads = reads_of(broker)
    broker.now += 60
    assert broker.call() == token | {"source": "table"}
    assert reads == ["batch_get_item"]
    broker.restart()
    reads.clear()
    assert broker.call() == token | {"source": "table"}
    assert reads == ["batch_get_item", "get_item"]


@pytest.mark.parametrize("hindrance", ["", "the table", "a lease"])
def test_an_alias_that_the_secret_confirms_is_a_hit_from_then_on(hindrance: str) -> None:
    """I5: it was made with a new version of the secret, just after a token of the one before.

    When it is certainly newer than the token, by any clock, it is written anew. That may fail. It
    does not fence off a caller that is resolving the alias.
    """
    broker = with_token("vntana")
    assert isinstance(broker.fake, FakeVntana)
    named = {"organization": broker.fake.accounts[0].organizations[0].slug}
    broker.put_secret()
    asked, made = list[str](), list[int]()

    def noted(operation: Any, **request: Any) -> Any:
        asked.append("the secret")
        return operation(**request)

    around(broker.aws.manager, "get_secret_value", noted)
    for seconds, is_asked in ((0, True), (60, True), (1, True), (1, bool(hindrance))):
        broker.now += seconds
        broker.restart()
        asked.clear()
        assert broker.call(**named)["source"] == "table"
        assert bool(asked) is is_asked
        [alias] = [
            i for i in broker.aws.store.list("vntana#acme") if i.secret_version == "v2" and i.target
        ]
        made.append(alias.issued_at)
        if hindrance == "the table":
            around(broker.aws.store, "alias_to", raising(StoreUnavailable("busy")))
        elif hindrance == "a lease":
            broker.put(alias.variant, lease_owner="another", lease_until=broker.now + 90)
    assert made[0] == made[1], "no call writes it in vain"
    assert bool(broker.telemetry.of("unkept")) is (hindrance == "the table")
