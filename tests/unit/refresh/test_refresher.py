"""The refresher: when it makes an exchange, its limits, and calls without the lease."""

import json
from collections.abc import Callable
from random import Random
from typing import Any

import pytest

from tests.protocol.simulation.table import client_error
from tests.unit.memory_aws import timeout
from tests.unit.memory_broker import NOW, MemoryBroker, around, raising, with_token
from token_broker.cache import CachedToken
from token_broker.conditional_writes import Rejection
from token_broker.errors import (
    BrokerError,
    ConnectionHeld,
    CredentialLatched,
    CredentialRejected,
    InvalidRequest,
    NotConfigured,
    RefreshInProgress,
    StoreUnavailable,
    TooManyRequests,
    UpstreamUnavailable,
    upstream_of,
)
from token_broker.exchange import NeedToken, Request, Response
from token_broker.item import Failure, Item
from token_broker.look import Look
from token_broker.records import replace
from token_broker.refresh.credential_gate import CredentialGate, latched_error, suspect_error
from token_broker.refresh.invocation import Invocation
from token_broker.refresh.outcome import Alias
from token_broker.refresh.refresher import Refresher
from token_broker.refresh.requirement import Requirement
from token_broker.refresh.resolver import Resolver
from token_broker.tokens import Token, Variant
from token_broker_fakes.vntana import FakeVntana, Workspace

LOGIN = Variant("login")
REFRESH, ENDS = NOW + 3030, NOW + 3600
"""Of a token that Vendorlink makes at `NOW`."""


def refresher(broker: MemoryBroker, seconds: float = 29.0) -> Refresher:
    return Refresher(Invocation(broker.deps, "acme", broker.monotonic + seconds))


def use_previous(work: Invocation) -> None:
    previous = work.secret.previous()
    assert previous
    work.secret.use(previous)


def obtain(
    broker: MemoryBroker, *, rejected: str | None = None, **required: Any
) -> tuple[str, int]:
    """Return source and generation of the token that a new process obtains."""
    broker.restart()
    requirement = Requirement(rejected=frozenset({rejected} if rejected else ()), **required)
    held, source, *_ = refresher(broker).obtain(LOGIN, requirement)
    return source, held.item.generation


def refused(error: type[BrokerError], call: Callable[[], object]) -> tuple[str, int | None]:
    with pytest.raises(error) as raised:
        call()
    assert type(raised.value) is error
    return raised.value.detail, raised.value.retry_after


DEAD: dict[str, Any] = {"lease_owner": "dead", "lease_until": NOW}
"""What a holder leaves that died in the middle of an exchange."""


def test_unshared_parameters_beside_defaults_of_the_secret_are_written_nowhere() -> None:
    """They may be larger than a sealed text; only the gate is kept."""
    secret = {"options": {"reuse": False}, "parameters": {"server": "https://s.example"}}
    broker = MemoryBroker("editor", secret=secret)
    large = Random(1).randbytes(4000).hex()
    assert broker.call(parameters={"userId": "1", "note": large})["source"] == "exchange"
    assert [variant for _, variant in broker.aws.table.records] == ["-"]
    assert broker.aws.kms.contexts == []


# On demand


def test_a_forced_exchange_is_made_once_in_ten_seconds() -> None:
    broker = with_token(after=100)
    assert obtain(broker, force=True) == ("exchange", 2)
    for after, wait in ((0, 10), (9, 1)):
        broker.now = NOW + 100 + after
        told = refused(TooManyRequests, lambda: obtain(broker, force=True))
        assert told == ("force: at most once in 10 seconds", wait)
    broker.now = NOW + 110
    assert obtain(broker, force=True) == ("exchange", 3)


@pytest.mark.parametrize(
    ("left", "asked", "is_on_demand"),
    [
        (571, {"min_ttl": 1000}, True),
        (570, {"min_ttl": 1000}, False),
        (0, {"min_ttl": 1000}, False),
        (0, {}, False),
        (3000, {"force": True}, True),
        (3000, {"rejected": True}, False),
        (3000, {"rejected": True, "min_ttl": 1000}, False),
        (3000, {"rejected": True, "force": True}, True),
        (3000, {"lease": "over", "min_ttl": 1000}, False),
    ],
)
def test_an_exchange_is_on_demand_if_the_kept_token_would_still_do_without_the_wish(
    left: int, asked: dict[str, Any], is_on_demand: bool
) -> None:
    """A longer `min_ttl` counts as `force` until the renewal is due.

    Not for a reporter, nor after the death of a lease's holder.
    """
    broker = with_token()
    broker.now = ENDS - left
    if "lease" in asked:
        broker.put(**DEAD)
    known = {"rejected": broker.item().fingerprint}
    asked = {name: known.get(name, value) for name, value in asked.items() if name != "lease"}
    assert obtain(broker, **asked) == ("exchange", 2)
    assert broker.item().forced_at == (broker.now if is_on_demand else 0)


