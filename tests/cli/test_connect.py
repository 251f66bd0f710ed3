"""`connect` reads, checks, tries and stores a secret; the first error ends it."""

import json
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest

from tests.cli.operators import Operator
from tests.local.callers import client
from tests.subjects import FLOWS, log_outs
from token_broker.flows import every
from token_broker_cli.connect import REJECTED
from token_broker_local.provisions import demo_secrets

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

NAMES = (f"new-{number}" for number in count())
SECRET = "s3cret-c4nary"


def secret(operator: Operator, flow: str, **changes: Any) -> str:
    return json.dumps(dict(demo_secrets(operator.places)[flow]) | changes)


def secrets_manager(operator: Operator) -> "SecretsManagerClient":
    made: SecretsManagerClient = client("secretsmanager", operator.places.url("services"))
    return made


@pytest.mark.parametrize("flow", FLOWS)
def test_a_new_connection_is_tried_and_works(operator: Operator, flow: str) -> None:
    """From stdin; the account is shown."""
    name, ends = next(NAMES), log_outs(flow)
    before = [operator.asked(flow, step) for step in ends]
    result = operator.says("connect", flow, name, "--file", "-", stdin=secret(operator, flow))
    host = f"127.0.0.1:{operator.places.port}"
    created = f"created: {flow}/{name} (stage local, {host})\n"
    assert (result.exit_code, result.stdout) == (0, created)
    lines = result.stderr.splitlines()
    is_probed = every()[flow].vendor.probe
    assert lines[0] == f"connecting {flow}/{name} (stage local, {host})"
    assert [line for line in lines if line.startswith("trying it: at most ")] == lines[
        1 : 1 + bool(is_probed)
    ]
    (let_in,) = [line for line in lines if line.startswith(f"✓ {flow} let it in")]
    assert "None" not in let_in
    assert operator.told("token", flow, name)["generation"] == 1
    # The trial's sessions are ended, where the vendor has a way.
    assert [operator.asked(flow, step) for step in ends] == [one + len(ends) for one in before]


@pytest.mark.parametrize(
    ("flow", "step", "changes"),
    [
        ("vntana", "login", {"personal_access_token": SECRET}),
        ("vendorlink", "login", {"password": SECRET}),
        ("editor", "generate", {"api_key": SECRET}),
    ],
)
def test_a_rejected_login_is_sent_once_and_not_stored(
    operator: Operator, flow: str, step: str, changes: dict[str, Any]
) -> None:
    """The error names the code, and no secret."""
    name = next(NAMES)
    before = operator.asked(flow, step)
    document = secret(operator, flow, **changes)
    result = operator.says("connect", flow, name, "--file", "-", "--json", stdin=document)
    error = json.loads(result.stderr)
    assert (result.exit_code, error["code"]) == (1, "credential_rejected")
    assert error["advice"] == REJECTED
    assert SECRET not in result.output
    assert operator.asked(flow, step) == before + 1
    assert operator.says("status", flow, name).exit_code == 1


def test_a_login_that_is_latched_is_not_sent_again(operator: Operator) -> None:
    """Not even in a document that differs elsewhere, until an operator forgets the rejection."""
    name = next(NAMES)
    words = ("connect", "vendorlink", name, "--file", "-")
    wrong = secret(operator, "vendorlink", password=SECRET)
    operator.says(*words, "--no-check", stdin=wrong)
    assert operator.says("token", "vendorlink", name).exit_code == 1
    before = operator.asked("vendorlink", "login")
    other = secret(operator, "vendorlink", password=SECRET, options={"null_renewal": "drop"})
    for document in (wrong, other):
        result = operator.says(*words, stdin=document)
        assert (result.exit_code, "credential_latched" in result.stderr) == (1, True)
    assert operator.asked("vendorlink", "login") == before
    right = operator.told(*words, stdin=secret(operator, "vendorlink"))
    assert right["done"] == "updated"
    assert operator.told("token", "vendorlink", name)["generation"] == 1


def test_a_secret_without_a_value_gets_one(operator: Operator) -> None:
    """Terraform and other tools create one so: it holds no other operator's change."""
    name = next(NAMES)
    secrets_manager(operator).create_secret(Name=f"token-broker/local/editor/{name}")
    words = ("connect", "editor", name, "--file", "-")
    assert operator.told(*words, stdin=secret(operator, "editor"))["done"] == "created"
    assert operator.told("token", "editor", name)["generation"] == 1
