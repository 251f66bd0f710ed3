"""A secret that changes: which connection an event is about, and how its tokens are made anew."""

from collections.abc import Mapping
from typing import Any

import pytest

from tests.functions.test_failures import WRONG_LOGIN
from tests.functions.test_tokens import context
from tests.functions.world import World, client
from token_broker import maintenance
from token_broker.errors import RefreshInProgress
from token_broker_local.addresses import secret_name

ARN = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:"
WHEN = ("the event", "a renewal")
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


def tell(world: World, event: Mapping[str, Any]) -> Any:
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
def test_an_event_has_each_token_made_anew(world: World, kind: str) -> None:
    """By one invocation each, of which none starts another: parents first."""
    connection = world.connect("vntana", **STUDIO)
    world.call("vntana", connection)
    world.call("vntana", connection, workspace="tables")
    world.put_secret("vntana", connection, world.secret("vntana") | STUDIO)
    version = version_of(world, connection)
    event = label_updated(connection, version)
    if kind == "call":
        event = called(requestParameters={"secretId": path(connection)})
    assert tell(world, event) == {"started": 3}
    items = world.service("vntana").deps.store.list(f"vntana#{connection}")
    kinds = {item.variant: item.kind for item in items}
    started = [kinds[payload["variant"]] for payload in world.invoked]
    assert started == ["organization", "workspace", "workspace"]
    assert world.carry_out("vntana") == [{"renewed": 1}] * 3
    assert world.invoked == []
    assert versions_kept(world, connection) == {version}
    assert world.vntana.log.steps.count("login") == 2


def test_both_events_in_any_order_and_any_number_are_one_rotation(world: World) -> None:
    """What was made anew already is not made once more, nor by an invocation that comes twice."""
    connection = world.connect("vntana", **STUDIO)
    world.call("vntana", connection)
    world.put_secret("vntana", connection, world.secret("vntana") | STUDIO)
    event = label_updated(connection, version_of(world, connection))
    for _ in range(2):
        tell(world, event)
    world.carry_out("vntana")
    steps = list(world.vntana.log.steps)
    assert tell(world, called(requestParameters={"secretId": path(connection)})) == {"started": 0}
    tell(world, event)
    assert world.carry_out("vntana") == []
    assert world.vntana.log.steps == steps


@pytest.mark.parametrize(
    ("when", "operation"),
    [
        *((when, one) for when in WHEN for one in ("GetSecretValue", "UpdateItem", "GetItem")),
        ("the event", "Query"),
    ],
)
def test_a_rotation_that_aws_interrupts_is_repeated_by_the_platform(
    world: World, when: str, operation: str
) -> None:
    """It fails, so that Lambda tries it again: else callers stay with the old version for days."""
    connection = world.connect("vntana", **STUDIO)
    world.call("vntana", connection)
    world.put_secret("vntana", connection, world.secret("vntana") | STUDIO)
    event = label_updated(connection, version_of(world, connection))
    if when == "a renewal":
        tell(world, event)
    events = [event] if when == "the event" else world.invoked[:]
    world.invoked.clear()
    world.aws.broken[operation] = ("400 Bad", "ThrottlingException")
    for one in events:
        with pytest.raises(Exception, match="store_unavailable"):
            tell(world, one)
    world.aws.broken.clear()
    for one in events:
        tell(world, one)
    world.carry_out("vntana")
    assert versions_kept(world, connection) == {version_of(world, connection)}


