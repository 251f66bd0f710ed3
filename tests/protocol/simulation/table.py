"""A linearizable DynamoDB table in memory, with only the semantics that the broker uses.

`tests/protocol/test_table.py` compares it with moto's, so that both behave alike.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from botocore.exceptions import ClientError

Record: TypeAlias = Mapping[str, Any]
Place: TypeAlias = tuple[str, str]
Watch: TypeAlias = Callable[[Place, Record | None, Record], None]

EQUALITY = re.compile(r"#(\w+) = (:\w+)")
UPDATE = re.compile(r"(?:SET (#\w+ = :\w+(?:, #\w+ = :\w+)*))?(?:(?:^| )REMOVE (#\w+(?:, #\w+)*))?")
ABSENCE = re.compile(r"attribute_not_exists\(#(\w+)\)")


class Table:
    """Records by partition and sort key. Each operation is atomic."""

    def __init__(
        self,
        watch: Watch = lambda *_: None,
        watch_drops: Callable[[Place, Record], object] = lambda *_: None,
        clock: Callable[[], float] = lambda: 0.0,
        lag: int | None = None,
        page: int = 1000,
    ) -> None:
        self.records: dict[Place, Record] = {}
        self._before: dict[Place, Record | None] = {}
        self._watch = watch
        self._watch_drops = watch_drops
        self.watch_reads: Callable[[Place, Record | None], object] = lambda *_: None
        self.watch_refusals: Callable[[Place, str], object] = lambda *_: None
        self._clock = clock
        self._lag = lag
        self._page = page

    def get(self, place: Place, *, is_consistent: bool = True) -> Record | None:
        """Return a record or None; unless *is_consistent*, the record before the last write."""
        self._collect(place)
        return (self.records if is_consistent else self._before).get(place)

    def query(self, connection: str, after: str = "") -> tuple[list[Record], str | None]:
        """Return a page of a partition's records by sort key, and the key to continue after."""
        for place in list(self.records):
            self._collect(place)
        found = sorted(p for p in self.records if p[0] == connection and p[1] > after)
        shown = found[: self._page]
        last = shown[-1][1] if len(found) > len(shown) else None
        return [self.records[place] for place in shown], last

    def _collect(self, place: Place) -> None:
        """Drop an item whose `ttl` ended at least `lag` seconds ago."""
        record = self.records.get(place)
        if self._lag is None or not record or "ttl" not in record:
            return
        if int(record["ttl"]["N"]) + self._lag < self._clock():
            del self.records[place]
            self._before.pop(place, None)
            self._watch_drops(place, record)

    def update(self, request: Mapping[str, Any]) -> Record:
        """Change a record as UpdateItem does, and return the new record. Raises `ClientError`."""
        place = place_of(request["Key"])
        names, values = request["ExpressionAttributeNames"], values_of(request)
        condition = request.get("ConditionExpression", "")
        used = re.findall(r"[#:]\w+", request["UpdateExpression"] + " " + condition)
        if {*used} != {*names, *values}:  # an unused placeholder is an error
            raise client_error("ValidationException", "UpdateItem")
        changed, removed = parts_of(request["UpdateExpression"])
        self._collect(place)
        before = self.records.get(place)
        if condition and not holds(condition, before or {}, names, values):
            self.watch_refusals(place, request["UpdateExpression"])
            raise client_error("ConditionalCheckFailedException", "UpdateItem")
        after = dict(before or request["Key"])
        after.update({names[f"#{name}"]: values[value] for name, value in changed})
        for name in removed:
            after.pop(names[name], None)
        self._before[place], self.records[place] = before, after
        self._watch(place, before, after)
        return after

    def delete(self, place: Place) -> dict[str, Any]:
        before = self.records.pop(place, None)
        self._watch(place, before, {})
        return {}


def place_of(key: Mapping[str, Any]) -> Place:
    """Return the partition and sort key of a request's key."""
    return key["connection"]["S"], key["variant"]["S"]


def values_of(request: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the values of a request. Raises `ClientError` for a member without any."""
    values: Mapping[str, Any] = request.get("ExpressionAttributeValues", {})
    if not values and "ExpressionAttributeValues" in request:
        raise client_error("ValidationException", "UpdateItem")
    return values


def parts_of(update: str) -> tuple[list[tuple[str, str]], list[str]]:
    """Return what an update expression sets and removes. Raises `ClientError` for other forms.

    As DynamoDB, it refuses a part without members.
    """
    parts = UPDATE.fullmatch(update)
    changed = EQUALITY.findall(parts[1] or "") if parts else []
    removed = parts[2].split(", ") if parts and parts[2] else []
    paths = [f"#{name}" for name, _ in changed] + removed
    if not paths or len(set(paths)) != len(paths):
        raise client_error("ValidationException", "UpdateItem")
    return changed, removed


def holds(
    condition: str, record: Record, names: Mapping[str, str], values: Mapping[str, Any]
) -> bool:
    """Return whether *record* meets a condition. Raises `ClientError` for other forms.

    Each clause says that an attribute is absent, or equals a value.
    """
    are_met = []
    for clause in condition.split(" AND "):
        if absent := ABSENCE.fullmatch(clause):
            are_met.append(names[f"#{absent[1]}"] not in record)
        elif equal := EQUALITY.fullmatch(clause):
            are_met.append(is_equal(record.get(names[f"#{equal[1]}"]), values[equal[2]]))
        else:
            raise client_error("ValidationException", "UpdateItem")
    return all(are_met)


def is_equal(one: Mapping[str, Any] | None, other: Mapping[str, Any]) -> bool:
    """Return whether two typed values are equal: numbers by value, others exactly."""
    if one is not None and "N" in one and "N" in other:
        return int(one["N"]) == int(other["N"])
    return one == other


def client_error(code: str, operation: str, message: str = "") -> ClientError:
    """Return botocore's error of *code*."""
    return ClientError({"Error": {"Code": code, "Message": message or code}}, operation)
