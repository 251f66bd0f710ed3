"""The cache of a process: lifetimes, early refresh, shared calls, rejected tokens.

The broker's answers come from a list; a test sets the cache's clock.
"""

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest

from tests.client.channels import UnusedChannel, answer, document
from tests.waiting import PATIENCE_SECONDS, SOON_SECONDS, wait_until
from token_broker_client import (
    Answer,
    Broker,
    BrokerError,
    InvalidRequest,
    Unreachable,
    cache,
    errors,
)
from token_broker_client.cache import (
    LOOK_SECONDS,
    MAX_AGE_SECONDS,
    RENEWAL_SECONDS,
    Cache,
    Question,
)
from token_broker_client.deadline import Deadline
from token_broker_client.request import PLAIN, TokenRequest


def at(hour: int, minute: int, second: int = 0) -> float:
    return datetime(2026, 11, 22, hour, minute, second, tzinfo=UTC).timestamp()


class World:
    """A cache, a clock, and a broker that answers from a list: answers live from 10:00 to 11:00."""

    def __init__(self, *answers: Answer | BrokerError, max_age: float = 10_000) -> None:
        self.now = at(10, 0)
        self.answers = list(answers)
        self.requests: list[TokenRequest] = []
        self.cache = Cache(clock=lambda: self.now)
        self.max_age = max_age

    def fetch(self, request: TokenRequest, deadline: Deadline) -> Answer:
        assert deadline.left > 0
        self.requests.append(request)
        given = self.answers.pop(0)
        if isinstance(given, BrokerError):
            raise given
        return given

    def question(self, request: TokenRequest = PLAIN, key: str = "key", **how: Any) -> Question:
        """Return the question of a caller; *how* differs from the usual."""
        look = partial(self.fetch, PLAIN)
        return Question(key, request, self.fetch, look, self.max_age)._replace(**how)

    def obtain(self, request: TokenRequest = PLAIN, key: str = "key", **how: Any) -> int:
        """Return the generation of what is obtained."""
        return self.cache.obtain(self.question(request, key, **how), soon()).generation


def soon() -> Deadline:
    """Return a deadline that is not to be reached."""
    return Deadline.after(PATIENCE_SECONDS)


def test_a_token_is_refreshed_from_refresh_after_on() -> None:
    world = World(answer(1), answer(2, expires_at="2026-11-22T12:00:00Z"))
    world.obtain()
    world.now = at(10, 54, 59)
    assert world.obtain() == 1
    world.now = at(10, 55)
    assert world.obtain() == 2


def test_an_early_refresh_that_returned_the_same_token_is_repeated_after_ten_seconds() -> None:
    """Otherwise each request of the last minutes would be a call."""
    world = World(answer(1), answer(1), answer(2))
    world.obtain()
    world.now = at(10, 55)
    assert [world.obtain() for _ in range(5)] == [1] * 5
    assert len(world.requests) == 2
    world.now += 9
    assert world.obtain() == 1
    world.now += 1
    assert world.obtain() == 2


@pytest.mark.parametrize("retry_after", [None, 25])
def test_a_failed_early_refresh_serves_the_live_token_until_retry_after(
    retry_after: int | None,
) -> None:
    error = Unreachable("gone", retry_after=retry_after)
    world = World(answer(1), error, answer(2))
    world.obtain()
    world.now = at(10, 55)
    assert [world.obtain() for _ in range(3)] == [1] * 3
    world.now += (retry_after or 10) - 1
    assert world.obtain() == 1
    world.now += 1
    assert world.obtain() == 2


def coded(code: str, **members: Any) -> BrokerError:
    return BrokerError.of({"code": code, "detail": "why", "retryable": False} | members)


CONNECTION_CODES = {
    "connection_held",
    "credential_latched",
    "credential_rejected",
    "unknown_connection",
}
OTHER_CODES = {kind.code for kind in errors.kinds()} - CONNECTION_CODES | {"novel"}


