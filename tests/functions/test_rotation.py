"""A changed secret: which connection the event names, and how its tokens are renewed."""

from collections.abc import Mapping
from typing import Any

import pytest

from tests.functions.test_tokens import context
from tests.functions.world import World
from token_broker_local.addresses import secret_name

ARN = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:"
STUDIO = {"organization": "studio", "workspace": "chairs"}


def path(connection: str) -> str:
    return secret_name("vntana", connection)


def label_updated(connection: str, version: str | None = None, **changes: Any) -> dict[str, Any]:
    """Return the event that Secrets Manager itself sends."""
    detail = {"name": path(connection), "labelUpdated": "AWSCURRENT", "versionId": version}
    return {
        "source": "aws.secretsmanager",
        "detail-type": "Secret Label Updated",
        "resources": [f"{ARN}{path(connection)}-Ab12Cd"],
        "detail": {name: value for name, value in (detail | changes).items() if value},
    }


def called(**detail: Any) -> dict[str, Any]:
    """Return the event that CloudTrail makes of a call."""
    named = "AWS API Call via CloudTrail"
    return {"source": "aws.secretsmanager", "detail-type": named, "detail": detail}


def handle(world: World, event: Mapping[str, Any]) -> Any:
    return world.service("vntana")(event, context("vntana"))


def version_of(world: World, connection: str) -> str:
    version = world.service("vntana").deps.secrets.version(connection)
    assert version is not None
    return version


def versions_kept(world: World, connection: str) -> set[str | None]:
    """Return the versions of the secret that live tokens were made with."""
    items = world.service("vntana").deps.store.list(f"vntana#{connection}")
    return {i.secret_version for i in items if i.kind in ("organization", "workspace") and i.token}


@pytest.mark.parametrize("kind", ["label", "call"])
def test_an_event_renews_each_token_of_the_connection(world: World, kind: str) -> None:
    """By one invocation each, parents first; no invocation starts another."""
    connection = world.connect_and_call("vntana", **STUDIO)
    world.call("vntana", connection, workspace="tables")
    world.put_secret("vntana", connection, world.secret("vntana") | STUDIO)
    version = version_of(world, connection)
    event = label_updated(connection, version)
    if kind == "call":
        event = called(requestParameters={"secretId": path(connection)})
    assert handle(world, event) == {"started": 3}
    items = world.service("vntana").deps.store.list(f"vntana#{connection}")
    kinds = {item.variant: item.kind for item in items}
    started = [kinds[payload["variant"]] for payload in world.invoked]
    assert started == ["organization", "workspace", "workspace"]
    assert world.carry_out("vntana") == [{"renewed": 1}] * 3
    assert world.invoked == []
    assert versions_kept(world, connection) == {version}
    assert world.vntana.log.steps.count("login") == 2
