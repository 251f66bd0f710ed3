"""The decisions of the protocol: pure functions of item, time and requirement."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conversations import NOW
from token_broker.decisions import (
    KEPT_AFTER_END,
    LONGEST_OUTAGE,
    MOST_REPORTS,
    Next,
    State,
    Verdict,
    backoff_seconds,
    lease_end,
    longest_min_ttl,
    may_force,
    next_failure,
    next_step,
    recent_reports,
    refresh_at,
    refuse_too_long,
    state,
    stored_error,
    ttl_of,
    verdict,
)
from token_broker.errors import (
    BrokerError,
    CredentialRejected,
    Internal,
    InvalidRequest,
    UpstreamRefused,
    UpstreamUnavailable,
)
from token_broker.item import (
    DEFAULT_MIN_TTL,
    LATCHES,
    LONGEST_REFUSAL,
    Failure,
    Hold,
    Item,
    default_min_ttl,
    rfc3339,
)
from token_broker.records import replace

EMPTY = Item("vntana#acme", "-")
FRESH = replace(
    EMPTY,
    generation=7,
    token=b"sealed",
    fingerprint="0123456789abcdef",
    issued_at=NOW - 1000,
    refresh_at=NOW + 1000,
    expires_at=NOW + 2000,
    secret_version="v1",
)
AGING = replace(FRESH, refresh_at=NOW)
DOWN = Failure("upstream_unavailable", "login: down", NOW - 10, 1, NOW + 5, "v1")
AGAIN = replace(DOWN, retry_at=NOW)
REFUSED = replace(DOWN, code=LATCHES)
RUNNING: dict[str, Any] = {"lease_owner": "a", "lease_until": NOW + 9}
DIED: dict[str, Any] = {"lease_owner": "a", "lease_until": NOW}


def kept(**changes: Any) -> Item:
    return replace(FRESH, **changes)


REPORTED = kept(rejected=FRESH.fingerprint)


@pytest.mark.parametrize(
    ("item", "min_ttl", "age"),
    [
        pytest.param(kept(refresh_at=NOW + 1), None, State.FRESH, id="before its renewal is due"),
        pytest.param(AGING, None, State.AGING, id="when its renewal is due"),
        pytest.param(kept(failure=DOWN), None, State.STALE, id="a renewal failed"),
        pytest.param(replace(AGING, failure=DOWN), None, State.STALE, id="failed, and due"),
        pytest.param(kept(**RUNNING), None, State.STALE, id="it is being replaced"),
        pytest.param(kept(**DIED), None, State.STALE, id="its replacer has died"),
        pytest.param(kept(token=None), None, State.DEAD, id="no token is kept"),
        pytest.param(kept(expires_at=NOW), 0, State.DEAD, id="at its very end"),
        pytest.param(kept(expires_at=NOW + 1), 0, State.FRESH, id="a second before its end"),
        pytest.param(kept(issued_at=NOW + 9, expires_at=NOW), None, State.DEAD, id="never lived"),
        pytest.param(REPORTED, 0, State.DEAD, id="reported as refused"),
        pytest.param(kept(rejected="another"), 0, State.FRESH, id="an older one was reported"),
        pytest.param(kept(target="0" * 64), 0, State.DEAD, id="what leads elsewhere is no token"),
        pytest.param(kept(failure=DOWN, expires_at=NOW), 0, State.DEAD, id="failed, and ended"),
        pytest.param(FRESH, 1999, State.FRESH, id="it lives for longer than is wanted"),
        pytest.param(FRESH, 2000, State.DEAD, id="it does not"),
    ],
)
def test_the_state_of_a_token_follows_from_its_item(
    item: Item, min_ttl: int | None, age: State
) -> None:
    assert state(item, NOW, min_ttl) is age


@pytest.mark.parametrize(
    ("lifetime", "left", "is_live"),
    [
        pytest.param(3600, 31, True, id="more than thirty seconds"),
        pytest.param(3600, 30, False, id="thirty seconds"),
        pytest.param(100, 11, True, id="more than a tenth of a short life"),
        pytest.param(100, 10, False, id="a tenth of a short life"),
        pytest.param(5, 1, True, id="of a very short life any second"),
    ],
)
def test_the_default_min_ttl_is_30_seconds_or_a_tenth_of_the_lifetime(
    lifetime: int, left: int, is_live: bool
) -> None:
    item = kept(expires_at=NOW + left, issued_at=NOW + left - lifetime, refresh_at=NOW)
    assert (state(item, NOW) is not State.DEAD) is is_live


@pytest.mark.parametrize(
    ("version", "age"),
    [
        pytest.param(None, State.FRESH, id="a version that is not known"),
        pytest.param("v1", State.FRESH, id="the version it was made with"),
        pytest.param("v2", State.AGING, id="a new version: its renewal is due"),
    ],
)
def test_a_token_of_another_secret_version_is_aging(version: str | None, age: State) -> None:
    assert state(FRESH, NOW, version=version) is age


seconds = st.integers(NOW - 100, NOW + 100)
items = st.builds(
    Item,
    connection=st.just("vntana#acme"),
    variant=st.just("-"),
    token=st.none() | st.just(b"sealed"),
    target=st.none() | st.just("0" * 64),
    fingerprint=st.sampled_from([None, "a", "b"]),
    rejected=st.sampled_from([None, "a", "b"]),
    issued_at=seconds,
    expires_at=seconds,
    refresh_at=seconds,
    failure=st.sampled_from([None, DOWN, REFUSED]),
    lease_owner=st.none() | st.just("owner"),
    lease_until=seconds,
    nudged_until=seconds,
)


@given(items, st.integers(0, 60) | st.none())
def test_a_token_that_is_not_dead_lives_longer_than_min_ttl(
    item: Item, min_ttl: int | None
) -> None:
    """I8, for any item."""
    if state(item, NOW, min_ttl) is not State.DEAD:
        assert item.token
        assert item.target is None
        assert item.expires_at - NOW > (min_ttl or 0)
        assert item.rejected is None or item.rejected != item.fingerprint


@given(items)
def test_a_dead_token_stays_dead(item: Item) -> None:
    """For any item, at any later second."""
    if state(item, NOW, 0) is State.DEAD:
        assert state(item, NOW + 1, 0) is State.DEAD


# Renewals, and who starts them


@pytest.mark.parametrize(
    ("item", "is_due"),
    [
        pytest.param(FRESH, False, id="not yet"),
        pytest.param(AGING, True, id="now"),
        pytest.param(replace(AGING, nudged_until=NOW + 1), False, id="one was just started"),
        pytest.param(replace(AGING, nudged_until=NOW), True, id="one was started, in vain"),
        pytest.param(replace(AGING, **RUNNING), False, id="one is running"),
        pytest.param(replace(AGING, **DIED), True, id="one has died"),
        pytest.param(replace(AGING, failure=DOWN), False, id="one failed: not yet again"),
        pytest.param(kept(failure=AGAIN), True, id="one failed: again, though it is early"),
    ],
)
def test_a_renewal_is_due_unless_leased_claimed_or_backing_off(item: Item, is_due: bool) -> None:
    assert item.is_renewal_due(NOW) is is_due


@given(st.integers(1, 10**7), st.floats(0, 1))
def test_a_renewal_is_due_a_tenth_to_a_fifth_of_the_lifetime_before_the_end(
    lifetime: int, spread: float
) -> None:
    """Before the default min_ttl would not be met; an hour at most."""
    at = refresh_at(NOW, NOW + lifetime, spread)
    assert NOW <= at <= NOW + lifetime
    before_end = NOW + lifetime - default_min_ttl(lifetime) - at
    assert before_end <= min(lifetime / 5, 3600)
    assert before_end > min(lifetime / 10, 1800) - 1


def test_the_time_of_renewals_is_spread() -> None:
    spread = [refresh_at(NOW, NOW + 3600, tenth / 10) for tenth in range(11)]
    assert spread == sorted(set(spread), reverse=True)
    assert (spread[0], spread[-1]) == (NOW + 3210, NOW + 2850)
    of_a_day = [refresh_at(NOW, NOW + 86_400, spread) for spread in (0, 0.5, 1)]
    assert of_a_day == [NOW + 86_370 - margin for margin in (1800, 2700, 3600)]


# The lease


@pytest.mark.parametrize(
    ("owner", "until", "is_leased"),
    [
        pytest.param(None, NOW + 9, False, id="it has no owner"),
        pytest.param("a", NOW + 1, True, id="it is not over"),
        pytest.param("a", NOW, False, id="it is over"),
        pytest.param("a", NOW + 1_000, True, id="the longest that there is"),
        pytest.param("a", NOW + 1_001, False, id="of a wrong clock: no invocation lives so long"),
    ],
)
def test_a_lease_expires(owner: str | None, until: int, is_leased: bool) -> None:
    """The token is uncertain then, as its exchange was not finished."""
    item = kept(lease_owner=owner, lease_until=until)
    assert item.is_leased(NOW) is is_leased
    assert item.is_uncertain(NOW) is (owner is not None and not is_leased)


@given(st.floats(0, 0.999), st.floats(0, 900), st.integers(0, 60), st.floats(-1, 1))
def test_a_lease_lasts_as_long_as_its_holder_may_run(
    fraction: float, remaining: float, skew: int, ahead: float
) -> None:
    """Also if the reader's clock is ahead by the whole skew."""
    holder_ends = NOW + fraction + remaining
    until = lease_end(NOW, remaining, skew)
    just_before = int(holder_ends + ahead * skew - 0.001)
    assert kept(lease_owner="a", lease_until=until).is_leased(just_before)


