"""`doctor` reports each fault, with advice."""

import json
import re
import ssl
from email.utils import formatdate
from itertools import permutations
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import boto3
import pytest
import requests
from rich.text import Text

from tests.certificates import certificate
from tests.cli.accounts import Visitor
from tests.cli.conftest import Connect
from tests.cli.fake_account import Account, serving
from tests.cli.operators import COLOUR, RUNNER, Operator
from token_broker_cli import checks
from token_broker_cli.checks import Finding, Level, answered, failure, ok, warning
from token_broker_cli.checks import findings as checked
from token_broker_cli.doctor import grouped, shortened, summary, table
from token_broker_cli.errors import ADVICE, CommandError
from token_broker_cli.main import app
from token_broker_cli.screen import console
from token_broker_cli.settings import FLOWS

if TYPE_CHECKING:
    from token_broker_cli.context import Context


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


def test_doctor_finds_no_fault_in_a_healthy_system(operator: Operator) -> None:
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
    gateway = operator.places.url("gateway")
    assert found["settings"]["says"] == f"the local system, {gateway}"


def test_doctor_shows_marks_on_a_terminal(operator: Operator) -> None:
    """A verdict comes last."""
    _, seen = operator.watches("doctor")
    lines = COLOUR.sub("", seen).splitlines()
    assert any(line.startswith("✓  settings") for line in lines)
    assert ("All is well." in lines[-1]) == ("✗" not in seen and "!" not in seen)


def test_a_wrong_secret_is_named_with_advice(operator: Operator, connected: Connect) -> None:
    """A secret by its key, never by its value; the exit code says so, too."""
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


def test_doctor_reports_a_system_that_is_down(operator: Operator) -> None:
    """Each thing that does not answer, with no traceback and no waiting."""
    away = Operator(type(operator.places)(1))
    found = findings(away)
    assert found["api"]["level"] == "failure"
    assert found["api"]["do"] == "Start `make run`."
    told = json.loads(away.says("status", "vntana", "demo", "--json").stderr)
    assert told["advice"] == "Does the local system run, on that port? Start it: make run"
    assert found["table"]["says"].startswith("unreachable")


def test_missing_resources_are_named(operator: Operator, monkeypatch: pytest.MonkeyPatch) -> None:
    """Table, key, and the sweeping of old items: of a stage that has none of them."""
    found = of_stage("bare", operator, monkeypatch)
    assert found["table"]["says"] == "there is no table token-broker-bare"
    assert found["key"]["says"] == "there is no key alias/token-broker-bare"
    assert found["secrets"]["level"] == "warning"
    make_wrong_table(client(operator, "dynamodb"), "token-broker-bare")
    disabled_key(client(operator, "kms"), "alias/token-broker-bare")
    found = of_stage("bare", operator, monkeypatch)
    assert "other keys" in found["table"]["says"]
    assert found["key"]["says"] == "alias/token-broker-bare is Disabled"
    assert found["ttl"]["level"] == "warning"


def of_stage(
    stage: str, operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> dict[str, dict[str, str]]:
    """Return what is found of another *stage* in the same account."""
    values = {
        "AWS_ENDPOINT_URL": operator.places.url("services"),
        "AWS_ACCESS_KEY_ID": "local",
        "AWS_SECRET_ACCESS_KEY": "local",
        "AWS_REGION": "eu-west-1",
    }
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    words = ["doctor", "--json", "--stage", stage, "--url", operator.places.url("gateway")]
    result = RUNNER.invoke(app, words)
    assert result.exit_code == 1, result.output
    return {one["check"]: one for one in json.loads(result.stdout)["findings"]}


def make_wrong_table(dynamodb: Any, name: str) -> None:
    dynamodb.create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
    )


def disabled_key(kms: Any, alias: str) -> None:
    key = kms.create_key()["KeyMetadata"]["KeyId"]
    kms.create_alias(AliasName=alias, TargetKeyId=key)
    kms.disable_key(KeyId=key)


def described(status: str = "ACTIVE", kind: str = "S") -> dict[str, Any]:
    """Return what DynamoDB says of a table whose sort key is of *kind*."""
    keys = {"connection": ("HASH", "S"), "variant": ("RANGE", kind)}
    return {
        "Table": {
            "TableStatus": status,
            "KeySchema": [{"AttributeName": n, "KeyType": role} for n, (role, _) in keys.items()],
            "AttributeDefinitions": [
                {"AttributeName": n, "AttributeType": own} for n, (_, own) in keys.items()
            ],
        }
    }


def ttl(status: str, attribute: str = "ttl") -> dict[str, Any]:
    found = {"TimeToLiveStatus": status, "AttributeName": attribute}
    return {"TimeToLiveDescription": found}


