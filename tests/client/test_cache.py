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
from itertools import count
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

FORCE = TokenRequest(force=True)
TOO_LONG = TokenRequest(min_ttl=3601)
"""A request that no token of an hour meets, so that the broker is called."""

GONE = Unreachable("gone")


def at(time_of_day: str) -> float:
    """Return this time of the day on which the answers live from 10:00 to 11:00."""
    return datetime.fromisoformat(f"2026-11-22T{time_of_day}+00:00").timestamp()


def rejecting(generation: int) -> TokenRequest:
    """Return the request that reports this token as rejected."""
    return TokenRequest(rejected=answer(generation).fingerprint)


class World:
    """A cache, a clock, and a broker that answers from a list: answers live from 10:00 to 11:00."""

    def __init__(self, *answers: Answer | BrokerError, max_age: float = 10_000) -> None:
        self.now = at("10:00")
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
        fetch = partial(self.fetch, request)
        return Question(key, request, fetch, look, self.max_age)._replace(**how)

    def obtain(self, request: TokenRequest = PLAIN, key: str = "key", **how: Any) -> int:
        """Return the generation of what is obtained."""
        return self.cache.obtain(self.question(request, key, **how), soon()).generation

    def obtain_at(self, *times: str | float, request: TokenRequest = PLAIN) -> list[int]:
        """Return the generation of what is obtained at each of these times."""
        obtained = []
        for each in times:
            self.now = at(each) if isinstance(each, str) else each
            obtained.append(self.obtain(request))
        return obtained


def soon() -> Deadline:
    """Return a deadline that is not to be reached."""
    return Deadline.after(PATIENCE_SECONDS)


class Pending:
    """A call of the broker, which returns or raises its outcome once it may go on."""

    def __init__(self, outcome: Answer | BrokerError) -> None:
        self.outcome = outcome
        self.begun, self._go = threading.Event(), threading.Event()

    def __call__(self, *_: object) -> Answer:
        self.begun.set()
        assert self._go.wait(PATIENCE_SECONDS)
        if isinstance(self.outcome, BrokerError):
            raise self.outcome
        return self.outcome

    def await_begin(self) -> None:
        assert self.begun.wait(PATIENCE_SECONDS)

    def go_on(self) -> None:
        self._go.set()


def test_a_token_is_refreshed_from_refresh_after_on() -> None:
    world = World(answer(1), answer(2))
    assert world.obtain_at("10:00", "10:54:59", "10:55") == [1, 1, 2]


def test_an_early_refresh_that_returned_the_same_token_is_repeated_after_ten_seconds() -> None:
    """Otherwise each request of the last minutes would be a call."""
    world = World(answer(1), answer(1), answer(2))
    assert world.obtain_at("10:00", *["10:55"] * 5, "10:55:09") == [1] * 7
    assert len(world.requests) == 2
    assert world.obtain_at("10:55:10") == [2]


def coded(code: str, **members: Any) -> BrokerError:
    return BrokerError.of({"code": code, "detail": "why", "retryable": False} | members)


CONNECTION_CODES = {
    "connection_held",
    "credential_latched",
    "credential_rejected",
    "unknown_connection",
}
OTHER_CODES = {kind.code for kind in errors.KINDS.values()} - CONNECTION_CODES | {"novel"}


@pytest.mark.parametrize("code", sorted(CONNECTION_CODES))
@pytest.mark.parametrize(
    ("request_", "time_of_day"),
    [(PLAIN, "10:55"), (FORCE, "10:00"), (TOO_LONG, "10:00"), (rejecting(1), "10:00")],
    ids=["renewal", "force", "min_ttl", "report"],
)
def test_an_error_about_the_connection_drops_the_live_token_and_is_raised(
    code: str, request_: TokenRequest, time_of_day: str
) -> None:
    """For each caller, though the token would still work, and whatever was asked."""
    world = World(answer(1), coded(code), coded(code), GONE, answer(2))
    world.obtain()
    world.now = at(time_of_day)
    for code_or_end, wanted in ((code, request_), (code, PLAIN), ("gone", PLAIN)):
        with pytest.raises(BrokerError, match=code_or_end):
            world.obtain(wanted)
    assert world.obtain() == 2


