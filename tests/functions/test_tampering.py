"""An attacker who can write to the table, corrupt items, and errors of AWS on a hit."""

import json
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import pytest

from tests.functions.test_tokens import assert_problem
from tests.functions.world import World, client
from tests.subjects import FLOWS
from token_broker.tokens import Variant
from token_broker_local.addresses import KEY_ALIAS, TABLE

Change: TypeAlias = Callable[[dict[str, Any]], dict[str, Any]]


def put(item: Mapping[str, Any]) -> None:
    """Overwrite an item as an attacker could."""
    client("dynamodb").put_item(TableName=TABLE, Item=item)


def place_of(item: Mapping[str, Any]) -> dict[str, str]:
    """Return the encryption context of the token in *item*."""
    names = {name: item[name]["S"] for name in ("connection", "variant")}
    return names | {"table": TABLE, "generation": item["generation"]["N"]}


def read_again(world: World, connection: str, flow: str = "vendorlink") -> dict[str, Any]:
    """Have the table read by a process that remembers nothing."""
    world.service(flow).deps.cache.clear()
    return world.call(flow, connection)


def assert_told(capsys: pytest.CaptureFixture[str], *attributes: str, secret: str = "") -> None:
    """Assert that the corruption was logged and counted once, without the corrupt value."""
    output = capsys.readouterr().out
    lines = [json.loads(line) for line in output.splitlines()]
    (line,) = [one for one in lines if one.get("event") == "damaged"]
    assert set(line["attributes"]) == set(attributes)
    assert line["Damaged"] == [1.0]
    assert line["_aws"]["CloudWatchMetrics"][0]["Metrics"] == [{"Name": "Damaged", "Unit": "Count"}]
    assert not secret or secret not in output


def sealed_again(item: Mapping[str, Any], **changes: str) -> dict[str, Any]:
    """Return *item* with its token sealed again, for another encryption context."""
    kms = client("kms")
    context = place_of(item)
    clear = kms.decrypt(CiphertextBlob=item["token"]["B"], EncryptionContext=context)["Plaintext"]
    encrypted = kms.encrypt(KeyId=KEY_ALIAS, Plaintext=clear, EncryptionContext=context | changes)
    return {**item, "token": {"B": encrypted["CiphertextBlob"]}}


def with_(name: str, **value: Any) -> Change:
    return lambda item: item | {name: value}


def one_bit_other(item: dict[str, Any]) -> dict[str, Any]:
    blob = item["token"]["B"]
    return item | {"token": {"B": blob[:-1] + bytes([blob[-1] ^ 1])}}


def lives_longer(item: dict[str, Any]) -> dict[str, Any]:
    return item | {"expires_at": {"N": str(int(item["expires_at"]["N"]) + 60)}}


CHANGES: Mapping[str, tuple[Change, str]] = {
    "sealed for another connection": (
        lambda item: sealed_again(item, connection="editor#x"),
        "token",
    ),
    "one bit other": (one_bit_other, "token"),
    "a longer ciphertext": (with_("token", B=b"x" * 6145), "token"),
    "a later end": (lives_longer, "token"),
    "another context": (with_("context", S='{"role":"admin"}'), "token"),
    "another generation": (with_("generation", N="7"), "token"),
    "no kind": (lambda item: {n: value for n, value in item.items() if n != "kind"}, "kind"),
    "failure of a wrong type": (with_("failure", M={"code": {"N": "1"}}), "failure"),
    "another schema": (with_("schema", N="99"), "schema"),
}
"""What is changed in an item, and the attribute that the log names."""


