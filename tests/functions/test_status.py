"""What an operator reads of a connection: its variants, and what a call would do now and why."""

from typing import Any

from tests.functions.world import World


def statuses(world: World, flow: str, connection: str) -> list[dict[str, Any]]:
    body = world.http(flow, connection, method="GET", rest="")["body"]
    return [dict(variant) for variant in body["variants"]]


def test_status_follows_a_token_through_its_life(world: World) -> None:
    """``next`` is what the next call does."""
    connection = world.connect("vendorlink")
    world.call("vendorlink", connection)
    [fresh] = statuses(world, "vendorlink", connection)
    assert (fresh["state"], fresh["next"]) == ("fresh", "hand_out")
    world.advance(3300)
    [aging] = statuses(world, "vendorlink", connection)
    assert (aging["state"], aging["next"]) == ("aging", "refresh")
    world.advance(400)
    [dead] = statuses(world, "vendorlink", connection)
    assert (dead["state"], dead["next"]) == ("dead", "exchange")


def test_status_says_that_a_token_is_not_of_the_current_version(world: World) -> None:
    """After a rotation whose event was lost, an operator sees it."""
    connection = world.connect("vendorlink")
    world.call("vendorlink", connection)
    world.put_secret("vendorlink", connection, world.secret("vendorlink"))
    [variant] = statuses(world, "vendorlink", connection)
    assert (variant["state"], variant["next"]) == ("aging", "hand_out")
    assert "another version" in variant["because"]


def test_status_says_why_a_call_would_be_refused(world: World) -> None:
    """A latch and a back-off, each in a sentence."""
    connection = world.connect("vendorlink", password="wrong")
    world.http("vendorlink", connection)
    [latched] = statuses(world, "vendorlink", connection)
    assert (latched["latched"], latched["next"]) == (True, "refuse")
    other = world.connect("editor")
    world.editor.fail("status", status=503, times=None)
    world.http("editor", other)
    [down] = [v for v in statuses(world, "editor", other) if v["failure"]]
    assert (down["latched"], down["next"]) == (False, "refuse")
    assert "upstream_unavailable" in down["because"]