@pytest.mark.parametrize(
    ("error", "pause"),
    [
        *((coded(code), LOOK_SECONDS) for code in sorted(OTHER_CODES)),
        (Unreachable("gone", retry_after=25), 25),
        (Unreachable("gone", retry_after=1000), 100),
    ],
    ids=lambda value: getattr(value, "code", None),
)
def test_any_other_error_keeps_the_live_token_until_retry_after(
    error: BrokerError, pause: float
) -> None:
    """A 404, a 413, HTML with status 200: none of them is about the token.

    Not for longer than `max_age`: a revocation takes effect within that.
    """
    world, due = World(answer(1), error, error, answer(2), max_age=100), at("10:55")
    assert world.obtain_at("10:00", due, due, due + pause - 1) == [1] * 4
    assert len(world.requests) == 2
    assert world.obtain_at(due + pause, due + 2 * pause - 1, due + 2 * pause) == [1, 1, 2]


@pytest.mark.parametrize(("life", "margin"), [(3600, 30), (300, 30), (200, 20), (10, 1)])
def test_a_token_is_not_served_in_its_last_seconds(life: int, margin: int) -> None:
    """The last 30 seconds, or the last tenth of a short life: the caller's request needs them."""
    ends_at = at("10:00") + life
    expires_at = datetime.fromtimestamp(ends_at, UTC).isoformat()
    world = World(answer(1, expires_at=expires_at), GONE, GONE)
    assert world.obtain_at("10:00", ends_at - margin - 0.25) == [1, 1]
    with pytest.raises(Unreachable):
        world.obtain_at(ends_at - margin)


def test_a_token_shorter_than_min_ttl_is_not_served_from_the_cache() -> None:
    world = World(answer(1), answer(2, expires_at="2026-11-22T13:00:00Z"))
    world.obtain()
    requests = (TokenRequest(min_ttl=3600), TOO_LONG, PLAIN)
    assert [world.obtain(request) for request in requests] == [1, 2, 2]
    assert world.requests == [PLAIN, TOO_LONG]


@pytest.mark.parametrize("needed", [0, 1, 29, 30, 31])
def test_with_min_ttl_a_token_is_served_until_min_ttl_before_expires_at(needed: int) -> None:
    """Also while refreshes fail: the safety margin is for calls without min_ttl."""
    world, request = World(answer(1), GONE, GONE), TokenRequest(min_ttl=needed)
    end = at("11:00") - needed
    last = end if needed else end - 0.25
    assert world.obtain_at("10:00", end - 9, last, request=request) == [1] * 3
    with pytest.raises(Unreachable):
        world.obtain_at(last + 0.25, request=request)


def test_force_always_calls_the_broker() -> None:
    world = World(answer(1), answer(2), answer(3))
    assert [world.obtain(request) for request in (FORCE, FORCE, PLAIN)] == [1, 2, 2]


def test_a_rejected_token_is_reported_only_if_it_is_the_cached_one() -> None:
    """A late report of an older token returns the newer one, without a call."""
    world = World(answer(1), answer(2))
    world.obtain()
    assert [world.obtain(rejecting(1)) for _ in range(3)] == [2, 2, 2]
    assert world.requests == [PLAIN, rejecting(1)]


def overtaken(by: Callable[[], object], generation: int = 1) -> Callable[..., Answer]:
    """Return a call of the broker that calls *by*, then returns this token."""

    def fetch(*_: object) -> Answer:
        by()
        return answer(generation)

    return fetch


def test_a_call_that_began_before_a_report_does_not_restore_the_rejected_token() -> None:
    """A call that began before a report may end after it, with the dead token."""
    world = World(answer(1), answer(2))
    world.obtain()
    slow = overtaken(lambda: world.obtain(rejecting(1)))
    assert world.obtain(TOO_LONG, fetch=slow) == 1  # the other is too short for it
    assert world.obtain() == 2