def test_the_error_of_a_second_exchange_on_demand_names_the_field_that_demands_it() -> None:
    broker = with_token(after=100)
    broker.put(forced_at=NOW + 99)
    told = refused(TooManyRequests, lambda: obtain(broker, min_ttl=3570))
    assert told == ("min_ttl, while the kept token is young: at most once in 10 seconds", 9)


def test_a_forced_call_accepts_a_token_made_meanwhile() -> None:
    broker = with_token(after=100)
    work, done = refresher(broker), list[tuple[str, int]]()

    def beaten(acquire: Any, *arguments: Any, **more: Any) -> Any:
        broker.aws.store.acquire = acquire  # type: ignore[method-assign]  # as it was
        done.append(obtain(broker, force=True))
        return acquire(*arguments, **more)

    around(broker.aws.store, "acquire", beaten)
    held, source, *_ = work.obtain(LOGIN, Requirement(force=True))
    assert (done, source, held.item.generation) == ([("exchange", 2)], "table", 2)


@pytest.mark.parametrize(
    ("required", "is_same", "expected"),
    [
        ({}, True, "memory"),
        ({}, False, "exchange"),
        ({"force": True}, True, "exchange"),
        ({"rejected": "another"}, True, "exchange"),
    ],
)
def test_a_token_that_another_thread_has_cached_meanwhile_is_from_memory(
    required: dict[str, Any], is_same: bool, expected: str
) -> None:
    """It had the lock first; this caller read the table before that. Not for a report, or force.

    The generation of another variant, to which an alias led before, says nothing.
    """
    broker = with_token()
    broker.put(lease_owner="dead", lease_until=NOW)
    work = Invocation(broker.deps, "acme", broker.monotonic + 29)
    seen = work.look("-")
    broker.put(lease_owner=None, generation=2)
    item, token = broker.item(), Token("x", {}, "https://x", NOW, ENDS)
    item = item if is_same else replace(item, variant="b" * 64)
    broker.deps.cache.put("-", CachedToken(item, token, NOW))
    held, source, *_ = Refresher(work).obtain(LOGIN, Requirement(**required), seen)
    assert (source, held.token.value == "x") == (expected, expected == "memory")
    assert len(broker.steps) == (1 if expected == "memory" else 2)


def test_a_thread_waits_for_another_while_time_for_its_answer_is_left() -> None:
    broker, waits = with_token(), list[float]()

    def lock(original: Any, place: object, seconds: float) -> Any:
        waits.append(seconds)
        return original(place, seconds)

    around(broker.deps.single_flight, "lock", lock)
    refresher(broker).obtain(LOGIN, Requirement(force=True))
    assert waits == [27], "of 29 seconds"


def test_a_token_that_another_thread_has_cached_for_an_alias_is_from_memory() -> None:
    broker = with_token("vntana")
    asked = Variant("asked", {"organization": None, "workspace": None})
    cached = broker.deps.cache.recall("vntana#acme", asked.key)
    assert cached
    work = Invocation(broker.deps, "acme", broker.monotonic + 29)
    seen = work.look(asked.key)
    newer = replace(cached, item=replace(cached.item, generation=2))
    broker.deps.cache.put(asked.key, newer)
    assert Refresher(work).obtain(asked, Requirement(), seen)[:2] == (newer, "memory")


# Reports


def report(broker: MemoryBroker) -> tuple[str, int]:
    return obtain(broker, rejected=broker.item().fingerprint)


@pytest.mark.parametrize("is_login", [True, False])
def test_a_report_is_no_reason_to_repeat_a_login_without_a_clear_answer(is_login: bool) -> None:
    """Its effect on the account is unknown. Any other back-off ends by the report."""
    broker = with_token(after=100)
    ends = broker.now + 60
    down = {"code": "upstream_unavailable", "detail": "x", "since": 1, "count": 1, "retry_at": ends}
    broker.put(failure=down | {"login": int(is_login)})
    if is_login:
        assert refused(UpstreamUnavailable, lambda: report(broker)) == ("x", 60)
        assert broker.steps == ["login"]
    else:
        assert report(broker) == ("exchange", 2)


def test_three_reports_a_minute_cause_an_exchange() -> None:
    """I9: the error has the seconds until the oldest report expires."""
    broker = with_token()
    for generation in (2, 3, 4):
        broker.now += 10
        assert report(broker) == ("exchange", generation)
    assert broker.item().report_times == (NOW + 10, NOW + 20, NOW + 30)
    broker.now += 5
    error = refused(TooManyRequests, lambda: report(broker))
    assert error == ("rejected: at most 3 times in 60 seconds", 35)
    assert not broker.item().is_rejected
    broker.now = NOW + 70
    assert report(broker) == ("exchange", 5)
    assert broker.item().report_times == (NOW + 20, NOW + 30, NOW + 70)


