"""The few operations of AWS that the broker uses, in memory: for tests that have no AWS.

Each is an object with boto3's methods, arguments and errors. An unsupported argument or expression
is an error.
"""

import json
import re
import threading
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from copy import deepcopy
from datetime import UTC, datetime
from decimal import Decimal
from itertools import count
from typing import Any, NamedTuple, NoReturn, Self, TypeAlias

from botocore.exceptions import ClientError

Record: TypeAlias = Mapping[str, Any]

PAGE = 25
"""Items of one page of a query: few, so that a test finds a caller that reads only one page."""

CLAUSE = re.compile(r"attribute_not_exists\((?P<absent>#\w+)\)|(?P<name>#\w+) = (?P<value>:\w+)")
UPDATE = re.compile(
    r"(?:SET (?P<set>#\w+ = :\w+(?:, #\w+ = :\w+)*))?"
    r"(?:(?:^| )REMOVE (?P<removed>#\w+(?:, #\w+)*))?"
)
"""The expressions of the broker: a condition is clauses with AND between them."""


def client_error(code: str, operation: str) -> ClientError:
    """Return botocore's error of *code*."""
    return ClientError({"Error": {"Code": code, "Message": code}}, operation)


class Table:
    """DynamoDB with one table, whose key is `connection` and `variant`."""

    def __init__(self) -> None:
        self.records: dict[tuple[str, str], Record] = {}
        self._lock = threading.RLock()

    def get_item(self, **request: Any) -> dict[str, Any]:
        """Return an item."""
        record = self.records.get(place_of(request["Key"]))
        return {} if record is None else {"Item": dict(record)}

    def batch_get_item(self, **request: Any) -> dict[str, Any]:
        """Return several items."""
        ((table, wanted),) = request["RequestItems"].items()
        found = [self.records.get(place_of(key)) for key in wanted["Keys"]]
        items = [dict(record) for record in found if record is not None]
        return {"Responses": {table: items}, "UnprocessedKeys": {}}

    def query(self, **request: Any) -> dict[str, Any]:
        """Return a page of the items of a partition."""
        start = request.get("ExclusiveStartKey")
        after = place_of(start) if start else ("", "")
        with self._lock:
            places = [place for place in sorted(self.records) if place > after]
            records = [self.records[place] for place in places]
        found = [one for one in records if meets(one, request["KeyConditionExpression"], request)]
        answer: dict[str, Any] = {"Items": [dict(record) for record in found[:PAGE]]}
        if len(found) > PAGE:
            last = found[PAGE - 1]
            answer["LastEvaluatedKey"] = {name: last[name] for name in ("connection", "variant")}
        return answer

    def update_item(self, **request: Any) -> dict[str, Any]:
        """Change an item, if it meets the condition."""
        place, condition = place_of(request["Key"]), request.get("ConditionExpression")
        with self._lock:
            before = self.records.get(place, {})
            if condition and not meets(before, condition, request):
                raise client_error("ConditionalCheckFailedException", "UpdateItem")
            record = self.records[place] = updated(before or request["Key"], request)
        return {"Attributes": record}


def meets(record: Record, condition: str, request: Record) -> bool:
    """Say whether *record* meets *condition*, whose names and values *request* has."""
    clauses = [CLAUSE.fullmatch(text) for text in condition.split(" AND ")]
    if not all(clauses):
        raise client_error("ValidationException", "Expression")
    names = request["ExpressionAttributeNames"]
    values = request.get("ExpressionAttributeValues", {})
    return all(
        names[clause["absent"]] not in record
        if clause["absent"]
        else is_equal(record.get(names[clause["name"]]), values[clause["value"]])
        for clause in clauses
        if clause
    )


def is_equal(one: Record | None, other: Record) -> bool:
    """Say whether two typed values are equal. Numbers may be written in several ways."""
    if one and one.keys() == other.keys() == {"N"}:
        return Decimal(one["N"]) == Decimal(other["N"])
    return one == other


def updated(record: Record, request: Record) -> dict[str, Any]:
    """Return *record* as it is after the update in *request*."""
    update = UPDATE.fullmatch(request["UpdateExpression"])
    if not update or not update[0]:
        raise client_error("ValidationException", "UpdateItem")
    names, after = request["ExpressionAttributeNames"], dict(record)
    for name, value in re.findall(r"(#\w+) = (:\w+)", update["set"] or ""):
        after[names[name]] = request["ExpressionAttributeValues"][value]
    for name in re.findall(r"#\w+", update["removed"] or ""):
        after.pop(names[name], None)
    return after


def place_of(key: Record) -> tuple[str, str]:
    """Return the partition and sort key of *key*."""
    return key["connection"]["S"], key["variant"]["S"]