@pytest.mark.parametrize(("remaining", "until"), [(29.0, 31), (29.01, 32), (0.0, 2)])
def test_a_lease_is_the_remaining_time_plus_two_seconds_and_the_skew(
    remaining: float, until: int
) -> None:
    """One second for each rounded end."""
    assert lease_end(NOW, remaining, 30) == NOW + until + 30


# How long the table keeps it


@pytest.mark.parametrize(
    ("item", "ends"),
    [
        pytest.param(EMPTY, None, id="nothing that ends"),
        pytest.param(FRESH, NOW + 2000, id="its token's end"),
        pytest.param(kept(lease_until=NOW + 5000), NOW + 5000, id="its lease's end"),
        pytest.param(kept(failure=replace(DOWN, retry_at=NOW + 3000)), NOW + 3000, id="a back-off"),
        pytest.param(kept(rejected_versions=("v0",)), None, id="a latch"),
        pytest.param(kept(accepted_version="v1"), None, id="a proven gate"),
        pytest.param(kept(suspect_version="v1"), None, id="a suspicion"),
    ],
)
def test_the_ttl_of_an_item_keeps_renewal_tokens_and_rejections(
    item: Item, ends: int | None
) -> None:
    """I15: a renewal token lives fourteen days from its issue; rejections have no ttl."""
    assert ttl_of(item) == (ends and ends + KEPT_AFTER_END)
    assert KEPT_AFTER_END > 14 * 86_400


