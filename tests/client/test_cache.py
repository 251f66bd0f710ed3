"""A process keeps a token while it is good, asks once for the next, and never goes back.

The broker's answers come from a list; the cache's clock stands where a test puts it.
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

from tests.client.desks import Nowhere, answer, document
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
        self.asked: list[TokenRequest] = []
        self.cache = Cache(clock=lambda: self.now)
        self.max_age = max_age

    def fetch(self, request: TokenRequest, deadline: Deadline) -> Answer:
        assert deadline.left > 0
        self.asked.append(request)
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


def test_the_next_is_looked_for_from_refresh_after() -> None:
    world = World(answer(1), answer(2, expires_at="2026-11-22T12:00:00Z"))
    world.obtain()
    world.now = at(10, 54, 59)
    assert world.obtain() == 1
    world.now = at(10, 55)
    assert world.obtain() == 2


def test_a_broker_that_has_only_the_old_one_is_left_alone_for_a_while() -> None:
    """Otherwise each request of the last minutes would be a call."""
    world = World(answer(1), answer(1), answer(2))
    world.obtain()
    world.now = at(10, 55)
    assert [world.obtain() for _ in range(5)] == [1] * 5
    assert len(world.asked) == 2
    world.now += 9
    assert world.obtain() == 1
    world.now += 1
    assert world.obtain() == 2


@pytest.mark.parametrize("retry_after", [None, 25])
def test_a_broker_that_cannot_be_asked_does_no_harm_while_the_token_lives(
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


ENDS = {"connection_held", "credential_latched", "credential_rejected", "unknown_connection"}
OTHERS = {kind.code for kind in errors.kinds()} - ENDS | {"novel"}


@pytest.mark.parametrize("code", sorted(ENDS))
def test_that_there_is_no_token_to_use_shows_at_once_and_to_everyone(code: str) -> None:
    """The broker says so of the connection itself, though the old token would still work."""
    world = World(answer(1), coded(code), coded(code), Unreachable("gone"), answer(2))
    world.obtain()
    world.now = at(10, 55)
    for words in (code, code, "gone"):
        with pytest.raises(BrokerError, match=words):
            world.obtain()
    assert world.obtain() == 2


@pytest.mark.parametrize("code", sorted(OTHERS))
def test_a_live_token_is_kept_whatever_else_fails(code: str) -> None:
    """404, 413, HTML with 200: none of it is said of the token, which works for hours."""
    world = World(answer(1), coded(code), coded(code), answer(2))
    world.obtain()
    world.now = at(10, 55)
    assert [world.obtain() for _ in range(3)] == [1] * 3
    assert len(world.asked) == 2
    world.now += LOOK_SECONDS
    assert world.obtain() == 1
    world.now += LOOK_SECONDS
    assert world.obtain() == 2


@pytest.mark.parametrize(("life", "margin"), [(3600, 30), (300, 30), (200, 20), (10, 1)])
def test_a_token_is_not_handed_out_in_its_last_seconds(life: int, margin: int) -> None:
    """The request itself needs them; of a short life it is the last tenth."""
    ends = datetime.fromtimestamp(at(10, 0) + life, UTC).isoformat()
    world = World(answer(1, expires_at=ends), *[Unreachable("gone")] * 2)
    world.obtain()
    world.now += life - margin - 0.25
    assert world.obtain() == 1
    world.now += 0.25
    with pytest.raises(Unreachable):
        world.obtain()


def test_a_clock_that_is_ahead_costs_calls_but_not_tokens() -> None:
    world = World(answer(1), answer(1))
    world.now = at(12, 0)
    assert [world.obtain(), world.obtain()] == [1, 1]


def test_min_ttl_is_kept() -> None:
    world = World(answer(1), answer(2, expires_at="2026-11-22T13:00:00Z"))
    world.obtain()
    assert world.obtain(TokenRequest(min_ttl=3600)) == 1
    assert world.obtain(TokenRequest(min_ttl=3601)) == 2
    assert world.asked == [PLAIN, TokenRequest(min_ttl=3601)]
    assert world.obtain() == 2


@pytest.mark.parametrize("needed", [0, 1, 29, 30, 31])
def test_who_says_how_long_it_needs_a_token_has_it_until_then(needed: int) -> None:
    """Whatever the broker says: the safe distance from its end is for who says nothing."""
    world = World(answer(1), Unreachable("gone"), Unreachable("gone"))
    world.obtain()
    end = at(11, 0) - needed
    for world.now in (end - 9, end if needed else end - 0.25):
        assert world.obtain(TokenRequest(min_ttl=needed)) == 1
    world.now = end + 0.25 if needed else end
    with pytest.raises(Unreachable):
        world.obtain(TokenRequest(min_ttl=needed))


def test_force_is_always_asked_for() -> None:
    world = World(answer(1), answer(2), answer(3))
    assert [world.obtain(TokenRequest(force=True)) for _ in range(2)] == [1, 2]
    assert world.obtain() == 2


def test_a_rejected_token_is_reported_while_it_is_the_one_that_is_kept() -> None:
    """A late report of an older one gets the newer, and costs no call."""
    world = World(answer(1), answer(2))
    world.obtain()
    rejected = TokenRequest(rejected=answer(1).fingerprint)
    assert [world.obtain(rejected) for _ in range(3)] == [2, 2, 2]
    assert world.asked == [PLAIN, rejected]


def overtaken(by: Callable[[], object]) -> Callable[..., Answer]:
    """Return a call that ends with the first token after *by* has happened."""

    def fetch(*_: object) -> Answer:
        by()
        return answer(1)

    return fetch


def test_an_answer_that_was_overtaken_does_not_come_back() -> None:
    """A call that began before a report may end after it, with the dead token."""
    world = World(answer(1), answer(2))
    world.obtain()
    report = TokenRequest(rejected=answer(1).fingerprint)
    slow = world.question(TokenRequest(min_ttl=3601), fetch=overtaken(lambda: world.obtain(report)))
    assert world.cache.obtain(slow, soon()).generation == 1  # the other is too short for it
    assert world.obtain() == 2


def test_a_token_that_was_reported_does_not_come_back_by_a_call_that_began_after() -> None:
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


def test_what_was_overtaken_by_a_token_that_has_ended_is_kept() -> None:
    world = World(answer(2, expires_at="2026-11-22T10:10:00Z"))

    def overtake() -> None:
        world.obtain(TokenRequest(force=True))
        world.now = at(10, 9, 30)

    slow = world.question(fetch=overtaken(overtake))
    assert world.cache.obtain(slow, soon()).generation == 1
    assert world.obtain() == 1


def test_a_call_that_began_before_another_does_not_undo_what_that_brought() -> None:
    """Where a newer token was forced meanwhile, say: it may have ended the older one."""
    world = World(answer(2))
    slow = world.question(fetch=overtaken(lambda: world.obtain(TokenRequest(force=True))))
    assert world.cache.obtain(slow, soon()).generation == 2
    assert world.obtain() == 2


def test_a_report_that_was_overtaken_is_remembered() -> None:
    """What came meanwhile is kept; the token that was reported is dead all the same."""
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


def test_who_looks_during_a_report_is_not_given_what_was_reported() -> None:
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


def test_some_of_the_tokens_that_were_reported_are_remembered() -> None:
    """The latest four: a call takes no longer than so many reports do."""
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


def test_a_dead_token_is_not_kept_for_want_of_another_to_keep() -> None:
    """An editor's connection may make a token for each call: none of those is kept."""
    world = World(editor(1, "table"), editor(2, "exchange"), editor(3, "exchange"))
    world.obtain()
    assert world.obtain(TokenRequest(rejected=editor(1, "table").fingerprint)) == 2
    assert world.obtain() == 3


