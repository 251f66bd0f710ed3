"""The table: one item for each variant, and one conditional write for each change.

When the condition of a write fails, or its answer is lost, the item is read again: it shows whether
the write was done. So a retry that meets its own first attempt is no conflict.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol

from token_broker.aws.clients import call
from token_broker.decisions import Verdict
from token_broker.errors import BrokerError
from token_broker.item import Failure, Item
from token_broker.item_codec import (
    COMPARED,
    SCHEMA,
    SUSPICION,
    SWAPPED,
    TOKEN,
    Attribute,
    attribute,
    failure_of,
    item_of,
)

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

LEASE = ("lease_owner", "lease_until")
FAILURE = ("failure",)
VERSIONS = ("rejected_versions", "accepted_version", "latched_version")
"""What is known of the versions of the secret."""


class ItemReader(Protocol):
    """Reads items, strongly consistent."""

    def items(self, connection: str, *variants: str) -> Sequence[Mapping[str, Attribute] | None]:
        """Return the typed attributes of each of *variants*. Raises `StoreUnavailable`."""


class Store:
    """Reads and changes items. Raises `StoreUnavailable`, and `NotConfigured` for a wrong table."""

    def __init__(
        self, table: str, reader: ItemReader, client: Callable[[], "DynamoDBClient"]
    ) -> None:
        self._table = table
        self._reader = reader
        self._client = client

    def read(self, connection: str, variant: str) -> Item:
        """Return one item, empty if there is none."""
        return self.read_all(connection, variant)[0]

    def read_all(self, connection: str, *variants: str) -> list[Item]:
        """Return several items with one request."""
        records = self._reader.items(connection, *variants)
        return [item_of(connection, v, r) for v, r in zip(variants, records, strict=True)]

    def list(self, connection: str) -> Iterator[Item]:
        """Yield all items of a connection. One page of them is read at a time."""
        start: dict[str, Any] = {}
        while True:
            page = call(
                self._client,
                "query",
                TableName=self._table,
                KeyConditionExpression="#connection = :connection",
                ExpressionAttributeNames={"#connection": "connection"},
                ExpressionAttributeValues={":connection": attribute(connection)},
                ConsistentRead=True,
                **start,
            )
            for record in page["Items"]:
                yield item_of(connection, record["variant"]["S"], record)
            if "LastEvaluatedKey" not in page:
                return
            start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}

    def acquire(
        self, item: Item, owner: str, until: int, *, forced_at: int | None = None
    ) -> Item | None:
        """Take the lease of *item*, which was read without one. None if anything changed since.

        Fence and generation are compared and swapped, so no lease, commit or late commit can come
        between. A renewal token that is ready is marked as in use by the same write: it counts as
        spent before it is sent.
        """
        changes: dict[str, object] = {
            "schema": SCHEMA,
            "fence": item.fence + 1,
            "lease_owner": owner,
            "lease_until": until,
        }
        if forced_at is not None:
            changes["forced_at"] = forced_at
        if item.renewal == "ready":
            changes["renewal"] = "in_use"
        if "generation" in item.corrupt:
            changes["generation"] = 0
        return self._update(
            item,
            changes,
            remove=[name for name in item.corrupt if name not in changes],
            # A verdict can be written without a lease. One that came between must not get a ttl.
            unchanged={name: item.raw.get(name) for name in COMPARED},
            kept=replace(item, lease_until=until),
            is_done=lambda found: found.lease_owner == owner,
        )

    def commit(
        self, lease: Item, token: Mapping[str, object], *, recovers: bool = False
    ) -> Item | None:
        """Keep a new *token* and end the lease. None if another caller has the lease by now.

        *recovers* says that this ends the latch of the connection.
        """
        latch = ["latched_version"] if recovers else []
        changes = dict(token) | {"schema": SCHEMA, "generation": lease.generation + 1}
        ends = int(str(token["expires_at"]))
        return self._update(
            lease,
            changes,
            kept=replace(lease, expires_at=ends, failure=None, suspect_version=None),
            remove=[
                name
                for name in (*TOKEN, *FAILURE, *LEASE, *SUSPICION, *latch, "nudged_until")
                if name not in changes
            ],
            unchanged=_held(lease),
            is_done=lambda found: (
                found.generation == lease.generation + 1 and found.token == token["token"]
            ),
        )

    def fail(self, lease: Item, failure: Failure | None, *, renewal: str | None) -> Item | None:
        """Keep the *failure* of an exchange, if there was one, and end the lease."""
        changes: dict[str, object] = {"schema": SCHEMA}
        if failure:
            changes["failure"] = failure_of(failure)
        if renewal:
            changes["renewal"] = renewal
        return self._update(
            lease,
            changes,
            remove=LEASE,
            kept=replace(lease, failure=failure) if failure else None,
            unchanged=_held(lease),
            is_done=lambda found: found.fence == lease.fence and found.lease_owner is None,
        )

    def accept(self, gate: Item, version: str, *, recovers: bool = False) -> Item | None:
        """Keep that the upstream accepted *version* of the secret, and end the gate's lease.

        *recovers* says that this ends the latch of the connection.
        """
        latch = ["latched_version"] if recovers else []
        return self._update(
            gate,
            {"schema": SCHEMA, "accepted_version": version},
            remove=[*LEASE, *FAILURE, *SUSPICION, *latch, "ttl"],
            unchanged=_held(gate),
            is_done=lambda found: found.accepted_version == version,
        )

    def back_off(self, item: Item, failure: Failure | None) -> Item | None:
        """Keep, without a lease, the *failure* of a token that is not shared; None clears it."""
        return self._update(
            item,
            {"schema": SCHEMA} | ({"failure": failure_of(failure)} if failure else {}),
            remove=() if failure else FAILURE,
            kept=replace(item, failure=failure),
            unchanged={name: item.raw.get(name) for name in COMPARED},
            is_done=lambda found: found.failure == failure,
        )

    def judge(
        self,
        item: Item,
        verdict: Verdict,
        failure: Failure,
        version: str,
        *,
        variant: str,
        now: int,
        is_held: bool,
        ends_lease: bool,
    ) -> Item | None:
        """Keep what the rejection of *version* means. None if *item* is not as it was read.

        *is_held* says whether *item* was read with a lease of this caller. A gate that DELETE has
        emptied since is not written again.
        """
        from token_broker.conditional_writes import (  # noqa: PLC0415 (off the hit path)
            has_rejection,
            rejection,
        )

        changes, remove = rejection(item, verdict, failure, version, variant=variant, now=now)
        accepted = item.accepted_version
        read: dict[str, Attribute | None] = (
            _held(item)
            if is_held
            else {
                "accepted_version": attribute(accepted) if accepted else None,
                "fence": item.raw.get("fence"),
            }
        )
        return self._update(
            item,
            {"schema": SCHEMA} | changes,
            remove=["ttl", *remove, *(LEASE if ends_lease else ())],
            unchanged=read | {"rejected_versions": item.raw.get("rejected_versions")},
            is_done=lambda found: has_rejection(found, verdict, version, variant),
        )

    def notice(self, gate: Item, version: str) -> None:
        """Keep that the secret has a new *version*, for callers that find *gate* latched."""
        self._update(
            gate,
            {"noticed_version": version},
            unchanged={},
            is_done=lambda found: found.noticed_version == version,
        )

    def drop(self, item: Item) -> None:
        """Drop the token of *item*, unless it was replaced since."""
        self._update(
            item,
            {"schema": SCHEMA},
            remove=TOKEN,
            unchanged={"fingerprint": attribute(item.fingerprint or "")},
            is_done=None,
        )

    def alias_to(self, item: Item, target: Mapping[str, object]) -> Item | None:
        """Keep the alias of *item*, without a lease: no request was sent to the upstream."""
        ends = int(str(target["expires_at"]))
        return self._update(
            item,
            dict(target)
            | {
                "schema": SCHEMA,
                "generation": item.generation + 1,
                "fence": item.fence + 1,
            },
            kept=replace(item, expires_at=ends, failure=None),
            remove=[name for name in (*TOKEN, *FAILURE) if name not in target],
            unchanged={name: item.raw.get(name) for name in SWAPPED},
            is_done=lambda found: found.target == target["target"],
        )

    def report(self, item: Item, times: Sequence[int]) -> Item | None:
        """Mark the token of *item* as rejected. None if it was replaced or reported since."""
        return self._update(
            item,
            {"rejected": item.fingerprint or "", "report_times": tuple(times)},
            remove=FAILURE if not item.is_latched(None) else (),
            unchanged={
                "fingerprint": attribute(item.fingerprint or ""),
                "rejected": attribute(item.rejected) if item.rejected else None,
            },
            is_done=lambda found: found.is_rejected and found.fingerprint == item.fingerprint,
        )

    def claim_refresh(self, item: Item, until: int) -> bool:
        """Say whether this caller is the one that starts a background refresh, until *until*.

        A claim whose answer is lost is not read again, for the caller waits: it counts as lost.
        """
        was = attribute(item.nudged_until) if item.nudged_until else None
        return bool(
            self._update(
                item,
                {"nudged_until": until},
                unchanged={"nudged_until": was},
                is_done=None,
            )
        )

    def forget(self, item: Item) -> None:
        """Drop the token of *item*, its failure and its latch.

        Fence, generation and a running lease stay: an exchange under way must still be fenced.
        """
        self._update(
            item,
            {"schema": SCHEMA},
            remove=[*TOKEN, *FAILURE, *SUSPICION, *VERSIONS, "report_times"],
            kept=Item(
                item.connection,
                item.variant,
                expires_at=item.expires_at,
                lease_until=item.lease_until,
            ),
            unchanged={},
            is_done=lambda found: found.token is None and not found.rejected_versions,
        )

    def _update(
        self,
        item: Item,
        changes: Mapping[str, object],
        *,
        unchanged: Mapping[str, Attribute | None],
        is_done: Callable[[Item], bool] | None,
        remove: Sequence[str] = (),
        kept: Item | None = None,
    ) -> Item | None:
        """Change *item* if the attributes *unchanged* are as they were, and return it changed.

        *is_done* says of the item, read again, whether a write that seemed to fail was done.
        *kept* is the item that decides until when the table keeps it, where that may change.
        """
        from token_broker.conditional_writes import (  # noqa: PLC0415 (off the hit path)
            update_parameters,
            with_ttl,
        )

        if kept:
            changes, remove = with_ttl(changes, remove, kept)
        lost: BrokerError | None = None
        try:
            answer = call(
                self._client,
                "update_item",
                TableName=self._table,
                Key={"connection": {"S": item.connection}, "variant": {"S": item.variant}},
                ReturnValues="ALL_NEW",
                **update_parameters(changes, remove, unchanged),
            )
        except BrokerError as error:
            answer, lost = None, error
        if answer:
            return item_of(item.connection, item.variant, answer["Attributes"])
        if is_done and is_done(found := self.read(item.connection, item.variant)):
            return found
        if lost:
            raise lost
        return None


def _held(lease: Item) -> dict[str, Attribute | None]:
    """Return the condition that a lease is still its holder's own: fence *and* owner."""
    return {"fence": attribute(lease.fence), "lease_owner": attribute(lease.lease_owner or "")}
