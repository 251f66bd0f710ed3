"""The table: one item a variant, each change one conditional write.

A write that fails its condition, or whose answer is lost, is settled by reading: what is there
says whether it was done. So a retry that meets its own first attempt is no conflict.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol

from token_broker.errors import NotConfigured, StoreUnavailable
from token_broker.item import MOST_VERSIONS, SECOND_LOOK, Failure, Item, Verdict, suspects, ttl_of
from token_broker.item_codec import (
    COMPARED,
    SCHEMA,
    SUSPICION,
    SWAPPED,
    TOKEN,
    attribute,
    failure_of,
    item_of,
)
from token_broker.tokens import ONLY

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


class ItemReader(Protocol):
    """Reads items as they are, strongly consistent."""

    def items(self, connection: str, *variants: str) -> Sequence[Mapping[str, Any] | None]:
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
        """Return several items by one request."""
        records = self._reader.items(connection, *variants)
        return [item_of(connection, v, r) for v, r in zip(variants, records, strict=True)]

    def list(self, connection: str) -> Iterator[Item]:
        """Yield all items of a connection, however many; a page of them is read at a time."""
        start: dict[str, Any] = {}
        while True:
            page: Any = self._call(
                "query",
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
        """Take the lease of *item*, which was read without one; None if anything changed since.

        Fence and generation are compared and swapped, so that no lease, commit or late commit can
        have come between. A renewal token that is ready is marked as in use by the same write:
        it is spent before it is sent.
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
        if "generation" in item.damaged:
            changes["generation"] = 0
        return self._update(
            item,
            changes,
            remove=[name for name in item.damaged if name not in changes],
            # A verdict is written without a lease too: none that came between may get a ttl.
            unchanged={name: item.raw.get(name) for name in COMPARED},
            kept=replace(item, lease_until=until),
            is_done=lambda found: found.lease_owner == owner,
        )

    def commit(
        self, lease: Item, token: Mapping[str, object], *, recovers: bool = False
    ) -> Item | None:
        """Keep a new *token* and end the lease; None if the lease is another's by now.

        *recovers* says whether the connection is latched no more.
        """
        latch = ["latched_version"] if recovers else []
        changes = dict(token) | {"schema": SCHEMA, "generation": lease.generation + 1}
        ends = int(str(token.get("expires_at", 0)))
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
        """Keep why there is no new token, and end the lease."""
        changes: dict[str, object] = {"schema": SCHEMA}
        if failure:
            changes["failure"] = failure_of(failure)
        if renewal != lease.renewal and renewal:
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
        """Keep that the upstream accepted a *version* of the secret, and end the gate's lease.

        *recovers* says whether the connection is latched no more.
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
        """Keep, without a lease, why there was no token for one caller alone, or that there was."""
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
        """Keep what it means that *version* was rejected; None if *item* is not as it was read.

        *is_held* says whether the lease that *item* was read with is the writer's own. What DELETE
        has removed meanwhile does not come back.
        """
        changes: dict[str, object] = {"schema": SCHEMA}
        remove = ["ttl", *(LEASE if ends_lease else ())]
        match verdict:
            case Verdict.LATCH:
                changes["failure"] = failure_of(failure)
                changes["rejected_versions"] = _with(item.rejected_versions, version)
                if item.variant == ONLY:
                    changes["latched_version"] = version
                is_proven = item.accepted_version == version
                remove += [*SUSPICION, *(["accepted_version"] if is_proven else [])]
            case Verdict.SUSPECT:
                is_known = item.is_suspect(version)
                since = min(item.suspect_at, now) if is_known else now
                again = replace(failure, retry_at=since + SECOND_LOOK)
                changes["failure"] = failure_of(again)
                changes |= {"suspect_version": version, "suspect_at": since}
                remove.append("suspect_variants")
            case _:
                changes["suspect_version"] = version
                changes["suspect_variants"] = suspects(item, version, variant)
                remove.append("suspect_at")
        accepted = item.accepted_version
        read: dict[str, Mapping[str, Any] | None] = (
            _held(item)
            if is_held
            else {
                "accepted_version": attribute(accepted) if accepted else None,
                "fence": item.raw.get("fence"),
            }
        )
        return self._update(
            item,
            changes,
            remove=remove,
            unchanged=read | {"rejected_versions": item.raw.get("rejected_versions")},
            is_done=lambda found: _is_judged(found, verdict, version, variant),
        )

    def notice(self, gate: Item, version: str) -> None:
        """Keep that the secret has this *version* by now, for whoever finds *gate* latched."""
        self._update(
            gate,
            {"noticed_version": version},
            unchanged={},
            is_done=lambda found: found.noticed_version == version,
        )

    def drop(self, item: Item) -> None:
        """Drop the token of *item*, unless it was replaced meanwhile."""
        self._update(
            item,
            {"schema": SCHEMA},
            remove=TOKEN,
            unchanged={"fingerprint": attribute(item.fingerprint or "")},
            is_done=None,
        )

    def point(self, item: Item, target: Mapping[str, object]) -> Item | None:
        """Keep where *item* leads to, without a lease: nothing upstream was asked."""
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
        """Mark the token of *item* as rejected; None if it was replaced or reported meanwhile."""
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

    def nudge(self, item: Item, until: int) -> bool:
        """Elect the one caller that starts a renewal; say whether it is this one.

        Whoever is not sure is not elected, and reads nothing to find out: its caller waits.
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

        Fence, generation and a running lease stay: whoever is exchanging must still be fenced.
        """
        self._update(
            item,
            {"schema": SCHEMA},
            remove=[
                *TOKEN,
                *FAILURE,
                *SUSPICION,
                "rejected_versions",
                "accepted_version",
                "latched_version",
                "report_times",
            ],
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
        unchanged: Mapping[str, Mapping[str, Any] | None],
        is_done: Callable[[Item], bool] | None,
        remove: Sequence[str] = (),
        kept: Item | None = None,
    ) -> Item | None:
        """Change *item* if the attributes *unchanged* are as they were; return it as it is then.

        *is_done* says of the item as it is found whether a write that seemed to fail was done.
        *kept* is what decides until when the table keeps it, where that may change.
        """
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 (off the hit path)

        if kept:
            ttl = ttl_of(kept)
            changes, remove = (
                (changes, (*remove, "ttl"))
                if ttl is None
                else (dict(changes) | {"ttl": ttl}, remove)
            )
        lost: Exception | None = None
        try:
            answer: Any = self._client().update_item(
                TableName=self._table,
                Key={"connection": {"S": item.connection}, "variant": {"S": item.variant}},
                ReturnValues="ALL_NEW",
                **_expressions(changes, remove, unchanged),
            )
            return item_of(item.connection, item.variant, answer["Attributes"])
        except ClientError as error:
            if error.response["Error"]["Code"] != CONDITION_FAILED:
                lost = error
        except BotoCoreError as error:
            lost = error
        if is_done and is_done(found := self.read(item.connection, item.variant)):
            return found
        if lost:
            raise unavailable(lost, "the table", "TABLE_NAME") from None
        return None

    def _call(self, operation: str, **arguments: Any) -> Any:
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 (off the hit path)

        try:
            return getattr(self._client(), operation)(TableName=self._table, **arguments)
        except (BotoCoreError, ClientError) as error:
            raise unavailable(error, "the table", "TABLE_NAME") from None


LEASE = ("lease_owner", "lease_until")
FAILURE = ("failure",)
CONDITION_FAILED = "ConditionalCheckFailedException"
WRONG_SETTINGS = frozenset(
    {
        "AccessDeniedException",
        "AccessDenied",
        "ResourceNotFoundException",
        "UnrecognizedClientException",
        "ExpiredTokenException",
        "NotFoundException",
        "DisabledException",
        "KMSInvalidStateException",
        "InvalidKeyUsageException",
        "DecryptionFailure",
    }
)
"""Codes of AWS that no later attempt changes: somebody has to set something right."""

WRONG_SIGNATURES = frozenset(
    {
        "InvalidSignatureException",
        "SignatureDoesNotMatch",
        "IncompleteSignature",
        "IncompleteSignatureException",
        "RequestTimeTooSkewed",
        "RequestExpired",
    }
)
"""Codes for what is signed with other keys, or by a clock that is wrong."""


def unavailable(error: Exception, what: str, setting: str) -> StoreUnavailable | NotConfigured:
    """Return what an error of AWS means; its text, which may quote a request, is left out."""
    response: Any = getattr(error, "response", None) or {}
    code = str(response.get("Error", {}).get("Code", type(error).__name__))
    if code in WRONG_SIGNATURES:
        return NotConfigured(f"credentials or clock: {what} refuses what they sign ({code})")
    if code in WRONG_SETTINGS:
        return NotConfigured(f"{setting}: {what} cannot be used ({code})")
    return StoreUnavailable(f"{what} cannot be reached ({code})", retry_after=1)


def _held(lease: Item) -> dict[str, Mapping[str, Any] | None]:
    """Return the condition that a lease is still its holder's own: fence *and* owner."""
    return {"fence": attribute(lease.fence), "lease_owner": attribute(lease.lease_owner or "")}


