"""The operations that the fast client knows: how each is requested, and how its answer is read.

All but Lambda's are in AWS's JSON protocol, where bytes are base64 and times are seconds. Answers
are returned as boto3 returns them. One of another shape raises `FallBack`, or what reading it
raises.
"""

import json
from binascii import a2b_base64, b2a_base64
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from token_broker.aws.endpoints import FallBack

if TYPE_CHECKING:
    from datetime import datetime

ACCEPTED = 202
"""The status of a success without an answer."""

MALFORMED = (
    LookupError,
    TypeError,
    ValueError,
    AttributeError,
    OverflowError,
    RecursionError,
)
"""What reading an answer raises if members are missing, or of another type, here and in boto3."""

Parameters: TypeAlias = Mapping[str, Any]
Members: TypeAlias = dict[str, Any]


class AwsRefusal(NamedTuple):
    """An answer that is an error: AWS's code for it and message, which may quote the request."""

    code: str
    message: str


class Request(NamedTuple):
    """What is posted: a path, encoded, headers besides those of all requests, and a body."""

    path: str
    headers: Mapping[str, str]
    body: bytes


class Operation(NamedTuple):
    """One operation of *service*."""

    service: str
    request: Callable[[Parameters], Request]
    decoded: Callable[[Parameters, Members], Members]
    """Returns the members of the answer to a request with these parameters."""
    status: int = 200
    """The HTTP status of a success."""


def _json(version: str, target: str) -> Callable[[Parameters], Request]:
    """Return what makes the requests for *target* in this version of the JSON protocol."""
    headers = {"content-type": f"application/x-amz-json-{version}", "x-amz-target": target}

    def request(parameters: Parameters) -> Request:
        body = json.dumps(parameters, separators=(",", ":"), default=_base64).encode()
        return Request("/", headers, body)

    return request


def _base64(value: object) -> str:
    if isinstance(value, bytes):
        return b2a_base64(value, newline=False).decode()
    raise FallBack("a parameter of an unknown type")


def _invocation(parameters: Parameters) -> Request:
    """See https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html for the form."""
    from urllib.parse import quote  # noqa: PLC0415 (off the hit path)

    name = quote(parameters["FunctionName"], safe="-._~")
    path = f"/2015-03-31/functions/{name}/invocations"
    headers = {"x-amz-invocation-type": parameters["InvocationType"]}
    return Request(path, headers, parameters["Payload"])


def _item(parameters: Parameters, answer: Members) -> Members:
    if answer.keys() - {"Item"}:
        raise FallBack("an answer with more than an item")
    if not answer:
        return answer
    return {"Item": _record(answer["Item"], [parameters["Key"]])}


def _items(parameters: Parameters, answer: Members) -> Members:
    if answer.get("UnprocessedKeys"):
        raise FallBack("an answer in part")
    requested = parameters["RequestItems"]
    return answer | {
        "Responses": {
            table: [_record(record, requested[table]["Keys"]) for record in records]
            for table, records in answer["Responses"].items()
        }
    }


def _page(_: Parameters, answer: Members) -> Members:
    items = [_typed_attributes(record) for record in answer["Items"]]
    if answer["Count"] != len(items):
        raise FallBack("a page in part")
    more = {n: _typed_attributes(answer[n]) for n in ("LastEvaluatedKey",) if n in answer}
    return answer | {"Items": items} | more


def _attributes(parameters: Parameters, answer: Members) -> Members:
    return answer | {"Attributes": _record(answer["Attributes"], [parameters["Key"]])}


def _record(record: Parameters, keys: list[Parameters]) -> Members:
    """Return the attributes of one of the items *keys*."""
    attributes = _typed_attributes(record)
    if not any(attributes.items() >= key.items() for key in keys):
        raise FallBack("an item that was not requested")
    return attributes


def _typed_attributes(record: Parameters) -> Members:
    return {name: _typed(value) for name, value in record.items()}


def _typed(value: Parameters) -> Parameters:
    """Return an attribute of DynamoDB's JSON as boto3 returns it: only bytes differ."""
    ((kind, inner),) = value.items()
    match kind:
        case "S" | "N" | "BOOL" | "NULL" | "SS" | "NS":
            return value
        case "B":
            return {kind: a2b_base64(inner, strict_mode=True)}
        case "BS":
            return {kind: [a2b_base64(each, strict_mode=True) for each in inner]}
        case "L":
            return {kind: [_typed(each) for each in inner]}
        case "M":
            return {kind: _typed_attributes(inner)}
    raise FallBack("an attribute of an unknown type")


def _bytes(member: str) -> Callable[[Parameters, Members], Members]:
    """Return what decodes this member of an answer."""
    return lambda _, answer: answer | {member: a2b_base64(answer[member], strict_mode=True)}


def _secret(_: Parameters, answer: Members) -> Members:
    if not isinstance(answer["SecretString"], str) or not isinstance(answer["VersionId"], str):
        raise FallBack("a secret that is no text")
    return answer | {"CreatedDate": _moment(answer["CreatedDate"])}


def _description(_: Parameters, answer: Members) -> Members:
    if not isinstance(answer["VersionIdsToStages"], dict):
        raise FallBack("a secret without versions")
    return answer | {n: _moment(value) for n, value in answer.items() if n.endswith("Date")}


def _moment(seconds: float) -> "datetime":
    from datetime import UTC, datetime  # noqa: PLC0415 (off the hit path)

    return datetime.fromtimestamp(seconds, UTC)


OPERATIONS: Mapping[str, Operation] = {
    "get_item": Operation("dynamodb", _json("1.0", "DynamoDB_20120810.GetItem"), _item),
    "batch_get_item": Operation("dynamodb", _json("1.0", "DynamoDB_20120810.BatchGetItem"), _items),
    "query": Operation("dynamodb", _json("1.0", "DynamoDB_20120810.Query"), _page),
    "update_item": Operation("dynamodb", _json("1.0", "DynamoDB_20120810.UpdateItem"), _attributes),
    "encrypt": Operation("kms", _json("1.1", "TrentService.Encrypt"), _bytes("CiphertextBlob")),
    "decrypt": Operation("kms", _json("1.1", "TrentService.Decrypt"), _bytes("Plaintext")),
    "get_secret_value": Operation(
        "secretsmanager", _json("1.1", "secretsmanager.GetSecretValue"), _secret
    ),
    "describe_secret": Operation(
        "secretsmanager", _json("1.1", "secretsmanager.DescribeSecret"), _description
    ),
    "put_events": Operation(
        "events", _json("1.1", "AWSEvents.PutEvents"), lambda _, answer: answer
    ),
    "invoke": Operation(
        "lambda", _invocation, lambda *_: {"StatusCode": ACCEPTED}, status=ACCEPTED
    ),
}
"""By boto3's name. An operation that is not here is for boto3."""
