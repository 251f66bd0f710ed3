"""VNTANA's tokens that are made from tokens, through the whole broker and counted at the vendor."""

import pytest

from tests.functions.world import World
from token_broker.flows.vntana.organizations import LISTING_MAX_AGE_SECONDS


@pytest.mark.parametrize("dead_token", ["403", "401", "403_bad_credentials"])
def test_a_report_of_a_workspace_token_mends_the_organizations_too(
    world: World, dead_token: str
) -> None:
    """One login, whatever the vendor calls a dead token, and none for the next workspace."""
    world.vntana.modes.update({"dead_token": dead_token})
    connection = world.connect("vntana", organization="studio", workspace="chairs")
    answer = world.call("vntana", connection)
    world.vntana.revoke()
    world.advance(LISTING_MAX_AGE_SECONDS + 1)
    world.vntana.log.clear()

    world.call("vntana", connection, rejected=answer["fingerprint"])
    steps = ["enter workspace", "login", "list organizations"]
    steps += ["enter organization", "enter workspace"]
    assert world.vntana.log.steps == steps
    world.call("vntana", connection, workspace="tables")
    assert world.vntana.log.steps == [*steps, "list workspaces", "enter workspace"]


def test_a_promotion_is_noticed_at_the_next_renewal(world: World) -> None:
    """``BAD_CREDENTIALS`` then means the role, and latches nothing."""
    connection = world.connect("vntana", organization="studio", workspace="chairs")
    world.call("vntana", connection)
    for organization in world.vntana.accounts[0].organizations:
        organization.role = "ORGANIZATION_OWNER"
    world.advance(LISTING_MAX_AGE_SECONDS + 1)

    answer = world.call("vntana", connection, force=True)
    assert answer["context"]["workspace"] is None
    assert answer["context"]["role"] == "ORGANIZATION_OWNER"
    world.vntana.log.clear()
    assert world.call("vntana", connection)["fingerprint"] == answer["fingerprint"]
    assert world.vntana.log.steps == []


def test_a_name_that_is_wrong_costs_no_login(world: World) -> None:
    """Nor does it when it is asked for again and again."""
    connection = world.connect("vntana")
    world.call("vntana", connection)
    world.vntana.log.clear()
    for _ in range(3):
        response = world.http("vntana", connection, {"organization": "nope"})
        assert response["statusCode"] == 400
        assert response["body"]["detail"].endswith("acme, studio")
    assert world.vntana.log.steps == []