@pytest.mark.parametrize("code", sorted(CONNECTION_CODES))
def test_an_error_about_the_connection_drops_the_live_token_and_is_raised(code: str) -> None:
    """For each caller, though the token would still work."""
    world = World(answer(1), coded(code), coded(code), Unreachable("gone"), answer(2))
    world.obtain()
    world.now = at(10, 55)
    for code_or_end in (code, code, "gone"):
        with pytest.raises(BrokerError, match=code_or_end):
            world.obtain()
    assert world.obtain() == 2


@pytest.mark.parametrize("code", sorted(OTHER_CODES))
def test_any_other_error_keeps_the_live_token(code: str) -> None:
    """A 404, a 413, HTML with status 200: none of them is about the token."""
    world = World(answer(1), coded(code), coded(code), answer(2))
    world.obtain()
    world.now = at(10, 55)
    assert [world.obtain() for _ in range(3)] == [1] * 3
    assert len(world.requests) == 2
    world.now += LOOK_SECONDS
    assert world.obtain() == 1
    world.now += LOOK_SECONDS
    assert world.obtain() == 2


@pytest.mark.parametrize(("life", "margin"), [(3600, 30), (300, 30), (200, 20), (10, 1)])
def test_a_token_is_not_served_in_its_last_seconds(life: int, margin: int) -> None:
    """The last 30 seconds, or the last tenth of a short life: the caller's request needs them."""
    ends = datetime.fromtimestamp(at(10, 0) + life, UTC).isoformat()
    world = World(answer(1, expires_at=ends), *[Unreachable("gone")] * 2)
    world.obtain()
    world.now += life - margin - 0.25
    assert world.obtain() == 1
    world.now += 0.25
    with pytest.raises(Unreachable):
        world.obtain()


def test_with_a_clock_that_is_ahead_each_call_asks_the_broker() -> None:
    world = World(answer(1), answer(1))
    world.now = at(12, 0)
    assert [world.obtain(), world.obtain()] == [1, 1]


def test_a_token_shorter_than_min_ttl_is_not_served_from_the_cache() -> None:
    world = World(answer(1), answer(2, expires_at="2026-11-22T13:00:00Z"))
    world.obtain()
    assert world.obtain(TokenRequest(min_ttl=3600)) == 1
    assert world.obtain(TokenRequest(min_ttl=3601)) == 2
    assert world.requests == [PLAIN, TokenRequest(min_ttl=3601)]
    assert world.obtain() == 2


@pytest.mark.parametrize("needed", [0, 1, 29, 30, 31])
def test_with_min_ttl_a_token_is_served_until_min_ttl_before_expires_at(needed: int) -> None:
    """Also while refreshes fail: the safety margin is for calls without min_ttl."""
    world = World(answer(1), Unreachable("gone"), Unreachable("gone"))
    world.obtain()
    end = at(11, 0) - needed
    for world.now in (end - 9, end if needed else end - 0.25):
        assert world.obtain(TokenRequest(min_ttl=needed)) == 1
    world.now = end + 0.25 if needed else end
    with pytest.raises(Unreachable):
        world.obtain(TokenRequest(min_ttl=needed))


def test_force_always_calls_the_broker() -> None:
    world = World(answer(1), answer(2), answer(3))
    assert [world.obtain(TokenRequest(force=True)) for _ in range(2)] == [1, 2]
    assert world.obtain() == 2


def test_a_rejected_token_is_reported_only_if_it_is_the_cached_one() -> None:
    """A late report of an older token returns the newer one, without a call."""
    world = World(answer(1), answer(2))
    world.obtain()
    rejected = TokenRequest(rejected=answer(1).fingerprint)
    assert [world.obtain(rejected) for _ in range(3)] == [2, 2, 2]
    assert world.requests == [PLAIN, rejected]


def overtaken(by: Callable[[], object]) -> Callable[..., Answer]:
    """Return a fetch that calls *by*, then returns the first token."""

    def fetch(*_: object) -> Answer:
        by()
        return answer(1)

    return fetch


def test_a_call_that_began_before_a_report_does_not_restore_the_rejected_token() -> None:
    """A call that began before a report may end after it, with the dead token."""
    world = World(answer(1), answer(2))
    world.obtain()
    report = TokenRequest(rejected=answer(1).fingerprint)
    slow = world.question(TokenRequest(min_ttl=3601), fetch=overtaken(lambda: world.obtain(report)))
    assert world.cache.obtain(slow, soon()).generation == 1  # the other is too short for it
    assert world.obtain() == 2