# Failures, and how long they are heeded


@pytest.mark.parametrize(
    ("failure", "rejected", "version", "is_latched"),
    [
        pytest.param(REFUSED, ("v0", "v1"), None, True, id="whichever version there is"),
        pytest.param(REFUSED, ("v0", "v1"), "v1", True, id="the version that was rejected"),
        pytest.param(REFUSED, ("v0", "v1"), "v2", False, id="a new version"),
        pytest.param(DOWN, ("v0",), "v0", True, id="an older one, whatever failed since"),
        pytest.param(DOWN, ("v1",), None, False, id="another failure"),
        pytest.param(None, (), None, False, id="no failure"),
        pytest.param(DOWN, (), "v1", False, id="of a version that was not rejected"),
    ],
)
def test_an_item_is_latched_for_its_rejected_versions(
    failure: Failure | None, rejected: tuple[str, ...], version: str | None, is_latched: bool
) -> None:
    item = replace(EMPTY, failure=failure, rejected_versions=rejected)
    assert item.is_latched(version) is is_latched


PROVEN = replace(EMPTY, accepted_version="v1")
ONCE = replace(PROVEN, suspect_version="v1", suspect_at=NOW - 60, failure=REFUSED)
SUSPECTS = replace(EMPTY, suspect_version="v1", suspect_variants=("a", "b"))
OF_V0 = {"suspect_version": "v0"}
V1_REJECTED = {"rejected_versions": ("v1",)}


