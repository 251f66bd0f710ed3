"""The decisions of the protocol: pure functions of item, time and requirement."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.conversations import NOW
from tests.unit.items import (
    AGAIN,
    AGING,
    DIED,
    DOWN,
    EMPTY,
    FRESH,
    REFUSED,
    REPORTED,
    RUNNING,
    kept,
)
from token_broker.decisions import (
    Verdict,
    backoff_seconds,
    lease_end,
    may_force,
    next_failure,
    recent_reports,
    refresh_at,
    stored_error,
    verdict,
)
from token_broker.errors import (
    BrokerError,
    CredentialRejected,
    Internal,
    UpstreamRefused,
    UpstreamUnavailable,
)
from token_broker.item import (
    CREDENTIAL_REJECTED,
    Failure,
    Item,
    rfc3339,
)
from token_broker.records import replace
from token_broker.status import State, state


@pytest.mark.parametrize(
    ("item", "age"),
    [
        pytest.param(kept(refresh_at=NOW + 1), State.FRESH, id="before its renewal is due"),
        pytest.param(kept(secret_version="v0"), State.AGING, id="of another version of the secret"),
        pytest.param(AGING, State.AGING, id="when its renewal is due"),
        pytest.param(kept(failure=DOWN), State.STALE, id="a renewal failed"),
        pytest.param(replace(AGING, failure=DOWN), State.STALE, id="failed, and due"),
        pytest.param(kept(**RUNNING), State.STALE, id="it is being replaced"),
        pytest.param(kept(**DIED), State.STALE, id="its replacer has died"),
        pytest.param(kept(token=None), State.DEAD, id="no token is kept"),
        pytest.param(kept(failure=DOWN, expires_at=NOW), State.DEAD, id="failed, and ended"),
    ],
)
def test_the_state_of_a_token_follows_from_its_item(item: Item, age: State) -> None:
    assert state(item, NOW, "v1") is age


@pytest.mark.parametrize(
    ("item", "min_ttl", "lives"),
    [
        pytest.param(kept(expires_at=NOW), 0, False, id="at its very end"),
        pytest.param(kept(expires_at=NOW + 1), 0, True, id="a second before its end"),
        pytest.param(kept(issued_at=NOW + 9, expires_at=NOW), None, False, id="never lived"),
        pytest.param(REPORTED, 0, False, id="reported as refused"),
        pytest.param(kept(rejected="another"), 0, True, id="an older one was reported"),
        pytest.param(kept(target="0" * 64), 0, False, id="what leads elsewhere is no token"),
        pytest.param(FRESH, 1999, True, id="it lives for longer than is wanted"),
        pytest.param(FRESH, 2000, False, id="it does not"),
    ],
)
def test_a_token_lives_for_the_wanted_seconds(item: Item, min_ttl: int | None, lives: bool) -> None:
    assert item.lives_for(NOW, min_ttl) is lives


@pytest.mark.parametrize(
    ("lifetime", "left"),
    [(3600, 30), (100, 10), (5, 0)],
    ids=["thirty seconds", "a tenth of a short life", "none of a very short life"],
)
def test_the_default_min_ttl_is_30_seconds_or_a_tenth_of_the_lifetime(
    lifetime: int, left: int
) -> None:
    for seconds in (left, left + 1):
        end = NOW + seconds
        item = kept(expires_at=end, issued_at=end - lifetime, refresh_at=NOW)
        assert (state(item, NOW, "v1") is State.DEAD) is (seconds == left)


# Renewals, and who starts them


def test_a_renewal_is_due_unless_leased_or_backing_off() -> None:
    """Only of a live token. A claim matters to other callers, and not to the renewal it started."""
    early = kept(failure=AGAIN, refresh_at=NOW + 9)  # after a failure its back-off says when
    unowned = replace(AGING, lease_until=NOW + 9)
    for due in (AGING, replace(AGING, nudged_until=NOW), replace(AGING, **DIED), unowned, early):
        assert due.is_due(NOW)
        assert due.awaits_refresh(NOW)
    claimed = replace(AGING, nudged_until=NOW + 1)
    assert claimed.is_due(NOW)
    assert not claimed.awaits_refresh(NOW)
    others: list[dict[str, Any]] = [RUNNING, {"failure": DOWN}, {"expires_at": NOW}]
    for other in (FRESH, *(replace(AGING, **changes) for changes in others)):
        assert not other.is_due(NOW)


def test_the_time_of_renewals_is_spread() -> None:
    spread = [refresh_at(NOW, NOW + 3600, tenth / 10) for tenth in range(11)]
    assert spread == sorted(set(spread), reverse=True)
    assert (spread[0], spread[-1]) == (NOW + 3210, NOW + 2850)
    of_a_day = [refresh_at(NOW, NOW + 86_400, spread) for spread in (0, 0.5, 1)]
    assert of_a_day == [NOW + 86_370 - margin for margin in (1800, 2700, 3600)]
    assert [refresh_at(NOW, NOW + 100, spread) for spread in (0, 1)] == [NOW + 80, NOW + 70]


# The lease


def test_a_lease_is_the_remaining_time_plus_two_seconds_and_the_skew() -> None:
    """One second for each rounded end."""
    ends = [lease_end(NOW, remaining, 30) - NOW for remaining in (29.0, 29.01, 0.0)]
    assert ends == [61, 62, 32]


# Failures, and how long they are heeded


@pytest.mark.parametrize(
    ("failure", "rejected", "is_latching"),
    [
        pytest.param(REFUSED, ("v0", "v1"), True, id="rejected just now"),
        pytest.param(REFUSED, ("v0",), False, id="not latched any more"),
        pytest.param(DOWN, ("v0",), False, id="rejected before another failure"),
        pytest.param(None, (), False, id="none was rejected"),
    ],
)
def test_an_item_is_latched_for_its_rejected_versions(
    failure: Failure | None, rejected: tuple[str, ...], is_latching: bool
) -> None:
    """The last failure latches if it is the rejection of one of them."""
    item = replace(EMPTY, failure=failure, rejected_versions=rejected)
    assert tuple(version for version in ("v0", "v1", "v2") if item.is_latched(version)) == rejected
    assert item.has_latching_failure is is_latching


PROVEN = replace(EMPTY, accepted_version="v1")
ONCE = replace(PROVEN, suspect_version="v1", suspect_at=NOW - 60, failure=REFUSED)
SUSPECTS = replace(EMPTY, suspect_version="v1", suspect_variants=("a", "b"))
AHEAD = {"suspect_at": NOW + 3600}
OF_V0 = {"suspect_version": "v0"}
A_AND_C = {"suspect_variants": ("a", "c")}


@pytest.mark.parametrize(
    ("gate", "changes", "is_certain", "expected"),
    [
        pytest.param(EMPTY, {}, True, Verdict.LATCH, id="a version that was never accepted"),
        pytest.param(PROVEN, {}, True, Verdict.SUSPECT, id="one that was accepted"),
        pytest.param(FRESH, {}, True, Verdict.SUSPECT, id="one that made the token"),
        pytest.param(ONCE, {}, True, Verdict.LATCH, id="a second time, a minute later"),
        pytest.param(ONCE, {"suspect_at": NOW - 59}, True, Verdict.SUSPECT, id="twice at once"),
        pytest.param(ONCE, AHEAD, True, Verdict.SUSPECT, id="once, by a clock that was wrong"),
        pytest.param(ONCE, OF_V0, True, Verdict.SUSPECT, id="another was suspect"),
        pytest.param(ONCE, {"accepted_version": "v0"}, True, Verdict.LATCH, id="other accepted"),
        pytest.param(EMPTY, {}, False, Verdict.REFUSE_VARIANT, id="it may be the variant"),
        pytest.param(PROVEN, {}, False, Verdict.BLAME_VARIANT, id="it is the variant"),
        pytest.param(ONCE, {}, False, Verdict.BLAME_VARIANT, id="it is that, though suspect"),
        pytest.param(SUSPECTS, {}, False, Verdict.LATCH, id="a third variant"),
        pytest.param(SUSPECTS, A_AND_C, False, Verdict.REFUSE_VARIANT, id="a second one, again"),
        pytest.param(SUSPECTS, OF_V0, False, Verdict.REFUSE_VARIANT, id="a third, of another"),
    ],
)
def test_the_verdict_on_a_rejection_follows_from_the_gate(
    gate: Item, changes: dict[str, Any], is_certain: bool, expected: Verdict
) -> None:
    """I7, I17: for version `v1`, tried for variant `c`."""
    assert verdict(replace(gate, **changes), "v1", "c", NOW, is_certain=is_certain) is expected


def test_only_an_accepted_version_is_suspect() -> None:
    assert ONCE.is_suspect("v1")
    assert replace(ONCE, accepted_version=None, secret_version="v1").is_suspect("v1")
    assert not replace(ONCE, accepted_version=None).is_suspect("v1")
    assert not replace(ONCE, suspect_version="v0").is_suspect("v1")
    assert not PROVEN.is_suspect("v1")


def test_a_connection_awaits_its_recovery_until_that_is_announced() -> None:
    assert replace(EMPTY, latched_version="v0").awaits_recovery
    assert replace(EMPTY, failure=REFUSED, rejected_versions=("v1",)).awaits_recovery
    assert not replace(EMPTY, failure=REFUSED).awaits_recovery
    assert not replace(EMPTY, failure=DOWN, rejected_versions=("v1",)).awaits_recovery


def test_an_item_is_bare_without_anything_for_delete() -> None:
    """Fence, generation and a lease may be left."""
    bare = replace(EMPTY, generation=7, fence=9, lease_owner="a", lease_until=NOW, forced_at=NOW)
    assert bare.is_bare
    for name in (
        *("token", "fingerprint", "target", "failure", "rejected_versions", "accepted_version"),
        *("suspect_version", "latched_version", "report_times", "corrupt"),
    ):
        kept_besides: dict[str, Any] = {name: ("x",)}
        assert not replace(bare, **kept_besides).is_bare, name


@pytest.mark.parametrize(
    ("code", "waits"),
    [
        ("upstream_unavailable", [2, 4, 8, 16, 32, 60, 60]),
        ("upstream_refused", [30, 60, 120, 240, 480, 960, 1920, 3600, 3600]),
        ("upstream_contract_changed", [30, 60, 120, 240, 480, 960, 1920, 3600, 3600]),
        (CREDENTIAL_REJECTED, [30, 30, 30]),
    ],
)
def test_the_backoff_doubles_up_to_its_bound(code: str, waits: list[int]) -> None:
    """That of a latch is constant, as reading it sends no login."""
    assert CREDENTIAL_REJECTED == CredentialRejected.code == "credential_rejected"
    assert [backoff_seconds(code, count) for count in range(1, len(waits) + 1)] == waits
    assert backoff_seconds(code, 10**9) == waits[-1]


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


def test_a_repeated_failure_is_counted_and_another_starts_anew() -> None:
    """Another code starts anew, and so does another version of the secret."""
    at_another_step = UpstreamUnavailable("extend: down")
    for again in (failed(DOWN), failed(DOWN, at_another_step)):
        assert (again.since, again.count) == (DOWN.since, 2)
    for first in (failed(DOWN, UpstreamRefused("no")), failed(DOWN, version="v2")):
        assert (first.since, first.count) == (NOW, 1)


def test_retry_after_of_the_upstream_can_only_extend_the_backoff() -> None:
    told = [UpstreamUnavailable("x", retry_after=seconds) for seconds in (None, 0, 1, 60)]
    assert [failed(error=error).retry_at - NOW for error in told] == [2, 2, 2, 60]


# The item itself


def test_rfc3339_formats_a_second_in_utc() -> None:
    said = [rfc3339(at) for at in (0, 1, NOW)]
    assert said == [None, "1970-01-01T00:00:01Z", "2030-03-17T17:46:40Z"]


def test_the_repr_of_an_item_has_neither_token_nor_context() -> None:
    item = kept(token=b"hunter2", context='{"a": "hunter2"}', raw={"fence": {"N": "hunter2"}})
    assert "hunter2" not in repr(item)


def test_the_context_for_callers_is_decoded() -> None:
    assert kept(context='{"user_id": 7}').decoded_context() == {"user_id": 7}
    assert {kept(context=odd).decoded_context() for odd in (None, "", "{")} == {None}


def test_an_item_without_its_token_keeps_fence_and_generation() -> None:
    """An item is never deleted: a late holder of a lease must find a newer fence."""
    whole = kept(fence=9, target="0" * 64, renewal="ready", context="{}", rejected="f")
    bare = whole.without_token()
    assert (bare.fence, bare.generation) == (9, 7)
    gone = (bare.token, bare.target, bare.fingerprint, bare.rejected, bare.renewal, bare.context)
    assert gone == (None,) * 6


@pytest.mark.parametrize(
    ("longest", "must_wait"),
    [
        pytest.param(3600, lambda at: replace(DOWN, retry_at=at).is_backing_off(NOW), id="failure"),
        pytest.param(
            30, lambda at: not replace(AGING, nudged_until=at).awaits_refresh(NOW), id="claim"
        ),
        pytest.param(10, lambda at: not may_force(kept(forced_at=at - 10), NOW), id="force"),
        pytest.param(
            60, lambda at: recent_reports(kept(report_times=(at - 60,)), NOW), id="report"
        ),
        pytest.param(
            60,
            lambda at: replace(ONCE, suspect_at=at - 60).awaits_second_try("v1", NOW),
            id="suspicion",
        ),
        pytest.param(
            940, lambda at: kept(lease_owner="a", lease_until=at).is_leased(NOW), id="lease"
        ),
    ],
)
def test_a_wait_counts_by_a_clock_that_is_up_to_a_minute_behind(
    longest: int, must_wait: Callable[[int], object]
) -> None:
    """A time that is later still comes from a wrong clock, and no caller waits for it."""
    ends = (0, 1, longest, longest + 60, longest + 61, 86_400)
    waits = [bool(must_wait(NOW + end)) for end in ends]
    assert waits == [False, True, True, True, False, False]


def kinds_of(error: type[BrokerError]) -> list[type[BrokerError]]:
    """Return all subclasses of an error, each once."""
    return [kind for child in error.__subclasses__() for kind in (child, *kinds_of(child))]


@pytest.mark.parametrize("kind", kinds_of(BrokerError), ids=lambda kind: kind.code)
def test_a_stored_failure_raises_the_original_error(kind: type[BrokerError]) -> None:
    """With the seconds until its retry, one at least."""
    said: dict[str, Any] = {"upstream_status": 403, "upstream_code": "B", "upstream_message": "b"}
    for ahead, retry_after in ((3660, 3660), (9, 9), (0, 1), (-9, 1)):
        error = stored_error(replace(DOWN, code=kind.code, retry_at=NOW + ahead, **said), NOW)
        assert type(error) is kind
        members = (error.detail, error.upstream_status, error.upstream_code, error.upstream_message)
        assert members == ("login: down", 403, "B", "b")
        assert error.retry_after == retry_after


def test_a_stored_failure_of_an_unknown_code_is_an_internal_error() -> None:
    assert type(stored_error(replace(DOWN, code="of a newer version"), NOW)) is Internal