def test_a_call_that_began_after_a_report_does_not_restore_the_rejected_token() -> None:
    """The broker may read its table a moment before the report's new token is in it."""
    world = World(answer(1), answer(1))
    world.obtain()
    report = overtaken(lambda: world.obtain(TOO_LONG), generation=2)
    assert world.obtain(rejecting(1), fetch=report) == 2
    assert world.obtain() == 2
    world.obtain(TOO_LONG, fetch=lambda *_: answer(1))
    assert world.obtain() == 2


def test_an_overtaken_token_is_cached_if_the_newer_one_has_expired() -> None:
    world = World(answer(2, expires_at="2026-11-22T10:10:00Z"))

    def overtake() -> None:
        world.obtain(FORCE)
        world.now = at("10:09:30")

    assert world.obtain(fetch=overtaken(overtake)) == 1
    assert world.obtain() == 1


def test_a_rejected_token_is_not_cached_after_the_newer_one_has_expired() -> None:
    world = World(answer(1), answer(2, expires_at="2026-11-22T10:10:00Z"), answer(1), answer(3))
    requests = (PLAIN, rejecting(1), PLAIN, PLAIN)
    assert [world.obtain(request) for request in requests[:2]] == [1, 2]
    world.now = at("10:10")
    assert [world.obtain(request) for request in requests[2:]] == [1, 3]


def test_an_overtaken_report_still_marks_the_token_as_rejected() -> None:
    """The token that was fetched meanwhile is cached; the reported one is not served."""
    world = World(answer(1), answer(2))
    world.obtain()
    report = overtaken(lambda: world.obtain(FORCE), generation=3)
    assert world.obtain(rejecting(1), fetch=report) == 2
    world.obtain(TOO_LONG, fetch=lambda *_: answer(1))
    assert world.obtain() == 2


def test_an_early_refresh_during_a_report_does_not_return_the_rejected_token() -> None:
    world, report, look = World(answer(1)), Pending(answer(2)), Pending(answer(1))
    world.obtain()
    world.now = at("10:55")
    with ThreadPoolExecutor(2) as pool:
        reporting = pool.submit(world.obtain, rejecting(1), fetch=report)
        report.await_begin()
        looking = pool.submit(world.obtain, look=look)
        look.await_begin()
        for call, caller in ((report, reporting), (look, looking)):
            call.go_on()
            assert caller.result(PATIENCE_SECONDS) == 2
    assert world.cache.fresh(world.question(TokenRequest(rejected="0" * 16))) == answer(2)


def test_the_last_four_rejected_tokens_are_remembered() -> None:
    """A call takes no longer than four reports do."""
    world = World(*[answer(number) for number in range(1, 8)])
    world.obtain()
    for number in range(1, 7):
        world.obtain(rejecting(number))
    assert world.obtain() == 7
    for late, kept in ((3, 7), (2, 2)):
        assert world.obtain(FORCE, fetch=lambda *_, late=late: answer(late)) == late
        assert world.obtain() == kept


def test_a_rejected_token_is_dropped_even_if_the_new_one_is_not_cached() -> None:
    """An editor's connection may make a token for each call: none of those is cached."""
    world = World(editor(1, "table"), editor(2, "exchange"), editor(3, "exchange"))
    requests = (PLAIN, rejecting(1), PLAIN)
    assert [world.obtain(request) for request in requests] == [1, 2, 3]


@pytest.mark.parametrize("request_", [PLAIN, TokenRequest(min_ttl=5000)], ids=["plain", "longer"])
def test_generations_of_different_variants_are_not_compared(request_: TokenRequest) -> None:
    """After a promotion, or with another default, the answer is another item's token."""
    world = World(answer(7), answer(1, expires_at="2026-11-22T13:00:00Z"))
    world.obtain()
    world.now = at("10:55")
    assert [world.obtain(request) for request in (request_, *[PLAIN] * 5)] == [1] * 6
    assert len(world.requests) == 2


def test_a_cached_token_is_checked_with_the_broker_every_five_minutes() -> None:
    """So that a revoked or held token is no longer used, though it may live for a day."""
    assert MAX_AGE_SECONDS == 300
    day = {"expires_at": "2026-11-23T10:00:00Z", "refresh_after": "2026-11-23T08:00:00Z"}
    world = World(*[answer(n, **day) for n in (1, 2, 3)], max_age=MAX_AGE_SECONDS)
    times = ("10:00", "10:04:59", "10:05", "10:09:59", "10:10")
    assert world.obtain_at(*times) == [1, 1, 2, 2, 3]