def test_a_call_that_began_after_a_report_does_not_restore_the_rejected_token() -> None:
    """The broker may read its table a moment before the report's new token is in it."""
    world = World(answer(1), answer(1))
    world.obtain()

    def report(*_: object) -> Answer:
        world.obtain(TokenRequest(min_ttl=3601))
        return answer(2)

    rejected = TokenRequest(rejected=answer(1).fingerprint)
    assert world.cache.obtain(world.question(rejected, fetch=report), soon()).generation == 2
    assert world.obtain() == 2
    late = world.question(TokenRequest(min_ttl=3601), fetch=lambda *_: answer(1))
    world.cache.obtain(late, soon())
    assert world.obtain() == 2


def test_an_overtaken_token_is_cached_if_the_newer_one_has_expired() -> None:
    world = World(answer(2, expires_at="2026-11-22T10:10:00Z"))

    def overtake() -> None:
        world.obtain(TokenRequest(force=True))
        world.now = at(10, 9, 30)

    slow = world.question(fetch=overtaken(overtake))
    assert world.cache.obtain(slow, soon()).generation == 1
    assert world.obtain() == 1


def test_a_call_that_began_earlier_does_not_replace_a_newer_token() -> None:
    """The forced exchange may have invalidated the older token."""
    world = World(answer(2))
    slow = world.question(fetch=overtaken(lambda: world.obtain(TokenRequest(force=True))))
    assert world.cache.obtain(slow, soon()).generation == 2
    assert world.obtain() == 2


def test_an_overtaken_report_still_marks_the_token_as_rejected() -> None:
    """The token that was fetched meanwhile is cached; the reported one is not served."""
    world = World(answer(1), answer(2))
    world.obtain()

    def report(*_: object) -> Answer:
        world.obtain(TokenRequest(force=True))
        return answer(3)

    rejected = TokenRequest(rejected=answer(1).fingerprint)
    assert world.cache.obtain(world.question(rejected, fetch=report), soon()).generation == 2
    late = world.question(TokenRequest(min_ttl=3601), fetch=lambda *_: answer(1))
    world.cache.obtain(late, soon())
    assert world.obtain() == 2


def test_an_early_refresh_during_a_report_does_not_return_the_rejected_token() -> None:
    world = World(answer(1))
    world.obtain()
    world.now = at(10, 55)
    events = [threading.Event() for _ in range(4)]
    reporting, report, looking, look = events

    def step(begun: threading.Event, go: threading.Event, found: Answer) -> Callable[..., Answer]:
        def ask(*_: object) -> Answer:
            begun.set()
            assert go.wait(PATIENCE_SECONDS)
            return found

        return ask

    with ThreadPoolExecutor(2) as pool:
        rejected = TokenRequest(rejected=answer(1).fingerprint)
        first = pool.submit(world.obtain, rejected, fetch=step(reporting, report, answer(2)))
        assert reporting.wait(PATIENCE_SECONDS)
        second = pool.submit(world.obtain, look=step(looking, look, answer(1)))
        assert looking.wait(PATIENCE_SECONDS)
        report.set()
        assert first.result(PATIENCE_SECONDS) == 2
        look.set()
        assert second.result(PATIENCE_SECONDS) == 2
    assert world.cache.fresh(world.question(TokenRequest(rejected="0" * 16))) == answer(2)


def test_the_last_four_rejected_tokens_are_remembered() -> None:
    """A call takes no longer than four reports do."""
    world = World(*[answer(number) for number in range(1, 8)])
    world.obtain()
    for number in range(1, 7):
        world.obtain(TokenRequest(rejected=answer(number).fingerprint))
    assert world.obtain() == 7
    late = world.question(TokenRequest(force=True), fetch=lambda *_: answer(3))
    assert world.cache.obtain(late, soon()).generation == 3
    assert world.obtain() == 7
    late = world.question(TokenRequest(force=True), fetch=lambda *_: answer(2))
    assert world.cache.obtain(late, soon()).generation == 2
    assert world.obtain() == 2


