"""Calls a function many times in one invocation, and returns the duration of each call."""

import itertools
import time
from typing import TYPE_CHECKING, Any

from redirected import (  # type: ignore[import-not-found]  # on PYTHONPATH, as in /var/task
    handler as function,
)

from token_broker.aws.clients import call
from token_broker.records import replace

if TYPE_CHECKING:
    from collections.abc import Callable

    from token_broker.dependencies import Dependencies

tools: "Dependencies" = function.deps
WARM = ("empty", "memory")
"""The measurements that run in a loop of their own, as in a process busy with hits."""


def handler(event: Any, context: Any) -> dict[str, list[float]]:
    """Return the milliseconds of each call by measurement; the measurements take turns."""
    with_event = event["event"]
    function(with_event, context)
    [item] = [held.item for held in tools.cache._tokens.values()]
    key = {
        "TableName": event["table"],
        "Key": {"connection": {"S": item.partition}, "variant": {"S": item.variant}},
        "ConsistentRead": True,
    }
    place = {name: str(getattr(item, name)) for name in ("connection", "variant", "generation")}
    sealed = {"blob": item.token, "context": {"table": event["table"]} | place}
    dynamodb = tools.store._client
    sealer: Any = tools.sealer
    client = _client() if event["boto3"] else None
    measured: dict[str, Callable[[], Any]] = {
        "empty": lambda: _empty(with_event, context),
        "memory": lambda: function(with_event, context),
        "get_item": lambda: call(dynamodb, "get_item", **key),
        "decrypt": lambda: sealer._decrypt(**sealed),
        "table": lambda: function(with_event, context),
        "table, alias unknown": lambda: function(with_event, context),
    }
    if client:
        measured["boto3 get_item"] = lambda: client.get_item(**key)
    times: dict[str, list[float]] = {name: [] for name in measured}
    times |= {f"{name} cpu": [] for name in measured}
    together = [WARM, tuple(name for name in measured if name not in WARM)]
    for names, _ in itertools.product(together, range(event["times"])):
        for name in names:
            measure = measured[name]
            if name == "table":
                grow_old()
            elif name == "table, alias unknown":
                tools.cache.clear()
            wall, cpu = time.perf_counter(), time.thread_time()
            measure()
            times[f"{name} cpu"].append((time.thread_time() - cpu) * 1000)
            times[name].append((time.perf_counter() - wall) * 1000)
    return times


def grow_old() -> None:
    """Make the cached tokens too old to be returned."""
    for key, held in tools.cache._tokens.items():
        tools.cache._tokens[key] = replace(held, read_at=0)


def _empty(event: object, context: object) -> dict[str, object]:
    del event, context
    return {}


def _client() -> Any:
    from token_broker.aws import clients

    return clients.dynamodb()
