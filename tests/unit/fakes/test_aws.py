"""AWS in memory responds as moto does."""

import uuid
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.conftest import keepers, provide
from token_broker_fakes.aws import PAGE, Key, Secrets, Table
from token_broker_local.addresses import KEY_ALIAS, TABLE

NAMES = {"#a": "a", "#b": "b", "#n": "n", "#t": "t"}
VALUES = {":one": {"N": "1"}, ":two": {"N": "2.0"}, ":x": {"S": "x"}, ":y": {"S": "y"}}
RECORD = {"a": {"S": "x"}, "n": {"N": "2"}}

CONDITIONS = [
    *("#a = :x", "#a = :y", "#b = :y", "#n = :two", "#n = :one", "#n = :x"),
    *("attribute_not_exists(#a)", "attribute_not_exists(#b)"),
    *("attribute_not_exists(#b) AND #a = :x", "#a = :x AND #n = :one"),
]
UPDATES = ["SET #b = :y", "SET #a = :y, #b = :x REMOVE #n", "REMOVE #a, #b"]


@pytest.fixture
def tables(aws: Any) -> list[Any]:
    """Return moto's table, and ours."""
    provide(aws[1])
    return [keepers(aws[1])[0], Table()]


def used(text: str, all_of_them: dict[str, Any]) -> dict[str, Any]:
    words = text.replace("(", " ").replace(")", " ").replace(",", " ").split()
    return {name: value for name, value in all_of_them.items() if name in words}


def attributes(text: str) -> dict[str, Any]:
    """Return the arguments with the names and values in *text*."""
    more = {"ExpressionAttributeNames": used(text, NAMES)}
    if values := used(text, VALUES):
        more["ExpressionAttributeValues"] = values
    return more


def outcome(table: Any, name: str, record: dict[str, Any] | None, **request: str) -> Any:
    """Return the record after an update, or the code of its error."""
    key = {"connection": {"S": name}, "variant": {"S": "-"}}
    if record:
        table.update_item(
            TableName=TABLE,
            Key=key,
            UpdateExpression="SET #a = :a, #n = :n",
            ExpressionAttributeNames={"#a": "a", "#n": "n"},
            ExpressionAttributeValues={":a": record["a"], ":n": record["n"]},
        )
    more = attributes(" ".join(request.values()))
    try:
        response = table.update_item(
            TableName=TABLE, Key=key, ReturnValues="ALL_NEW", **request, **more
        )
    except ClientError as error:
        return error.response["Error"]["Code"]
    found = table.get_item(TableName=TABLE, Key=key, ConsistentRead=True)["Item"]
    assert found == response["Attributes"]
    return found


REQUESTS = [
    *(
        (record, {"UpdateExpression": "SET #t = :x", "ConditionExpression": condition})
        for record in (RECORD, None)
        for condition in CONDITIONS
    ),
    *((RECORD, {"UpdateExpression": update}) for update in UPDATES),
]


@pytest.mark.parametrize(("record", "request_"), REQUESTS)
def test_conditions_and_updates_are_those_of_dynamodb(
    tables: list[Any], record: dict[str, Any] | None, request_: dict[str, str]
) -> None:
    name = uuid.uuid4().hex
    expected, ours = (outcome(table, name, record, **request_) for table in tables)
    assert expected == ours


@pytest.mark.parametrize("update", ["ADD #n :one", "SET #n = #n + :one", "SET #t = :x #a", ""])
def test_an_unsupported_update_is_an_error(update: str) -> None:
    assert outcome(Table(), "place", RECORD, UpdateExpression=update) == "ValidationException"


@pytest.mark.parametrize(
    "condition", ["#a = :y OR #a = :x", "#a <> :y", "size(#a) = :one", "#a = :x #a", "#a = "]
)
def test_an_unsupported_condition_is_an_error(condition: str) -> None:
    request = {"UpdateExpression": "SET #t = :x", "ConditionExpression": condition}
    assert outcome(Table(), "place", RECORD, **request) == "ValidationException"