def test_a_rejected_token_is_dropped_even_if_the_new_one_is_not_cached() -> None:
    """An editor's connection may make a token for each call: none of those is cached."""
    world = World(editor(1, "table"), editor(2, "exchange"), editor(3, "exchange"))
    world.obtain()
    assert world.obtain(TokenRequest(rejected=editor(1, "table").fingerprint)) == 2
    assert world.obtain() == 3


@pytest.mark.parametrize("request_", [PLAIN, TokenRequest(min_ttl=5000)], ids=["plain", "longer"])
def test_generations_of_different_variants_are_not_compared(request_: TokenRequest) -> None:
    """After a promotion, or with another default, the answer is another item's token."""
    world = World(answer(7), answer(1, expires_at="2026-11-22T13:00:00Z"))
    world.obtain()
    world.now = at(10, 55)
    assert world.obtain(request_) == 1
    assert [world.obtain() for _ in range(5)] == [1] * 5
    assert len(world.requests) == 2


def test_a_cached_token_is_checked_with_the_broker_every_five_minutes() -> None:
    """So that a revoked or held token is no longer used, though it may live for a day."""
    assert MAX_AGE_SECONDS == 300
    day = {"expires_at": "2026-11-23T10:00:00Z", "refresh_after": "2026-11-23T08:00:00Z"}
    world = World(*[answer(n, **day) for n in (1, 1, 2)], max_age=MAX_AGE_SECONDS)
    world.obtain()
    world.now = at(10, 4, 59)
    assert (world.obtain(), len(world.requests)) == (1, 1)
    world.now = at(10, 5)
    assert (world.obtain(), len(world.requests)) == (1, 2)
    world.now = at(10, 9, 59)
    assert (world.obtain(), len(world.requests)) == (1, 2)
    world.now = at(10, 10)
    assert (world.obtain(), len(world.requests)) == (2, 3)


@pytest.mark.parametrize("max_age", [60, MAX_AGE_SECONDS])
def test_max_age_overrides_a_longer_retry_after(
    max_age: float,
) -> None:
    """The default max_age, and a caller's own."""
    world = World(answer(1), Unreachable("gone", retry_after=3000), answer(2), max_age=max_age)
    world.obtain()
    for seconds, generation in ((max_age, 1), (2 * max_age - 1, 1), (2 * max_age, 2)):
        world.now = at(10, 0) + seconds
        assert world.obtain() == generation


def test_a_failed_early_refresh_does_not_postpone_the_check_of_a_newer_token() -> None:
    """A token that was fetched meanwhile has an age of its own."""
    world = World(answer(1), answer(2), answer(3), max_age=300)
    world.obtain()
    world.now = at(10, 5)

    def fail(_: Deadline) -> Answer:
        world.obtain(TokenRequest(force=True))
        raise Unreachable("gone", retry_after=60)

    assert world.obtain(look=fail) == 1
    world.now = at(10, 9, 59)
    assert world.obtain() == 2
    world.now = at(10, 10)
    assert world.obtain() == 3


def test_a_refreshed_token_shorter_than_min_ttl_is_not_served_before_the_cached_one() -> None:
    """A newer token may live for a shorter time than the cached one."""
    world = World(answer(1), answer(2, expires_at="2026-11-22T10:55:40Z"))
    world.obtain()
    world.now = at(10, 55)
    assert world.obtain(TokenRequest(min_ttl=60)) == 1


def test_a_report_of_an_older_token_starts_no_early_refresh() -> None:
    """A newer token is cached, and the caller's request waits."""
    world = World(answer(2))
    world.obtain()
    world.now = at(10, 55)
    assert world.obtain(TokenRequest(rejected=answer(1).fingerprint)) == 2
    assert world.requests == [PLAIN]


