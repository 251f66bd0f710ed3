"""A caller cannot choose a field that the secret pins, neither by request nor by an old token."""

from typing import Any

import pytest

from tests.functions.test_tokens import assert_problem
from tests.functions.world import World

PINS: dict[str, dict[str, Any]] = {
    "vntana": {"organization": "acme", "pinned": ["organization"]},
    "editor": {"parameters": {"userId": "1", "file": "a"}, "pinned": ["userId"]},
}
OTHERS: dict[str, dict[str, Any]] = {
    "vntana": {"organization": "studio", "workspace": "chairs"},
    "editor": {"parameters": {"userId": "2"}},
}
SAME: dict[str, dict[str, Any]] = {
    "vntana": {"organization": "acme"},
    "editor": {"parameters": {"userId": "1"}},
}
FIELDS = {"vntana": "organization", "editor": "parameters.userId"}
FLOWS = list(PINS)


def pin(world: World, flow: str, connection: str, **more: Any) -> None:
    """Set a version of the secret that pins."""
    world.put_secret(flow, connection, world.secret(flow) | PINS[flow] | more)


def assert_refused(world: World, flow: str, connection: str, **more: Any) -> None:
    """Assert that a call for the other value is refused, and that nothing is left to hand out."""
    response = world.http(flow, connection, OTHERS[flow] | more)
    assert_problem(response, "invalid_request", 400)
    assert response["body"]["detail"] == f"{FIELDS[flow]}: is pinned, so a call may not choose it"


def tokens(world: World, flow: str, connection: str) -> int:
    """Return how many tokens are kept that callers may get."""
    items = world.service(flow).deps.store.list(f"{flow}#{connection}")
    kinds = world.service(flow).deps.flow.vendor.token_kinds
    return len([item for item in items if item.fingerprint and item.kind in kinds])


@pytest.fixture(params=FLOWS)
def flow(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def chosen(world: World, flow: str) -> str:
    """A connection with a token that a caller chose, and a pin that has come since."""
    connection = world.connect(flow)
    assert world.call(flow, connection, **OTHERS[flow])["source"] == "exchange"
    pin(world, flow, connection)
    return connection


def test_a_pinned_field_accepts_only_the_value_of_the_secret(world: World, flow: str) -> None:
    """It may be left out or equal; another value is refused before any request to the vendor."""
    connection = world.connect(flow, **PINS[flow])
    first = world.call(flow, connection)
    assert world.call(flow, connection, **SAME[flow])["fingerprint"] == first["fingerprint"]
    sent = len(world.steps(flow))
    for body in ({}, {"force": True}):
        assert_refused(world, flow, connection, **body)
    assert len(world.steps(flow)) == sent
    world.service(flow).deps.cache.clear()
    assert world.call(flow, connection)["fingerprint"] == first["fingerprint"]


def test_a_rotation_to_a_pinning_secret_drops_tokens_of_other_values(
    world: World, flow: str, chosen: str
) -> None:
    """By the event: gone as soon as caches expire, without a request to the vendor."""
    sent = len(world.steps(flow))
    world.call(flow, chosen, action="rotate")
    world.carry_out(flow)
    assert tokens(world, flow, chosen) == 0
    assert len(world.steps(flow)) == sent
    world.advance(61)
    assert_refused(world, flow, chosen)


@pytest.mark.parametrize("how", ["forced", "uncertain"])
def test_without_the_rotation_event_an_exchange_drops_tokens_of_other_values(
    world: World, flow: str, chosen: str, how: str
) -> None:
    """The old token is not handed out as a fallback or from the cache either."""
    deps = world.service(flow).deps
    kinds = deps.flow.vendor.token_kinds
    for item in [*deps.store.list(f"{flow}#{chosen}")]:
        if how == "uncertain" and item.fingerprint and item.kind in kinds:
            deps.store.acquire(item, "somebody who died", world.now - 1)
            deps.cache.clear()
    assert_refused(world, flow, chosen, force=how == "forced")
    assert_refused(world, flow, chosen)


@pytest.mark.parametrize(
    ("flow", "before", "after", "is_renewed"),
    [
        ("editor", "1", "1", True),
        ("editor", 1, True, False),
        ("vntana", "acme", "acme", True),
        ("vntana", "acme", "studio", False),
    ],
)
def test_a_rotation_to_another_pinned_value_drops_the_tokens_of_the_old_value(
    world: World, flow: str, before: Any, after: Any, is_renewed: bool
) -> None:
    """A token of one organization or user is not valid for another. That is no failed renewal."""

    def pinned(value: Any) -> dict[str, Any]:
        if flow == "editor":
            return {"parameters": {"userId": value}, "pinned": ["userId"]}
        return {"organization": value, "pinned": ["organization"]}

    connection = world.connect_and_call(flow, **pinned(before))
    world.put_secret(flow, connection, world.secret(flow) | pinned(after))
    told = list[str]()
    world.use(flow, emit=lambda event, **_: told.append(event))
    world.call(flow, connection, action="rotate")
    assert world.carry_out(flow) == [{"renewed": int(is_renewed)}]
    assert tokens(world, flow, connection) == int(is_renewed)
    assert "unrenewed" not in told
