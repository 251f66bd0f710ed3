"""A process keeps a token while it is good, asks once for the next, and never goes back."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest

from tests.client.desks import Nowhere, answer, document
from tests.waiting import PATIENCE_SECONDS
from token_broker_client import Answer, Broker, BrokerError, CredentialLatched, Unreachable
from token_broker_client.cache import LOOK_SECONDS, Cache
from token_broker_client.entrances import PLAIN, Wish


def at(hour: int, minute: int, second: int = 0) -> float:
    return datetime(2026, 11, 22, hour, minute, second, tzinfo=UTC).timestamp()


class World:
    """A cache, a clock, and a broker that answers from a list: answers live from 10:00 to 11:00."""

    def __init__(self, *answers: Answer | BrokerError) -> None:
        self.now = at(10, 0)
        self.answers = list(answers)
        self.asked: list[Wish] = []
        self.cache = Cache(clock=lambda: self.now)

    def fetch(self, wish: Wish) -> Answer:
        self.asked.append(wish)
        given = self.answers.pop(0)
        if isinstance(given, BrokerError):
            raise given
        return given

    def obtain(self, wish: Wish = PLAIN, key: str = "key") -> int:
        """Return the generation of what is obtained."""
        return self.cache.obtain(key, wish, self.fetch, lambda: self.fetch(PLAIN)).generation


def test_is_asked_for_once() -> None:
    world = World(answer(1))
    assert [world.obtain() for _ in range(5)] == [1] * 5
    assert world.asked == [PLAIN]


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
    world.now += LOOK_SECONDS
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
    world.now += (retry_after or LOOK_SECONDS) - 1
    assert world.obtain() == 1
    world.now += 1
    assert world.obtain() == 2


def test_a_refusal_shows_at_once_and_to_everyone() -> None:
    """Whoever lost the permission has lost it, though the old token would still work."""
    world = World(answer(1), CredentialLatched("no"), CredentialLatched("no"))
    world.obtain()
    world.now = at(10, 55)
    for _ in range(2):
        with pytest.raises(CredentialLatched):
            world.obtain()


def test_an_expired_token_is_not_handed_out() -> None:
    """Nor in its last seconds, which the request itself needs."""
    world = World(answer(1), Unreachable("gone"), answer(2))
    world.obtain()
    world.now = at(10, 59, 30)
    with pytest.raises(Unreachable):
        world.obtain()
    assert world.obtain() == 2


def test_a_short_life_is_used_nearly_to_its_end() -> None:
    world = World(answer(1, expires_at="2026-11-22T10:00:08Z"), answer(2))
    world.obtain()
    world.now = at(10, 0, 7)
    assert world.obtain() == 1
    world.now = at(10, 0, 8)
    assert world.obtain() == 2


def test_a_clock_that_is_ahead_costs_calls_but_not_tokens() -> None:
    world = World(answer(1), answer(1))
    world.now = at(12, 0)
    assert [world.obtain(), world.obtain()] == [1, 1]


def test_min_ttl_is_kept() -> None:
    world = World(answer(1), answer(2, expires_at="2026-11-22T13:00:00Z"))
    world.obtain()
    assert world.obtain(Wish(min_ttl=3600)) == 1
    assert world.obtain(Wish(min_ttl=3601)) == 2
    assert world.asked == [PLAIN, Wish(min_ttl=3601)]
    assert world.obtain() == 2


def test_force_is_always_asked_for() -> None:
    world = World(answer(1), answer(2), answer(3))
    assert [world.obtain(Wish(force=True)) for _ in range(2)] == [1, 2]
    assert world.obtain() == 2


def test_a_rejected_token_is_reported_while_it_is_the_one_that_is_kept() -> None:
    """A late report of an older one gets the newer, and costs no call."""
    world = World(answer(1), answer(2))
    world.obtain()
    rejected = Wish(rejected=answer(1).fingerprint)
    assert [world.obtain(rejected) for _ in range(3)] == [2, 2, 2]
    assert world.asked == [PLAIN, rejected]


def test_an_answer_that_was_overtaken_does_not_come_back() -> None:
    """A call that began before a report may end after it, with the dead token."""
    world = World(answer(1))
    world.obtain()
    late = answer(1)

    def overtaken(_: Wish) -> Answer:
        world.answers.append(answer(2))
        world.obtain(Wish(rejected=late.fingerprint))
        return late

    slow = world.cache.obtain("key", Wish(min_ttl=3601), overtaken, lambda: late)
    assert slow.generation == 1  # what is kept does not live long enough for this wish
    assert world.obtain() == 2


def test_generations_may_begin_anew() -> None:
    """With a new table: once the vendor refuses the old token, or its time is up."""
    world = World(answer(7), answer(1))
    world.obtain()
    assert world.obtain(Wish(rejected=answer(7).fingerprint)) == 1
    assert world.obtain() == 1


def test_keys_do_not_mix() -> None:
    world = World(answer(1), answer(2))
    assert [world.obtain(key=key) for key in "abab"] == [1, 2, 1, 2]


def test_what_was_not_used_for_longest_goes_first() -> None:
    world = World(*[answer(n) for n in range(1, 6)])
    world.cache = Cache(entries=2, clock=lambda: world.now)
    assert [world.obtain(key=key) for key in "abac"] == [1, 2, 1, 3]
    assert len(world.cache) == 2
    assert world.obtain(key="a") == 1
    assert world.obtain(key="b") == 4
    world.cache.clear()
    assert len(world.cache) == 0


def test_a_failure_is_not_kept() -> None:
    world = World(Unreachable("gone"), answer(1))
    with pytest.raises(Unreachable):
        world.obtain()
    assert world.obtain() == 1


def test_an_editors_own_token_is_for_one_caller() -> None:
    """A connection may make one for each call; what came out of the table is anyone's."""
    fresh = [answer(n, flow="vntana", source="exchange") for n in (1, 2)]
    own = [editor(1, "exchange"), editor(2, "exchange"), editor(3, "table")]
    assert [one.is_shareable for one in (*fresh, *own)] == [True, True, False, False, True]
    world = World(*own)
    assert [world.obtain() for _ in range(4)] == [1, 2, 3, 3]


