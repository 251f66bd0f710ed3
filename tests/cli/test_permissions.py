"""Missing permissions of an operator, and concurrent changes by another one."""

import json
from pathlib import Path

import pytest

from tests.cli.accounts import Visitor, refusal
from tests.cli.command_lines import ASKING, CHANGING
from tests.cli.statuses import variant
from token_broker_cli.secrets import Stored

MINE = '{"username": "mine", "password": "b", "host": "h.vendorlink.nl"}'
THEIRS = '{"username": "theirs", "password": "b", "host": "h.vendorlink.nl"}'
CONNECT = ("connect", "vendorlink", "acme", "--no-check", "--file", "-")
SECRET = "token-broker/test/vendorlink/acme"


@pytest.mark.parametrize(
    ("words", "operation"),
    [
        (["connections"], "ListSecrets"),
        ([*CONNECT], "PutSecretValue"),
        (["connect", "vendorlink", "new", *CONNECT[3:]], "CreateSecret"),
    ],
)
def test_a_missing_permission_is_named(visitor: Visitor, words: list[str], operation: str) -> None:
    """And nothing is said to be done."""
    before = dict(visitor.account.secrets)
    visitor.account.denied.add(operation)
    said = refusal(visitor.says(*words, stdin=MINE))
    assert f"access_denied: AWS refused {operation}: no {operation} for you" in said
    assert visitor.account.secrets == before


@pytest.mark.parametrize("words", ASKING, ids=lambda words: words[0])
def test_an_api_that_refuses_is_reported(visitor: Visitor, words: list[str]) -> None:
    visitor.account.denied.add("api")
    said = refusal(visitor.says(*words, stdin="t0ken"))
    assert "access_denied: API Gateway refused" in said
    # What is about to be changed is told before it is asked for.
    assert ("(stage test, " in said) == (words[0] in CHANGING)


def test_secrets_with_similar_names_are_not_listed(visitor: Visitor) -> None:
    """Its name only begins, or ends, like that of one."""
    visitor.account.add("editor/acme")
    visitor.account.add("vendorlink/aa")
    listed = visitor.says("connections").stdout
    names = [line.partition("\t")[0] for line in listed.splitlines()]
    assert names == ["editor/acme", "vendorlink/aa", "vendorlink/acme"]
    strange = ("vntana/acme/old", "vntana/Acme", "vntana/", "vntana", "paypal/acme")
    names = [f"token-broker/test/{name}" for name in strange]
    names += ["token-broker/testing/vntana/acme", "my/token-broker/test/vntana/acme"]
    visitor.account.secrets |= dict.fromkeys(names, "{}")
    assert visitor.says("connections").stdout == listed


@pytest.mark.parametrize("name", ["acme", "new"])
def test_connect_stores_without_permission_to_read(visitor: Visitor, name: str) -> None:
    """Over what is there, or as something new."""
    visitor.account.denied.add("GetSecretValue")
    words = ("connect", "vendorlink", name, *CONNECT[3:])
    result = visitor.says(*words, "--kms-key", "alias/mine", stdin=MINE)
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("updated" if name == "acme" else "created")
    assert "not looked at" in result.stderr
    for body in visitor.account.bodies.get("CreateSecret", []):
        assert body["KmsKeyId"] == "alias/mine"
        assert body["Description"] == "Credentials that Token Broker logs in with"
    assert json.loads(visitor.account.secrets[f"token-broker/test/vendorlink/{name}"])


def test_a_secret_that_aws_fails_to_read_is_not_overwritten(visitor: Visitor) -> None:
    """Only a missing permission is no reason to stop."""
    visitor.account.told["GetSecretValue"] = (400, {"__type": "DecryptionFailure"})
    said = refusal(visitor.says(*CONNECT, stdin=MINE))
    assert "aws_failed: AWS answered GetSecretValue with DecryptionFailure\n" in said
    assert not visitor.account.asked["PutSecretValue"]


@pytest.mark.parametrize(
    ("mine", "theirs", "operation", "time"),
    [
        pytest.param("{}", THEIRS, "GetSecretValue", 2, id="changed"),
        pytest.param("{}", None, "GetSecretValue", 2, id="deleted"),
        pytest.param(None, THEIRS, "CreateSecret", 1, id="created"),
    ],
)
def test_connect_keeps_a_concurrent_change(
    visitor: Visitor, mine: str | None, theirs: str | None, operation: str, time: int
) -> None:
    """A person who types for minutes does not undo it unseen."""
    account = visitor.account
    account.secrets = {SECRET: mine} if mine else {}

    def meddle() -> None:
        if account.asked[operation] == time:
            account.secrets = {SECRET: theirs} if theirs else {}

    account.first[operation] = meddle
    assert "conflict: " in refusal(visitor.says(*CONNECT, stdin=MINE))
    assert account.secrets.get(SECRET) == theirs


