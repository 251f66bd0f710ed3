"""What a writer of the table cannot make of it, and what AWS cannot break on a hit."""

from collections.abc import Callable, Mapping
from typing import Any

import boto3
import pytest

from tests.functions.test_tokens import assert_problem
from tests.functions.world import World
from token_broker_local.places import KEY_ALIAS, TABLE


def put(item: Mapping[str, Any]) -> None:
    """Write an item as nobody but a thief does."""
    boto3.client("dynamodb").put_item(TableName=TABLE, Item=item)


def place_of(item: Mapping[str, Any]) -> dict[str, str]:
    """Return the encryption context of what lies in *item*."""
    place = {name: item[name]["S"] for name in ("connection", "variant")}
    return place | {"table": TABLE, "generation": item["generation"]["N"]}


def sealed_again(item: Mapping[str, Any], **changes: str) -> dict[str, Any]:
    """Return *item* with its token sealed anew, for a place that is not quite its own."""
    kms = boto3.client("kms")
    place = place_of(item)
    clear = kms.decrypt(CiphertextBlob=item["token"]["B"], EncryptionContext=place)["Plaintext"]
    encrypted = kms.encrypt(KeyId=KEY_ALIAS, Plaintext=clear, EncryptionContext=place | changes)
    return {**item, "token": {"B": encrypted["CiphertextBlob"]}}


@pytest.mark.parametrize(
    "changes",
    [{"table": "another"}, {"generation": "2"}, {"variant": "0" * 64}, {"connection": "editor#x"}],
    ids=lambda changes: next(iter(changes)),
)
def test_a_seal_of_another_place_is_never_served(world: World, changes: dict[str, str]) -> None:
    """The very token, sealed by our key for another table, generation, variant or connection."""
    connection = world.connect("vendorlink")
    world.call("vendorlink", connection)
    item = world.item("vendorlink", connection)
    put(sealed_again(item, **changes))
    world.service("vendorlink").tools.memory.clear()
    answer = world.call("vendorlink", connection)
    assert (answer["source"], answer["generation"]) == ("exchange", 2)


def test_the_same_seal_at_its_own_place_is_served(world: World) -> None:
    """So that the test above fails for nothing but the place."""
    connection = world.connect("vendorlink")
    world.call("vendorlink", connection)
    item = world.item("vendorlink", connection)
    put(sealed_again(item))
    world.service("vendorlink").tools.memory.clear()
    assert world.call("vendorlink", connection)["source"] == "table"


def test_an_older_generation_put_back_is_never_served(world: World) -> None:
    """Its ciphertext does not open as the newer one."""
    connection = world.connect("vendorlink")
    world.call("vendorlink", connection)
    old = world.item("vendorlink", connection)
    world.advance(11)
    world.call("vendorlink", connection, force=True)
    put(world.item("vendorlink", connection) | {"token": old["token"]})
    world.service("vendorlink").tools.memory.clear()
    answer = world.call("vendorlink", connection)
    assert (answer["source"], answer["generation"]) == ("exchange", 3)


@pytest.mark.parametrize("name", ["expires_at", "context"])
def test_what_is_said_in_clear_has_to_be_what_was_sealed(world: World, name: str) -> None:
    """A token cannot be made to live longer, or to stand for somebody else."""
    connection = world.connect("vendorlink")
    world.call("vendorlink", connection)
    item = world.item("vendorlink", connection)
    later = {"N": str(int(item["expires_at"]["N"]) + 60)}
    put(item | {name: later if name == "expires_at" else {"S": '{"role":"admin"}'}})
    world.service("vendorlink").tools.memory.clear()
    assert world.call("vendorlink", connection)["source"] == "exchange"


@pytest.mark.parametrize(
    "spoil",
    [
        lambda blob: blob[:-1],
        lambda blob: blob[:-1] + bytes([blob[-1] ^ 1]),
        lambda blob: blob + b"\0",
        lambda blob: blob * 60,
        lambda _: b"\0",
    ],
)
def test_a_changed_ciphertext_is_never_served(
    world: World, spoil: Callable[[bytes], bytes]
) -> None:
    """Shorter, longer, another bit: one exchange follows, and then all is well."""
    connection = world.connect("vendorlink")
    world.call("vendorlink", connection)
    item = world.item("vendorlink", connection)
    put(item | {"token": {"B": spoil(item["token"]["B"])}})
    world.service("vendorlink").tools.memory.clear()
    assert world.call("vendorlink", connection)["source"] == "exchange"
    world.service("vendorlink").tools.memory.clear()
    assert world.call("vendorlink", connection)["source"] == "table"


@pytest.mark.parametrize(
    "name", ["schema", "token", "generation", "expires_at", "context", "fence", "issued_at"]
)
def test_a_missing_attribute_is_mended_by_one_exchange(world: World, name: str) -> None:
    """An item without it is as good as none."""
    connection = world.connect("vendorlink")
    world.call("vendorlink", connection)
    put({k: v for k, v in world.item("vendorlink", connection).items() if k != name})
    world.service("vendorlink").tools.memory.clear()
    assert world.call("vendorlink", connection)["source"] in {"exchange", "table"}
    world.service("vendorlink").tools.memory.clear()
    assert world.call("vendorlink", connection)["source"] == "table"


@pytest.mark.parametrize(
    ("operation", "error", "code"),
    [
        ("BatchGetItem", "InternalServerError", "store_unavailable"),
        ("BatchGetItem", "ProvisionedThroughputExceededException", "store_unavailable"),
        ("BatchGetItem", "AccessDeniedException", "not_configured"),
        ("BatchGetItem", "ResourceNotFoundException", "not_configured"),
        ("Decrypt", "KMSInternalException", "store_unavailable"),
        ("Decrypt", "ThrottlingException", "store_unavailable"),
        ("Decrypt", "DisabledException", "not_configured"),
        ("Decrypt", "KMSInvalidStateException", "not_configured"),
    ],
)
def test_a_fault_on_a_hit_has_a_name(world: World, operation: str, error: str, code: str) -> None:
    """What is kept cannot be read: that costs no login, and passes with the fault."""
    connection = world.connect("editor")
    world.call("editor", connection)
    world.service("editor").tools.memory.clear()
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


@pytest.mark.parametrize(
    ("error", "told"),
    [
        ("InternalServerError", "memory"),
        ("AccessDeniedException", "not_configured"),
        ("InvalidSignatureException", "not_configured"),
    ],
)
def test_two_items_that_cannot_be_read_at_once_have_a_name(
    world: World, error: str, told: str
) -> None:
    """BatchGetItem alone fails: what is remembered is handed out, but for a wrong setting."""
    connection = world.connect("editor")
    world.call("editor", connection)
    world.advance(61)
    world.aws.broken["BatchGetItem"] = ("400 Bad", error)
    body = world.http("editor", connection)["body"]
    assert body.get("code", body.get("source")) == told
    assert len(world.steps("editor")) == 1


@pytest.mark.parametrize("flow", ["vntana", "vendorlink", "editor"])
def test_a_deleted_secret_ends_the_connection_at_the_next_exchange(world: World, flow: str) -> None:
    """What is kept is handed out to its end; nothing new is made."""
    connection = world.connect(flow)
    world.call(flow, connection)
    boto3.client("secretsmanager").delete_secret(SecretId=f"token-broker/local/{flow}/{connection}")
    steps = len(world.steps(flow))
    assert world.http(flow, connection)["statusCode"] == 200
    world.advance(100_000)
    assert_problem(world.http(flow, connection), "unknown_connection", 404)
    assert len(world.steps(flow)) == steps