@pytest.mark.parametrize(
    ("operation", "answer", "check", "level"),
    [
        *(("DescribeTable", described(one), "table", "ok") for one in ("ACTIVE", "UPDATING")),
        *(
            ("DescribeTable", described(one), "table", "failure")
            for one in ("CREATING", "DELETING")
        ),
        ("DescribeTable", described(kind="N"), "table", "failure"),
        *(("DescribeTimeToLive", ttl(one), "ttl", "ok") for one in ("ENABLED", "ENABLING")),
        *(("DescribeTimeToLive", ttl(one), "ttl", "warning") for one in ("DISABLED", "DISABLING")),
        ("DescribeTimeToLive", ttl("ENABLED", "expires_at"), "ttl", "warning"),
        ("DescribeKey", {"KeyMetadata": {"KeyState": "Enabled"}}, "key", "ok"),
        ("DescribeKey", {"KeyMetadata": {"KeyState": "Disabled"}}, "key", "failure"),
        ("DescribeKey", {"KeyMetadata": {"KeyState": "PendingDeletion"}}, "key", "failure"),
        ("DescribeKey", {"__type": "AccessDeniedException"}, "key", "warning"),
        ("DescribeKey", {"__type": "ValidationException"}, "key", "failure"),
    ],
)
def test_each_state_of_a_resource_has_a_level(
    visitor: Visitor, operation: str, answer: dict[str, Any], check: str, level: str
) -> None:
    """Each state by what it means for the broker."""
    visitor.account.told[operation] = (400 if "__type" in answer else 200, answer)
    found = json.loads(visitor.says("doctor", "--json").stdout)["findings"]
    assert [one["level"] for one in found if one["check"] == check] == [level]


@pytest.mark.parametrize(
    ("status", "level"),
    [(401, "ok"), (403, "ok"), *((status, "failure") for status in (200, 302, 400, 404, 500))],
)
def test_an_api_must_refuse_unsigned_calls(
    visitor: Visitor, tmp_path: Path, status: int, level: str
) -> None:
    """An address that is no broker gets no signed call, and no password of ~/.netrc."""
    netrc = tmp_path / "netrc"
    netrc.write_text("default login me password s3cret\n")
    visitor.account.unsigned = status
    result = visitor.says("doctor", "--json", NETRC=str(netrc))
    found = json.loads(result.stdout)["findings"]
    assert [one["level"] for one in found if one["check"] == "api"] == [level]
    assert ("GET /v1/vntana/token-broker-doctor" in visitor.account.asked) == (level == "ok")


@pytest.fixture
def healthy(visitor: Visitor) -> Visitor:
    """Return the account of a stage that is deployed."""
    told = {
        "DescribeTable": described(),
        "DescribeTimeToLive": ttl("ENABLED"),
        "DescribeKey": {"KeyMetadata": {"KeyState": "Enabled"}},
    }
    visitor.account.told |= {name: (200, answer) for name, answer in told.items()}
    secret = {"username": "a", "password": "b", "host": "h.vendorlink.nl"}
    visitor.account.add("vendorlink/acme", secret=json.dumps(secret))
    return visitor


def test_doctor_looks_at_the_resources_of_the_stage(healthy: Visitor) -> None:
    """Whatever its stack is called."""
    result = healthy.says("doctor", TOKEN_BROKER_STACK="other")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.splitlines() == [
        f"ok\tsettings\tstage test, {healthy.account.url}\t",
        "ok\tidentity\tarn:aws:iam::1:user/me\t",
        "ok\tregion\teu-west-1\t",
        "ok\tapi\tit answers, and refuses calls that are not signed\t",
        "ok\tclock\tright, to the second\t",
        *(f"ok\t{flow}\tthe function answers signed calls\t" for flow in FLOWS),
        "ok\ttable\ttoken-broker-test, keys connection and variant\t",
        "ok\tttl\ton, by attribute ttl\t",
        "ok\tkey\talias/token-broker-test, enabled\t",
        "ok\tvendorlink/acme\tthe secret has the right form\t",
        "All is well.",
    ]
    bodies = healthy.account.bodies
    for operation in ("DescribeTable", "DescribeTimeToLive"):
        assert bodies[operation] == [{"TableName": "token-broker-test"}]
    assert bodies["DescribeKey"] == [{"KeyId": "alias/token-broker-test"}]


def test_a_warning_has_exit_code_zero(healthy: Visitor) -> None:
    healthy.account.denied.add("GetSecretValue")
    result = healthy.says("doctor")
    assert (result.exit_code, result.stdout.splitlines()[-1]) == (0, "1 warning.")