@pytest.mark.parametrize(
    ("mine", "broker", "stored"),
    [
        pytest.param("{}", "[]", False, id="another version"),
        pytest.param("{}", None, False, id="here alone"),
        pytest.param(None, "{}", False, id="there alone"),
        pytest.param(None, None, True, id="new in both"),
    ],
)
def test_a_profile_of_another_account_than_the_address_is_refused(
    visitor: Visitor, mine: str | None, broker: str | None, stored: bool
) -> None:
    """Before anything is stored; what is new in both is told once it is there."""
    account = visitor.account
    account.secrets = {SECRET: mine} if mine else {}
    account.elsewhere = {SECRET: broker} if broker else {}
    told = refusal(visitor.says(*CONNECT, stdin=MINE), 2)
    host = account.url.removeprefix("http://")
    said = f"vendorlink/acme in this AWS account is not what the broker at {host} has"
    assert said in " ".join(told.split())
    assert "Name one account and region: see --profile, --region.\n" in told
    assert account.asked["PutSecretValue"] == 0
    assert account.asked["CreateSecret"] == stored
    assert ("delete it there" in told) == stored


@pytest.mark.parametrize("code", ["access_denied", "store_unavailable"])
def test_an_account_is_compared_only_where_the_broker_answers(visitor: Visitor, code: str) -> None:
    """Storing needs no right to ask it, and no broker that works."""
    visitor.account.elsewhere = {}
    visitor.account.answers["vendorlink/acme"] = {"code": code, "detail": "no", "status": 503}
    visitor.account.denied |= {"api"} if code == "access_denied" else set()
    assert visitor.says(*CONNECT, stdin=MINE).stdout.startswith("updated")


@pytest.mark.parametrize("code", ["access_denied", "store_unavailable"])
def test_a_login_that_may_be_latched_is_not_tried(visitor: Visitor, code: str) -> None:
    """The broker does not say it. What is stored already needs no trial."""
    visitor.account.add("vendorlink/acme", secret=MINE)
    visitor.account.answers["vendorlink/acme"] = {"code": code, "detail": "no", "status": 503}
    visitor.account.denied |= {"api"} if code == "access_denied" else set()
    result = visitor.says(*CONNECT[:3], "--file", "-", stdin=MINE)
    assert result.stdout.startswith("unchanged: "), result.output
    other = json.dumps(json.loads(MINE) | {"allowed_hosts": [".vendorlink.nl", "h.example"]})
    result = visitor.says(*CONNECT[:3], "--file", "-", stdin=other)
    assert (result.exit_code, result.stdout) == (1, "")
    assert f"{code}: " in result.stderr
    assert "only the broker knows whether the vendor rejected this login" in result.stderr
    assert visitor.says(*CONNECT, stdin=other).stdout.startswith("updated")


def test_an_invalid_address_is_wrong_usage_though_the_same_is_stored(visitor: Visitor) -> None:
    """Whether the login was rejected cannot be asked there, so it is not `unchanged`."""
    visitor.account.add("vendorlink/acme", secret=MINE)
    broker = ["--stage", "test", "--url", "http://broker.example.com"]
    result = visitor.types(*CONNECT[:3], "--file", "-", *broker, stdin=MINE)
    assert (result.exit_code, result.stdout) == (2, ""), result.output
    assert "→ See --url.\n" in result.stderr


def test_a_login_that_is_latched_for_one_token_is_not_tried(visitor: Visitor) -> None:
    """Whichever of its tokens says so, and though it was typed."""
    visitor.account.add("vendorlink/acme", variant(), variant(latched=True), secret=MINE)
    code, seen = visitor.watches(*CONNECT[:3], answers=["mine", "b", ""])
    assert (code, "credential_latched" in seen) == (1, True)
    assert "Give others. Was it the vendor's mistake? Then `token-broker forget" in seen