@pytest.mark.parametrize(
    ("gate", "changes", "is_certain", "expected"),
    [
        pytest.param(EMPTY, {}, True, Verdict.LATCH, id="a version that was never accepted"),
        pytest.param(PROVEN, {}, True, Verdict.SUSPECT, id="one that was accepted"),
        pytest.param(FRESH, {}, True, Verdict.SUSPECT, id="one that made the token"),
        pytest.param(ONCE, {}, True, Verdict.LATCH, id="a second time, a minute later"),
        pytest.param(ONCE, {"suspect_at": NOW - 59}, True, Verdict.SUSPECT, id="twice at once"),
        pytest.param(ONCE, OF_V0, True, Verdict.SUSPECT, id="another was suspect"),
        pytest.param(ONCE, {"accepted_version": "v0"}, True, Verdict.LATCH, id="other accepted"),
        pytest.param(EMPTY, {}, False, Verdict.REFUSE_VARIANT, id="it may be the variant"),
        pytest.param(PROVEN, {}, False, Verdict.BLAME_VARIANT, id="it is the variant"),
        pytest.param(ONCE, {}, False, Verdict.BLAME_VARIANT, id="it is that, though suspect"),
        pytest.param(SUSPECTS, {}, False, Verdict.LATCH, id="a third variant"),
        pytest.param(
            SUSPECTS,
            {"suspect_variants": ("a", "c")},
            False,
            Verdict.REFUSE_VARIANT,
            id="a second one, again",
        ),
        pytest.param(SUSPECTS, OF_V0, False, Verdict.REFUSE_VARIANT, id="a third, of another"),
    ],
)
def test_the_verdict_on_a_rejection_follows_from_the_gate(
    gate: Item, changes: dict[str, Any], is_certain: bool, expected: Verdict
) -> None:
    """I7, I17: for version `v1`, tried for variant `c`."""
    assert verdict(replace(gate, **changes), "v1", "c", NOW, is_certain=is_certain) is expected


@pytest.mark.parametrize(
    ("gate", "is_suspect"),
    [
        (ONCE, True),
        (replace(ONCE, accepted_version=None), False),
        (replace(ONCE, accepted_version=None, secret_version="v1"), True),
        (replace(ONCE, suspect_version="v0"), False),
        (PROVEN, False),
    ],
)
def test_only_an_accepted_version_is_suspect(gate: Item, is_suspect: bool) -> None:
    assert gate.is_suspect("v1") is is_suspect


@pytest.mark.parametrize(
    ("changes", "awaits_recovery"),
    [
        ({"latched_version": "v0"}, True),
        ({"failure": REFUSED, "rejected_versions": ("v1",)}, True),
        ({"failure": REFUSED}, False),
        ({"failure": DOWN, "rejected_versions": ("v1",)}, False),
    ],
)
def test_a_connection_awaits_its_recovery_until_that_is_announced(
    changes: dict[str, Any], awaits_recovery: bool
) -> None:
    assert replace(EMPTY, **changes).awaits_recovery is awaits_recovery