@pytest.mark.parametrize("what", CHANGES)
def test_a_changed_item_is_replaced_by_one_exchange(
    world: World, capsys: pytest.CaptureFixture[str], what: str
) -> None:
    """It is not handed out, and logged once. tests/unit/test_item_codec.py has each attribute."""
    change, attribute = CHANGES[what]
    connection = world.connect("vendorlink")
    old = world.call("vendorlink", connection)["headers"]["Authorization"]
    put(change(world.item("vendorlink", connection)))
    steps = len(world.steps("vendorlink"))
    assert world.call("vendorlink", connection, action="status")["flow"] == "vendorlink"
    answer = read_again(world, connection)
    assert answer["source"] == "exchange"
    assert answer["headers"]["Authorization"] != old
    assert len(world.steps("vendorlink")) == steps + 1
    assert_told(capsys, attribute, secret=old.removeprefix("Bearer "))
    assert read_again(world, connection)["source"] == "table"


def test_a_token_sealed_for_its_own_context_is_handed_out(world: World) -> None:
    """Control of the test above: the context alone makes the difference."""
    connection = world.connect_and_call("vendorlink")
    put(sealed_again(world.item("vendorlink", connection)))
    assert read_again(world, connection)["source"] == "table"


def test_a_restored_older_generation_is_never_handed_out(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its ciphertext does not open as the newer one."""
    connection = world.connect_and_call("vendorlink")
    old = world.item("vendorlink", connection)
    world.advance(11)
    world.call("vendorlink", connection, force=True)
    put(world.item("vendorlink", connection) | {"token": old["token"]})
    answer = read_again(world, connection)
    assert (answer["source"], answer["generation"]) == ("exchange", 3)
    assert_told(capsys, "token")


@pytest.mark.parametrize("name", ["token", "target", "kind", "expires_at"])
def test_a_corrupt_alias_is_resolved_again(
    world: World, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    """Without one of its attributes, the same token is found."""
    connection = world.connect("editor")
    key = Variant("parameters", {"parameters": {}}).key
    first = world.call("editor", connection)
    pointer = world.item("editor", connection, key)
    assert "target" in pointer
    put({k: v for k, v in pointer.items() if k != name})
    answer = read_again(world, connection, "editor")
    assert answer["fingerprint"] == first["fingerprint"]
    assert len(world.steps("editor")) == 1
    if name != "target":
        assert_told(capsys, name)
    assert world.item("editor", connection, key).keys() == pointer.keys()


@pytest.mark.parametrize(
    ("operation", "error", "code"),
    [
        ("BatchGetItem", "InternalServerError", "store_unavailable"),
        ("BatchGetItem", "AccessDeniedException", "not_configured"),
        ("Decrypt", "ThrottlingException", "store_unavailable"),
        ("Decrypt", "DisabledException", "not_configured"),
    ],
)
def test_an_error_of_aws_on_a_hit_is_reported_and_sends_no_login(
    world: World, operation: str, error: str, code: str
) -> None:
    """The stored token is handed out again after the error."""
    connection = world.connect_and_call("editor")
    world.service("editor").deps.cache.clear()
    steps = len(world.steps("editor"))
    world.aws.broken[operation] = ("400 Bad", error)
    if operation == "BatchGetItem":  # which needs a pointer in memory, and a token that is not
        world.aws.broken["GetItem"] = ("400 Bad", error)
    assert_problem(
        world.http("editor", connection), code, 503 if code == "store_unavailable" else 500
    )
    world.aws.broken.clear()
    assert len(world.steps("editor")) == steps
    assert world.call("editor", connection)["source"] == "table"


@pytest.mark.parametrize("flow", FLOWS)
def test_after_its_secret_is_deleted_a_connection_makes_no_exchange(
    world: World, flow: str
) -> None:
    """The stored token is handed out until it expires."""
    connection = world.connect_and_call(flow)
    client("secretsmanager").delete_secret(SecretId=f"token-broker/local/{flow}/{connection}")
    steps = len(world.steps(flow))
    assert world.http(flow, connection)["statusCode"] == 200
    world.advance(100_000)
    assert_problem(world.http(flow, connection), "unknown_connection", 404)
    assert len(world.steps(flow)) == steps
