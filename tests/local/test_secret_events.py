"""A changed secret causes events for the function of its flow."""

import json
import queue
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest
from moto import mock_aws

from tests.local.callers import client
from tests.waiting import PATIENCE_SECONDS
from token_broker_local import secret_events, services
from token_broker_local.addresses import FLOWS, function_name, secret_name
from token_broker_local.functions import Function

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

Events: TypeAlias = "queue.Queue[tuple[str, Any]]"
SECRET = "s3cret-value"


@pytest.fixture
def events() -> Events:
    """The events of the functions, in order, each with the function's name."""
    return queue.Queue()


@pytest.fixture
def secrets(events: Events) -> Iterator["SecretsManagerClient"]:
    """Secrets Manager in front of functions that write down their events."""

    def handler(event: Any, context: Any) -> None:
        events.put((context.function_name, event))

    functions = {flow: Function(function_name(flow), handler) for flow in FLOWS}
    with mock_aws(), services.serving(0, secret_events.router(functions)) as port:
        yield client("secretsmanager", f"http://127.0.0.1:{port}")


Change = Callable[["SecretsManagerClient", str], object]


def put(secrets: "SecretsManagerClient", name: str) -> object:
    return secrets.put_secret_value(SecretId=name, SecretString=SECRET)


def update(secrets: "SecretsManagerClient", name: str) -> object:
    return secrets.update_secret(SecretId=name, SecretString=SECRET)


def put_by_arn(secrets: "SecretsManagerClient", name: str) -> object:
    arn = secrets.describe_secret(SecretId=name)["ARN"]
    return secrets.put_secret_value(SecretId=arn, SecretString=SECRET)


@pytest.mark.parametrize(
    ("flow", "change", "operation"),
    [
        ("vntana", put, "PutSecretValue"),
        ("vendorlink", update, "UpdateSecret"),
        ("editor", put_by_arn, "PutSecretValue"),
    ],
)
def test_a_change_of_a_secret_sends_its_events_to_the_function(
    secrets: "SecretsManagerClient", events: Events, flow: str, change: Change, operation: str
) -> None:
    """Secrets Manager's event and CloudTrail's record, to the function of the flow."""
    name = secret_name(flow, "acme")
    arn = secrets.create_secret(Name=name, SecretString="{}")["ARN"]
    change(secrets, name)
    changes = [events.get(timeout=PATIENCE_SECONDS) for _ in range(2)]
    (function, event), own = sorted(changes, key=lambda one: str(one[1]["detail-type"]))
    assert own[0] == function == function_name(flow)
    assert own[1]["detail-type"] == "Secret Label Updated"
    assert own[1]["resources"] == [arn]
    version = secrets.describe_secret(SecretId=name)["VersionIdsToStages"]
    [current] = [one for one, stages in version.items() if "AWSCURRENT" in stages]
    detail = {"name": name, "labelUpdated": "AWSCURRENT", "versionId": current}
    assert own[1]["detail"] == detail
    assert event["source"] == "aws.secretsmanager"
    assert event["detail-type"] == "AWS API Call via CloudTrail"
    assert event["detail"]["eventSource"] == "secretsmanager.amazonaws.com"
    assert event["detail"]["eventName"] == operation
    assert event["detail"]["requestParameters"]["secretId"] in (name, arn)
    assert event["detail"]["responseElements"]["arn"] == arn
    assert SECRET not in json.dumps(event)
    assert events.empty()


def test_a_label_that_moves_sends_its_event(
    secrets: "SecretsManagerClient", events: Events
) -> None:
    """A pending version is in CloudTrail's record alone, without its value, until then."""
    name = secret_name("vntana", "acme")
    old = secrets.create_secret(Name=name, SecretString="{}")["VersionId"]
    new = secrets.put_secret_value(
        SecretId=name, SecretBinary=SECRET.encode(), VersionStages=["AWSPENDING"]
    )["VersionId"]
    _, put = events.get(timeout=PATIENCE_SECONDS)
    assert put["detail"]["eventName"] == "PutSecretValue"
    assert {"SecretBinary", "secretBinary"}.isdisjoint(put["detail"]["requestParameters"])
    secrets.update_secret_version_stage(
        SecretId=name,
        VersionStage="AWSCURRENT",
        MoveToVersionId=new,
        RemoveFromVersionId=old,
    )
    details = [events.get(timeout=PATIENCE_SECONDS)[1]["detail"] for _ in range(2)]
    assert {each.get("versionId") for each in details} == {new, None}
    assert {each.get("eventName") for each in details} == {"UpdateSecretVersionStage", None}
    assert events.empty()


@pytest.mark.parametrize(
    ("request_", "is_sent"),
    [
        ({"VersionStages": ["blue", "AWSCURRENT"]}, True),
        ({"VersionStages": ["blue"]}, False),
        ({"VersionStage": "AWSCURRENT", "MoveToVersionId": "one"}, True),
        ({"VersionStage": "blue", "MoveToVersionId": "one"}, False),
        ({}, True),
    ],
)
def test_only_the_current_label_sends_the_event_of_a_label(
    request_: dict[str, Any], is_sent: bool
) -> None:
    """Alone or among others; without any, a new version gets it."""
    made = {} if "MoveToVersionId" in request_ else {"VersionId": "one"}
    event = secret_events.label_event(request_, {"ARN": "arn", "Name": "name", **made})
    assert (event is not None) is is_sent


def test_other_operations_on_secrets_send_no_event(
    secrets: "SecretsManagerClient", events: Events
) -> None:
    """Reads, creations, failures, and secrets that belong to no connection."""
    name = secret_name("vntana", "acme")
    secrets.create_secret(Name=name, SecretString="{}")
    secrets.get_secret_value(SecretId=name)
    secrets.create_secret(Name="other/vntana/acme", SecretString="{}")
    put(secrets, "other/vntana/acme")
    with pytest.raises(secrets.exceptions.ResourceNotFoundException):
        put(secrets, secret_name("vntana", "nobody"))
    update(secrets, name)
    kinds = {events.get(timeout=PATIENCE_SECONDS)[1]["detail-type"] for _ in range(2)}
    assert kinds == {"Secret Label Updated", "AWS API Call via CloudTrail"}
    assert events.empty()
