"""`doctor` reports each fault, with advice."""

import json
import ssl
from email.utils import formatdate
from itertools import permutations
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest
import requests
from rich.text import Text

from tests.certificates import certificate
from tests.cli.accounts import Visitor
from tests.cli.fake_account import Account, serving
from token_broker_cli import checks
from token_broker_cli.checks import Finding, answered, failure, ok, warning
from token_broker_cli.checks import findings as checked
from token_broker_cli.doctor import grouped, shortened, summary, table
from token_broker_cli.errors import ADVICE, CommandError
from token_broker_cli.screen import console
from token_broker_cli.settings import FLOWS

if TYPE_CHECKING:
    from token_broker_cli.context import Context


def described(status: str = "ACTIVE", **keys: str) -> dict[str, Any]:
    """Return what DynamoDB says of a table; *keys* are its keys' types."""
    keys = keys or {"connection": "S", "variant": "S"}
    roles = zip(keys, ("HASH", "RANGE"), strict=False)
    types = [{"AttributeName": name, "AttributeType": kind} for name, kind in keys.items()]
    schema = [{"AttributeName": name, "KeyType": role} for name, role in roles]
    table = {"TableStatus": status, "KeySchema": schema, "AttributeDefinitions": types}
    return {"Table": table}


def ttl(status: str, attribute: str = "ttl") -> dict[str, Any]:
    return {"TimeToLiveDescription": {"TimeToLiveStatus": status, "AttributeName": attribute}}


def key(state: str) -> dict[str, Any]:
    return {"KeyMetadata": {"KeyState": state}}


@pytest.fixture
def healthy(visitor: Visitor) -> Visitor:
    """Return the account of a stage that is deployed."""
    secret = {"username": "a", "password": "b", "host": "h.vendorlink.nl"}
    visitor.account.add("vendorlink/acme", secret=json.dumps(secret))
    visitor.account.told = {
        "DescribeTable": (200, described()),
        "DescribeTimeToLive": (200, ttl("ENABLED")),
        "DescribeKey": (200, key("Enabled")),
    }
    return visitor


def all_well(visitor: Visitor) -> list[str]:
    """Return a line for each finding of a healthy stage."""
    return [
        f"ok\tsettings\tstage test, {visitor.account.url}\t",
        "ok\tidentity\tarn:aws:iam::1:user/me\t",
        "ok\tregion\teu-west-1\t",
        "ok\tapi\tit answers, and refuses calls that are not signed\t",
        "ok\tclock\tright, to the second\t",
        *(f"ok\t{flow}\tthe function answers signed calls\t" for flow in FLOWS),
        "ok\ttable\ttoken-broker-test, keys connection and variant\t",
        "ok\tttl\ton, by attribute ttl\t",
        "ok\tkey\talias/token-broker-test, enabled\t",
        "ok\tvendorlink/acme\tthe secret has the right form\t",
    ]


def test_doctor_looks_at_the_resources_of_the_stage(healthy: Visitor) -> None:
    """Whatever its stack is called. On a terminal each has a mark."""
    result = healthy.says("doctor", TOKEN_BROKER_STACK="other")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.splitlines() == [*all_well(healthy), "All is well."]
    bodies = healthy.account.bodies
    for operation in ("DescribeTable", "DescribeTimeToLive"):
        assert bodies[operation] == [{"TableName": "token-broker-test"}]
    assert bodies["DescribeKey"] == [{"KeyId": "alias/token-broker-test"}]
    asked = {f"GET /v1/{flow}/token-broker-doctor" for flow in FLOWS}
    assert {call for call in healthy.account.asked if call.startswith("GET ")} == asked
    *marked, empty, verdict = healthy.shows("doctor", columns=120).splitlines()
    assert [line[:3] for line in marked] == ["✓  "] * len(all_well(healthy))
    assert (empty, verdict) == ("", "All is well.")


TABLE, ALIAS = "token-broker-test", "alias/token-broker-test"
DEPLOY = "Deploy the template's table: make deploy."
WAIT = "Wait until it is ACTIVE."
NOT_THERE = "Check stage and region, or deploy."
OTHER_KEYS = failure("table", f"{TABLE} has other keys than connection and variant", DEPLOY)
NEVER_SWEPT = warning("ttl", "off: items of connections that are gone stay for ever", DEPLOY)
UNUSABLE = "Enable it, or cancel its deletion, in KMS: no token can be kept or read."
NO_SECRETS = warning("secrets", "there are none", "Add a connection: `token-broker connect`.")
SECRET = "vendorlink/acme"
UNREAD = "Have secretsmanager:GetSecretValue granted, or ask who has it."
CORRECT = "Correct it: token-broker connect vendorlink acme"
FAULTY = "AWS answered GetSecretValue with DecryptionFailure"
UNASKED = "aws_failed: AWS answered DescribeKey with ValidationException"
GONE = {"__type": "ResourceNotFoundException", "Message": "none"}
NOT_ALLOWED = {"__type": "AccessDeniedException"}


