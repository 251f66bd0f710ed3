"""The cost of a call with 1 to 100,000 variants in the table, and the size of a process's cache.

Measured: calls from the table with that many variants of one connection in it, each for another
one, and the cache afterwards. The table is a dictionary here: only the number of reads matters, as
DynamoDB's time to read an item by its key does not depend on the table's size.

Targets: two items read for a call, its own and the gate, at every size; memory bounded by
MEMORY_ENTRIES.
"""

import base64
import contextlib
import gc
import json
import os
import time
import tracemalloc
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.tables import Spread, Table, Target
from token_broker.app import Environment
from token_broker.flows.editor import FLOW
from token_broker.handler import Service
from token_broker.item import Item
from token_broker.item_codec import SCHEMA, attribute
from token_broker.records import replace
from token_broker.sealing import Sealer
from token_broker.store import Store
from token_broker.tokens import Token, Variant
from token_broker_local.functions import LambdaContext

SIZES = (1, 10, 100, 1_000, 10_000, 100_000)
CALLS = int(os.environ.get("CALLS", "2000"))
ENTRIES = 1_000
SETTINGS = {
    "TABLE_NAME": "table",
    "KEY_ID": "key",
    "STAGE": "bench",
    "MEMORY_ENTRIES": str(ENTRIES),
    "AWS_REGION": "eu-west-1",
    "AWS_PROFILE": "none",  # so that all requests use the clients below
}


class Aws:
    """DynamoDB as a dictionary and KMS without encryption, as far as a hit needs them."""

    def __init__(self) -> None:
        self.items: dict[str, dict[str, Any]] = {}
        self.read = 0

    def get_item(self, Key: Mapping[str, Any], **_: Any) -> dict[str, Any]:  # noqa: N803 (boto3's name)
        """Return one item."""
        self.read += 1
        found = self.items.get(Key["variant"]["S"])
        return {"Item": found} if found else {}

    def batch_get_item(self, RequestItems: Mapping[str, Any]) -> dict[str, Any]:  # noqa: N803 (boto3's name)
        """Return several items."""
        [(table, query)] = RequestItems.items()
        found = [self.get_item(key).get("Item") for key in query["Keys"]]
        return {"Responses": {table: [item for item in found if item]}}

    def encrypt(self, Plaintext: bytes, **_: Any) -> dict[str, Any]:  # noqa: N803 (boto3's name)
        """Return the bytes, wrapped."""
        return {"CiphertextBlob": base64.b64encode(Plaintext)}

    def decrypt(self, CiphertextBlob: bytes, **_: Any) -> dict[str, Any]:  # noqa: N803 (boto3's name)
        """Return the bytes, unwrapped."""
        return {"Plaintext": base64.b64decode(CiphertextBlob)}


def function(aws: Any) -> Service:
    """Return the editor's function over *aws*."""
    service = Environment(SETTINGS).service(FLOW)
    store = Store("table", lambda: aws)
    sealer = Sealer("table", "key", lambda: aws)
    service.use(replace(service.deps, store=store, sealer=sealer))
    return service


def fill(aws: Aws, sealer: Sealer, first: int, last: int, prefix: str = "") -> None:
    """Store a token for each user from *first* up to but not including *last*."""
    now = int(time.time())
    context = json.dumps({"userId": "x"})
    for user in range(first, last):
        variant = Variant("parameters", {"parameters": {"userId": f"{prefix}{user}"}})
        item = Item("editor#demo", variant.key)
        token = Token(f"token-{user}" * 8, {"x-api-token": "t"}, "https://e", now, now + 3600)
        values = {
            "schema": SCHEMA, "connection": item.partition, "variant": item.variant,
            "kind": "parameters", "generation": 1, "fence": 1, "fingerprint": token.fingerprint,
            "issued_at": now, "expires_at": now + 3600, "refresh_at": now + 3000,
            "secret_version": "1", "context": context,
            "token": sealer.seal_token(item, variant, token, context),
        }  # fmt: skip
        aws.items[variant.key] = {name: attribute(value) for name, value in values.items()}


def calls(service: Service, aws: Aws, size: int) -> tuple[Spread, float]:
    """Return milliseconds of calls that are all served from the table, and items read for one."""
    context, times, before = LambdaContext("function"), [], aws.read
    for number in range(CALLS):
        service.deps.cache.clear() if size <= ENTRIES else None
        user = number * 7919 % size
        event = {"connection": "demo", "parameters": {"userId": str(user)}}
        began = time.thread_time()
        answer = service(event, context)
        times.append((time.thread_time() - began) * 1000)
        assert answer["source"] in {"table", "memory"}, answer
    return Spread(times), (aws.read - before) / CALLS


def held(service: Service, size: int) -> tuple[int, float]:
    """Return the number and the KiB of a process's cached tokens after a call for each."""
    service.deps.cache.clear()
    gc.collect()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    context = LambdaContext("function")
    for user in range(min(size, 5 * ENTRIES)):
        service({"connection": "demo", "parameters": {"userId": str(user)}}, context)
    gc.collect()
    after = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    return len(service.deps.cache), (after - before) / 1024


def main() -> None:
    """Measure and publish."""
    os.environ |= {
        "POWERTOOLS_SERVICE_NAME": "token-broker",
        "POWERTOOLS_METRICS_NAMESPACE": "TokenBroker",
    }
    shown = Table(
        "growth",
        f"CPU milliseconds of a hit in the table by the number of variants; {CALLS} calls",
        ("variants", "per call, ms", "items read", "cached", "cached, KiB"),
        f"MEMORY_ENTRIES is {ENTRIES}. With more variants, a few calls are still served from"
        " memory. The table is a dictionary: DynamoDB's own time does not depend on its size.",
    )
    aws = Aws()
    service = function(aws)
    first, found = 0, []
    with Path(os.devnull).open("w") as nowhere, contextlib.redirect_stdout(nowhere):  # audit lines
        for size in SIZES:
            fill(aws, service.deps.sealer, first, size)
            first = size
            found.append((size, *calls(service, aws, size), *held(service, size)))
    for row in found:
        shown.add(*row)
    shown.targets = [
        Target("items read for a call, at most", max(row[2] for row in found), 2),
        Target("tokens cached, at most", max(row[3] for row in found), ENTRIES),
    ]
    shown.publish()