def test_a_call_that_ended_after_the_cache_was_read_is_not_repeated(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Between the read and the call, another call may fill the cache."""
    world = World(answer(1))
    join = world.cache._calls.join

    def late(*how: Any) -> Any:
        monkeypatch.undo()
        world.obtain()
        return join(*how)

    monkeypatch.setattr(world.cache._calls, "join", late)
    assert world.obtain() == 1
    assert world.requests == [PLAIN]


@pytest.mark.parametrize("request_", [PLAIN, TokenRequest(min_ttl=60)], ids=["plain", "longer"])
def test_an_early_refresh_that_ended_after_the_cache_was_read_is_not_repeated(
    request_: TokenRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also if the new token is shorter than min_ttl."""
    short = answer(2, expires_at="2026-11-22T10:55:40Z")
    world = World(answer(1), short)
    world.obtain()
    world.now = at(10, 55)
    join = world.cache._calls.join

    def late(*how: Any) -> Any:
        monkeypatch.undo()
        world.obtain(TokenRequest(force=True))
        return join(*how)

    monkeypatch.setattr(world.cache._calls, "join", late)
    assert world.obtain(request_) == (2 if request_ is PLAIN else 1)
    assert len(world.requests) == 2


def test_a_clock_that_was_set_back_does_not_extend_max_age() -> None:
    """The refresh is due at once; after a failure, again in ten seconds."""
    world = World(answer(1), Unreachable("gone"), answer(2), max_age=MAX_AGE_SECONDS)
    world.obtain()
    world.now = at(9, 0)
    assert [world.obtain() for _ in range(3)] == [1] * 3
    world.now += LOOK_SECONDS
    assert world.obtain() == 2


def test_an_answer_to_a_call_from_before_clear_is_not_cached() -> None:
    """Its token may be one that the broker was told to forget."""
    world = World(answer(2))
    slow = world.question(fetch=overtaken(world.cache.clear))
    assert world.cache.obtain(slow, soon()).generation == 1
    assert world.obtain() == 2


def test_a_caller_after_clear_does_not_join_a_call_from_before() -> None:
    world = World(answer(2))
    begun, go = threading.Event(), threading.Event()

    def slow(*_: object) -> Answer:
        begun.set()
        assert go.wait(PATIENCE_SECONDS)
        return answer(1)

    with ThreadPoolExecutor(1) as pool:
        before = pool.submit(world.obtain, fetch=slow)
        assert begun.wait(PATIENCE_SECONDS)
        world.cache.clear()
        assert world.obtain() == 2
        go.set()
        assert before.result(PATIENCE_SECONDS) == 2  # the newer one serves it as well
    assert world.obtain() == 2


def test_different_keys_have_different_tokens() -> None:
    """Also if both keys are fetched, and then refreshed, at the same time."""
    world, both = World(), threading.Barrier(2)

    def obtain(key: str, generation: int) -> int:
        def fetch(*_: object) -> Answer:
            both.wait(PATIENCE_SECONDS)
            return answer(generation, expires_at="2026-11-22T12:00:00Z")

        return world.obtain(key=key, fetch=fetch, look=fetch)

    with ThreadPoolExecutor(2) as pool:
        assert [*pool.map(obtain, "ab", (1, 2))] == [1, 2]
        assert [world.obtain(key=key) for key in "ab"] == [1, 2]
        world.now = at(10, 55)
        assert [*pool.map(obtain, "ab", (3, 4))] == [3, 4]


def test_requests_with_different_conditions_do_not_share_a_call() -> None:
    """Callers share a call only if their conditions are equal."""
    each = [
        PLAIN,
        TokenRequest(min_ttl=0),
        TokenRequest(min_ttl=60),
        TokenRequest(rejected="0" * 16),
        TokenRequest(force=True),
    ]
    world, together, requested = World(), threading.Barrier(len(each)), set()

    def fetch(request: TokenRequest, _: Deadline) -> Answer:
        together.wait(PATIENCE_SECONDS)
        requested.add(request)
        return answer(1)

    with ThreadPoolExecutor(len(each)) as pool:
        assert [*pool.map(partial(world.obtain, fetch=fetch), each)] == [1] * len(each)
    assert requested == {*each}


def test_the_least_recently_used_token_is_evicted_first() -> None:
    world = World(*[answer(n) for n in range(1, 6)])
    world.cache = Cache(entries=2, clock=lambda: world.now)
    assert [world.obtain(key=key) for key in "abac"] == [1, 2, 1, 3]
    assert len(world.cache) == 2
    assert world.obtain(key="a") == 1
    assert world.obtain(key="b") == 4
    world.cache.clear()
    assert len(world.cache) == 0


def test_the_cache_holds_a_thousand_tokens() -> None:
    world = World(*[answer(1)] * 1001)
    for number in range(1001):
        world.obtain(key=str(number))
    assert len(world.cache) == 1000


def test_an_editor_token_from_an_exchange_is_not_cached() -> None:
    """A connection may make a token for each call; a token that was stored is shared."""
    for source in ("memory", "table", "exchange"):
        assert answer(flow="vntana", source=source).is_shareable
        assert editor(1, source).is_shareable == (source != "exchange")
    world = World(editor(1, "exchange"), editor(2, "exchange"), editor(3, "memory"))
    assert [world.obtain() for _ in range(4)] == [1, 2, 3, 3]


def editor(generation: int, source: str) -> Answer:
    access = Broker(UnusedChannel()).access("editor", "acme")
    return Answer.of(access, document(generation, flow="editor", source=source))


def shared(world: World, first_fetch: Callable[..., Answer], seconds: float) -> tuple[Any, Any]:
    """Return the outcomes of two callers of one call; the first has a deadline of *seconds*.

    The second joins while the first caller's fetch, *first_fetch*, is pending.
    """
    begun, go = threading.Event(), threading.Event()

    def fetch(*_: object) -> Answer:
        begun.set()
        assert go.wait(PATIENCE_SECONDS)
        return first_fetch()

    def second() -> Answer:
        return world.cache.obtain(world.question(), soon())

    with ThreadPoolExecutor(2) as pool:
        question = world.question(fetch=fetch)
        first = pool.submit(world.cache.obtain, question, Deadline.after(seconds))
        assert begun.wait(PATIENCE_SECONDS)
        joined = pool.submit(second)
        wait_until(lambda: len(waiters(world)) == 2)
        go.set()
        return outcome_of(first), outcome_of(joined)


def waiters(world: World) -> Any:
    """Return the waiters of the pending call."""
    (pending,) = world.cache._calls._pending.values()
    return vars(vars(pending._future)["_condition"])["_waiters"]


def outcome_of(future: Future[Answer]) -> Any:
    """Return a generation, or an error."""
    return future.exception(PATIENCE_SECONDS) or future.result().generation


def test_callers_of_a_shared_call_get_a_permanent_error_at_once() -> None:
    """However much time is left."""
    world = World(answer(9))

    def fail() -> Answer:
        raise InvalidRequest("no")

    for seconds in (PATIENCE_SECONDS / 2, 2 * PATIENCE_SECONDS):
        first, second = shared(world, fail, seconds)
        assert type(first) is type(second) is InvalidRequest
    assert world.requests == []


def test_a_caller_with_a_later_deadline_repeats_a_shared_call_that_failed() -> None:
    world = World(answer(9))

    def fail() -> Answer:
        raise Unreachable("gone")

    first, second = shared(world, fail, PATIENCE_SECONDS / 2)
    assert (type(first), second) == (Unreachable, 9)
    world = World(answer(9))
    first, second = shared(world, fail, 2 * PATIENCE_SECONDS)
    assert type(first) is type(second) is Unreachable
    assert world.requests == []


def test_an_unshareable_token_is_returned_to_one_caller_only() -> None:
    """A caller that waited for the same call makes another one."""
    world = World(editor(2, "exchange"))
    assert shared(world, lambda: editor(1, "exchange"), PATIENCE_SECONDS) == (1, 2)
    world = World()
    assert shared(world, lambda: editor(1, "table"), PATIENCE_SECONDS) == (1, 1)


def test_one_caller_refreshes_early_while_others_get_the_cached_token() -> None:
    world = World(answer(1))
    world.obtain()
    world.now = at(10, 55)
    begun, go = threading.Event(), threading.Event()

    def look(_: Deadline) -> Answer:
        begun.set()
        assert go.wait(PATIENCE_SECONDS)
        return answer(2)

    def obtain(request: TokenRequest = PLAIN) -> int:
        return world.obtain(request, look=look)

    with ThreadPoolExecutor(1) as pool:
        looking = pool.submit(obtain)
        assert begun.wait(PATIENCE_SECONDS)
        begun.clear()
        assert [obtain(request) for request in (PLAIN, TokenRequest(min_ttl=60))] == [1, 1]
        assert not begun.is_set()
        go.set()
        assert looking.result(PATIENCE_SECONDS) == 2
    assert obtain() == 2


def test_an_error_about_the_connection_does_not_drop_a_newer_token() -> None:
    """The error is about the token that was cached when the call began."""
    world = World(answer(1), answer(2))
    world.obtain()
    world.now = at(10, 55)

    def look(_: Deadline) -> Answer:
        rejected = TokenRequest(rejected=answer(1).fingerprint)
        assert world.obtain(rejected) == 2
        raise coded("credential_latched")

    with pytest.raises(BrokerError, match="credential_latched"):
        world.obtain(look=look)
    assert world.obtain(TokenRequest(rejected=answer(1).fingerprint)) == 2
    assert len(world.requests) == 2


def test_after_expiry_callers_wait_for_the_refresh_in_flight() -> None:
    world = World(answer(1))
    world.obtain()
    world.now = at(10, 55)
    begun, go = threading.Event(), threading.Event()

    def look(_: Deadline) -> Answer:
        begun.set()
        assert go.wait(PATIENCE_SECONDS)
        return answer(2, expires_at="2026-11-22T12:00:00Z")

    with ThreadPoolExecutor(2) as pool:
        looking = pool.submit(world.obtain, look=look)
        assert begun.wait(PATIENCE_SECONDS)
        world.now = at(11, 0)
        waiting = pool.submit(world.obtain, look=look)
        wait_until(lambda: len(waiters(world)) == 2)
        go.set()
        assert looking.result(PATIENCE_SECONDS) == waiting.result(PATIENCE_SECONDS) == 2
    assert world.requests == [PLAIN]


def test_a_caller_of_a_shared_early_refresh_that_timed_out_calls_the_broker() -> None:
    """An early refresh has less time than a caller has once the old token has expired."""
    world = World(answer(1), answer(2, expires_at="2026-11-22T12:00:00Z"))
    world.obtain()
    world.now = at(10, 55)
    begun, go = threading.Event(), threading.Event()

    def look(deadline: Deadline) -> Answer:
        assert deadline.left <= RENEWAL_SECONDS
        begun.set()
        assert go.wait(PATIENCE_SECONDS)
        raise Unreachable("it took too long")

    with ThreadPoolExecutor(2) as pool:
        looking = pool.submit(world.obtain, look=look)
        assert begun.wait(PATIENCE_SECONDS)
        world.now = at(11, 0)
        waiting = pool.submit(world.obtain)
        go.set()
        assert waiting.result(PATIENCE_SECONDS) == 2
        assert looking.result(PATIENCE_SECONDS) == 1  # it was good when it was asked for


def test_a_hanging_call_ends_at_the_deadline(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A live token in the cache is returned sooner, after RENEWAL_SECONDS."""
    world, go = World(answer(1)), threading.Event()

    def hang(*_: object) -> Answer:
        go.wait(PATIENCE_SECONDS)
        return answer(2)

    with pytest.raises(Unreachable, match="in time") as caught:
        world.cache.obtain(world.question(fetch=hang), Deadline.after(0.05))
    assert caught.value.retryable
    world.obtain(key="other")
    world.now = at(10, 55)
    question = world.question(key="other", look=hang)
    assert world.cache.obtain(question, Deadline.after(0.05)).generation == 1
    monkeypatch.setattr(cache, "RENEWAL_SECONDS", 0.05)
    began = time.monotonic()
    for how in (world.cache.obtain, lambda *it: asyncio.run(world.cache.obtain_async(*it))):
        world.now += LOOK_SECONDS
        assert how(question, soon()).generation == 1
    assert time.monotonic() - began < SOON_SECONDS
    go.set()


def test_an_answer_after_the_deadline_is_cached_for_the_next_caller() -> None:
    world, go = World(), threading.Event()

    def slow(*_: object) -> Answer:
        assert go.wait(PATIENCE_SECONDS)
        return answer(1)

    with pytest.raises(Unreachable):
        world.cache.obtain(world.question(fetch=slow), Deadline.after(0.01))
    go.set()
    wait_until(lambda: len(world.cache))
    assert world.obtain() == 1