@pytest.mark.parametrize(
    "name",
    [
        *("token", "fingerprint", "target", "failure", "rejected_versions", "accepted_version"),
        *("suspect_version", "latched_version", "report_times", "corrupt"),
    ],
)
def test_an_item_is_bare_without_anything_for_delete(name: str) -> None:
    """Fence, generation and a lease may be left."""
    bare = replace(EMPTY, generation=7, fence=9, lease_owner="a", lease_until=NOW, forced_at=NOW)
    assert bare.is_bare
    kept_besides: dict[str, Any] = {name: ("x",)}
    assert not replace(bare, **kept_besides).is_bare


@pytest.mark.parametrize(
    ("code", "waits"),
    [
        ("upstream_unavailable", [2, 4, 8, 16, 32, 60, 60]),
        ("upstream_refused", [30, 60, 120, 240, 480, 960, 1920, 3600, 3600]),
        ("upstream_contract_changed", [30, 60, 120, 240, 480, 960, 1920, 3600, 3600]),
        (LATCHES, [30, 30, 30]),
    ],
)
def test_the_backoff_doubles_up_to_its_bound(code: str, waits: list[int]) -> None:
    """That of a latch is constant, as reading it sends no login."""
    assert [backoff_seconds(code, count) for count in range(1, len(waits) + 1)] == waits


@given(st.integers(1, 10**9))
def test_the_backoff_is_bounded(count: int) -> None:
    assert 0 < backoff_seconds("upstream_unavailable", count) <= LONGEST_OUTAGE
    assert 0 < backoff_seconds("upstream_refused", count) <= LONGEST_REFUSAL


def failed(
    last: Failure | None = None,
    error: BrokerError | None = None,
    version: str = "v1",
    *,
    is_login: bool = False,
) -> Failure:
    error = error or UpstreamUnavailable("login: down")
    return next_failure(last, error, NOW, version, is_login=is_login)


def test_a_first_failure_has_count_one_and_the_upstreams_details() -> None:
    known: dict[str, Any] = {"upstream_status": 403, "upstream_code": "C", "upstream_message": "m"}
    error = UpstreamUnavailable("login: down", **known)
    first = Failure("upstream_unavailable", "login: down", NOW, 1, NOW + 2, "v1")
    assert failed(error=error, is_login=True) == replace(first, **known, is_login=True)
    assert failed() == first


@pytest.mark.parametrize(
    ("changes", "since", "count"),
    [
        pytest.param({}, DOWN.since, 2, id="the same again counts on"),
        pytest.param(
            {"error": UpstreamUnavailable("extend: down")}, DOWN.since, 2, id="at another step, too"
        ),
        pytest.param({"error": UpstreamRefused("no")}, NOW, 1, id="another code begins anew"),
        pytest.param({"version": "v2"}, NOW, 1, id="so does another secret"),
    ],
)
def test_a_repeated_failure_is_counted_and_another_starts_anew(
    changes: dict[str, Any], since: int, count: int
) -> None:
    failure = failed(DOWN, **changes)
    assert (failure.since, failure.count) == (since, count)


@pytest.mark.parametrize(("retry_after", "wait"), [(None, 2), (0, 2), (1, 2), (60, 60)], ids=str)
def test_retry_after_of_the_upstream_can_only_extend_the_backoff(
    retry_after: int | None, wait: int
) -> None:
    error = UpstreamUnavailable("login: down", retry_after=retry_after)
    assert failed(error=error).retry_at == NOW + wait


# Exchanges on demand


@pytest.mark.parametrize(
    ("ago", "may"), [(NOW, True), (10, True), (9, False), (0, False), (-60, False), (-61, True)]
)
def test_a_forced_exchange_is_allowed_every_ten_seconds(ago: int, may: bool) -> None:
    assert may_force(kept(forced_at=NOW - ago), NOW) is may