def editor(generation: int, source: str) -> Answer:
    access = Broker(Nowhere()).access("editor", "acme")
    return Answer.of(access, document(generation, flow="editor", source=source))


def together(call: Callable[[], int], threads: int = 16) -> list[int]:
    """Return what *call* returns to threads that begin at the same moment."""
    barrier = threading.Barrier(threads)

    def begin() -> int:
        barrier.wait(PATIENCE_SECONDS)
        return call()

    with ThreadPoolExecutor(threads) as pool:
        return [
            one.result(PATIENCE_SECONDS) for one in [pool.submit(begin) for _ in range(threads)]
        ]


def test_threads_share_one_call() -> None:
    """For the first token, and for a rejected one."""
    world = World(answer(1), answer(2))
    assert together(world.obtain) == [1] * 16
    rejected = Wish(rejected=answer(1).fingerprint)
    assert together(lambda: world.obtain(rejected)) == [2] * 16
    assert len(world.asked) == 2


def test_one_thread_looks_for_the_next_while_others_go_on() -> None:
    world = World(answer(1))
    world.obtain()
    world.now = at(10, 55)
    begun, go = threading.Event(), threading.Event()

    def look() -> Answer:
        begun.set()
        assert go.wait(PATIENCE_SECONDS)
        return answer(2)

    def obtain() -> int:
        return world.cache.obtain("key", PLAIN, world.fetch, look).generation

    with ThreadPoolExecutor(1) as pool:
        looking = pool.submit(obtain)
        assert begun.wait(PATIENCE_SECONDS)
        assert [obtain() for _ in range(3)] == [1, 1, 1]
        go.set()
        assert looking.result(PATIENCE_SECONDS) == 2
    assert obtain() == 2


def test_after_its_end_all_wait_for_the_one_who_looks() -> None:
    world = World(answer(1))
    world.obtain()
    world.now = at(10, 55)
    begun, go = threading.Event(), threading.Event()

    def look() -> Answer:
        begun.set()
        assert go.wait(PATIENCE_SECONDS)
        return answer(2, expires_at="2026-11-22T12:00:00Z")

    with ThreadPoolExecutor(2) as pool:
        looking = pool.submit(world.cache.obtain, "key", PLAIN, world.fetch, look)
        assert begun.wait(PATIENCE_SECONDS)
        world.now = at(11, 0)
        waiting = pool.submit(world.cache.obtain, "key", PLAIN, world.fetch, look)
        go.set()
        assert (
            looking.result(PATIENCE_SECONDS).generation
            == waiting.result(PATIENCE_SECONDS).generation
            == 2
        )
    assert world.asked == [PLAIN]