def test_a_secret_that_was_deleted_after_it_was_listed_is_a_failure(healthy: Visitor) -> None:
    gone = (400, {"__type": "ResourceNotFoundException", "Message": "none"})
    healthy.account.told["GetSecretValue"] = gone
    lines = healthy.says("doctor").stdout.splitlines()
    line = "secret: must be a JSON object\tCorrect it: token-broker connect vendorlink acme"
    assert lines[0] == f"failure\tvendorlink/acme\t{line}"


@pytest.mark.parametrize(("there", "level"), [(20, "ok"), (-900, "failure")])
def test_the_clock_is_compared_with_the_start_and_end_of_the_call(
    healthy: Visitor, monkeypatch: pytest.MonkeyPatch, there: int, level: str
) -> None:
    """The response may be of any moment between. With a wrong clock no call is signed."""
    now = 1_790_000_000
    moments = iter([now, now + 40])
    answer = SimpleNamespace(status_code=403, headers={"Date": formatdate(now + there)})
    monkeypatch.setattr(checks, "time", SimpleNamespace(time=lambda: next(moments)))
    monkeypatch.setattr(requests, "get", lambda *_, **__: answer)
    found = json.loads(healthy.says("doctor", "--json").stdout)["findings"]
    levels = {one["check"]: one["level"] for one in found}
    assert (levels["clock"], levels["api"], "editor" in levels) == (level, "ok", level == "ok")


@pytest.mark.parametrize(
    ("permission", "check"),
    [
        ("dynamodb:DescribeTable", "table"),
        ("dynamodb:DescribeTimeToLive", "ttl"),
        ("kms:DescribeKey", "key"),
        ("secretsmanager:ListSecrets", "secrets"),
        ("secretsmanager:GetSecretValue", "vendorlink/acme"),
    ],
)
def test_a_missing_permission_is_a_warning_that_names_it(
    visitor: Visitor, permission: str, check: str
) -> None:
    visitor.account.denied.add(permission.partition(":")[2])
    found = json.loads(visitor.says("doctor", "--json").stdout)["findings"]
    (one,) = [one for one in found if one["check"] == check]
    assert (one["level"], f"Have {permission} granted, or ask who " in one["do"]) == (
        "warning",
        True,
    )


@pytest.mark.parametrize("code", [*ADVICE, "aws_failed"])
def test_no_failed_check_advises_to_run_the_doctor(code: str) -> None:
    """Of a check, and of a function; but for that, the advice is the one of every command."""

    def fail(*_: object) -> list[Finding]:
        raise CommandError(code, "no", "" if code in ADVICE else "Look it up.")

    (one,) = checked("x", fail)
    other = answered(cast("Context", SimpleNamespace(call=fail)), "editor")
    if code == "unknown_connection":
        assert other == ok("editor", "the function answers signed calls")
    else:
        assert (other.level, other.says, other.do) == (Level.FAILURE, one.says, one.do)
    advice = CommandError(code, "no", "" if code in ADVICE else "Look it up.").advice
    rows = {
        "access_denied": "Check keys and region; your role needs the Operate policy.",
        "unreachable": "Check address and network; the local system is started by `make run`.",
        "store_unavailable": "See what else is found; the function's log names the operation.",
    }
    assert (one.level, one.says) == (Level.FAILURE, f"{code}: no")
    assert one.do == rows.get(code, advice)
    assert "token-broker doctor" not in one.do


def test_a_secret_that_cannot_be_decrypted_is_a_failure(visitor: Visitor) -> None:
    visitor.account.told["GetSecretValue"] = (400, {"__type": "DecryptionFailure"})
    found = json.loads(visitor.says("doctor", "--json").stdout)["findings"]
    (one,) = [one for one in found if one["check"] == "vendorlink/acme"]
    assert one == {
        "check": "vendorlink/acme",
        "level": "failure",
        "says": "AWS answered GetSecretValue with DecryptionFailure",
        "do": "Correct it: token-broker connect vendorlink acme",
    }


@pytest.mark.parametrize("where", ["AWS_CA_BUNDLE", "AWS_CONFIG_FILE"])
def test_the_certificate_authorities_are_those_of_the_other_commands(
    tmp_path: Path, where: str
) -> None:
    """By the authorities that the variable or the profile names: a proxy may open TLS."""
    pem, private = certificate(tmp_path)
    config = tmp_path / "config"
    config.write_text(f"[default]\nca_bundle = {pem}\n")
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(pem, private)
    named = {where: str(pem if where == "AWS_CA_BUNDLE" else config)}
    with serving(Account(), tls) as account:
        for given, said in (({}, "SSLError), as its"), ({"AWS_CA_BUNDLE": "none"}, "OSError), as")):
            lines = Visitor(account).says("doctor", **given).stdout.splitlines()
            assert any(f"failure\tapi\tit does not answer ({said}" in line for line in lines)
        lines = Visitor(account).says("doctor", **named).stdout.splitlines()
    assert {line.split("\t")[0] for line in lines if line.split("\t")[1:2] == ["api"]} == {"ok"}
    assert "ok\tvntana\tthe function answers signed calls\t" in lines