def test_further_reports_of_a_reported_token_do_not_count() -> None:
    """I9: one exchange replaces it, for any number of reporters."""
    broker = with_token()
    broker.fake.fail("status", times=None, status=503)
    for _ in range(5):
        refused(UpstreamUnavailable, lambda: report(broker))
    assert broker.item().report_times == (NOW,)


def test_a_report_of_an_older_token_causes_no_exchange() -> None:
    broker = with_token()
    old = broker.item().fingerprint
    broker.now += 100
    assert report(broker) == ("exchange", 2)
    writes = broker.aws.dynamodb.writes
    assert obtain(broker, rejected=old) == ("table", 2)
    assert broker.aws.dynamodb.writes == writes
    assert broker.steps == ["login", "extend"]


@pytest.mark.parametrize("reported_is", ["current", "replaced", "unkept"])
def test_a_reissued_token_is_not_handed_to_its_reporter(reported_is: str) -> None:
    """I14: also not as the old token, after an uncertain one was replaced.

    Nor to the process that made it, if it could not be kept.
    """
    broker, answers = MemoryBroker(), list[Response]()
    fake, repeats = broker.fake, False

    def repeating(request: Request) -> Response:
        answers.append(answers[-1 if reported_is == "unkept" else 0] if repeats else fake(request))
        return answers[-1]

    broker.fake = repeating  # type: ignore[assignment]  # a vendor that repeats itself
    broker.call()
    reported = broker.item().fingerprint
    broker.now += 100
    if reported_is == "unkept":
        around(broker.aws.kms, "encrypt", raising(client_error("DisabledException", "Encrypt")))
        reported = broker.call(force=True)["fingerprint"]
        del broker.aws.kms.encrypt  # as it was
    elif reported_is == "replaced":
        broker.call(force=True)
        broker.put(**DEAD)
    if reported_is != "unkept":
        broker.restart()
    repeats = True
    text = 'the upstream issued the reported token once more", "code": "upstream_contract_changed"'
    with pytest.raises(Exception, match=text):
        broker.call(rejected=reported)
    assert broker.item().fingerprint == reported


# What another exchange is made from


@pytest.mark.parametrize(
    ("age", "lease", "is_replaced"),
    [(59, {}, False), (60, {}, True), (59, DEAD, True), (-60, {}, False), (-61, {}, True)],
)
def test_a_rejection_by_a_step_does_not_replace_a_token_under_a_minute_old(
    age: int, lease: dict[str, Any], is_replaced: bool
) -> None:
    """The step itself failed. Its report does not count for the limit of callers.

    A report is kept before the exchange, which may fail. A young token under a lease is waited for,
    also one that this invocation made: it may be dead already. A wrong clock makes no token young.
    """
    broker = with_token()
    broker.now += age
    broker.put(**lease)
    broker.restart()
    need = NeedToken(LOGIN, broker.item().fingerprint)
    work, begun = refresher(broker), list[bool]()

    def begin(operation: Any, item: Item, *args: Any, **more: Any) -> Any:
        begun.append(broker.item().is_rejected)
        return operation(item, *args, **more)

    around(broker.aws.store, "acquire", begin)
    work.token_of(need)
    assert begun == [True] * is_replaced
    assert broker.item().generation == (2 if is_replaced else 1)
    assert broker.item().report_times == ()
    broker.put(lease_owner="another", lease_until=broker.now + 60)
    need = NeedToken(LOGIN, broker.item().fingerprint)
    refused(RefreshInProgress, lambda: work.token_of(need))


def test_the_secret_is_read_once_more_for_however_many_tokens_of_another_version() -> None:
    """One of them shows that it may have changed; a listing and an organization's token here."""
    broker = MemoryBroker("vntana")
    names = {"organization": "studio", "workspace": "chairs"}
    broker.call(**names)
    for item in [*broker.aws.store.list("vntana#acme")]:
        if item.fingerprint:
            broker.put(item.variant, secret_version="v0")
    broker.now += 400
    broker.restart()
    broker.aws.manager.calls.clear()
    assert broker.call(**names, force=True)["source"] == "exchange"
    assert broker.aws.manager.calls == ["get_secret_value"] * 2


# Waiting


WAITS = pytest.mark.parametrize(
    ("flow", "variant"),
    [
        ("vendorlink", LOGIN),
        ("editor", Variant("asked", {"parameters": {"userId": "1"}})),
        ("vntana", Variant("asked", {"organization": None, "workspace": None})),
    ],
)


def waiting(flow: str, pauses: int, **found: Any) -> MemoryBroker:
    """Return a broker whose gate is leased, until it has changed after that many pauses."""
    broker = MemoryBroker(flow)
    broker.put(lease_owner="a", lease_until=NOW + 9)
    sleep = broker.deps.clock.sleep

    def wake(seconds: float) -> None:
        sleep(seconds)
        if len(broker.slept) == pauses:
            broker.put(**{"lease_owner": None, "lease_until": None} | found)

    broker.deps = replace(broker.deps, clock=replace(broker.deps.clock, sleep=wake))
    return broker


