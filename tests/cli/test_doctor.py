"""`doctor` names what is wrong, and what to do about it."""

import json
from typing import Any

import boto3
import pytest

from tests.cli.conftest import Connect
from tests.cli.operators import Operator
from tests.cli.systems import system
from token_broker_local.places import TABLE


def findings(operator: Operator) -> dict[str, dict[str, str]]:
    result = operator.says("doctor", "--json")
    document = json.loads(result.stdout)
    assert document["ok"] == (result.exit_code == 0)
    return {one["check"]: one for one in document["findings"]}


def client(operator: Operator, service: Any) -> Any:
    return boto3.client(
        service,
        region_name="eu-west-1",
        endpoint_url=operator.places.url("services"),
        aws_access_key_id="local",
        aws_secret_access_key="local",
    )


def test_a_system_that_is_well_is_found_well(operator: Operator) -> None:
    """Who, where, signature, clock, table, key, secrets: a line for each."""
    found = findings(operator)
    for check in (
        "settings",
        "identity",
        "region",
        "api",
        "clock",
        "vntana",
        "table",
        "ttl",
        "key",
    ):
        assert found[check]["level"] == "ok", found[check]
    assert found["vntana/demo"]["level"] == "ok"


def test_people_get_lines_with_marks(operator: Operator) -> None:
    """A verdict comes last."""
    result = operator.says("doctor")
    lines = result.stdout.splitlines()
    assert lines[0].startswith("✓  settings")
    assert max(map(len, lines)) <= 80


def test_what_is_wrong_is_named_with_what_to_do(
    operator: Operator, connected: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A secret by its key, never by its value; the exit code says so, too."""
    del monkeypatch
    name = connected("vendorlink")
    secrets = client(operator, "secretsmanager")
    text = json.dumps({"username": "demo", "password": "s3cret", "hots": "x", "host": "x"})
    secrets.put_secret_value(SecretId=f"token-broker/local/vendorlink/{name}", SecretString=text)
    found = findings(operator)
    mine = found[f"vendorlink/{name}"]
    assert (mine["level"], mine["says"]) == ("failure", "hots: is not known")
    assert mine["do"].endswith(f"token-broker connect vendorlink {name}")
    shown = operator.says("doctor")
    assert (shown.exit_code, "1 failure." in shown.stdout) == (1, True)
    assert "s3cret" not in shown.output
    secrets.delete_secret(
        SecretId=f"token-broker/local/vendorlink/{name}", ForceDeleteWithoutRecovery=True
    )


def test_a_system_that_is_down_is_found_down(operator: Operator) -> None:
    """Each thing that does not answer, with no traceback and no waiting."""
    away = Operator(type(operator.places)(1))
    found = findings(away)
    assert found["api"]["level"] == "failure"
    assert "make run" in found["api"]["do"]
    assert found["table"]["says"].startswith("unreachable")


@pytest.mark.slow
def test_what_was_never_deployed_is_named(operator: Operator) -> None:
    """Table, key, and the sweeping of old items."""
    del operator
    with system() as places:
        broken = Operator(places)
        client(broken, "dynamodb").delete_table(TableName=TABLE)
        kms = client(broken, "kms")
        kms.delete_alias(AliasName=f"alias/{TABLE}")
        found = findings(broken)
        assert found["table"]["says"] == f"there is no table {TABLE}"
        assert found["key"]["says"] == f"there is no key alias/{TABLE}"
        make_wrong_table(client(broken, "dynamodb"))
        found = findings(broken)
        assert "other keys" in found["table"]["says"]
        assert found["ttl"]["level"] == "warning"


def make_wrong_table(dynamodb: Any) -> None:
    dynamodb.create_table(
        TableName=TABLE,
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
    )