@pytest.mark.parametrize("look", [GONE, answer(2, expires_at="2026-11-22T10:55:40Z")])
def test_a_token_shorter_than_min_ttl_after_a_refresh_is_not_served(
    look: Answer | BrokerError,
) -> None:
    """The early refresh took some of its seconds, and brought nothing that lives longer."""
    world = World(answer(1), answer(3, expires_at="2026-11-22T12:00:00Z"))
    world.obtain()
    world.now = at("10:55")
    request = TokenRequest(min_ttl=300)

    def slow(_: Deadline) -> Answer:
        world.now += 1
        if isinstance(look, BrokerError):
            raise look
        return look

    assert world.obtain(request, look=slow) == 3
    assert world.requests == [PLAIN, request]


def test_a_report_of_an_older_token_starts_no_early_refresh() -> None:
    """A newer token is cached, and the caller's request waits."""
    world = World(answer(2))
    assert world.obtain_at("10:00", "10:55", request=rejecting(1)) == [2, 2]
    assert world.requests == [rejecting(1)]


def before_it_joins(
    world: World, monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]
) -> None:
    """Have the next caller's thread call *act* between its look into the cache and its call."""
    join = world.cache._calls.join

    def late(*how: Any) -> Any:
        monkeypatch.undo()
        act()
        return join(*how)

    monkeypatch.setattr(world.cache._calls, "join", late)


