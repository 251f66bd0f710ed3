"""`connect` reads, checks, tries and stores a secret; the first error ends it."""

import json
import re
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest

from tests.cli.operators import Operator
from tests.subjects import FLOWS, log_outs
from token_broker.flows import every
from token_broker_cli.connect import REJECTED
from token_broker_fakes.vntana.accounts import demo_account
from token_broker_local.provisions import demo_secrets

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

NAMES = (f"new-{number}" for number in count())
SECRET = "s3cret-c4nary"


def secret(operator: Operator, flow: str, **changes: Any) -> str:
    return json.dumps(dict(demo_secrets(operator.places)[flow]) | changes)


def secrets_manager(operator: Operator) -> "SecretsManagerClient":
    return boto3.client(
        "secretsmanager",
        region_name="eu-west-1",
        endpoint_url=operator.places.url("services"),
        aws_access_key_id="local",
        aws_secret_access_key="local",
    )


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


def test_a_connection_is_changed(operator: Operator) -> None:
    """The same again is neither tried nor stored: the token that is in use stays as it is."""
    name = next(NAMES)
    words = ("connect", "editor", name, "--file", "-")
    same = secret(operator, "editor")
    other = secret(operator, "editor", required=[])
    done = [operator.told(*words, stdin=document) for document in (same, same, other)]
    assert [one["done"] for one in done] == ["created", "unchanged", "updated"]
    assert [one["tried"] for one in done] == [True, False, True]


def test_a_file_is_read(operator: Operator, tmp_path: Path) -> None:
    """With `--no-check` it is stored without a trial."""
    file = tmp_path / "secret.json"
    file.write_text(secret(operator, "vendorlink", host="vendor.example", scheme="https"))
    words = ("connect", "vendorlink", next(NAMES), "--file", str(file))
    told = operator.told(*words, "--no-check")
    assert (told["done"], told["tried"]) == ("created", False)


@pytest.mark.parametrize(
    ("content", "code", "said"),
    [
        pytest.param("{", 2, "no JSON at line 1, column 2", id="no JSON"),
        pytest.param("{}".ljust(65_537), 2, "more than 65536 bytes", id="too long"),
        pytest.param("{}".ljust(65_536), 1, "username: is missing", id="as long as may be"),
        pytest.param("[]", 1, "not_configured: secret: must be a JSON object", id="a list"),
        pytest.param(f'{{"password": "{SECRET}"}}', 1, "username: is missing", id="missing"),
        pytest.param(f'{{"username": ["{SECRET}"]}}', 1, "username: must be", id="wrong type"),
        pytest.param(
            f'{{"username": "a", "password": "{SECRET}", "host": "h", "pasword": ""}}',
            1,
            "pasword: is not known",
            id="unknown",
        ),
    ],
)
def test_an_invalid_document_is_reported_by_its_wrong_key(
    operator: Operator, tmp_path: Path, content: str, code: int, said: str
) -> None:
    """Never by its value; nothing is asked, nothing stored."""
    name, file = next(NAMES), tmp_path / "secret.json"
    file.write_text(content)
    for place in ("-", str(file)):
        result = operator.says("connect", "vendorlink", name, "--file", place, stdin=content)
        assert (result.exit_code, result.stdout) == (code, "")
        assert said in result.stderr
        assert ("→ Correct that key; nothing was stored." in result.stderr) == (code == 1)
        assert SECRET not in result.output
    assert operator.says("status", "vendorlink", name).exit_code == 1


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


def test_a_vendor_that_is_down_is_not_reported_as_a_rejection(operator: Operator) -> None:
    """The advice is `--no-check`; JSON has all members of the broker's error."""
    body = '{"success": false, "errors": ["API_RATE_LIMIT_EXCEEDED"]}'
    fault = {"kind": "answer", "status": 503, "headers": {"Retry-After": "7"}, "body": body}
    operator.switches("vntana", "PATCH", {"faults": [fault]})
    words = ("connect", "vntana", next(NAMES), "--file", "-", "--json")
    result = operator.says(*words, stdin=secret(operator, "vntana"))
    operator.switches("vntana", "PUT", {})
    error = json.loads(result.stderr)
    assert "--no-check" in error.pop("advice")
    assert error.pop("detail")
    assert (result.exit_code, error) == (
        1,
        {
            "code": "upstream_unavailable",
            "retryable": True,
            "retry_after": 7,
            "upstream_status": 503,
            "upstream_code": "API_RATE_LIMIT_EXCEEDED",
        },
    )