def test_an_unsigned_call_has_a_timeout(visitor: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    def hang(*_: object, timeout: float, **__: object) -> None:
        assert timeout <= 10
        raise requests.Timeout

    monkeypatch.setattr(requests, "get", hang)
    line = "failure\tapi\tit does not answer (Timeout)\tCheck the address and the network."
    assert line in visitor.says("doctor").stdout.splitlines()


def test_an_api_that_refuses_signed_calls_is_a_failure(visitor: Visitor) -> None:
    """Of each function; and the region is the one that is meant, whatever the shell says."""
    visitor.account.denied.add("api")
    lines = visitor.says("doctor", "--region", "us-east-1").stdout.splitlines()
    failed = [line.split("\t")[1] for line in lines if "\taccess_denied: API Gateway" in line]
    assert failed == [*FLOWS]
    assert "ok\tregion\tus-east-1 (AWS_REGION is eu-west-1: not meant)\t" in lines


def test_findings_are_sorted_by_level() -> None:
    """Those of two levels stay apart, though they say the same."""
    kinds = (failure("a", "b", "c"), warning("a", "b", "c"), ok("a", "b"))
    for found in permutations(kinds):
        assert grouped([*found]) == [*kinds]
    of_secrets = (failure("vntana/a", "b", "c"), warning("vntana/d", "b", "c"))
    assert grouped([*of_secrets]) == [*of_secrets]
    many = [ok(str(number), "well") for number in range(40)]
    assert grouped([*many, kinds[0]])[0] == kinds[0]


@pytest.mark.parametrize("count", range(1, 6))
def test_up_to_three_connections_with_the_same_failure_are_named(count: int) -> None:
    """Three are named, the others are a number."""
    (one,) = grouped([failure(f"vntana/c{number}", "bad", "do") for number in range(count)])
    named = sum(f"vntana/c{number}" in f"{one.check} {one.says}" for number in range(count))
    counted = re.search(r" and (\d+) more$", one.says)
    assert named == min(count, 3)
    assert one.check == ("vntana/c0" if count == 1 else "secrets")
    assert count - named == (int(counted[1]) if counted else 0)


@pytest.mark.parametrize("count", range(29, 34))
def test_more_than_31_findings_are_shortened_to_30_and_a_count(count: int) -> None:
    """Thirty are shown; the last line stands for two at least, and is as bad as the worst."""
    bad = [failure(str(number), "bad", "do") for number in range(31)]
    groups = [*bad, *(ok(str(number), "well") for number in range(count))][:count]
    shown = shortened(groups)
    others = failure("and more", f"{count - 30} others", "See them: --json")
    assert shown == (groups if count <= 31 else [*groups[:30], others])


@pytest.mark.parametrize(
    ("failures", "warnings", "said", "style"),
    [
        (0, 0, "All is well.", "bold green"),
        (0, 2, "2 warnings.", "bold yellow"),
        (1, 0, "1 failure.", "bold red"),
        (2, 1, "2 failures and 1 warning.", "bold red"),
    ],
)
def test_the_summary_counts_each_kind(failures: int, warnings: int, said: str, style: str) -> None:
    found = [failure("a", "b", "c")] * failures + [warning("a", "b", "c")] * warnings
    assert summary([*found, ok("a", "b")]) == Text(said, style)
    assert summary([*found, ok("a", "b")]).style == style


def test_a_table_of_findings_has_marks_and_advice() -> None:
    """A long name folds at 16 columns; the worst is red."""
    found = [
        failure(f"vntana/{'a' * 15}", "bad\x1b", "Do."),
        warning("key", "so", "Look."),
        ok("x", "y"),
    ]
    screen = console(stderr=False)
    with screen.capture() as seen:
        screen.print(table(found))
    lines = [line.rstrip() for line in seen.get().splitlines()]
    assert lines == [
        "✗  vntana/aaaaaaaaa  bad·",
        "   aaaaaa            → Do.",
        "!  key               so",
        "                     → Look.",
        "✓  x                 y",
    ]
    styles = [cell.style for cell in table(found).columns[0].cells if isinstance(cell, Text)]
    assert styles == ["red", "yellow", "green"]
