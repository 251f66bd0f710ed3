"""An attacker who can write to the table, corrupt items, and errors of AWS on a hit."""

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from tests.functions.test_tokens import assert_problem
from tests.functions.world import World, client
from tests.subjects import FLOWS
from token_broker.tokens import Variant
from token_broker_local.addresses import KEY_ALIAS, TABLE


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


@pytest.mark.parametrize(
    "changes",
    [{"table": "another"}, {"generation": "2"}, {"variant": "0" * 64}, {"connection": "editor#x"}],
    ids=lambda changes: next(iter(changes)),
)
def test_a_token_sealed_for_another_context_is_never_handed_out(
    world: World, capsys: pytest.CaptureFixture[str], changes: dict[str, str]
) -> None:
    """The same token and key, but another table, generation, variant or connection."""
    connection = world.connect_and_call("vendorlink")
    item = world.item("vendorlink", connection)
    put(sealed_again(item, **changes))
    answer = read_again(world, connection)
    assert (answer["source"], answer["generation"]) == ("exchange", 2)
    assert_told(capsys, "token")


def test_a_token_sealed_for_its_own_context_is_handed_out(world: World) -> None:
    """Control of the test above: the context alone makes the difference."""
    connection = world.connect_and_call("vendorlink")
    item = world.item("vendorlink", connection)
    put(sealed_again(item))
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


@pytest.mark.parametrize("name", ["expires_at", "context"])
def test_a_clear_attribute_that_differs_from_the_sealed_one_is_refused(
    world: World, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    """Neither expiry nor context of a token can be changed."""
    connection = world.connect_and_call("vendorlink")
    item = world.item("vendorlink", connection)
    later = {"N": str(int(item["expires_at"]["N"]) + 60)}
    put(item | {name: later if name == "expires_at" else {"S": '{"role":"admin"}'}})
    assert read_again(world, connection)["source"] == "exchange"
    assert_told(capsys, "token")


@pytest.mark.parametrize(
    "spoil",
    [
        lambda blob: blob[:-1] + bytes([blob[-1] ^ 1]),
        lambda blob: blob * 60,
        lambda _: b"\0",
    ],
)
def test_a_changed_ciphertext_is_never_handed_out(
    world: World, capsys: pytest.CaptureFixture[str], spoil: Callable[[bytes], bytes]
) -> None:
    """Shorter, longer or with one bit changed: one exchange replaces it."""
    connection = world.connect_and_call("vendorlink")
    item = world.item("vendorlink", connection)
    put(item | {"token": {"B": spoil(item["token"]["B"])}})
    assert read_again(world, connection)["source"] == "exchange"
    assert_told(capsys, "token")
    assert read_again(world, connection)["source"] == "table"


@pytest.mark.parametrize("name", ["schema", "token", "generation", "fence", "kind"])
def test_a_missing_attribute_is_restored_by_one_exchange(
    world: World, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    """tests/unit/test_item_codec.py removes each attribute."""
    connection = world.connect("vendorlink")
    token = world.call("vendorlink", connection)["headers"]["Authorization"]
    put({k: v for k, v in world.item("vendorlink", connection).items() if k != name})
    steps = len(world.steps("vendorlink"))
    assert read_again(world, connection)["source"] == "exchange"
    assert len(world.steps("vendorlink")) == steps + 1
    assert_told(capsys, name, secret=token.removeprefix("Bearer "))
    assert read_again(world, connection)["source"] == "table"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("generation", {"S": "one"}),
        ("failure", {"M": {"code": {"N": "1"}}}),
        ("schema", {"N": "99"}),
    ],
)
def test_an_attribute_of_a_wrong_type_is_replaced_by_one_exchange(
    world: World, capsys: pytest.CaptureFixture[str], name: str, value: dict[str, Any]
) -> None:
    """Not handed out, logged, and replaced by one exchange.

    Which other types are wrong, tests/unit/test_item_codec.py says.
    """
    connection = world.connect_and_call("vendorlink")
    put(world.item("vendorlink", connection) | {name: value})
    steps = len(world.steps("vendorlink"))
    assert world.call("vendorlink", connection, action="status")["flow"] == "vendorlink"
    assert read_again(world, connection)["source"] == "exchange"
    assert len(world.steps("vendorlink")) == steps + 1
    assert_told(capsys, name)
    assert read_again(world, connection)["source"] == "table"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("token", {"B": b"nonsense"}),
        ("expires_at", {"N": "99999999999"}),
        ("generation", {"N": "7"}),
        ("context", {"S": "{"}),
    ],
)
def test_a_token_that_does_not_open_is_replaced_by_one_exchange(
    world: World, capsys: pytest.CaptureFixture[str], name: str, value: dict[str, Any]
) -> None:
    """A wrong value of the right type is detected when the token is opened."""
    connection = world.connect_and_call("vendorlink")
    put(world.item("vendorlink", connection) | {name: value})
    assert read_again(world, connection)["source"] == "exchange"
    assert_told(capsys, "token")
    assert read_again(world, connection)["source"] == "table"


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