def test_a_renewal_that_meets_a_lease_is_repeated_by_the_platform(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The holder of the lease may use the version before."""
    connection = world.connect("vntana", **STUDIO)
    world.call("vntana", connection)
    world.put_secret("vntana", connection, world.secret("vntana") | STUDIO)
    tell(world, label_updated(connection))

    def wait(*_: Any, **__: Any) -> None:
        raise RefreshInProgress("another caller is renewing this token", retry_after=1)

    monkeypatch.setattr("token_broker.refresh.invocation.Invocation.acquire", wait)
    with pytest.raises(Exception, match="refresh_in_progress"):
        world.carry_out("vntana")


def test_a_vendor_that_refuses_is_no_reason_to_repeat(world: World) -> None:
    """What it said is kept, with a time before which it is not asked again."""
    connection = world.connect("vntana", **STUDIO)
    world.call("vntana", connection)
    world.put_secret("vntana", connection, world.secret("vntana") | STUDIO)
    tell(world, label_updated(connection))
    world.vntana.fail("status", times=None, status=503)
    assert world.carry_out("vntana") == [{"renewed": 0}] * 2


def test_what_is_beyond_the_bound_is_dropped_and_made_when_it_is_asked_for(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The newest are renewed; a vendor is not asked for hundreds that no caller may want."""
    monkeypatch.setattr(maintenance, "MOST_RENEWED", 2)
    monkeypatch.setattr(maintenance, "MOST_DROPPED", 1)
    connection = world.connect("editor")
    for user in range(5):
        world.call("editor", connection, parameters={"userId": str(user)})
        world.advance(1)
    world.put_secret("editor", connection, world.secret("editor"))
    answer = world.call("editor", connection, action="rotate")
    assert answer == {"started": 2}
    assert world.carry_out("editor") == [*[{"renewed": 1}] * 2, *[{"dropped": 1}] * 3]
    items = world.service("editor").deps.store.list(f"editor#{connection}")
    kept = [item.issued_at for item in items if item.token and item.kind == "parameters"]
    assert kept == [world.now] * 2
    world.service("editor").deps.cache.clear()
    assert world.call("editor", connection, parameters={"userId": "0"})["source"] == "exchange"


def test_a_latch_is_lifted_at_once_in_every_process(world: World) -> None:
    """The event reaches one process; the others read of it beside the latch."""
    connection = world.connect("vntana", **WRONG_LOGIN["vntana"])
    other = world.cold("vntana")
    for service in (world.service("vntana"), other):
        with pytest.raises(Exception, match="credential_"):
            service({"connection": connection}, context("vntana"))
    world.put_secret("vntana", connection, world.secret("vntana"))
    tell(world, label_updated(connection))
    answer = other({"connection": connection}, context("vntana"))
    assert answer["source"] == "exchange"


def test_a_connection_that_was_never_used_gets_no_item_by_an_event(world: World) -> None:
    """Nothing would ever drop it."""
    connection = world.connect("vntana")
    assert tell(world, label_updated(connection)) == {"started": 0}
    assert world.item("vntana", connection) == {}


def test_a_late_replica_is_not_taken_for_the_version_that_the_event_names(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Secrets Manager is asked for the version itself: what it does not know yet is repeated."""
    connection = world.connect("vntana", **STUDIO)
    world.call("vntana", connection)
    old = version_of(world, connection)
    world.put_secret("vntana", connection, world.secret("vntana") | STUDIO)
    new = version_of(world, connection)
    secrets = client("secretsmanager")
    real = secrets.get_secret_value

    def late(**request: Any) -> Any:
        return real(
            **{"VersionId": old} | request
            if "VersionStage" not in request
            else {"SecretId": request["SecretId"], "VersionId": old}
        )

    monkeypatch.setattr("token_broker.aws.clients.secrets_manager", lambda: secrets)
    monkeypatch.setattr(secrets, "get_secret_value", late)
    world.cold("vntana")(label_updated(connection, new), context("vntana"))
    assert {payload["version"] for payload in world.invoked} == {new}
    with pytest.raises(Exception, match="store_unavailable"):
        tell(world, label_updated(connection, "0" * 32))


@pytest.mark.parametrize(
    ("event", "rotated"),
    [
        pytest.param(called(requestParameters={"secretId": path("acme")}), "acme", id="a name"),
        pytest.param(
            called(requestParameters={"secretId": ARN + path("acme-Ab12Cd")}), "acme", id="an ARN"
        ),
        pytest.param(
            called(requestParameters={"secretId": ARN + path("acme-ab12cd")}),
            "acme",
            id="an ARN that could be a partial one",
        ),
        pytest.param(
            called(requestParameters={"secretId": ARN + path("acme-holding")}),
            "acme-holding",
            id="a partial ARN",
        ),
        pytest.param(
            called(requestParameters={"secretId": ARN + path("acme-global")}),
            "acme-global",
            id="a partial ARN that could be a whole one",
        ),
        pytest.param(
            called(
                requestParameters={"secretId": ARN + path("acme-holding")},
                responseElements={"aRN": ARN + path("acme-holding-Ab12Cd")},
            ),
            "acme-holding",
            id="the answer's ARN is a whole one",
        ),
        pytest.param(
            called(additionalEventData={"SecretId": ARN + path("acme-holding-ab12cd")}),
            "acme-holding",
            id="a rotation's ARN is a whole one",
        ),
        pytest.param(label_updated("acme-global"), "acme-global", id="Secrets Manager's own"),
        pytest.param(
            label_updated("acme-global", name=None), "acme-global", id="by its resource alone"
        ),
    ],
)
def test_an_event_rotates_the_connection_that_it_is_about(
    world: World, event: dict[str, Any], rotated: str
) -> None:
    """Whether its ARN is whole cannot be told from every ARN; that there is such a secret can."""
    connections = {"acme", "acme-holding", "acme-global"}
    for connection in connections:
        world.put_secret("vntana", connection, world.secret("vntana"))
        world.call("vntana", connection)
        world.put_secret("vntana", connection, world.secret("vntana"))
    tell(world, event)
    assert {payload["connection"] for payload in world.invoked} == {rotated}


@pytest.mark.parametrize(
    "event",
    [
        pytest.param(label_updated("acme", labelUpdated="AWSPENDING"), id="another label"),
        pytest.param(called(requestParameters={"secretId": f"x/{path('acme')}"}), id="another's"),
        pytest.param(
            called(requestParameters={"secretId": f"{ARN}x/{path('acme')}-Ab12Cd"}), id="its ARN"
        ),
    ],
)
def test_what_is_no_change_of_a_connection_is_refused(world: World, event: Any) -> None:
    """The rule lets it not through; if it comes all the same, nothing is done."""
    with pytest.raises(Exception, match="invalid_request"):
        tell(world, event)
