"""A changed secret: how the tokens of its connection are renewed."""

from typing import Any

import pytest

from tests.functions.test_tokens import context
from tests.functions.world import World
from token_broker_local.addresses import secret_name

STUDIO = {"organization": "studio", "workspace": "chairs"}


@pytest.mark.parametrize("kind", ["Secret Label Updated", "AWS API Call via CloudTrail"])
def test_an_event_renews_each_token_of_the_connection(world: World, kind: str) -> None:
    """By one invocation each, parents first; no invocation starts another."""
    connection = world.connect_and_call("vntana", **STUDIO)
    world.call("vntana", connection, workspace="tables")
    world.put_secret("vntana", connection, world.secret("vntana") | STUDIO)
    service, name = world.service("vntana"), secret_name("vntana", connection)
    store, version = service.deps.store, service.deps.secrets.version(connection)
    details: dict[str, dict[str, Any]] = {
        "Secret Label Updated": {"labelUpdated": "AWSCURRENT", "name": name, "versionId": version},
        "AWS API Call via CloudTrail": {"requestParameters": {"secretId": name}},
    }
    event = {"source": "aws.secretsmanager", "detail-type": kind, "detail": details[kind]}
    assert service(event, context("vntana")) == {"started": 3}
    kinds = {item.variant: item.kind for item in store.list(f"vntana#{connection}")}
    started = [kinds[payload["variant"]] for payload in world.invoked]
    assert started == ["organization", "workspace", "workspace"]
    assert world.carry_out("vntana") == [{"renewed": 1}] * 3
    assert world.invoked == []
    items = [item for item in store.list(f"vntana#{connection}") if item.kind in started]
    assert {item.secret_version for item in items if item.token} == {version}
    assert world.vntana.log.steps.count("login") == 2