@pytest.mark.parametrize(
    ("kept", "said"), [("[1]", "It is new; "), ('{"host": "x.nl"}', "Changing it; ")]
)
def test_the_values_of_a_stored_object_are_proposed(visitor: Visitor, kept: str, said: str) -> None:
    """What is no object is replaced."""
    visitor.account.add("vendorlink/acme", secret=kept)
    code, seen = visitor.watches(*CONNECT[:4], answers=["mine", "b", ""])
    assert (code, said in seen, "Host [x.nl]: " in seen) == (0, True, "x.nl" in kept), seen


def test_an_unchanged_document_is_not_stored(visitor: Visitor) -> None:
    for done, note in (
        ("updated", "not tried at the vendor: `token-broker token vendorlink acme` does that\n"),
        ("unchanged", "neither tried nor stored: that is what the connection has\n"),
    ):
        result = visitor.says(*CONNECT, stdin=MINE)
        assert result.stdout.startswith(f"{done}: vendorlink/acme (stage test, ")
        assert result.stderr.splitlines(keepends=True)[1:] == [note]
    told = Visitor.document(visitor.says(*CONNECT, "--json", stdin=MINE).stdout)
    assert (told["done"], told["tried"]) == ("unchanged", False)
    assert visitor.account.asked["PutSecretValue"] == 1


DEEP = "[" * 60_000


@pytest.mark.parametrize(
    "kept", [{"SecretString": DEEP}, {"SecretString": "no JSON"}, {"SecretBinary": "AAAA"}]
)
def test_a_secret_that_cannot_be_read_is_replaced(visitor: Visitor, kept: dict[str, str]) -> None:
    """`connect` is the way to correct it."""
    visitor.account.told["GetSecretValue"] = (200, {**kept, "VersionId": "{}-version"})
    result = visitor.says(*CONNECT, stdin=MINE)
    assert (result.exit_code, result.stdout[:8]) == (0, "updated:"), result.output
    assert "What is stored now is not looked at: the secret is no JSON\n" in result.stderr
    assert "s3cret" not in repr(Stored("s3cret", "1"))


WRONG_FILE = {
    b'{\n "a" 1}': "usage: --file: no JSON at line 2, column 6\n",
    DEEP.encode(): "usage: --file: no JSON in UTF-8\n",
    b'"\xff"': "usage: --file: no JSON in UTF-8\n",
    b"{}".ljust(65_537): "usage: --file: more than 65536 bytes\n",
    b"{}".ljust(65_536): "username: is missing",
    b"[]": "secret: must be a JSON object",
    b'{"password": "s3cret"}': "username: is missing",
    b'{"username": ["s3cret"]}': "username: must be a string that is not blank",
    b'{"username": "a", "password": "s3cret", "host": "h", "pasword": ""}': "pasword: is not known",
}


@pytest.mark.parametrize("content", WRONG_FILE, ids=lambda content: content[:40].decode("latin1"))
def test_an_invalid_document_is_reported_by_its_wrong_key(
    visitor: Visitor, tmp_path: Path, content: bytes
) -> None:
    """Never by its value; nothing is stored."""
    said = WRONG_FILE[content]
    is_usage = said.startswith("usage")
    if not is_usage:
        said = f"not_configured: {said}\n→ Correct that key; nothing was stored.\n"
    file = tmp_path / "secret.json"
    file.write_bytes(content)
    for place in ("-", str(file)):
        told = refusal(
            visitor.says(*CONNECT[:3], "--file", place, stdin=content), 2 if is_usage else 1
        )
        assert told.partition(")\n")[2] == said
    assert not visitor.account.asked["PutSecretValue"]


def test_a_token_that_is_no_text_is_wrong_usage(visitor: Visitor) -> None:
    result = visitor.says("verify", "acme", "--file", "-", stdin=b"\xff")
    assert (result.exit_code, result.stderr) == (2, "usage: --file: no text in UTF-8\n")


def test_the_list_of_secrets_is_asked_for_the_stages_own(visitor: Visitor) -> None:
    visitor.says("connections")
    (body,) = visitor.account.bodies["ListSecrets"]
    assert body["Filters"] == [{"Key": "name", "Values": ["token-broker/test/"]}]


def test_accounts_are_not_compared_where_the_stack_names_the_address(visitor: Visitor) -> None:
    """Its address is of the account that it is in."""
    visitor.account.stack = ("test", visitor.account.url)
    visitor.account.elsewhere = {}
    result = visitor.types(*CONNECT, "--stage", "test", stdin=MINE)
    host = visitor.account.url.removeprefix("http://")
    assert result.stdout == f"updated: vendorlink/acme (stage test, {host})\n", result.output
    assert not [one for one in visitor.account.asked if one.startswith("GET ")]