class Key:
    """KMS with one key. A ciphertext decrypts only under its encryption context."""

    LARGEST = 4096

    def encrypt(self, **request: Any) -> dict[str, Any]:
        """Encrypt something small."""
        if len(request["Plaintext"]) > self.LARGEST:
            raise client_error("ValidationException", "Encrypt")
        return {"CiphertextBlob": self._prefix(request) + request["Plaintext"]}

    def decrypt(self, **request: Any) -> dict[str, Any]:
        """Decrypt a ciphertext."""
        prefix = self._prefix(request)
        if not request["CiphertextBlob"].startswith(prefix):
            raise client_error("InvalidCiphertextException", "Decrypt")
        return {"Plaintext": request["CiphertextBlob"][len(prefix) :]}

    def _prefix(self, request: Record) -> bytes:
        return json.dumps(request.get("EncryptionContext", {}), sort_keys=True).encode()


class Version(NamedTuple):
    """One version of a secret."""

    name: str
    created: datetime
    text: str


class Frozen(dict[str, Any]):
    """A dict that refuses changes, which would be lost. ``|`` makes one that can be changed."""

    def _refuse(self, *_: object, **__: object) -> NoReturn:
        raise TypeError(
            "a secret is changed as a whole: fake_secrets[flow, name] = fake_secrets[flow, name] | "
            "{…}"
        )

    __setitem__ = __delitem__ = _refuse
    clear = pop = popitem = setdefault = update = _refuse

    def __ior__(self, others: Any) -> Any:  # type: ignore[misc]  # it may be another type
        """Return a dict with *others*: ``fake_secrets[flow, name] |= {…}`` sets it."""
        return self | others

    def __deepcopy__(self, memo: Any) -> dict[str, Any]:
        """Return a dict that can be changed."""
        return deepcopy(dict(self), memo)


def frozen(content: object) -> Any:
    """Return a copy of *content*: a `Frozen` for a dict, whose own parts are the caller's."""
    copy = deepcopy(content)
    return Frozen(copy) if isinstance(copy, dict) else copy  # a copy of a `Frozen` is a dict


class Secrets(MutableMapping[tuple[str, str], Any]):
    """Secrets Manager: the secret of each flow and connection.

    ``secrets["vntana", "acme"] = {…}`` makes one, or a new version of it; ``del`` deletes it. The
    other methods of a mapping do it by these two. Those of a dict would not.
    """

    def __init__(self, prefix: str) -> None:
        self._contents: dict[tuple[str, str], Any] = {}
        self.on_change: Callable[[str, str], object] = lambda *_: None
        """Called with a flow and the name of its secret that has a new version."""
        self._prefix = prefix
        self._versions: dict[str, list[Version]] = {}
        self._numbers = count(1)

    def __setitem__(self, place: tuple[str, str], content: Any) -> None:
        flow, connection = place
        text = content if isinstance(content, str) else json.dumps(content)
        version = Version(f"version-{next(self._numbers)}", datetime.now(UTC), text)
        name = f"{self._prefix}{flow}/{connection}"
        versions = self._versions.setdefault(name, [])
        versions.append(version)
        self._contents[place] = frozen(content)
        if len(versions) > 1:
            self.on_change(flow, name)

    def __delitem__(self, place: tuple[str, str]) -> None:
        del self._contents[place]
        del self._versions[f"{self._prefix}{place[0]}/{place[1]}"]

    def __getitem__(self, place: tuple[str, str]) -> Any:
        return frozen(self._contents[place])

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self._contents)

    def __len__(self) -> int:
        return len(self._contents)

    def __ior__(self, others: Mapping[tuple[str, str], Any]) -> Self:
        self.update(others)
        return self

    def get_secret_value(self, **request: Any) -> dict[str, Any]:
        """Return a version, by default the current one."""
        versions = self._known(request["SecretId"], "GetSecretValue")
        back = 2 if request.get("VersionStage") == "AWSPREVIOUS" else 1
        found = versions[-back:][:1] if len(versions) >= back else []
        if "VersionId" in request:
            found = [one for one in versions if one.name == request["VersionId"]]
        if not found:
            raise client_error("ResourceNotFoundException", "GetSecretValue")
        (version,) = found
        return {
            "VersionId": version.name,
            "CreatedDate": version.created,
            "SecretString": version.text,
        }

    def describe_secret(self, **request: Any) -> dict[str, Any]:
        """Return the versions and their stages."""
        names = [one.name for one in self._known(request["SecretId"], "DescribeSecret")]
        stages = {name: [stage] for name, stage in zip(names[::-1], STAGES, strict=False)}
        return {"VersionIdsToStages": stages}

    def _known(self, name: str, operation: str) -> list[Version]:
        if name not in self._versions:
            raise client_error("ResourceNotFoundException", operation)
        return self._versions[name]


STAGES = ("AWSCURRENT", "AWSPREVIOUS")


class Bus:
    """EventBridge: it stores the entries."""

    def __init__(self) -> None:
        self.entries: list[Record] = []

    def put_events(self, **request: Any) -> dict[str, Any]:
        """Store events."""
        self.entries += request["Entries"]
        return {"FailedEntryCount": 0, "Entries": []}