@pytest.mark.parametrize("request_", [PLAIN, TokenRequest(min_ttl=5000)], ids=["plain", "longer"])
def test_generations_of_different_variants_are_not_compared(request_: TokenRequest) -> None:
    """After a promotion, or with another default, what is asked for is another item's token."""
    world = World(answer(7), answer(1, expires_at="2026-11-22T13:00:00Z"))
    world.obtain()
    world.now = at(10, 55)
    assert world.obtain(request_) == 1
    assert [world.obtain() for _ in range(5)] == [1] * 5
    assert len(world.asked) == 2


def test_a_token_is_asked_about_at_least_every_five_minutes() -> None:
    """So that what was revoked, or held, is used no longer, though it might live for a day."""
    assert MAX_AGE_SECONDS == 300
    day = {"expires_at": "2026-11-23T10:00:00Z", "refresh_after": "2026-11-23T08:00:00Z"}
    world = World(*[answer(n, **day) for n in (1, 1, 2)], max_age=MAX_AGE_SECONDS)
    world.obtain()
    world.now = at(10, 4, 59)
    assert (world.obtain(), len(world.asked)) == (1, 1)
    world.now = at(10, 5)
    assert (world.obtain(), len(world.asked)) == (1, 2)
    world.now = at(10, 9, 59)
    assert (world.obtain(), len(world.asked)) == (1, 2)
    world.now = at(10, 10)
    assert (world.obtain(), len(world.asked)) == (2, 3)


