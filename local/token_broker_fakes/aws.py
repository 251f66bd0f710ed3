"""The few operations of AWS that the broker uses, in memory: for tests that have no AWS.

Each is an object with boto3's methods, arguments and errors. An unsupported argument or expression
is an error.
"""

import json
import operator
import re
import threading
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from datetime import UTC, datetime
from decimal import Decimal
from itertools import count
from typing import Any, NamedTuple, Self, TypeAlias

from botocore.exceptions import ClientError

from token_broker_fakes.frozen import frozen

Record: TypeAlias = Mapping[str, Any]

PAGE = 25
"""Items of one page of a query: few, so that a test finds a caller that reads only one page."""

TOKENS = re.compile(r"[A-Za-z_]+|[#:]\w+|<>|<=|>=|[=<>(),+-]")
COMPARISONS: Mapping[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "<>": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def client_error(code: str, operation: str) -> ClientError:
    """Return botocore's error of *code*."""
    return ClientError({"Error": {"Code": code, "Message": code}}, operation)


class Expression:
    """A condition or update expression of DynamoDB, parsed from left to right."""

    def __init__(self, text: str, request: Record, record: Record) -> None:
        self._tokens = TOKENS.findall(text)
        self._names = request.get("ExpressionAttributeNames", {})
        self._values = request.get("ExpressionAttributeValues", {})
        self._record = record
        if "".join(self._tokens) != re.sub(r"\s", "", text):
            raise client_error("ValidationException", "Expression")

    def holds(self) -> bool:
        """Say whether the record meets this condition."""
        found = self._either()
        self._end()
        return found

    def updated(self) -> dict[str, Any]:
        """Return the record as it is after this update."""
        after = dict(self._record)
        while self._tokens:
            match self._take():
                case "SET":
                    for name in self._list():
                        self._take("=")
                        after[name] = self._sum()
                case "REMOVE":
                    for name in self._list():
                        after.pop(name, None)
                case _:
                    raise client_error("ValidationException", "UpdateItem")
        return after

    def _take(self, *wanted: str) -> str:
        if not self._tokens or (wanted and self._tokens[0] not in wanted):
            raise client_error("ValidationException", "Expression")
        return str(self._tokens.pop(0))

    def _end(self) -> None:
        if self._tokens:
            raise client_error("ValidationException", "Expression")

    def _is_next(self, token: str) -> bool:
        return bool(self._tokens) and self._tokens[0] == token

    def _list(self) -> Iterator[str]:
        yield self._name()
        while self._is_next(","):
            self._take(",")
            yield self._name()

    def _name(self) -> str:
        name = self._take()
        return str(self._names[name]) if name.startswith("#") else name

    def _operand(self) -> Any:
        token = self._take()
        if token == "if_not_exists":
            self._take("(")
            found = self._record.get(self._name())
            self._take(",")
            other = self._operand()
            self._take(")")
            return other if found is None else found
        if token.startswith(":"):
            return self._values[token]
        return self._record.get(self._names[token] if token.startswith("#") else token)

    def _sum(self) -> Any:
        found = self._operand()
        while self._is_next("+") or self._is_next("-"):
            sign = 1 if self._take() == "+" else -1
            found = {"N": str(Decimal(found["N"]) + sign * Decimal(self._operand()["N"]))}
        return found

    def _either(self) -> bool:
        found = self._both()
        while self._is_next("OR"):
            self._take()
            found = self._both() or found
        return found

    def _both(self) -> bool:
        found = self._one()
        while self._is_next("AND"):
            self._take()
            found = self._one() and found
        return found

    def _one(self) -> bool:
        if self._is_next("NOT"):
            self._take()
            return not self._one()
        if self._is_next("("):
            self._take()
            found = self._either()
            self._take(")")
            return found
        if self._is_next("attribute_exists") or self._is_next("attribute_not_exists"):
            is_wanted = self._take() == "attribute_exists"
            self._take("(")
            found = (self._name() in self._record) is is_wanted
            self._take(")")
            return found
        left, comparison, right = self._operand(), self._take(*COMPARISONS), self._operand()
        return compared(comparison, left, right)


def compared(comparison: str, left: Any, right: Any) -> bool:
    """Compare two typed values. Absent values and different types are only unequal."""
    if left is None or right is None or left.keys() != right.keys():
        return comparison == "<>" and left != right
    ((kind, one),), ((_, other),) = left.items(), right.items()
    if kind == "N":
        one, other = Decimal(one), Decimal(other)
    return COMPARISONS[comparison](one, other)


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
        with self._lock:
            places = sorted(self.records)
            start = request.get("ExclusiveStartKey")
            after = [place for place in places if start is None or place > place_of(start)]
            condition = request["KeyConditionExpression"]
            found = [
                place
                for place in after
                if Expression(condition, request, self.records[place]).holds()
            ]
            page = found[: min(PAGE, request.get("Limit", PAGE))]
            answer: dict[str, Any] = {"Items": [dict(self.records[place]) for place in page]}
        if len(page) < len(found):
            answer["LastEvaluatedKey"] = key_of(page[-1])
        return answer

    def update_item(self, **request: Any) -> dict[str, Any]:
        """Change an item, if it meets the condition."""
        place = place_of(request["Key"])
        with self._lock:
            before = self._met(place, request, "UpdateItem")
            record = Expression(
                request["UpdateExpression"], request, before or request["Key"]
            ).updated()
            self.records[place] = record
        return {"Attributes": record}

    def delete_item(self, **request: Any) -> dict[str, Any]:
        """Delete an item, if it meets the condition."""
        place = place_of(request["Key"])
        with self._lock:
            self._met(place, request, "DeleteItem")
            self.records.pop(place, None)
        return {}

    def _met(self, place: tuple[str, str], request: Record, operation: str) -> Record:
        before = self.records.get(place, {})
        condition = request.get("ConditionExpression")
        if condition and not Expression(condition, request, before).holds():
            raise client_error("ConditionalCheckFailedException", operation)
        return before


def place_of(key: Record) -> tuple[str, str]:
    """Return the partition and sort key of *key*."""
    return key["connection"]["S"], key["variant"]["S"]


def key_of(place: tuple[str, str]) -> dict[str, Any]:
    """Return the key attributes of *place*."""
    return {"connection": {"S": place[0]}, "variant": {"S": place[1]}}


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