def not_allowed(check: str, permission: str) -> Finding:
    do = f"Have {permission} granted, or ask who is."
    return warning(check, "you are not allowed to look", do)


@pytest.mark.parametrize(
    ("operation", "answer", "wrong"),
    [
        ("DescribeTable", described("UPDATING"), None),
        ("DescribeTable", described("DELETING"), failure("table", f"{TABLE} is DELETING", WAIT)),
        ("DescribeTable", described(connection="S", variant="N"), OTHER_KEYS),
        ("DescribeTable", described(id="S", variant="S"), OTHER_KEYS),
        ("DescribeTable", GONE, failure("table", f"there is no table {TABLE}", NOT_THERE)),
        ("DescribeTable", NOT_ALLOWED, not_allowed("table", "dynamodb:DescribeTable")),
        ("DescribeTimeToLive", ttl("ENABLING"), None),
        ("DescribeTimeToLive", ttl("DISABLING"), NEVER_SWEPT),
        ("DescribeTimeToLive", ttl("ENABLED", "expires_at"), NEVER_SWEPT),
        ("DescribeTimeToLive", NOT_ALLOWED, not_allowed("ttl", "dynamodb:DescribeTimeToLive")),
        ("DescribeKey", key("Disabled"), failure("key", f"{ALIAS} is Disabled", UNUSABLE)),
        (
            "DescribeKey",
            {"__type": "NotFoundException"},
            failure("key", f"there is no key {ALIAS}", NOT_THERE),
        ),
        ("DescribeKey", NOT_ALLOWED, not_allowed("key", "kms:DescribeKey")),
        (
            "DescribeKey",
            {"__type": "ValidationException"},
            failure("key", UNASKED, "Look up ValidationException."),
        ),
        ("ListSecrets", {"SecretList": []}, NO_SECRETS),
        ("ListSecrets", NOT_ALLOWED, not_allowed("secrets", "secretsmanager:ListSecrets")),
        (
            "GetSecretValue",
            NOT_ALLOWED,
            warning(SECRET, "you are not allowed to read the secret", UNREAD),
        ),
        ("GetSecretValue", {"__type": "DecryptionFailure"}, failure(SECRET, FAULTY, CORRECT)),
        ("GetSecretValue", GONE, failure(SECRET, "secret: must be a JSON object", CORRECT)),
        (
            "GetSecretValue",
            {"SecretString": '{"username": "a", "password": "s3cret", "host": "x", "hots": ""}'},
            failure(SECRET, "hots: is not known", CORRECT),
        ),
    ],
)
def test_what_is_wrong_is_the_first_line_with_advice(
    healthy: Visitor, operation: str, answer: dict[str, Any], wrong: Finding | None
) -> None:
    """In each state of a resource. The exit code of a warning is 0."""
    healthy.account.told[operation] = (400 if "__type" in answer else 200, answer)
    result = healthy.says("doctor")
    lines = all_well(healthy)
    verdict = "All is well."
    if wrong:
        check = SECRET if wrong.check == "secrets" else wrong.check
        others = [line for line in lines if line.split("\t")[1] != check]
        lines = [f"{wrong.level}\t{wrong.check}\t{wrong.says}\t{wrong.do}", *others]
        verdict = f"1 {wrong.level}."
    assert result.stdout.splitlines() == [*lines, verdict]
    assert result.exit_code == (verdict == "1 failure.")


def test_doctor_reports_a_system_that_is_down(visitor: Visitor) -> None:
    """Each thing that does not answer, with no traceback and no waiting."""
    told = Visitor.document(visitor.types("doctor", "--port", "1", "--json").stdout)
    found = {one["check"]: one for one in told["findings"]}
    assert (told["ok"], found["settings"]["says"]) == (
        False,
        "the local system, http://127.0.0.1:1",
    )
    assert (found["api"]["level"], found["api"]["do"]) == ("failure", "Start `make run`.")
    assert found["table"]["says"].startswith("unreachable")
    error = json.loads(visitor.types("status", "vntana", "demo", "--port", "1", "--json").stderr)
    assert error["advice"] == "Does the local system run, on that port? Start it: make run"


