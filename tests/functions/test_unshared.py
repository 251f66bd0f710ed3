"""The editor's switch ``reuse: false``: each call has a token of its own, and nothing is kept."""

import pytest

from tests.functions.test_tokens import assert_problem
from tests.functions.world import World


@pytest.fixture
def connection(world: World) -> str:
    """A connection that shared its tokens until now."""
    name = world.connect("editor")
    world.call("editor", name)
    world.put_secret("editor", name, world.secret("editor") | {"options": {"reuse": False}})
    world.editor.log.clear()
    return name


def kept(world: World, connection: str) -> list[str]:
    """Return the keys under which a token is kept."""
    items = world.service("editor").deps.store.list(f"editor#{connection}")
    return [item.variant for item in items if item.fingerprint]


@pytest.mark.parametrize("action", ["rotate", "renew"])
def test_a_token_that_was_shared_is_dropped_and_no_other_made(
    world: World, connection: str, action: str
) -> None:
    """The secret's event and the renewal in time find it; no caller would get a new one."""
    assert kept(world, connection)
    (key,) = kept(world, connection)
    world.advance(3599)
    world.call(
        "editor", connection, action=action, **({"variant": key} if action == "renew" else {})
    )
    world.carry_out("editor")
    assert kept(world, connection) == []
    assert world.steps("editor") == []
    world.service("editor").deps.cache.clear()
    assert world.call("editor", connection)["source"] == "exchange"


def test_a_token_that_was_shared_is_dropped_by_the_first_exchange(
    world: World, connection: str
) -> None:
    """Nor is it handed out when that fails."""
    world.editor.fail("status", status=500)
    world.service("editor").deps.cache.clear()
    assert_problem(world.http("editor", connection, {"force": True}), "upstream_unavailable", 503)
    assert kept(world, connection) == []


def test_a_lease_that_was_left_behind_does_not_matter(world: World, connection: str) -> None:
    """Neither while it lasts nor after it: an exchange of this kind takes none."""
    store = world.service("editor").deps.store
    (key,) = kept(world, connection)
    store.forget(store.read(f"editor#{connection}", key))
    world.service("editor").deps.cache.clear()
    assert store.acquire(store.read(f"editor#{connection}", key), "dead", world.now + 50)
    for _ in range(2):
        assert world.call("editor", connection)["source"] == "exchange"
        world.advance(60)
    assert store.read(f"editor#{connection}", key).lease_owner == "dead"


def test_a_failure_is_backed_off_by_all(world: World) -> None:
    """It is all that is kept: the vendor is not asked again by each call meanwhile."""
    connection = world.connect("editor", options={"reuse": False})
    world.editor.fail("status", status=500)
    for body in ({}, {"force": True}, {}):
        response = world.http("editor", connection, body)
        assert_problem(response, "upstream_unavailable", 503)
        assert response["body"]["retry_after"] >= 1
    assert len(world.steps("editor")) == 1
    world.advance(2)
    assert world.call("editor", connection)["source"] == "exchange"
    world.editor.fail("status", status=500)
    assert world.http("editor", connection)["body"]["retry_after"] == 2, "it was forgotten"


def test_a_min_ttl_beyond_the_lifetime_is_refused(world: World) -> None:
    """I8: also of what is not kept."""
    connection = world.connect("editor", options={"reuse": False})
    assert_problem(world.http("editor", connection, {"min_ttl": 7200}), "invalid_request", 400)


def test_three_variants_latch_a_wrong_key(world: World) -> None:
    """I7 holds without a lease on the variant too."""
    connection = world.connect("editor", options={"reuse": False}, api_key="wrong")
    codes = [
        world.http("editor", connection, {"parameters": {"userId": str(user)}})["body"]["code"]
        for user in (1, 1, 2, 3, 4)
    ]
    rejected, latched = "credential_rejected", "credential_latched"
    assert codes == [rejected, latched, rejected, rejected, latched]
    assert len(world.steps("editor")) == 3
