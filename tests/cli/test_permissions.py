"""Missing permissions of an operator, and concurrent changes by another one."""

import json
from pathlib import Path

import pytest

from tests.cli.accounts import Visitor
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
    result = visitor.says(*words, stdin=MINE)
    assert (result.exit_code, result.stdout) == (1, "")
    said = f"access_denied: AWS refused {operation}: no {operation} for you"
    assert said in result.stderr
    assert visitor.account.secrets == before


@pytest.mark.parametrize("words", ASKING, ids=lambda words: words[0])
def test_an_api_that_refuses_is_reported(visitor: Visitor, words: list[str]) -> None:
    visitor.account.denied.add("api")
    result = visitor.says(*words, stdin="t0ken")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "access_denied: API Gateway refused" in result.stderr
    # What is about to be changed is told before it is asked for.
    assert ("(stage test, " in result.stderr) == (words[0] in CHANGING)


def test_connections_are_listed_if_some_calls_fail(visitor: Visitor) -> None:
    """Each has its advice, which names the connection."""
    problem = {"code": "not_configured", "detail": "host: is missing", "status": 500}
    visitor.account.answers["vendorlink/acme"] = problem
    assert "connect vendorlink acme" in visitor.says("connections", "--json").stdout
    visitor.account.denied.add("api")
    result = visitor.says("connections")
    assert (result.exit_code, result.stdout.split("\t")[2]) == (1, "not known")
    told = json.loads(visitor.says("connections", "--json").stdout)["connections"]
    assert told[0]["error"]["code"] == "access_denied"


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
    keys = {f"token-broker/test/vendorlink/{name}": "alias/mine"} if name == "new" else {}
    assert visitor.account.keys == keys
    assert "not looked at" in result.stderr
    assert json.loads(visitor.account.secrets[f"token-broker/test/vendorlink/{name}"])


def test_a_secret_that_aws_fails_to_read_is_not_overwritten(visitor: Visitor) -> None:
    """Only a missing permission is no reason to stop."""
    visitor.account.told["GetSecretValue"] = (400, {"__type": "DecryptionFailure"})
    result = visitor.says(*CONNECT, stdin=MINE)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "aws_failed: AWS answered GetSecretValue with DecryptionFailure\n" in result.stderr
    assert not visitor.account.asked["PutSecretValue"]


@pytest.mark.parametrize("theirs", [THEIRS, None], ids=["changed", "deleted"])
def test_connect_keeps_a_concurrent_change(visitor: Visitor, theirs: str | None) -> None:
    """A person who types for minutes does not undo it unseen."""
    secrets = visitor.account.secrets

    def meddle() -> None:
        if visitor.account.asked["GetSecretValue"] == 2:
            secrets.pop(SECRET)
            secrets.update({SECRET: theirs} if theirs else {})

    visitor.account.first["GetSecretValue"] = meddle
    result = visitor.says(*CONNECT, stdin=MINE)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "conflict: " in result.stderr
    assert secrets.get(SECRET) == theirs


def test_connect_keeps_a_concurrently_created_secret(visitor: Visitor) -> None:
    secrets = visitor.account.secrets
    del secrets[SECRET]
    visitor.account.first["CreateSecret"] = lambda: secrets.update({SECRET: THEIRS})
    result = visitor.says(*CONNECT, stdin=MINE)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "conflict: " in result.stderr
    assert secrets[SECRET] == THEIRS


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
    result = visitor.says(*CONNECT, stdin=MINE)
    assert (result.exit_code, result.stdout) == (2, ""), result.output
    host = account.url.removeprefix("http://")
    said = f"vendorlink/acme in this AWS account is not what the broker at {host} has"
    assert said in " ".join(result.stderr.split())
    assert "Name one account and region: see --profile, --region.\n" in result.stderr
    assert account.asked["PutSecretValue"] == 0
    assert account.asked["CreateSecret"] == stored
    assert ("delete it there" in result.stderr) == stored


@pytest.mark.parametrize("code", ["access_denied", "store_unavailable"])
def test_an_account_is_compared_only_where_the_broker_answers(visitor: Visitor, code: str) -> None:
    """Storing needs no right to ask it, and no broker that works."""
    visitor.account.elsewhere = {}
    visitor.account.answers["vendorlink/acme"] = {"code": code, "detail": "no", "status": 503}
    visitor.account.denied |= {"api"} if code == "access_denied" else set()
    assert visitor.says(*CONNECT, stdin=MINE).stdout.startswith("updated")


def test_a_login_that_is_latched_for_one_token_is_not_tried(visitor: Visitor) -> None:
    """Whichever of its tokens says so, and though it was typed."""
    visitor.account.add("vendorlink/acme", variant(), variant(latched=True), secret=MINE)
    code, seen = visitor.watches(*CONNECT[:3], answers=["mine", "b", ""])
    assert (code, "credential_latched" in seen) == (1, True)
    assert "Give others. Was it the vendor's mistake? Then `token-broker forget" in seen