@pytest.mark.parametrize("max_age", [60, MAX_AGE_SECONDS])
def test_a_broker_that_wants_to_be_left_alone_is_asked_at_that_age_all_the_same(
    max_age: float,
) -> None:
    """At the age that the caller set, not only at the usual one."""
    world = World(answer(1), Unreachable("gone", retry_after=3000), answer(2), max_age=max_age)
    world.obtain()
    for seconds, generation in ((max_age, 1), (2 * max_age - 1, 1), (2 * max_age, 2)):
        world.now = at(10, 0) + seconds
        assert world.obtain() == generation


def test_a_look_that_fails_puts_off_no_newer_token() -> None:
    """One that was got meanwhile has an age of its own."""
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


def test_what_is_found_does_not_take_the_place_of_what_suits_better() -> None:
    """A newer token may live for less time than its caller needs."""
    world = World(answer(1), answer(2, expires_at="2026-11-22T10:55:40Z"))
    world.obtain()
    world.now = at(10, 55)
    assert world.obtain(TokenRequest(min_ttl=60)) == 1


def test_who_reports_an_older_token_looks_for_none() -> None:
    """There is one already that is newer, and the request is waiting."""
    world = World(answer(2))
    world.obtain()
    world.now = at(10, 55)
    assert world.obtain(TokenRequest(rejected=answer(1).fingerprint)) == 2
    assert world.asked == [PLAIN]


def test_a_call_that_has_just_ended_is_not_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Between a look into the cache and the call, another one may bring what is wanted."""
    world = World(answer(1))
    join = world.cache._calls.join

    def late(*how: Any) -> Any:
        monkeypatch.undo()
        world.obtain()
        return join(*how)

    monkeypatch.setattr(world.cache._calls, "join", late)
    assert world.obtain() == 1
    assert world.asked == [PLAIN]


@pytest.mark.parametrize("request_", [PLAIN, TokenRequest(min_ttl=60)], ids=["plain", "longer"])
def test_a_look_that_has_just_been_made_is_not_made_again(
    request_: TokenRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor where what that brought is too short for the one who looks."""
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
    assert len(world.asked) == 2


def test_a_clock_that_was_set_back_does_not_make_a_token_older_than_that() -> None:
    """And a broker that cannot be asked then is left alone for a while."""
    world = World(answer(1), Unreachable("gone"), answer(2), max_age=MAX_AGE_SECONDS)
    world.obtain()
    world.now = at(9, 0)
    assert [world.obtain() for _ in range(3)] == [1] * 3
    world.now += LOOK_SECONDS
    assert world.obtain() == 2


def test_what_was_asked_before_everything_was_forgotten_is_not_kept() -> None:
    """Its token may be one of those that the broker was told to forget."""
    world = World(answer(2))
    slow = world.question(fetch=overtaken(world.cache.clear))
    assert world.cache.obtain(slow, soon()).generation == 1
    assert world.obtain() == 2


def test_who_asks_after_everything_was_forgotten_shares_no_call_from_before() -> None:
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


def test_keys_do_not_mix() -> None:
    """Though the first tokens are asked for at the same moment, and then the next."""
    world, both = World(), threading.Barrier(2)

    def obtain(key: str, generation: int) -> int:
        def ask(*_: object) -> Answer:
            both.wait(PATIENCE_SECONDS)
            return answer(generation, expires_at="2026-11-22T12:00:00Z")

        return world.obtain(key=key, fetch=ask, look=ask)

    with ThreadPoolExecutor(2) as pool:
        assert [*pool.map(obtain, "ab", (1, 2))] == [1, 2]
        assert [world.obtain(key=key) for key in "ab"] == [1, 2]
        world.now = at(10, 55)
        assert [*pool.map(obtain, "ab", (3, 4))] == [3, 4]


def test_conditions_do_not_mix() -> None:
    """Callers share a call only if their conditions are equal."""
    each = [
        PLAIN,
        TokenRequest(min_ttl=0),
        TokenRequest(min_ttl=60),
        TokenRequest(rejected="0" * 16),
        TokenRequest(force=True),
    ]
    world, together, asked = World(), threading.Barrier(len(each)), set()

    def fetch(request: TokenRequest, _: Deadline) -> Answer:
        together.wait(PATIENCE_SECONDS)
        asked.add(request)
        return answer(1)

    with ThreadPoolExecutor(len(each)) as pool:
        assert [*pool.map(partial(world.obtain, fetch=fetch), each)] == [1] * len(each)
    assert asked == {*each}