def test_a_call_that_ended_after_the_cache_was_read_is_not_repeated(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Between the read and the call, another call may fill the cache."""
    world = World(answer(1))
    before_it_joins(world, monkeypatch, world.obtain)
    assert world.obtain() == 1
    assert world.requests == [PLAIN]


@pytest.mark.parametrize(("min_ttl", "generation"), [(None, 2), (60, 1)])
def test_an_early_refresh_that_ended_after_the_cache_was_read_is_not_repeated(
    min_ttl: int | None, generation: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also if the new token is shorter than min_ttl."""
    world = World(answer(1), answer(2, expires_at="2026-11-22T10:55:40Z"))
    world.obtain()
    world.now = at("10:55")
    before_it_joins(world, monkeypatch, lambda: world.obtain(FORCE))
    assert world.obtain(TokenRequest(min_ttl=min_ttl)) == generation
    assert len(world.requests) == 2


def test_a_clock_that_was_set_back_does_not_extend_max_age() -> None:
    """The refresh is due at once; after a failure, again in ten seconds."""
    world = World(answer(1), GONE, answer(2), max_age=MAX_AGE_SECONDS)
    times = ("10:00", "09:00", "09:00", "09:00", "09:00:10")
    assert world.obtain_at(*times) == [1, 1, 1, 1, 2]


def test_an_answer_to_a_call_from_before_clear_is_not_cached() -> None:
    """Its token may be one that the broker was told to forget."""
    world = World(answer(2))
    assert world.obtain(fetch=overtaken(world.cache.clear)) == 1
    assert world.obtain() == 2


def test_a_caller_after_clear_does_not_join_a_call_from_before() -> None:
    world, slow = World(answer(2)), Pending(answer(1))
    with ThreadPoolExecutor(1) as pool:
        before = pool.submit(world.obtain, fetch=slow)
        slow.await_begin()
        world.cache.clear()
        assert world.obtain() == 2
        slow.go_on()
        assert before.result(PATIENCE_SECONDS) == 2  # the newer one serves it as well
    assert world.obtain() == 2


def test_requests_with_different_conditions_do_not_share_a_call() -> None:
    """Callers share a call only if their conditions are equal."""
    shorter = (TokenRequest(min_ttl=seconds) for seconds in (0, 60))
    each = [PLAIN, *shorter, TokenRequest(rejected="0" * 16), FORCE]
    world, together, requested = World(), threading.Barrier(len(each)), set()

    def obtain(request: TokenRequest) -> int:
        def fetch(_: Deadline) -> Answer:
            together.wait(PATIENCE_SECONDS)
            requested.add(request)
            return answer(1)

        return world.obtain(request, fetch=fetch)

    with ThreadPoolExecutor(len(each)) as pool:
        assert [*pool.map(obtain, each)] == [1] * len(each)
    assert requested == {*each}


def test_the_least_recently_used_token_is_evicted_first() -> None:
    world = World(*[answer(n) for n in range(1, 6)])
    world.cache = Cache(entries=2, clock=lambda: world.now)
    assert [world.obtain(key=key) for key in "abac"] == [1, 2, 1, 3]
    assert len(world.cache) == 2
    assert [world.obtain(key=key) for key in "ab"] == [1, 4]
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


def shared(
    world: World, outcome: Answer | BrokerError, seconds: float, request: TokenRequest = PLAIN
) -> tuple[Any, Any]:
    """Return the outcomes of two callers of one call; the first has a deadline of *seconds*.

    The second joins while the first caller's call is pending, which ends with *outcome*.
    """
    call = Pending(outcome)
    with ThreadPoolExecutor(2) as pool:
        question = world.question(request, fetch=call)
        first = pool.submit(world.cache.obtain, question, Deadline.after(seconds))
        call.await_begin()
        second = pool.submit(world.cache.obtain, world.question(request), soon())
        wait_until(lambda: len(waiters(world)) == 2)
        call.go_on()
        return outcome_of(first), outcome_of(second)


def waiters(world: World) -> Any:
    """Return the waiters of the pending call."""
    (pending,) = world.cache._calls._pending.values()
    return vars(vars(pending._future)["_condition"])["_waiters"]


def outcome_of(future: Future[Answer]) -> Any:
    """Return a generation, or the class of an error."""
    error = future.exception(PATIENCE_SECONDS)
    return type(error) if error else future.result().generation


SHORTER, LONGER = PATIENCE_SECONDS / 2, 2 * PATIENCE_SECONDS
"""Deadlines of the caller that began a shared call."""


@pytest.mark.parametrize(
    ("error", "seconds", "second"),
    [
        pytest.param(InvalidRequest("no"), SHORTER, InvalidRequest, id="permanent"),
        pytest.param(InvalidRequest("no"), LONGER, InvalidRequest, id="permanent, less time"),
        pytest.param(GONE, SHORTER, 9, id="temporary"),
        pytest.param(GONE, LONGER, Unreachable, id="temporary, less time"),
    ],
)
def test_a_shared_call_that_failed_is_repeated_for_a_caller_with_a_later_deadline(
    error: BrokerError, seconds: float, second: Any
) -> None:
    """Only after a temporary error: each caller gets a permanent one at once."""
    world = World(answer(9))
    assert shared(world, error, seconds) == (type(error), second)
    assert len(world.requests) == (second == 9)


def test_an_unshareable_token_is_returned_to_one_caller_only() -> None:
    """A caller that waited for the same call makes another one."""
    world = World(editor(2, "exchange"))
    assert shared(world, editor(1, "exchange"), PATIENCE_SECONDS) == (1, 2)
    assert shared(World(), editor(1, "table"), PATIENCE_SECONDS) == (1, 1)


def test_a_forced_call_is_shared_by_callers_that_wait_for_it() -> None:
    """Though none of them would take its token from the cache."""
    assert shared(World(), answer(2), PATIENCE_SECONDS, FORCE) == (2, 2)


def test_callers_of_unshareable_tokens_do_not_wait_for_each_other() -> None:
    """The second exchange shows that each call makes a token. The later calls run together."""
    world, callers, numbers = World(), 6, count(1)
    together = threading.Barrier(callers - 2, timeout=SOON_SECONDS)

    def fetch(*_: object) -> Answer:
        if (number := next(numbers)) <= 2:
            wait_until(lambda: len(waiters(world)) == callers + 1 - number)
        else:
            together.wait()
        return editor(number, "exchange")

    with ThreadPoolExecutor(callers) as pool:
        asked = [pool.submit(world.obtain, fetch=fetch) for _ in range(callers)]
        assert {one.result(PATIENCE_SECONDS) for one in asked} == set(range(1, callers + 1))


def test_one_caller_refreshes_early_while_others_get_the_cached_token() -> None:
    world, look = World(answer(1)), Pending(answer(2))
    world.obtain()
    world.now = at("10:55")
    with ThreadPoolExecutor(1) as pool:
        looking = pool.submit(world.obtain, look=look)
        look.await_begin()
        look.begun.clear()
        for request in (PLAIN, TokenRequest(min_ttl=60)):
            assert world.obtain(request, look=look) == 1
        assert not look.begun.is_set()
        look.go_on()
        assert looking.result(PATIENCE_SECONDS) == 2
    assert world.obtain(look=look) == 2


def test_an_error_about_the_connection_does_not_drop_a_newer_token() -> None:
    """The error is about the token that was cached when the call began."""
    world = World(answer(1), answer(2))
    world.obtain()
    world.now = at("10:55")

    def look(_: Deadline) -> Answer:
        assert world.obtain(rejecting(1)) == 2
        raise coded("credential_latched")

    with pytest.raises(BrokerError, match="credential_latched"):
        world.obtain(look=look)
    assert world.obtain(rejecting(1)) == 2
    assert len(world.requests) == 2


def test_after_expiry_callers_wait_for_the_refresh_in_flight() -> None:
    world, look = World(answer(1)), Pending(answer(2, expires_at="2026-11-22T12:00:00Z"))
    world.obtain()
    world.now = at("10:55")
    with ThreadPoolExecutor(2) as pool:
        looking = pool.submit(world.obtain, look=look)
        look.await_begin()
        world.now = at("11:00")
        waiting = pool.submit(world.obtain)
        wait_until(lambda: len(waiters(world)) == 2)
        look.go_on()
        assert looking.result(PATIENCE_SECONDS) == waiting.result(PATIENCE_SECONDS) == 2
    assert world.requests == [PLAIN]


def test_a_caller_of_a_shared_early_refresh_that_timed_out_calls_the_broker() -> None:
    """An early refresh has less time than a caller has once the old token has expired."""
    world = World(answer(1), answer(2, expires_at="2026-11-22T12:00:00Z"))
    pending = Pending(Unreachable("it took too long"))
    world.obtain()
    world.now = at("10:55")

    def look(deadline: Deadline) -> Answer:
        assert deadline.left <= RENEWAL_SECONDS
        return pending()

    with ThreadPoolExecutor(2) as pool:
        looking = pool.submit(world.obtain, look=look)
        pending.await_begin()
        world.now = at("11:00")
        waiting = pool.submit(world.obtain)
        pending.go_on()
        assert waiting.result(PATIENCE_SECONDS) == looking.result(PATIENCE_SECONDS) == 2


def test_a_hanging_call_ends_at_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    """A live token in the cache is returned sooner, after RENEWAL_SECONDS."""
    world, hang = World(answer(1)), Pending(answer(2))
    with pytest.raises(Unreachable, match="in time") as caught:
        world.cache.obtain(world.question(fetch=hang), Deadline.after(0.05))
    assert caught.value.retryable
    world.obtain(key="other")
    world.now = at("10:55")
    question = world.question(key="other", look=hang)
    assert world.cache.obtain(question, Deadline.after(0.05)).generation == 1
    monkeypatch.setattr(cache, "RENEWAL_SECONDS", 0.05)
    began = time.monotonic()
    for how in (world.cache.obtain, lambda *it: asyncio.run(world.cache.obtain_async(*it))):
        world.now += LOOK_SECONDS
        assert how(question, soon()).generation == 1
    assert time.monotonic() - began < SOON_SECONDS
    hang.go_on()


def test_an_answer_after_the_deadline_is_cached_for_the_next_caller() -> None:
    world, slow = World(), Pending(answer(1))
    with pytest.raises(Unreachable):
        world.cache.obtain(world.question(fetch=slow), Deadline.after(0.01))
    slow.go_on()
    wait_until(lambda: len(world.cache))
    assert world.obtain() == 1