def _is_judged(found: Item, verdict: Verdict, version: str, variant: str) -> bool:
    """Say whether *found* has what a rejection of *version* means."""
    if verdict is Verdict.LATCH:
        return version in found.rejected_versions
    is_suspect = found.suspect_version == version
    return is_suspect and (verdict is Verdict.SUSPECT or variant in found.suspect_variants)


def _with(versions: tuple[str, ...], version: str) -> tuple[str, ...]:
    return (*(v for v in versions if v != version), version)[-MOST_VERSIONS:]


def _expressions(
    changes: Mapping[str, object],
    remove: Sequence[str],
    unchanged: Mapping[str, Mapping[str, Any] | None],
) -> dict[str, Any]:
    """Return the parameters of an UpdateItem. All names are placeholders: some are reserved."""
    values = {f":{name}": attribute(value) for name, value in changes.items() if value is not None}
    update = "SET " + ", ".join(f"#{name[1:]} = {name}" for name in values)
    if remove:
        update += " REMOVE " + ", ".join(f"#{name}" for name in remove)
    clauses = [
        f"attribute_not_exists(#{name})" if seen is None else f"#{name} = :seen_{name}"
        for name, seen in unchanged.items()
    ]
    names = [name[1:] for name in values] + [*remove, *unchanged]
    return {
        "UpdateExpression": update,
        "ExpressionAttributeNames": {f"#{name}": name for name in names},
        "ExpressionAttributeValues": values
        | {f":seen_{name}": seen for name, seen in unchanged.items() if seen is not None},
    } | ({"ConditionExpression": " AND ".join(clauses)} if clauses else {})