@WAITS
@pytest.mark.parametrize(
    ("found", "error"),
    [
        ({"held": {"since": NOW}}, ConnectionHeld),
        ({"rejected_versions": ["v1"], "noticed_version": "v1"}, CredentialLatched),
        (
            {"suspect_at": NOW, "accepted_version": "v1", "suspect_version": "v1"},
            CredentialRejected,
        ),
    ],
    ids=["held", "latched", "suspect"],
)
def test_what_a_call_finds_after_a_wait_counts_as_before(
    flow: str, variant: Variant, found: dict[str, Any], error: type[BrokerError]
) -> None:
    """I7, I16: no request is sent."""
    broker = waiting(flow, 2, **found)
    refused(error, lambda: refresher(broker).obtain(variant, Requirement()))
    assert broker.steps == []


@WAITS
def test_calls_without_the_lease_wait_for_its_holder(flow: str, variant: Variant) -> None:
    """That of the token, or of the gate of its connection: less and less often.

    A wait counts once, for however many variants, without the time of the exchanges.
    """
    broker = waiting(flow, 4)
    broker.vendor_seconds = 1.0
    held, source, *_ = refresher(broker).obtain(variant, Requirement())
    assert (source, held.item.generation) == ("exchange", 1)
    assert broker.slept == pytest.approx([0.05, 0.1, 0.2, 0.25])
    assert broker.telemetry.of("wait") == [{"milliseconds": 600}]
    assert broker.waited[0] == pytest.approx(29.0 - 4.0 - 0.6), "the answer has what is left"


def test_an_expired_lease_is_taken_over() -> None:
    """I10: after the death of its holder, the next caller has a token within one lease."""
    broker = MemoryBroker()
    broker.put(lease_owner="dead", lease_until=NOW + 1)
    error = refused(RefreshInProgress, lambda: obtain(broker))
    assert error == ("another caller is renewing this token", 1)
    broker.now += 1
    assert obtain(broker) == ("exchange", 1)
    assert broker.telemetry.of("wait")[0]["milliseconds"] >= 27_000


# A token that cannot be kept

BUSY = StoreUnavailable("the table is busy", retry_after=1)


def broken_commit(broker: MemoryBroker, times: int, error: BrokerError = BUSY) -> None:
    """Let the next commits fail."""
    left = [error] * times

    def failing(commit: Any, *arguments: Any, **more: Any) -> Any:
        if left:
            raise left.pop()
        return commit(*arguments, **more)

    around(broker.aws.store, "commit", failing)


def test_a_failed_commit_is_repeated() -> None:
    broker = MemoryBroker()
    broken_commit(broker, 3)
    assert obtain(broker) == ("exchange", 1)
    assert broker.slept == [0.1, 0.1, 0.1]
    assert broker.item().generation == 1
    assert broker.telemetry.of("unkept") == []


def test_a_nested_commit_is_repeated_while_the_outer_exchange_has_time_for_its_own() -> None:
    """I13: of 29 seconds, the outer one keeps two for requests and four for its commit.

    So its caller gets the token, though neither listing, token nor alias can be kept.
    """
    broker, ended_at = MemoryBroker("vntana"), list[float]()
    broken_commit(broker, 1000)

    def released(release: Any, *arguments: Any, **more: Any) -> Any:
        ended_at.append(sum(broker.slept))
        return release(*arguments, **more)

    around(broker.aws.store, "release", released)
    assert broker.call(organization="studio", workspace="chairs")["source"] == "exchange"
    assert ended_at == pytest.approx([22, 22, 22, 28], abs=0.2)


def test_a_token_that_cannot_be_stored_is_handed_out_and_others_wait() -> None:
    """I13: no second login at once; the process caches the token."""
    broker = MemoryBroker()
    broken_commit(broker, 1000)
    down = {"code": "upstream_unavailable", "detail": "x", "since": 1, "count": 1, "retry_at": 1}
    broker.put(failure=down)
    answer = broker.call()
    assert (answer["source"], answer["generation"], answer["stale"]) == ("exchange", 1, False)
    assert answer["expires_at"] == "2030-03-17T18:46:40Z"
    ((what, detail),) = broker.announced
    assert (what, detail["variant"], detail["code"]) == ("Token Unkept", "-", "store_unavailable")
    item = broker.item()
    assert (item.token, item.lease_owner, item.generation) == (None, None, 0)
    unkept = Failure("store_unavailable", "the table is busy", NOW, 1, NOW + 30, "v1")
    assert item.failure == replace(unkept, is_login=True)
    assert 28.0 <= sum(broker.slept) < 28.3
    assert broker.call()["source"] == "memory"
    broker.restart()
    with pytest.raises(Exception, match="store_unavailable"):
        broker.call()
    assert broker.steps == ["login"]