def test_doctor_groups_equal_findings_of_many_connections(healthy: Visitor) -> None:
    """The sum counts each, and JSON has each."""
    for number in range(5):
        healthy.account.add(f"vendorlink/c{number}")
    lines = healthy.says("doctor").stdout.splitlines()
    says = "username: is missing: vendorlink/c0, vendorlink/c1, vendorlink/c2 and 2 more"
    first = f"failure\tsecrets\t{says}\tCorrect it: token-broker connect vendorlink c0"
    assert lines == [first, *all_well(healthy), "5 failures."]
    told = Visitor.document(healthy.says("doctor", "--json").stdout)
    assert [one.keys() for one in told["findings"]] == [{"check", "level", "says", "do"}] * (
        len(all_well(healthy)) + 5
    )
    assert [one["check"] for one in told["findings"]][-1] == "vendorlink/c4"


@pytest.mark.parametrize("status", [401, 403, 200, 302, 400, 404])
def test_an_api_must_refuse_unsigned_calls(healthy: Visitor, tmp_path: Path, status: int) -> None:
    """An address that is no broker gets no signed call, and no password of ~/.netrc."""
    netrc = tmp_path / "netrc"
    netrc.write_text("default login me password s3cret\n")
    healthy.account.unsigned = status
    lines = healthy.says("doctor", NETRC=str(netrc)).stdout.splitlines()
    is_refused = status in (401, 403)
    says = f"unsigned, it answers {status}"
    do = "It must refuse unsigned calls with 403. Is that the broker's address?"
    assert (lines[0] == f"failure\tapi\t{says}\t{do}") == (not is_refused)
    assert ("GET /v1/vntana/token-broker-doctor" in healthy.account.asked) == is_refused


@pytest.mark.parametrize(("there", "level"), [(20, "ok"), (-100, "warning"), (-900, "failure")])
def test_the_clock_is_compared_with_the_start_and_end_of_the_call(
    healthy: Visitor, monkeypatch: pytest.MonkeyPatch, there: int, level: str
) -> None:
    """The response may be of any moment between. A call is signed unless AWS would refuse it."""
    now = 1_790_000_000
    moments = iter([now, now + 40])
    answer = SimpleNamespace(status_code=403, headers={"Date": formatdate(now + there)})
    monkeypatch.setattr(checks, "time", SimpleNamespace(time=lambda: next(moments)))
    monkeypatch.setattr(requests, "get", lambda *_, **__: answer)
    found = json.loads(healthy.says("doctor", "--json").stdout)["findings"]
    levels = {one["check"]: one["level"] for one in found}
    assert (levels["clock"], levels["api"], levels["key"]) == (level, "ok", "ok")
    assert levels.keys() & {*FLOWS} == (set() if level == "failure" else {*FLOWS})


REMEDIES = {
    "access_denied": "Check keys and region; your role needs the Operate policy.",
    "unreachable": "Check address and network; the local system is started by `make run`.",
    "store_unavailable": "See what else is found; the function's log names the operation.",
}


@pytest.mark.parametrize("code", [*ADVICE, "aws_failed"])
def test_no_failed_check_advises_to_run_the_doctor(code: str) -> None:
    """Of a check, and of a function; but for that, the advice is the one of every command."""
    error = CommandError(code, "no", "" if code in ADVICE else "Look it up.")

    def fail(*_: object) -> list[Finding]:
        raise error

    (one,) = checked("x", fail)
    other = answered(cast("Context", SimpleNamespace(call=fail)), "editor")
    said, do = f"{code}: no", REMEDIES.get(code, error.advice)
    assert one == failure("x", said, do)
    if code == "unknown_connection":
        assert other == ok("editor", "the function answers signed calls")
    else:
        assert other == failure("editor", said, do)
    assert "token-broker doctor" not in do


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


@pytest.mark.parametrize(
    ("count", "names"), [(2, "vntana/c0, vntana/c1"), (3, "vntana/c0, vntana/c1, vntana/c2")]
)
def test_up_to_three_connections_with_the_same_failure_are_named(count: int, names: str) -> None:
    """More are a number, as above; one has its own line."""
    many = [failure(f"vntana/c{number}", "bad", "do") for number in range(count)]
    assert grouped(many) == [failure("secrets", f"bad: {names}", "do")]
    assert grouped(many[:1]) == many[:1]


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
        (2, 1, "2 failures and 1 warning.", "bold red"),
    ],
)
def test_the_summary_counts_each_kind(failures: int, warnings: int, said: str, style: str) -> None:
    found = [failure("a", "b", "c")] * failures + [warning("a", "b", "c")] * warnings
    seen = summary([*found, ok("a", "b")])
    assert (seen.plain, seen.style) == (said, style)


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