def test_an_unchanged_document_is_not_stored(visitor: Visitor) -> None:
    for done, note in (
        ("updated", "not tried at the vendor: `token-broker token vendorlink acme` does that\n"),
        ("unchanged", "neither tried nor stored: that is what the connection has\n"),
    ):
        result = visitor.says(*CONNECT, stdin=MINE)
        assert result.stdout.startswith(f"{done}: vendorlink/acme (stage test, ")
        assert result.stderr.splitlines(keepends=True)[1:] == [note]
    assert visitor.account.asked["PutSecretValue"] == 1


DEEP = "[" * 60_000


@pytest.mark.parametrize(
    ("kept", "why"),
    [
        ({"SecretString": DEEP}, "the secret is no JSON"),
        ({"SecretBinary": "AAAA"}, "the secret is no JSON"),
    ],
    ids=["deep", "binary"],
)
def test_a_secret_that_cannot_be_read_is_replaced(
    visitor: Visitor, kept: dict[str, str], why: str
) -> None:
    visitor.account.told["GetSecretValue"] = (200, {**kept, "VersionId": "{}-version"})
    result = visitor.says(*CONNECT, stdin=MINE)
    assert (result.exit_code, result.stdout[:8]) == (0, "updated:"), result.output
    assert f"What is stored now is not looked at: {why}\n" in result.stderr
    assert "s3cret" not in repr(Stored("s3cret", "1"))


@pytest.mark.parametrize(
    ("words", "content", "said"),
    [
        (CONNECT[:3], DEEP.encode(), "usage: --file: no JSON in UTF-8\n"),
        (CONNECT[:3], b'"\xff"', "usage: --file: no JSON in UTF-8\n"),
        (CONNECT[:3], b'{\n "a" 1}', "usage: --file: no JSON at line 2, column 6\n"),
        (("verify", "acme"), b"\xff", "usage: --file: no text in UTF-8\n"),
    ],
    ids=["deep", "no text", "no JSON", "no token"],
)
def test_a_file_that_cannot_be_read_is_wrong_usage(
    visitor: Visitor, tmp_path: Path, words: tuple[str, ...], content: bytes, said: str
) -> None:
    file = tmp_path / "file"
    file.write_bytes(content)
    result = visitor.says(*words, "--file", str(file))
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.rpartition(")\n")[2] == said


def test_a_new_secret_has_a_description(visitor: Visitor) -> None:
    """And the list of secrets is asked for the stage's own."""
    visitor.says("connect", "vendorlink", "new", *CONNECT[3:], stdin=MINE)
    (body,) = visitor.account.bodies["CreateSecret"]
    assert body["Description"] == "Credentials that Token Broker logs in with"
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


def test_a_proposed_value_is_stored(visitor: Visitor) -> None:
    """Who takes the proposal has it in the secret, where the broker wants it.

    What is no document, or no text, is not proposed.
    """
    words = ("connect", "vendorlink", "acme", "--no-check")
    kept: object
    for kept, answer, host in (
        ({}, "", "app.vendorlink.nl"),
        ([1], "", "app.vendorlink.nl"),
        ({"host": 5}, "", "app.vendorlink.nl"),
        ({"host": "other.vendorlink.nl"}, "", "other.vendorlink.nl"),
        ({"host": "other.vendorlink.nl"}, " app.vendorlink.nl ", "app.vendorlink.nl"),
    ):
        visitor.account.secrets[SECRET] = json.dumps(kept)
        code, seen = visitor.watches(*words, answers=["demo", "password", answer])
        assert code == 0, seen
        assert ("Changing it; " in seen) == (isinstance(kept, dict) and bool(kept))
        assert json.loads(visitor.account.secrets[SECRET])["host"] == host


def test_an_implied_default_is_not_stored(visitor: Visitor) -> None:
    """Not even where something else was stored before."""
    given = {"parameters": {"userId": "7", "n": 0}}
    kept = given | {"token_url": "https://old.example", "editor_url": "https://e.example"}
    visitor.account.add("editor/acme", secret=json.dumps(kept | {"pinned": "userId"}))
    answers = ["key", "", "https://tokens.kudo.graebert.com", ""]
    code, seen = visitor.watches("connect", "editor", "acme", "--no-check", answers=answers)
    assert code == 0, seen
    stored = json.loads(visitor.account.secrets["token-broker/test/editor/acme"])
    assert stored == given | {"api_key": "key", "editor_url": "https://e.example"}
    assert "choose it (of userId, n; empty: none): " in seen


def test_another_kind_of_login_replaces_the_stored_one(visitor: Visitor) -> None:
    """What is not asked for stays; a dash ends what was pinned."""
    kept = {"email": "a@b.c", "password": "old", "organization": "acme", "options": {"lifetime": 9}}
    document = json.dumps(kept | {"pinned": ["organization"]})
    visitor.account.add("vntana/acme", secret=document)
    answers = ["key", "", "", "", "-"]
    code, seen = visitor.watches("connect", "vntana", "acme", "--no-check", answers=answers)
    assert code == 0, seen
    assert "Organization, uuid or slug [acme]: " in seen
    assert "Workspace, uuid or slug (empty: none): " in seen
    assert "(of organization) [organization]: " in seen
    stored = json.loads(visitor.account.secrets["token-broker/test/vntana/acme"])
    assert stored == {
        "personal_access_token": "key",
        "organization": "acme",
        "options": {"lifetime": 9},
    }
