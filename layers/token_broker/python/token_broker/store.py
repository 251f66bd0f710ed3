"""The table: one item for each variant, and one conditional write for each change."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from token_broker import item_codec as codec
from token_broker.aws.clients import Client, call
from token_broker.decisions import Verdict, ttl_of
from token_broker.errors import BrokerError, StoreUnavailable
from token_broker.item import Failure, Hold, Item
from token_broker.item_codec import AsRead
from token_broker.records import replace

if TYPE_CHECKING:
    from token_broker.conditional_writes import Rejection


class Store:
    """Reads and changes items. Raises `StoreUnavailable`, and `NotConfigured` for a wrong table."""

    def __init__(self, table: str, client: Client) -> None:
        self._table = table
        self._client = client

    def read(self, partition: str, variant: str) -> Item:
        """Return one item, empty if there is none."""
        return self.read_all(partition, variant)[0]

    def read_all(self, partition: str, *variants: str) -> list[Item]:
        """Return several items with one request, strongly consistent."""
        records = self._records(partition, variants)
        return [codec.item_of(partition, variant, records.get(variant)) for variant in variants]

    def _records(self, partition: str, variants: Sequence[str]) -> Mapping[str, codec.Attributes]:
        """Return the attributes of each of *variants* that is kept."""
        keys = [codec.key_of(partition, variant) for variant in dict.fromkeys(variants)]
        if len(keys) == 1:
            request = {"TableName": self._table, "Key": keys[0], "ConsistentRead": True}
            answer = call(self._client, "get_item", **request)
            return {variants[0]: answer["Item"]} if "Item" in answer else {}
        requested = {self._table: {"Keys": keys, "ConsistentRead": True}}
        answer = call(self._client, "batch_get_item", RequestItems=requested)
        if answer.get("UnprocessedKeys"):
            raise StoreUnavailable("the table is busy", retry_after=1)
        found = [record for records in answer["Responses"].values() for record in records]
        return {record["variant"]["S"]: record for record in found}

    def list(self, partition: str) -> Iterator[Item]:
        """Yield all items of a connection. One page of them is read at a time."""
        start: dict[str, Any] = {}
        while True:
            page = call(
                self._client,
                "query",
                TableName=self._table,
                KeyConditionExpression="#connection = :connection",
                ExpressionAttributeNames={"#connection": "connection"},
                ExpressionAttributeValues={":connection": codec.attribute(partition)},
                ConsistentRead=True,
                **start,
            )
            for record in page["Items"]:
                yield codec.item_of(partition, record["variant"]["S"], record)
            if "LastEvaluatedKey" not in page:
                return
            start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}

    def acquire(
        self, item: Item, owner: str, until: int, *, forced_at: int | None = None
    ) -> Item | None:
        """Acquire the lease of *item*. None if *item* has changed since it was read.

        The same write marks a ready renewal token as used, before it is sent.
        """
        changes: dict[str, object] = {
            **dict.fromkeys(item.corrupt),
            "schema": codec.SCHEMA,
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
            # A verdict may be written without a lease, or late. Then this must not set a ttl.
            unchanged={name: item.raw.get(name) for name in codec.COMPARED},
            ttl_after=replace(item, lease_until=until),
            is_done=lambda found: found.lease_owner == owner,
        )

    def commit(
        self, lease: Item, token: Mapping[str, Any], *, recovers: bool = False
    ) -> Item | None:
        """Keep a new *token* and end the lease, and with *recovers* the latch of the connection.

        None if another caller has the lease.
        """
        latch = ("latched_version",) if recovers else ()
        removed = dict.fromkeys(
            (*codec.TOKEN, "failure", *codec.LEASE, *codec.SUSPICION, *latch, "nudged_until")
        )
        ends = token["expires_at"]
        return self._update(
            lease,
            {**removed, **token, "schema": codec.SCHEMA, "generation": lease.generation + 1},
            ttl_after=replace(lease, expires_at=ends, failure=None, suspect_version=None),
            unchanged=codec.as_leased(lease),
            is_done=lambda found: (
                found.generation == lease.generation + 1 and found.token == token["token"]
            ),
        )

    def release(self, lease: Item, failure: Failure | None, *, renewal: str | None) -> Item | None:
        """End the lease, and keep the *failure* of its exchange, if there was one."""
        changes: dict[str, object] = {"schema": codec.SCHEMA, **dict.fromkeys(codec.LEASE)}
        if failure:
            changes["failure"] = codec.failure_of(failure)
        if renewal:
            changes["renewal"] = renewal
        return self._update(
            lease,
            changes,
            ttl_after=replace(lease, failure=failure) if failure else None,
            unchanged=codec.as_leased(lease),
            is_done=lambda found: found.fence == lease.fence and found.lease_owner is None,
        )

    def accept(self, gate: Item, version: str, *, recovers: bool = False) -> Item | None:
        """Keep that *version* was accepted; end the gate's lease, and with *recovers* the latch."""
        latch = ("latched_version",) if recovers else ()
        removed = dict.fromkeys((*codec.LEASE, "failure", *codec.SUSPICION, *latch, "ttl"))
        return self._update(
            gate,
            {**removed, "schema": codec.SCHEMA, "accepted_version": version},
            unchanged=codec.as_leased(gate),
            # The version may have been accepted before: the lease and the suspicion tell more.
            is_done=lambda found: (
                found.accepted_version == version
                and found.lease_owner != gate.lease_owner
                and not found.suspect_version
                and not (recovers and found.latched_version)
            ),
        )

    def recover(self, gate: Item) -> Item | None:
        """End the latch of the connection without a lease. None if it is latched anew meanwhile."""
        return self._update(
            gate,
            {"latched_version": None, "failure": None},
            unchanged={"latched_version": codec.attribute(gate.latched_version or "")},
            is_done=lambda found: found.latched_version is None,
        )

    def back_off(self, item: Item, failure: Failure | None) -> Item | None:
        """Keep the *failure* of a variant that is not shared, without a lease; None clears it."""
        return self._update(
            item,
            {"schema": codec.SCHEMA, "failure": failure and codec.failure_of(failure)},
            ttl_after=replace(item, failure=failure),
            unchanged={name: item.raw.get(name) for name in codec.COMPARED},
            is_done=lambda found: found.failure == failure,
        )

    def judge(
        self,
        item: Item,
        verdict: Verdict,
        rejection: "Rejection",
        now: int,
        *,
        has_lease: bool,
    ) -> Item | None:
        """Keep what *rejection* means. None if *item* has changed since it was read.

        *has_lease*: *item* has a lease of this caller. That of the gate ends; a variant's goes on.
        """
        from token_broker import conditional_writes as writes  # noqa: PLC0415 (off the hit path)

        ends_lease = has_lease and item.variant != rejection.variant
        changes, as_read = writes.judged(verdict, item, rejection, now, has_lease=has_lease)
        return self._update(
            item,
            changes | (dict.fromkeys(codec.LEASE) if ends_lease else {}),
            unchanged=as_read,
            is_done=lambda found: (
                writes.is_kept(verdict, found, rejection)
                and not (ends_lease and found.lease_owner == item.lease_owner)
            ),
        )

    def hold(self, gate: Item, hold: Hold | None) -> Item | None:
        """Write the *hold* of a connection; None lifts it. None if another one did so meanwhile."""
        ttl = {"ttl": None} if hold else {}  # the table must never drop a hold
        return self._update(
            gate,
            {"schema": codec.SCHEMA, "held": hold and vars(hold), **ttl},
            unchanged={"held": gate.raw.get("held")},
            is_done=lambda found: found.held == hold,
        )

    def notice(self, gate: Item, version: str) -> None:
        """Keep that an event named *version*, for callers that find *gate* latched."""
        self._update(
            gate,
            {"noticed_version": version},
            unchanged={},
            is_done=lambda found: found.noticed_version == version,
        )

    def drop(self, item: Item) -> None:
        """Remove the token of *item*, unless another one has replaced it."""
        changes = {**dict.fromkeys(codec.TOKEN), "schema": codec.SCHEMA}
        self.write_if(item, changes, {"fingerprint": codec.attribute(item.fingerprint or "")})

    def alias_to(self, item: Item, target: Mapping[str, Any]) -> Item | None:
        """Keep *target* as the alias in *item*, without a lease: no request was sent for it."""
        ends = target["expires_at"]
        return self._update(
            item,
            {
                **dict.fromkeys((*item.corrupt, *codec.TOKEN, "failure")),
                **target,
                "schema": codec.SCHEMA,
                "generation": item.generation + 1,
                "fence": item.fence + 1,
            },
            ttl_after=replace(item, expires_at=ends),
            unchanged={name: item.raw.get(name) for name in codec.SWAPPED},
            is_done=lambda found: (
                (found.target, found.secret_version) == (target["target"], target["secret_version"])
            ),
        )

    def report(self, item: Item, times: Sequence[int]) -> Item | None:
        """Mark the token of *item* as rejected. None if it was replaced or reported since."""
        is_login = item.failure is not None and item.failure.is_login
        # A login whose effect on the account is unknown is not repeated before its back-off ends.
        forgiven = {} if item.has_latching_failure or is_login else {"failure": None}
        return self._update(
            item,
            {"rejected": item.fingerprint or "", "report_times": tuple(times), **forgiven},
            unchanged={
                "fingerprint": codec.attribute(item.fingerprint or ""),
                "rejected": codec.attribute(item.rejected) if item.rejected else None,
            },
            is_done=lambda found: found.is_rejected and found.fingerprint == item.fingerprint,
        )

    def claim_refresh(self, item: Item, until: int) -> bool:
        """Claim the background refresh until *until*; say whether this caller has the claim.

        A lost answer raises, and is not settled by a read: the caller is waiting for its token.
        """
        was = codec.attribute(item.nudged_until) if item.nudged_until else None
        return bool(self.write_if(item, {"nudged_until": until}, {"nudged_until": was}))

    def forget(self, item: Item) -> Item:
        """Remove the token of *item*, its failure, its latch, and what is corrupt.

        Return the item as it was before. Fence, generation and a running lease stay, so that a
        running exchange is still fenced; so does a hold, even if it cannot be read.
        """
        known = (*codec.TOKEN, "failure", *codec.SUSPICION, *codec.VERSIONS, "report_times")
        while True:
            corrupt = (name for name in item.corrupt if name != "held")
            if self._update(
                item,
                {**dict.fromkeys((*corrupt, *known)), "schema": codec.SCHEMA},
                ttl_after=item.bare(),
                # A latch that is removed has to be known.
                unchanged={name: item.raw.get(name) for name in ("generation", "latched_version")},
                is_done=lambda found: found.is_bare,
            ):
                return item
            item = self.read(item.partition, item.variant)

    def _update(
        self,
        item: Item,
        changes: Mapping[str, object],
        *,
        unchanged: AsRead,
        is_done: Callable[[Item], bool],
        ttl_after: Item | None = None,
    ) -> Item | None:
        """Write *changes* if the attributes *unchanged* are as they were; return the item as it is.

        None if they are not. After a failed write the item is read again: *is_done* says whether it
        was written all the same. *ttl_after* is the item after this write, if that changes its
        `ttl`, which depends on the hold: if only that has changed, this writes again.
        """
        while True:
            ttl = {"ttl": ttl_of(ttl_after)} if ttl_after else {}
            as_held = {"held": item.raw.get("held")} if ttl_after else {}
            lost: BrokerError | None = None
            try:
                if written := self.write_if(item, {**changes, **ttl}, {**as_held, **unchanged}):
                    return written
            except BrokerError as error:
                lost = error
            found = self.read(item.partition, item.variant)
            if is_done(found):
                return found
            if lost:
                raise lost
            if not ttl_after or any(found.raw.get(n) != seen for n, seen in unchanged.items()):
                return None
            item = replace(item, held=found.held, raw=found.raw)
            ttl_after = replace(ttl_after, held=found.held)

    def write_if(self, item: Item, changes: Mapping[str, object], as_read: AsRead) -> Item | None:
        """Write *changes*, where None removes, if the attributes *as_read* are as they were.

        Return *item* as written; None if they are not. A lost answer raises.
        """
        from token_broker import conditional_writes as writes  # noqa: PLC0415 (off the hit path)

        answer = call(
            self._client,
            "update_item",
            TableName=self._table,
            Key=codec.key_of(item.partition, item.variant),
            ReturnValues="ALL_NEW",
            **writes.update_parameters(changes, as_read),
        )
        return codec.item_of(item.partition, item.variant, answer["Attributes"]) if answer else None