@pytest.mark.parametrize("min_ttl", [None, 3600], ids=["", "it is no token for this caller"])
def test_a_commit_that_fails_by_a_wrong_setting_is_not_repeated(min_ttl: int | None) -> None:
    """The process caches the token, also if it does not live as long as its caller wants."""
    broker = MemoryBroker()
    broken_commit(broker, 1000, NotConfigured("KEY_ID: the key cannot be used"))
    if min_ttl:
        with pytest.raises(Exception, match="invalid_request"):
            broker.call(min_ttl=min_ttl)
    else:
        assert broker.call()["source"] == "exchange"
    assert broker.call()["source"] == "memory"
    assert broker.slept == []
    ((what, detail),) = broker.announced
    assert (what, detail["code"]) == ("Token Unkept", "not_configured")
    assert broker.item().lease_owner is None


@pytest.mark.parametrize(("left", "is_handed_out"), [(32, True), (31, False)])
def test_a_token_that_expires_while_it_is_opened_is_not_handed_out(
    left: int, is_handed_out: bool
) -> None:
    """I16: the age of another one counts from its read."""
    broker = with_token()
    broker.now = ENDS - left

    def slowly(open_token: Any, item: Item) -> Any:
        token = open_token(item)
        broker.now += 1
        return token

    around(broker.aws.sealer, "open_token", slowly)
    assert obtain(broker) == (("table", 1) if is_handed_out else ("exchange", 2))
    cached = broker.deps.cache.recall("vendorlink#acme", "-")
    assert cached
    assert cached.read_at == ENDS - left


# Limits of a new token


def test_a_min_ttl_that_the_new_token_does_not_meet_is_an_invalid_request() -> None:
    broker = MemoryBroker()
    error = refused(InvalidRequest, lambda: obtain(broker, min_ttl=3600))
    assert error[0] == "min_ttl: 3570 at most, as tokens of this upstream live 3600 seconds"
    assert obtain(broker, min_ttl=3599) == ("table", 1)
    assert refused(InvalidRequest, lambda: obtain(broker, min_ttl=3600)) == error
    assert broker.steps == ["login"]


# What the gate says


GATE = Item(
    "vntana#acme",
    "-",
    suspect_at=NOW - 45,
    failure=Failure("credential_rejected", "x", NOW - 45, 1, NOW, "v1", 401, "BAD", "no"),
)


def test_the_errors_of_a_latch_and_of_a_suspect_version_tell_of_the_rejection() -> None:
    detail = "this version of the secret worked before, and was rejected: it is tried once more"
    for ago, retry_after in ((45, 15), (59, 1), (60, 1), (90, 1), (0, 60)):
        error = suspect_error(replace(GATE, suspect_at=NOW - ago), NOW)
        assert (error.detail, error.retry_after) == (detail, retry_after)
        assert upstream_of(error) == upstream_of(GATE.failure)
    assert upstream_of(latched_error(GATE)) == upstream_of(GATE.failure)
    assert "rejected at 2030-03-17T17:45:55Z, and is not tried" in latched_error(GATE).detail
    outage = Failure("upstream_unavailable", "x", NOW - 5, 1, NOW)
    later = replace(GATE, latched_at=NOW - 45, failure=outage)
    assert latched_error(later).detail == latched_error(GATE).detail
    gone = replace(GATE, failure=None)
    unknown = [upstream_of(error) for error in (suspect_error(gone, NOW), latched_error(gone))]
    assert unknown == [dict.fromkeys(upstream_of(GATE.failure))] * 2


def gate_of(broker: MemoryBroker) -> CredentialGate:
    return CredentialGate(Invocation(broker.deps, "acme", broker.monotonic + 29))


VARIANT = Item("vntana#acme", "a" * 64, lease_owner="me", lease_until=NOW + 60)


SUSPECT: dict[str, Any] = {"accepted_version": "v1", "suspect_version": "v1"}
LEASED: dict[str, Any] = {"lease_owner": "a", "lease_until": NOW + 9}
REFUSED: dict[str, Any] = {"suspect_version": "v1", "suspect_variants": [VARIANT.variant]}


