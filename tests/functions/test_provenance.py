"""Each token is made from one secret version."""

from typing import Any

import pytest

from tests.functions.test_failures import WRONG_LOGIN
from tests.functions.test_tokens import context
from tests.functions.world import World
from token_broker.item import Item
from token_broker.store import Store
from token_broker_fakes import FakeVntana
from token_broker_fakes.vntana import Account, Organization, Workspace

MEMBER = "ORGANIZATION_CLIENT_MEMBER"
STUDIO = {"organization": "studio", "workspace": "chairs"}
SECOND = {"personal_access_token": "second-key/with+signs=="}


def with_second_user(world: World) -> Account:
    """Let another user be a member of the same organizations."""
    organizations = [
        Organization(one.slug, MEMBER, list(one.workspaces), "ACTIVE", "", one.uuid)
        for one in world.vntana.accounts[0].organizations
    ]
    second = Account("second@example.com", "p", SECOND["personal_access_token"], organizations)
    world.vntana.accounts.append(second)
    return second


def owner_of(world: World, answer: dict[str, Any]) -> str:
    """Return whose session an answer's token is, by the vendor's own books."""
    token = answer["headers"]["X-AUTH-TOKEN"].removeprefix("Bearer ")
    session = world.vntana.session(token)
    assert session is not None
    assert not session.is_dead(world.vntana.now)
    return session.account.email


def rotated(world: World, connection: str, **changes: Any) -> str:
    """Set a new version of a connection's secret, and return its id."""
    world.put_secret("vntana", connection, world.secret("vntana") | changes)
    version = world.service("vntana").deps.secrets.version(connection)
    assert version is not None
    return version


def kept_version(world: World, connection: str, answer: dict[str, Any]) -> str | None:
    """Return the version of the secret that the table names for an answer's token."""
    items = world.service("vntana").deps.store.list(f"vntana#{connection}")
    [item] = [item for item in items if item.fingerprint == answer["fingerprint"]]
    return item.secret_version


@pytest.mark.parametrize("how", ["force", "rotate", "renew"])
def test_a_workspace_token_is_made_from_a_token_of_the_same_secret_version(
    world: World, how: str
) -> None:
    """Its user is the user of that version, and the item names the version."""
    with_second_user(world)
    connection = world.connect("vntana", **STUDIO)
    first = world.call("vntana", connection)
    assert owner_of(world, first) == "demo@example.com"

    version = rotated(world, connection, **STUDIO, **SECOND)
    if how == "rotate":
        world.call("vntana", connection, action="rotate")
        world.carry_out("vntana")
    if how == "renew":
        world.advance(86_400 - 600)
        world.call("vntana", connection, action="renew")
        world.carry_out("vntana")
    world.advance(61)
    answer = world.call("vntana", connection, force=how == "force")
    assert owner_of(world, answer) == "second@example.com"
    assert kept_version(world, connection, answer) == version


def test_the_next_exchange_after_a_rotation_to_a_wrong_key_latches(world: World) -> None:
    """Entering a workspace alone sends no login, so it would not detect the wrong key."""
    connection = world.connect_and_call("vntana", **STUDIO)
    rotated(world, connection, **STUDIO, **WRONG_LOGIN["vntana"])
    world.advance(61)
    answer = world.call("vntana", connection, force=True)
    assert [what for what, _ in world.announced] == ["Connection Latched"]
    assert owner_of(world, answer) == "demo@example.com"
    previous = world.service("vntana").deps.secrets.previous(connection)
    assert previous is not None
    assert kept_version(world, connection, answer) == previous.version
    status = world.call("vntana", connection, action="status")
    assert all(variant["latched"] for variant in status["variants"])
    assert world.vntana.log.steps.count("login") == 3


def test_a_listing_of_another_secret_version_is_not_used(world: World) -> None:
    """The new user is a member; the previous one was an administrator."""
    with_second_user(world)
    connection = world.connect("vntana", organization="acme", workspace="parts")
    for account in world.vntana.accounts:
        account.organizations[0].workspaces.append(Workspace("parts", uuid=PARTS))
    assert world.call("vntana", connection)["context"]["role"] == "ORGANIZATION_ADMIN"

    rotated(world, connection, organization="acme", workspace="parts", **SECOND)
    world.advance(61)
    answer = world.call("vntana", connection, force=True)
    assert answer["context"]["role"] == MEMBER
    assert answer["context"]["workspace"] == PARTS


PARTS = "9a475aaa-0000-4000-8000-000000000003"


@pytest.mark.parametrize("how", ["DELETE", "force"])
def test_no_token_is_sent_to_the_host_of_another_secret_version(world: World, how: str) -> None:
    """The host is part of the secret."""
    connection = world.connect_and_call("vntana", **STUDIO)
    before = {session.token for session in world.vntana.sessions.live(world.vntana.now)}
    other = FakeVntana()
    with other.serve() as server:
        rotated(world, connection, organization="studio", workspace="tables", base_url=server.url)
        world.advance(61)
        if how == "DELETE":
            world.call("vntana", connection, action="forget")
            assert "logout" in world.vntana.log.steps
        else:
            world.call("vntana", connection, force=True)
    assert not before & {(entry.header("x-auth-token") or "")[7:] for entry in other.log}


def test_delete_removes_a_token_from_the_table_before_its_logout(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise an exchange could use a token whose session has ended."""
    connection = world.connect_and_call("vntana", **STUDIO)
    forget = Store.forget
    ended: list[int] = []

    def noting(store: Store, item: Item) -> Item:
        if item.fingerprint and item.kind != "listing":
            ended.append(world.vntana.log.steps.count("logout"))
        return forget(store, item)

    monkeypatch.setattr(Store, "forget", noting)
    world.call("vntana", connection, action="forget")
    assert ended == [0, 1]
    assert world.vntana.log.steps.count("logout") == 2


def test_after_a_lost_commit_the_token_of_the_winner_is_used(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other process's token has revoked the one of the lost commit."""
    connection = world.connect("vntana", **STUDIO)
    commit = Store.commit
    winners: list[str] = []

    def lose_to_another(store: Store, lease: Item, token: Any, **more: bool) -> Item | None:
        if token["kind"] != "organization" or winners:
            return commit(store, lease, token, **more)
        winners.append("another")
        store.release(lease, None, renewal=None)
        event = {"connection": connection, **STUDIO, "force": True}
        world.cold("vntana")(event, context("vntana"))
        return None

    monkeypatch.setattr(Store, "commit", lose_to_another)
    answer = world.call("vntana", connection)
    assert owner_of(world, answer) == "demo@example.com"
    assert {entry.status for entry in world.vntana.log} == {200}