def test_reports_count_for_a_minute() -> None:
    """Also if written by a clock that is up to a minute ahead."""
    times = (NOW - 61, NOW - 60, NOW - 59, NOW, NOW + 60, NOW + 61)
    assert recent_reports(kept(report_times=times), NOW) == (NOW - 59, NOW, NOW + 60)
    assert MOST_REPORTS == 3


# The item itself


def test_the_defaults_of_an_absent_item() -> None:
    """The decisions depend on them."""
    absent = {name: getattr(EMPTY, name) for name in Item._fields}
    numbers = ["generation", "fence", "issued_at", "expires_at", "refresh_at", "suspect_at"]
    numbers += ["outage_since", "outage_claim", "latched_at"]
    assert absent == {
        **dict.fromkeys(absent),
        **dict.fromkeys((*numbers, "lease_until", "forced_at", "nudged_until"), 0),
        **dict.fromkeys(("suspect_variants", "rejected_versions", "report_times", "corrupt"), ()),
        "raw": {},
        "connection": "vntana#acme",
        "variant": "-",
    }
    assert not kept(expires_at=NOW).is_live(NOW)
    assert kept(expires_at=NOW + 1).is_live(NOW)


@pytest.mark.parametrize(
    ("at", "expected"), [(0, None), (1, "1970-01-01T00:00:01Z"), (NOW, "2030-03-17T17:46:40Z")]
)
def test_rfc3339_formats_a_second_in_utc(at: int, expected: str | None) -> None:
    assert rfc3339(at) == expected


def test_the_code_of_a_latch_is_credential_rejected() -> None:
    assert LATCHES == CredentialRejected.code == "credential_rejected"


def test_the_repr_of_an_item_has_neither_token_nor_context() -> None:
    item = kept(token=b"hunter2", context='{"a": "hunter2"}', raw={"fence": {"N": "hunter2"}})
    assert "hunter2" not in repr(item)


@pytest.mark.parametrize(
    ("context", "expected"),
    [('{"user_id": 7}', {"user_id": 7}), (None, None), ("", None), ("{", None)],
)
def test_the_context_for_callers_is_decoded(context: str | None, expected: object) -> None:
    assert kept(context=context).decoded_context() == expected


def test_an_item_without_its_token_keeps_fence_and_generation() -> None:
    """An item is never deleted: a late holder of a lease must find a newer fence."""
    bare = kept(fence=9, target="0" * 64, renewal="ready", context="{}").without_token()
    assert (bare.fence, bare.generation) == (9, 7)
    gone = (bare.token, bare.target, bare.fingerprint, bare.renewal, bare.context)
    assert gone == (None,) * 5


def test_an_empty_item_has_no_lifetime() -> None:
    assert EMPTY.lifetime == 0
    assert FRESH.lifetime == 3000
    assert EMPTY.min_ttl(None) == 0
    assert FRESH.min_ttl(None) == DEFAULT_MIN_TTL


DAY_AHEAD = NOW + 86_400