@pytest.mark.parametrize(
    ("values", "is_entered"),
    [
        pytest.param({}, True, id="never tried"),
        pytest.param({"accepted_version": "v1"}, False, id="accepted: no lease is needed"),
        pytest.param({"accepted_version": "v0"}, True, id="another was accepted"),
        pytest.param(SUSPECT | {"suspect_at": NOW - 60}, True, id="suspect, for a minute"),
        pytest.param(REFUSED | {"suspect_version": "v0"}, True, id="another was refused"),
        pytest.param(REFUSED | {"suspect_variants": ["b"]}, True, id="refused for another"),
        pytest.param(DEAD, True, id="its holder died"),
        pytest.param({"fence": "x"}, True, id="damaged, which is told"),
    ],
)
def test_an_unaccepted_version_is_tried_with_the_lease_of_the_gate(
    values: dict[str, Any], is_entered: bool
) -> None:
    broker = MemoryBroker("vntana")
    broker.put(**values)
    gate = gate_of(broker)
    gate.admit(VARIANT, "v1")
    gate.admit(VARIANT, "v1")
    assert broker.item().fence == int(is_entered)
    assert (broker.item().lease_owner == "owner-0") is is_entered
    damaged = [{"variant": "-", "attributes": ["fence"]}] if "fence" in values else []
    assert broker.telemetry.of("damaged") == damaged
    gate.release()
    writes = broker.aws.dynamodb.writes
    gate.release()
    assert broker.aws.dynamodb.writes == writes
    assert broker.item().lease_owner is None
    assert broker.item().accepted_version == values.get("accepted_version")


def test_each_version_is_admitted_separately() -> None:
    """An accepted one does not lift the latch of another."""
    broker = MemoryBroker("vntana")
    broker.put(accepted_version="v1", latched_version="v2", rejected_versions=["v2"])
    broker.put(noticed_version="v2")
    gate = gate_of(broker)
    gate.admit(VARIANT, "v1")
    gate.accept(VARIANT, "v1")
    refused(CredentialLatched, lambda: gate.admit(VARIANT, "v2"))
    gate.admit(VARIANT, "v3")
    gate.release()
    assert (broker.item().rejected_versions, broker.item().lease_owner) == (("v2",), None)
    assert (broker.item().latched_version, broker.announced) == ("v2", [])


def test_the_event_of_a_new_version_lifts_a_latch_of_one_that_this_invocation_has_read() -> None:
    broker = MemoryBroker("vntana")
    work = Invocation(broker.deps, "acme", broker.monotonic + 29)
    assert work.secret.version() == "v1"
    broker.put_secret()
    broker.put(rejected_versions=["v1"], noticed_version="v2")
    CredentialGate(work).check(broker.item(), "v1")
    assert work.secret.version() == "v2"


@pytest.mark.parametrize("uses_previous", [True, False])
def test_the_version_before_ends_no_latch_of_another(uses_previous: bool) -> None:
    broker = MemoryBroker("vntana")
    broker.put(accepted_version="v1", latched_version="v0", latched_at=NOW - 60)
    work = Invocation(broker.deps, "acme", broker.monotonic + 29)
    if uses_previous:
        broker.put_secret()
        broker.aws.manager.created_at = NOW
        use_previous(work)
    work.read_gate()
    CredentialGate(work).accept(VARIANT, "v1")
    assert broker.item().latched_version == ("v0" if uses_previous else None)


def test_a_rejected_version_is_not_admitted_again_in_the_same_invocation() -> None:
    """I7: in none of its exchanges."""
    broker = MemoryBroker("vntana")
    gate = gate_of(broker)
    gate.admit(VARIANT, "v1")
    failure = Failure("credential_rejected", "no", NOW, 1, NOW + 30, "v1")
    gate.reject(VARIANT, Rejection("v1", failure, VARIANT.variant), is_certain=True)
    refused(CredentialLatched, lambda: gate.admit(VARIANT, "v1"))


@pytest.mark.parametrize(
    ("values", "error", "retry_after"),
    [
        ({"rejected_versions": ["v1"]}, CredentialLatched, None),
        (REFUSED, CredentialLatched, None),
        (SUSPECT | {"suspect_at": NOW - 59}, CredentialRejected, 1),
        (LEASED, RefreshInProgress, 9),
        (SUSPECT | LEASED | {"suspect_at": NOW - 60}, RefreshInProgress, 9),
        ({"accepted_version": "v1", "held": {"since": NOW}}, ConnectionHeld, None),
    ],
    ids=[
        "latched",
        "refused for this variant",
        "too early",
        "another tries it",
        "the second time",
        "works, but is held",
    ],
)
@pytest.mark.parametrize("is_late", [False, True], ids=["", "since the gate was read"])
def test_a_latched_suspect_leased_or_held_version_is_not_admitted(
    values: dict[str, Any], error: type[BrokerError], retry_after: int | None, is_late: bool
) -> None:
    broker = MemoryBroker("vntana")

    def raced(acquire: Any, *arguments: Any, **named: Any) -> Any:
        broker.put(fence=1, **values)
        return acquire(*arguments, **named)

    if is_late:
        around(broker.aws.store, "acquire", raced)
    else:
        broker.put(**values)
    assert refused(error, lambda: gate_of(broker).admit(VARIANT, "v1"))[1] == retry_after
    assert broker.item().fence == int(is_late)