def test_what_was_not_used_for_longest_goes_first() -> None:
    world = World(*[answer(n) for n in range(1, 6)])
    world.cache = Cache(entries=2, clock=lambda: world.now)
    assert [world.obtain(key=key) for key in "abac"] == [1, 2, 1, 3]
    assert len(world.cache) == 2
    assert world.obtain(key="a") == 1
    assert world.obtain(key="b") == 4
    world.cache.clear()
    assert len(world.cache) == 0


def test_a_thousand_tokens_are_kept() -> None:
    world = World(*[answer(1)] * 1001)
    for number in range(1001):
        world.obtain(key=str(number))
    assert len(world.cache) == 1000


def test_an_editors_own_token_is_for_one_caller() -> None:
    """A connection may make one for each call; what the broker had kept is anyone's."""
    for source in ("memory", "table", "exchange"):
        assert answer(flow="vntana", source=source).is_shareable
        assert editor(1, source).is_shareable == (source != "exchange")
    world = World(editor(1, "exchange"), editor(2, "exchange"), editor(3, "memory"))
    assert [world.obtain() for _ in range(4)] == [1, 2, 3, 3]


def editor(generation: int, source: str) -> Answer:
    access = Broker(Nowhere()).access("editor", "acme")
    return Answer.of(access, document(generation, flow="editor", source=source))


def shared(world: World, leaders: Callable[..., Answer], seconds: float) -> tuple[Any, Any]:
    """Return what comes of a caller's call of so many *seconds*, and of a patient one's after it.

    The second joins while the first, which is made by *leaders*, is on its way.
    """
    begun, go = threading.Event(), threading.Event()

    def fetch(*_: object) -> Answer:
        begun.set()
        assert go.wait(PATIENCE_SECONDS)
        return leaders()

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
    """Return what waits for the call that is on its way."""
    (pending,) = world.cache._calls._pending.values()
    return vars(vars(pending._future)["_condition"])["_waiters"]


def outcome_of(future: Future[Answer]) -> Any:
    """Return a generation, or an error."""
    return future.exception(PATIENCE_SECONDS) or future.result().generation


def test_who_shares_a_call_has_its_error_too() -> None:
    """One that will not pass, at once, however much time is left."""
    world = World(answer(9))

    def fail() -> Answer:
        raise InvalidRequest("no")

    for seconds in (PATIENCE_SECONDS / 2, 2 * PATIENCE_SECONDS):
        first, second = shared(world, fail, seconds)
        assert type(first) is type(second) is InvalidRequest
    assert world.asked == []


def test_who_shares_a_call_of_less_patience_asks_again() -> None:
    world = World(answer(9))

    def fail() -> Answer:
        raise Unreachable("gone")

    first, second = shared(world, fail, PATIENCE_SECONDS / 2)
    assert (type(first), second) == (Unreachable, 9)
    world = World(answer(9))
    first, second = shared(world, fail, 2 * PATIENCE_SECONDS)
    assert type(first) is type(second) is Unreachable
    assert world.asked == []


def test_a_token_of_ones_own_is_shared_with_no_caller() -> None:
    """Not even with one that waited for the same call."""
    world = World(editor(2, "exchange"))
    assert shared(world, lambda: editor(1, "exchange"), PATIENCE_SECONDS) == (1, 2)
    world = World()
    assert shared(world, lambda: editor(1, "table"), PATIENCE_SECONDS) == (1, 1)


def test_one_thread_looks_for_the_next_while_others_go_on() -> None:
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


def test_that_there_is_no_token_to_use_takes_none_away_that_came_meanwhile() -> None:
    """It was said before: of the token that was kept then."""
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
    assert len(world.asked) == 2


def test_after_its_end_all_wait_for_the_one_who_looks() -> None:
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
    assert world.asked == [PLAIN]


def test_who_shares_a_look_that_is_cut_short_asks_again() -> None:
    """The look may take less time than who waits has, once the old token has ended."""
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


def test_a_call_that_hangs_is_given_up_at_the_callers_deadline(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whatever it hangs in; and with a live token in hand, that is returned, and sooner."""
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


def test_what_comes_late_is_kept_for_the_next_caller() -> None:
    world, go = World(), threading.Event()

    def slow(*_: object) -> Answer:
        assert go.wait(PATIENCE_SECONDS)
        return answer(1)

    with pytest.raises(Unreachable):
        world.cache.obtain(world.question(fetch=slow), Deadline.after(0.01))
    go.set()
    wait_until(lambda: len(world.cache))
    assert world.obtain() == 1