@pytest.mark.parametrize(
    "changes",
    [
        {"nudged_until": DAY_AHEAD},
        {"forced_at": DAY_AHEAD},
        {"report_times": (DAY_AHEAD,) * 3},
        {"failure": replace(DOWN, retry_at=DAY_AHEAD)},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_times_in_the_future_block_no_renewal_force_or_report(changes: dict[str, Any]) -> None:
    """Written by a clock that was a day ahead."""
    item = replace(AGING, **changes)
    assert item.is_renewal_due(NOW)
    assert may_force(item, NOW)
    assert recent_reports(item, NOW) == ()


# What a call would do next

HOLD = Hold(NOW, "arn:caller", "laptop stolen")


FRESH_NEXT = (Next.HAND_OUT, "the token is fresh")
OTHER = (Next.HAND_OUT, "the token lives; it was made with another version of the secret")
STILL_LIVES = (Next.HAND_OUT, "the last refresh failed; the token still lives")
DUE = (Next.REFRESH, "the token is handed out, and its refresh is due: it starts beside")
STARTED = (Next.HAND_OUT, "the token lives, and its refresh has been started")
REPLACED = (Next.HAND_OUT, "the token lives; another one is being made")
NO_TOKEN = (Next.EXCHANGE, "no token is kept")
ENDED = (Next.EXCHANGE, "the token has ended, or has too little time left")
UNFINISHED = "an exchange was begun and not finished, so the token may be dead"
WAITS = (Next.WAIT, "another caller is exchanging; this one waits for its token")
LATCHED = (Next.REFUSE, "this version of the secret was rejected: set a new one, or DELETE")
HELD = f"an operator has held the connection since {rfc3339(NOW)}: laptop stolen"
BACKS_OFF = (Next.REFUSE, "the last exchange failed (upstream_unavailable): it is backing off")
TOO_OLD = kept(expires_at=NOW + 30)
SHUT = replace(EMPTY, variant="v", failure=replace(REFUSED, retry_at=NOW), **V1_REJECTED)


@pytest.mark.parametrize(
    ("item", "of_gate", "expected"),
    [
        pytest.param(FRESH, {}, FRESH_NEXT, id="fresh"),
        pytest.param(kept(secret_version="v0"), {}, OTHER, id="another version"),
        pytest.param(AGING, {}, DUE, id="aging"),
        pytest.param(kept(failure=DOWN), {}, STILL_LIVES, id="it backs off"),
        pytest.param(kept(failure=AGAIN), {}, DUE, id="due again"),
        pytest.param(replace(AGING, nudged_until=NOW + 9), {}, STARTED, id="it was started"),
        pytest.param(kept(**RUNNING), {}, REPLACED, id="it is being replaced"),
        pytest.param(kept(**RUNNING, failure=DOWN), {}, REPLACED, id="once more"),
        pytest.param(kept(expires_at=NOW), {}, ENDED, id="ended"),
        pytest.param(TOO_OLD, {}, ENDED, id="too little left"),
        pytest.param(replace(TOO_OLD, **DIED), {}, ENDED, id="too little left, a holder died"),
        pytest.param(REPORTED, {}, (Next.EXCHANGE, "the token was reported as rejected")),
        pytest.param(kept(**DIED), {}, (Next.EXCHANGE, UNFINISHED), id="a holder died"),
        pytest.param(replace(EMPTY, **RUNNING), V1_REJECTED, WAITS, id="another caller exchanges"),
        pytest.param(replace(EMPTY, failure=DOWN), {}, BACKS_OFF, id="backing off"),
        pytest.param(replace(EMPTY, failure=AGAIN), {}, NO_TOKEN, id="its back-off is over"),
        pytest.param(replace(EMPTY, failure=DOWN), V1_REJECTED, LATCHED, id="latched"),
        pytest.param(
            replace(EMPTY, failure=replace(REFUSED, secret_version="v0")),
            {},
            NO_TOKEN,
            id="failed with another version",
        ),
        pytest.param(
            replace(EMPTY, failure=replace(DOWN, secret_version="v0")),
            {},
            BACKS_OFF,
            id="an outage, with another version",
        ),
        pytest.param(SHUT, {"accepted_version": None}, LATCHED, id="latched for itself alone"),
        pytest.param(SHUT, {}, NO_TOKEN, id="proven by another variant"),
        pytest.param(EMPTY, {"rejected_versions": ("v0",)}, NO_TOKEN, id="an old latch"),
        pytest.param(FRESH, {"held": HOLD}, (Next.REFUSE, HELD), id="held"),
    ],
)
def test_the_next_step_of_a_call_and_its_reason(
    item: Item, of_gate: dict[str, Any], expected: tuple[Next, str]
) -> None:
    gate = replace(EMPTY, **{"accepted_version": "v1"} | of_gate)
    assert next_step(item, gate, NOW, "v1") == expected


def test_an_unknown_secret_version_does_not_count_as_another() -> None:
    assert next_step(FRESH, PROVEN, NOW, None) == FRESH_NEXT


def test_the_names_of_states_and_next_steps() -> None:
    assert [each.value for each in State] == ["fresh", "aging", "stale", "dead"]
    actions = ["hand_out", "refresh", "exchange", "wait", "refuse"]
    assert [each.value for each in Next] == actions


def test_delete_and_ttl_keep_a_hold() -> None:
    """Other attributes of a held gate are removed."""
    gate = kept(held=HOLD, lease_owner="a", lease_until=NOW + 9)
    assert gate.bare().held == HOLD
    assert gate.bare().is_bare
    assert (ttl_of(gate), ttl_of(gate.bare())) == (None, None)
    assert ttl_of(replace(gate, held=None)) is not None


@pytest.mark.parametrize(
    ("ago", "is_early"), [(0, True), (59, True), (60, False), (-60, True), (-61, False)]
)
def test_a_suspect_version_is_tried_again_after_a_minute(ago: int, is_early: bool) -> None:
    """A time further in the future does not extend the wait."""
    gate = replace(EMPTY, suspect_version="v1", suspect_at=NOW - ago)
    assert gate.is_too_early(NOW) is is_early


@pytest.mark.parametrize(("lifetime", "longest"), [(3600, 3570), (100, 90), (5, 5), (0, 0)])
def test_the_longest_min_ttl_that_a_new_token_meets(lifetime: int, longest: int) -> None:
    assert longest_min_ttl(lifetime) == longest


@pytest.mark.parametrize(
    ("item", "min_ttl", "is_refused"),
    [
        pytest.param(FRESH, 2971, True, id="more than a new token has"),
        pytest.param(FRESH, 2970, False, id="as much as a new token has"),
        pytest.param(FRESH, None, False, id="nothing is said"),
        pytest.param(FRESH, 0, False, id="any token will do"),
        pytest.param(kept(expires_at=NOW), 9999, False, id="it has ended"),
        pytest.param(REPORTED, 9999, False, id="it was reported"),
        pytest.param(Item("flow#acme", "-"), 9999, False, id="nothing is kept"),
    ],
)
def test_a_min_ttl_longer_than_the_lifetime_is_refused(
    item: Item, min_ttl: int | None, is_refused: bool
) -> None:
    """Only a live token shows the lifetime of the next one."""
    if not is_refused:
        refuse_too_long(item, min_ttl, NOW)
        return
    with pytest.raises(InvalidRequest) as raised:
        refuse_too_long(item, min_ttl, NOW)
    assert (
        raised.value.detail == "min_ttl: 2970 at most, as tokens of this upstream live 3000 seconds"
    )


def kinds_of(error: type[BrokerError]) -> list[type[BrokerError]]:
    """Return all subclasses of an error, each once."""
    return [kind for child in error.__subclasses__() for kind in (child, *kinds_of(child))]


@pytest.mark.parametrize("kind", kinds_of(BrokerError), ids=lambda kind: kind.code)
@pytest.mark.parametrize(("ahead", "retry_after"), [(9, 9), (1, 1), (0, 1), (-9, 1)])
def test_a_stored_failure_raises_the_original_error(
    kind: type[BrokerError], ahead: int, retry_after: int
) -> None:
    """With the seconds until its retry, one at least."""
    failure = replace(
        DOWN,
        code=kind.code,
        retry_at=NOW + ahead,
        upstream_status=403,
        upstream_code="BLOCKED",
        upstream_message="blocked",
    )
    error = stored_error(failure, NOW)
    assert type(error) is kind
    members = (error.detail, error.upstream_status, error.upstream_code, error.upstream_message)
    assert members == ("login: down", 403, "BLOCKED", "blocked")
    assert error.retry_after == retry_after


def test_a_stored_failure_of_an_unknown_code_is_an_internal_error() -> None:
    assert type(stored_error(replace(DOWN, code="of a newer version"), NOW)) is Internal