@pytest.mark.parametrize("reuse", [True, False])
@pytest.mark.parametrize("failures", [1, 2, 3])
def test_a_failed_write_of_the_accepted_version_is_repeated_at_the_end(
    failures: int, reuse: bool
) -> None:
    """Its failure fails no call."""
    broker = MemoryBroker("editor", secret={"options": {"reuse": reuse}})
    left = iter(range(failures))

    def failing(update: Any, **request: Any) -> Any:
        is_failing = ":accepted_version" in request["ExpressionAttributeValues"]
        if is_failing and next(left, None) is not None:
            raise timeout()
        return update(**request)

    around(broker.aws.dynamodb, "update_item", failing)
    assert broker.call(parameters={"userId": "1"})["source"] == "exchange"
    assert broker.slept == [0.1] * (1 + failures // 3)
    unreleased = {"code": "store_unavailable", "variant": "-"}
    assert broker.telemetry.of("unreleased") == [unreleased] * (failures // 2)
    assert (broker.item().accepted_version, broker.item().lease_owner) == ("v1", None)


BACKS_OFF, IS_OVER = (
    {"failure": Failure("upstream_unavailable", "x", NOW, 1, NOW + left)} for left in (1, 0)
)
DEMOTED = {"context": '{"role": "MEMBER"}'}


@pytest.mark.parametrize(
    ("changes", "target", "gate", "is_outdated"),
    [
        pytest.param({}, {}, {}, True, id="it was made with another version, now in use"),
        pytest.param({"target": None}, {}, {}, False, id="no alias"),
        pytest.param({"secret_version": "v2"}, {}, {}, False, id="of the same version"),
        pytest.param({}, {}, {"rejected_versions": ["v2"]}, False, id="the new one was rejected"),
        pytest.param(BACKS_OFF, {}, {}, False, id="it backs off"),
        pytest.param({}, BACKS_OFF, {}, False, id="what it leads to backs off"),
        pytest.param(IS_OVER, IS_OVER, {}, True, id="its back-off is over"),
        pytest.param(BACKS_OFF, DEMOTED, {}, True, id="of another role: I8, in any back-off"),
    ],
)
def test_an_outdated_alias_is_followed_while_no_exchange_is_possible(
    changes: dict[str, Any], target: dict[str, Any], gate: dict[str, Any], is_outdated: bool
) -> None:
    broker = MemoryBroker("editor")
    broker.put_secret()
    broker.put(fence=1, **gate)
    work = Invocation(broker.deps, "acme", broker.monotonic + 29)
    role = '{"role": "ADMIN"}'
    alias = Item("editor#acme", "a", target="b", issued_at=NOW, secret_version="v1", context=role)
    found = Item("editor#acme", "b", issued_at=NOW, secret_version="v2", context=role)
    look = Look(replace(alias, **changes), replace(found, **target), broker.item(), NOW)
    assert Resolver(work).is_outdated(look) is is_outdated


def test_an_alias_of_a_release_with_other_defaults_is_resolved_again() -> None:
    """The version of the secret is the same, but the flow resolves it otherwise by now."""
    broker = MemoryBroker("editor", secret={"parameters": {"userId": "1"}})
    assert broker.call()["generation"] == 1
    [texts] = broker.aws.manager.texts.values()
    texts[0] = json.dumps(broker.working | {"parameters": {"userId": "2"}})
    broker.restart()
    assert broker.call(force=True)["generation"] == 1, "of another variant"


@pytest.mark.parametrize("uses_previous", [False, True])
def test_a_role_of_the_previous_version_contradicts_no_alias(uses_previous: bool) -> None:
    """It may be another account's."""
    broker = MemoryBroker("editor")
    work = Invocation(broker.deps, "acme", broker.monotonic + 29)
    if uses_previous:
        broker.put_secret()
        broker.aws.manager.created_at = NOW
        use_previous(work)
    alias = Item("editor#acme", "a", target="b", issued_at=NOW, context='{"role": "ADMIN"}')
    found = replace(alias, variant="b", target=None, **DEMOTED)
    resolver = Resolver(work)
    assert resolver.is_contradicted([Alias(LOGIN, alias, LOGIN)], found) is not uses_previous


def test_an_unknown_name_in_a_request_stores_no_failure() -> None:
    """The stored listing decides, without a request."""
    broker = with_token("vntana")
    steps = len(broker.steps)
    assert broker.http({"organization": "nowhere"})["body"]["code"] == "invalid_request"
    assert failures_of(broker) == []
    assert len(broker.steps) == steps


def test_a_request_that_a_pin_refuses_drops_no_token_of_the_version_in_use() -> None:
    """The pin has the organization's slug, the request its uuid: both lead to one token."""
    broker = with_token("vntana")
    uuid = {"organization": broker.call()["context"]["organization"]}
    broker.call(**uuid)
    broker.put_secret(organization="acme", pinned=["organization"])
    broker.now += 100
    token = broker.call(force=True)
    broker.restart()
    assert broker.http(uuid)["body"]["code"] == "invalid_request"
    assert broker.call() == token | {"source": "table"}


def failures_of(broker: MemoryBroker) -> list[Failure]:
    """Return the failures that the table keeps."""
    return [i.failure for i in broker.aws.store.list(f"{broker.flow}#acme") if i.failure]


def test_a_wrong_default_that_cost_a_login_backs_off() -> None:
    """The login was sent by a nested exchange."""
    broker = MemoryBroker("vntana", secret={"organization": "nowhere"})
    for _ in range(2):
        with pytest.raises(Exception, match="not_configured"):
            broker.call()
        broker.restart()
    assert broker.steps == ["login", "list organizations"]
    [kept] = failures_of(broker)
    assert (kept.code, kept.retry_at) == ("not_configured", NOW + 30)


@pytest.mark.parametrize(
    ("left", "code", "seconds"),
    [
        pytest.param(
            {"failure": {"code": "upstream_unavailable", "detail": "x", "retry_at": NOW + 20}},
            *("upstream_unavailable", 20),
            id="backs off",
        ),
        pytest.param(
            {"lease_owner": "a", "lease_until": NOW + 20},
            *("refresh_in_progress", 20),
            id="is leased",
        ),
    ],
)
@pytest.mark.parametrize("is_alias", [True, False], ids=["the alias", "its target"])
def test_an_alias_or_its_target_stops_the_call(
    is_alias: bool, left: dict[str, Any], code: str, seconds: int
) -> None:
    """After a rotation, both have to be renewed, and either may have failed, or be in work."""
    broker = with_token("vntana")
    [alias] = [i for i in broker.aws.store.list("vntana#acme") if i.target]
    target = broker.item(str(alias.target))
    broker.put(target.variant, secret_version=broker.put_secret(), rejected=target.fingerprint)
    broker.put((alias if is_alias else target).variant, **left)
    broker.restart()
    steps = len(broker.steps)
    problem = broker.http()["body"]
    assert (problem["code"], problem["retry_after"]) == (code, seconds)
    assert len(broker.steps) == steps


UNSHARED: dict[str, Any] = {"options": {"reuse": False}}


def test_a_shared_token_is_dropped_once_reuse_is_off() -> None:
    broker = with_token("editor")
    [kept] = [i for i in broker.aws.store.list("editor#acme") if i.kind == "parameters"]
    broker.put_secret(**UNSHARED)
    broker.now += 100
    assert broker.call(force=True)["source"] == "exchange"
    assert broker.item(kept.variant).token is None


def test_an_exchange_of_an_unshared_token_waits_for_no_lease() -> None:
    broker = MemoryBroker("editor", secret=UNSHARED)
    broker.fake.fail("status", status=503)
    with pytest.raises(Exception, match="upstream_unavailable"):
        broker.call()
    [failed] = [i for i in broker.aws.store.list("editor#acme") if i.failure]
    broker.now += 2
    broker.put(failed.variant, lease_owner="dead", lease_until=NOW + 60)
    assert (broker.call()["source"], broker.slept) == ("exchange", [])


@pytest.mark.parametrize("is_kept", [True, False], ids=["", "though that cannot be kept"])
def test_each_name_of_a_promoted_workspace_leads_to_the_organization(is_kept: bool) -> None:
    """The workspace's item became an alias when the first name was used after the promotion.

    I13: that call gets the organization's token, which it has made for the workspace's.
    """
    broker = MemoryBroker("vntana")
    assert isinstance(broker.fake, FakeVntana)
    organization = broker.fake.accounts[0].organizations[0]
    organization.role = "CLIENT_ORGANIZATION_ADMIN"
    organization.workspaces = [Workspace("desks")]
    names = [
        {"organization": name, "workspace": "desks"}
        for name in (organization.slug, organization.uuid)
    ]
    for name in names:
        broker.call(**name)
    organization.role = "ORGANIZATION_ADMIN"
    broker.now += 7200

    def commit(write: Any, lease: Item, values: Any, **more: Any) -> Any:
        if values["kind"] == "organization" and not is_kept:
            raise NotConfigured("KEY_ID: the key cannot be used")
        return write(lease, values, **more)

    around(broker.aws.store, "commit", commit)
    if not is_kept:
        broker.fake.revoke()
    sent = len(broker.steps)
    assert broker.call(**names[0], force=True)["source"] == "exchange"
    assert broker.steps[sent:].count("enter organization") == 1
    del broker.aws.store.commit  # as it was
    broker.now += 40 * 86_400
    broker.restart()
    sent = len(broker.steps)
    assert broker.call(**names[1])["context"]["workspace"] is None
    assert broker.steps[sent:] == ["login", "list organizations", "enter organization"]