def test_interactive_connect_shows_no_secret(operator: Operator) -> None:
    """Locally the fakes' addresses are proposed."""
    name = next(NAMES)
    code, seen = operator.watches("connect", "vendorlink", name, answers=["demo", SECRET, ""])
    assert (code, "credential_rejected" in seen) == (1, True)
    right = demo_secrets(operator.places)["vendorlink"]["password"]
    code, seen = operator.watches("connect", "vendorlink", name, answers=["demo", right, ""])
    assert (code, f"created: vendorlink/{name}" in seen) == (0, True), seen
    assert SECRET not in seen
    assert right not in seen


def test_interactive_connect_can_change_the_password_alone(operator: Operator) -> None:
    """The stored values are proposed; keys without a question stay; or pins as well."""
    name, account = next(NAMES), demo_account()
    document = secret(operator, "vntana", options={"lifetime": 600})
    operator.says("connect", "vntana", name, "--file", "-", "--no-check", stdin=document)
    answers = ["", account.email, account.password, "", "", "", "organization"]
    code, seen = operator.watches("connect", "vntana", name, "--no-check", answers=answers)
    assert code == 0, seen
    for said in ("Changing", "[acme]", "updated"):
        assert said in seen
    operator.says("token", "vntana", name)
    assert re.search("in (9|10) min", operator.says("status", "vntana", name).stdout)
    refused = operator.says("token", "vntana", name, "--organization", "studio")
    assert "organization: is pinned" in refused.stderr


def test_a_secret_that_is_not_json_is_replaced(operator: Operator) -> None:
    """`connect` is the way to correct it."""
    name, client = next(NAMES), secrets_manager(operator)
    client.create_secret(Name=f"token-broker/local/editor/{name}", SecretString="not JSON")
    words = ("connect", "editor", name, "--file", "-")
    result = operator.says(*words, stdin=secret(operator, "editor"))
    assert result.stdout.startswith(f"updated: editor/{name} ")
    assert "no JSON" in result.stderr


def test_a_secret_without_a_value_gets_one(operator: Operator) -> None:
    """Terraform and other tools create one so: it holds no other operator's change."""
    name, client = next(NAMES), secrets_manager(operator)
    client.create_secret(Name=f"token-broker/local/editor/{name}")
    words = ("connect", "editor", name, "--file", "-")
    assert operator.told(*words, stdin=secret(operator, "editor"))["done"] == "created"
    assert operator.told("token", "editor", name)["generation"] == 1


def test_a_secret_scheduled_for_deletion_is_reported(operator: Operator) -> None:
    """With advice to restore it."""
    name, client = next(NAMES), secrets_manager(operator)
    whole = f"token-broker/local/editor/{name}"
    client.create_secret(Name=whole, SecretString=secret(operator, "editor"))
    client.delete_secret(SecretId=whole)
    words = ("connect", "editor", name, "--file", "-")
    result = operator.says(*words, stdin=secret(operator, "editor"))
    assert (result.exit_code, "restore-secret" in result.stderr) == (1, True)


def test_a_new_secret_is_encrypted_with_the_given_kms_key(operator: Operator) -> None:
    """If one is named."""
    name = next(NAMES)
    words = ("connect", "editor", name, "--file", "-", "--no-check", "--kms-key", "alias/mine")
    assert operator.told(*words, stdin=secret(operator, "editor"))["done"] == "created"
    found = secrets_manager(operator).describe_secret(SecretId=f"token-broker/local/editor/{name}")
    assert found["KmsKeyId"] == "alias/mine"