def test_a_query_has_pages(tables: list[Any]) -> None:
    """In the order of the sort key, and of one partition."""
    name, count = uuid.uuid4().hex, 2 * PAGE
    asked: dict[str, Any] = {"TableName": TABLE, "KeyConditionExpression": "#c = :c"}
    asked |= {"ExpressionAttributeNames": {"#c": "connection"}}
    asked |= {"ExpressionAttributeValues": {":c": {"S": name}}}
    for table in tables:
        for number in reversed(range(count)):
            for partition in (name, f"{name}-other"):
                key = {"connection": {"S": partition}, "variant": {"S": f"{number:03}"}}
                request = {"UpdateExpression": "SET #a = :x", **attributes("#a :x")}
                table.update_item(TableName=TABLE, Key=key, **request)
        found: list[str] = []
        asked.pop("ExclusiveStartKey", None)
        while True:
            page = table.query(**asked)
            found += [item["variant"]["S"] for item in page["Items"]]
            if "LastEvaluatedKey" not in page:
                break
            assert len(page["Items"]) == PAGE
            asked["ExclusiveStartKey"] = page["LastEvaluatedKey"]
        assert found == [f"{number:03}" for number in range(count)]


def test_a_key_decrypts_only_with_the_same_context(aws: Any) -> None:
    provide(aws[1])
    for key in (keepers(aws[1])[1], Key()):
        assert key.encrypt(KeyId=KEY_ALIAS, Plaintext=b"x" * 4096)
        with pytest.raises(ClientError, match="ValidationException"):
            key.encrypt(KeyId=KEY_ALIAS, Plaintext=b"x" * 4097)
        context = {"a": "1", "b": "2"}
        sealed = key.encrypt(KeyId=KEY_ALIAS, Plaintext=b"token", EncryptionContext=context)
        blob = sealed["CiphertextBlob"]
        for right in (context, {"b": "2", "a": "1"}):
            opened = key.decrypt(KeyId=KEY_ALIAS, CiphertextBlob=blob, EncryptionContext=right)
            assert opened["Plaintext"] == b"token"
        for wrong in ({"a": "1"}, {"a": "1", "b": "3"}):
            with pytest.raises(ClientError, match="InvalidCiphertextException"):
                key.decrypt(KeyId=KEY_ALIAS, CiphertextBlob=blob, EncryptionContext=wrong)


def test_secrets_have_versions() -> None:
    """The current and the previous one; a missing one is an error."""
    secrets, name = Secrets("token-broker/test/"), "token-broker/test/vntana/acme"
    changes: list[tuple[str, str]] = []
    secrets.on_change = lambda *told: changes.append(told)

    def read(**version: str) -> dict[str, Any]:
        return secrets.get_secret_value(SecretId=name, **version)

    secrets["vntana", "acme"] = {"a": 1}
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        read(VersionStage="AWSPREVIOUS")
    assert changes == []

    secrets["vntana", "acme"] = "no json"
    with pytest.raises(TypeError):
        secrets["vntana", "acme"] = {1, 2}
    assert secrets["vntana", "acme"] == "no json"
    assert changes == [("vntana", name)]
    current, previous = (read(VersionStage=stage) for stage in ("AWSCURRENT", "AWSPREVIOUS"))
    assert (current["SecretString"], previous["SecretString"]) == ("no json", '{"a": 1}')
    stages = {current["VersionId"]: ["AWSCURRENT"], previous["VersionId"]: ["AWSPREVIOUS"]}
    assert secrets.describe_secret(SecretId=name)["VersionIdsToStages"] == stages
    assert read(VersionId=previous["VersionId"]) == previous

    del secrets["vntana", "acme"]
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        secrets.describe_secret(SecretId=name)


@pytest.mark.parametrize("make", ["update", "__ior__", "setdefault"])
@pytest.mark.parametrize("remove", ["pop", "popitem", "clear"])
def test_every_method_of_a_mapping_makes_and_deletes_secrets(make: str, remove: str) -> None:
    """Not only an assignment and ``del``."""
    place, secrets = ("vntana", "acme"), Secrets("")
    getattr(secrets, make)(*((place, "a") if make == "setdefault" else ({place: "a"},)))
    assert secrets.get_secret_value(SecretId="vntana/acme")["SecretString"] == "a"
    assert {**secrets} == {place: "a"}
    getattr(secrets, remove)(*((place,) if remove == "pop" else ()))
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        secrets.get_secret_value(SecretId="vntana/acme")
    assert len(secrets) == 0
