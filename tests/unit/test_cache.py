"""The in-process cache: age, size and connections; single-flight."""

import threading

import pytest

from token_broker.cache import CachedToken, SingleFlight, TokenCache
from token_broker.errors import RefreshInProgress
from token_broker.item import Item
from token_broker.records import replace
from token_broker.tokens import Token

NOW = 1_900_000_000
SECONDS = 60


def held(variant: str = "-", connection: str = "vntana#acme") -> CachedToken:
    token = Token(f"token of {variant}", {}, "https://vendor", NOW, NOW + 3600)
    return CachedToken(Item(connection, variant), token, NOW)


def put(cache: TokenCache, *each: CachedToken) -> None:
    for one in each:
        cache.put(one.item.variant, one)


@pytest.mark.parametrize(
    ("age", "is_found"), [(0, True), (SECONDS - 1, True), (SECONDS, False), (-1, False)]
)
def test_an_entry_is_recent_for_the_configured_seconds(age: int, is_found: bool) -> None:
    """I16: no longer; nor an entry of the future, after the clock was set back."""
    cache = TokenCache(SECONDS, 3)
    put(cache, held())
    assert cache.is_recent(held(), NOW + age) == is_found
    assert cache.recall("vntana#acme", "-") == held()


def test_a_later_entry_replaces_the_earlier_one() -> None:
    """Of any generation: an alias may lead elsewhere. Handoffs and unshared tokens are not kept."""
    cache, later = TokenCache(SECONDS, 3), replace(held(), read_at=NOW + 9)
    earlier = replace(held(), item=Item("vntana#acme", "-", generation=9))
    handing_off = replace(later, token=replace(later.token, handoff={"seed": "s"}))
    put(cache, earlier, handing_off, replace(held("a"), is_shared=False))
    assert cache.recall("vntana#acme", "-") == later
    assert (cache.recall("vntana#acme", "a"), len(cache)) == (None, 1)


@pytest.mark.parametrize("used", ["recall", "put"])
def test_the_least_recently_used_entry_is_dropped_first(used: str) -> None:
    cache = TokenCache(SECONDS, 3)
    put(cache, held("a"), held("b"), held("c"))
    if used == "put":
        put(cache, held("a"))
    else:
        cache.recall("vntana#acme", "a")
    put(cache, held("d"))
    assert {v for v in "abcd" if cache.recall("vntana#acme", v)} == {"a", "c", "d"}
    assert len(cache) == 3


def test_drop_removes_the_entries_of_one_connection() -> None:
    cache = TokenCache(SECONDS, 9)
    put(cache, held("a"), held("b"), held("a", "vntana#acme-2"))
    cache.drop("vntana#acme")
    assert cache.recall("vntana#acme", "a") is cache.recall("vntana#acme", "b") is None
    assert cache.recall("vntana#acme-2", "a") == held("a", "vntana#acme-2")
    cache.clear()
    assert len(cache) == 0


# Single-flight


def test_a_key_is_held_by_one_thread_and_others_wait_until_their_timeout() -> None:
    flight = SingleFlight()
    refused: list[RefreshInProgress] = []
    entered: list[str] = []

    def want(key: str, seconds: float) -> None:
        try:
            with flight.lock(key, seconds):
                entered.append(key)
        except RefreshInProgress as error:
            refused.append(error)

    with flight.lock("a", 0):
        for key, seconds in (("a", 0.01), ("a", -5.0), ("b", 0.01)):
            thread = threading.Thread(target=want, args=(key, seconds))
            thread.start()
            thread.join()
        waiting = threading.Thread(target=want, args=("a", 60))
        waiting.start()
        assert entered == ["b"]
    waiting.join()
    assert entered == ["b", "a"]
    assert [(e.detail, e.retry_after) for e in refused] == [
        ("another thread is renewing this token", 1)
    ] * 2


def test_a_key_is_free_again_after_an_error() -> None:
    flight = SingleFlight()
    with pytest.raises(ValueError, match="exchange"), flight.lock("a", 0):
        raise ValueError("exchange")
    with flight.lock("a", 0):
        pass
