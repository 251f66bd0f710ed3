"""What a renewal may use of what is kept, when the secret has changed since."""

import pytest

from tests.functions.world import World
from token_broker_fakes.vendorlink import User


@pytest.mark.parametrize("how", ["force", "rotate"])
def test_a_renewal_token_of_another_version_of_the_secret_is_not_used(
    world: World, how: str
) -> None:
    """It would continue the session of the user in the former secret."""
    world.vendorlink.users.append(User("second", "second-password", 4712, "Second User"))
    connection = world.connect("vendorlink")
    assert world.call("vendorlink", connection)["context"]["user_id"] == 4711

    changed = {"username": "second", "password": "second-password"}
    world.put_secret("vendorlink", connection, world.secret("vendorlink") | changed)
    if how == "rotate":
        world.call("vendorlink", connection, action="rotate")
        world.carry_out("vendorlink")
    world.advance(61)
    answer = world.call("vendorlink", connection, force=how == "force")
    assert answer["context"]["user_id"] == 4712
    assert world.vendorlink.log.steps == ["login", "login"]


def test_who_is_not_elected_to_start_a_renewal_reads_nothing(world: World) -> None:
    """One write elects; who loses hands its caller the token at once."""
    connection = world.connect("vendorlink")
    world.call("vendorlink", connection)
    store = world.service("vendorlink").deps.store
    item = store.read(f"vendorlink#{connection}", "-")
    world.aws.asked.clear()

    until = item.refresh_at + 30
    assert [store.claim_refresh(item, until) for _ in range(2)] == [True, False]
    assert world.aws.asked == {"UpdateItem": 2}
