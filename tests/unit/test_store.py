"""The table's writes: their changes, their conditions, and lost responses.

Each write is held against a model of what it does to a record. The record is compared whole, so an
attribute that is forgotten, kept or written in vain is seen, `ttl` among them.
"""

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field
from random import Random
from typing import Any

import pytest
from boto3.dynamodb.types import TypeDeserializer, TypeSerializer

from tests.unit.memory_aws import MemoryAws
from tests.unit.memory_broker import around
from token_broker.conditional_writes import Rejection
from token_broker.decisions import Verdict
from token_broker.errors import StoreUnavailable
from token_broker.item import Failure, Hold, Item
from token_broker.item_codec import failure_of
from token_broker.store import Store

NOW = 1_900_000_000
FIFTEEN_DAYS = 15 * 24 * 60 * 60
PLACE = ("vntana#acme", "-")
OTHER_PLACE = ("vntana#acme", "a" * 64)
MAX_VERSIONS = 8

Record = dict[str, Any]
"""An item as plain values by the names of its attributes."""


typed = TypeSerializer().serialize
"""Returns a plain value as DynamoDB has it."""
plain = TypeDeserializer().deserialize
"""Returns such a value as a plain one."""

# What there may be in the table

TOKEN: Record = {
    "token": b"sealed",
    "kind": "login",
    "fingerprint": "0123456789abcdef",
    "issued_at": NOW - 1000,
    "expires_at": NOW + 2000,
    "refresh_at": NOW + 1000,
    "secret_version": "v1",
    "context": '{"a": 1}',
}
ALIAS: Record = {
    "token": b"sealed variant",
    "kind": "pointer",
    "target": "b" * 64,
    "issued_at": NOW - 1000,
    "expires_at": NOW + 2000,
    "secret_version": "v1",
    "context": '{"role": "OWNER"}',
}
OF_TOKEN = {*TOKEN, *ALIAS, "renewal", "rejected"}
LEASES = [{"lease_owner": "me", "lease_until": NOW + ahead} for ahead in (30, 60_000)]
"""One that ends before all else, and one that ends last."""

OLD_FAILURE = {
    "code": "upstream_unavailable",
    "detail": "login: down",
    "since": NOW - 60,
    "count": 3,
    "retry_at": NOW + 9_000,
}
REJECTION = OLD_FAILURE | {"code": "credential_rejected", "secret_version": "v0"}
SUSPICION = {"suspect_version", "suspect_at", "suspect_variants"}
PLACED: Record = {"connection": PLACE[0], "variant": PLACE[1]}
BASE: Record = PLACED | {"schema": 1, "generation": 7, "fence": 9}
HOLD: Record = {"held": {"since": NOW - 9, "by": "arn:of:one", "reason": "billing"}}
NEW_HOLD = Hold(NOW - 9, "arn:of:another", "breach")
PARTS: list[Record] = [
    {"renewal": "ready"},
    {"rejected": "0123456789abcdef", "report_times": [NOW - 9]},
    {"rejected": "an older one", "report_times": [NOW - 90, NOW - 9]},
    {"failure": OLD_FAILURE},
    {"failure": REJECTION, "rejected_versions": ["v0"]},
    {"rejected_versions": ["v0"]},
    {"rejected_versions": [f"old-{number}" for number in range(MAX_VERSIONS)]},
    {"accepted_version": "v0"},
    {"accepted_version": "v1"},
    {"accepted_version": "v2", "suspect_version": "v2", "suspect_at": NOW - 60},
    {"latched_version": "v0", "latched_at": NOW - 90},
    {"noticed_version": "v0"},
    *({"suspect_version": "v1", "suspect_at": at} for at in (NOW - 90, NOW + 90)),
    {"suspect_version": "v1", "suspect_variants": ["a", "c"]},
    {"lease_owner": "dead", "lease_until": NOW + 50_000},
    {"nudged_until": NOW + 30},
    {"forced_at": NOW - 30},
    {"ttl": NOW + 5},
    HOLD,
    {"of_a_newer_version": "kept"},
]
"""What a record may have besides; any of them together, but for those of the same names."""


def records() -> Iterator[Record]:
    """Yield records that some sequence of writes might have left."""
    chance = Random(1)
    some = [chance.sample(PARTS, chance.randint(2, 8)) for _ in range(40)]
    for base in ({}, TOKEN, ALIAS):
        for parts in ([], *([part] for part in PARTS), *some):
            record: Record = BASE | base
            for part in parts:
                record |= part
            yield record
            yield record | LEASES[1]


# What each write does


def with_ttl(record: Record) -> Record:
    """Return *record* with the time until which the table keeps it: fifteen days after all ends."""
    rest = {name: value for name, value in record.items() if name != "ttl"}
    verdicts = ("rejected_versions", "accepted_version", "suspect_version")
    if any(record.get(name) for name in ("held", *verdicts)):
        return rest
    ends = max(
        record.get("expires_at", 0),
        record.get("lease_until", 0),
        record.get("failure", {}).get("retry_at", 0),
    )
    return rest | ({"ttl": ends + FIFTEEN_DAYS} if ends else {})


def without(record: Record, *names: str) -> Record:
    return {name: value for name, value in record.items() if name not in names}


NEW_TOKEN: Record = {
    "token": b"newly sealed",
    "kind": "login",
    "fingerprint": "fedcba9876543210",
    "issued_at": NOW,
    "expires_at": NOW + 3600,
    "refresh_at": NOW + 3000,
    "secret_version": "v2",
    "context": "{}",
}
NEW_ALIAS: Record = {
    "token": b"newly sealed variant",
    "kind": "pointer",
    "target": "c" * 64,
    "issued_at": NOW,
    "expires_at": NOW + 86_400,
    "secret_version": "v2",
}
DOWN = Failure("upstream_unavailable", "login: down", NOW - 5, 2, NOW + 40_000, "v1", 503)
DOWN_KEPT = failure_of(DOWN)
REFUSED = Failure(
    "credential_rejected", "login: no", NOW, 1, NOW + 30, "v1", 401, "BAD", "no", is_login=True
)
REFUSED_KEPT = failure_of(REFUSED)


@dataclass(frozen=True)
class Write:
    """A write of an item: its call, and its effect on a record."""

    call: Callable[[Store, Item], object]
    model: Callable[[Record], Record]
    compared: frozenset[str] = frozenset()
    """Attributes that must be as they were read, or nothing is written."""
    resembling: Record = field(default_factory=dict)
    """What makes a record look as if this write was done, and it was not; None removes."""
    is_settled: bool = True
    """Whether a lost answer is settled by reading again."""

    @property
    def is_leased(self) -> bool:
        """Whether only the holder of the lease writes this."""
        return "lease_owner" in self.compared


NEW_HOLD_KEPT: Record = {"held": {"since": NOW - 9, "by": "arn:of:another", "reason": "breach"}}


def acquired(record: Record) -> Record:
    changes: Record = {"schema": 1, "fence": record["fence"] + 1}
    changes |= {"lease_owner": "me", "lease_until": NOW + 60_000}
    renewal = {"renewal": "in_use"} if record.get("renewal") == "ready" else {}
    return with_ttl(record | changes | renewal)


def committed(record: Record, *recovered: str) -> Record:
    gone = ("failure", "lease_owner", "lease_until", "nudged_until", *OF_TOKEN, *SUSPICION)
    kept = without(record, *gone, *recovered) | NEW_TOKEN | {"schema": 1}
    kept["generation"] = record["generation"] + 1
    return without(with_ttl(kept | {"lease_until": record["lease_until"]}), "lease_until")


def failed(record: Record) -> Record:
    kept = with_ttl(record | {"schema": 1, "failure": DOWN_KEPT})
    return without(kept, "lease_owner", "lease_until")


def accepted(record: Record, *recovered: str) -> Record:
    gone = ("lease_owner", "lease_until", "failure", "ttl", *SUSPICION, *recovered)
    return without(record, *gone) | {"schema": 1, "accepted_version": "v2"}


def latched(record: Record, *ended: str) -> Record:
    """`v1` is rejected for certain: it is not tried again, and no longer accepted."""
    versions = [v for v in record.get("rejected_versions", []) if v != "v1"]
    proven = ("accepted_version",) if record.get("accepted_version") == "v1" else ()
    doubt = SUSPICION if record.get("suspect_version") == "v1" else ()
    return without(record, "ttl", *doubt, *proven, *ended) | {
        "schema": 1,
        "failure": REFUSED_KEPT,
        "rejected_versions": [*versions, "v1"][-MAX_VERSIONS:],
        "latched_version": "v1",
        "latched_at": REFUSED_KEPT["since"],
    }


def suspected(record: Record, *ended: str) -> Record:
    """`v1` was accepted: it is tried once more, a minute after it was first rejected."""
    knows = "v1" in (record.get("accepted_version"), record.get("secret_version"))
    was = knows and record.get("suspect_version") == "v1"
    since = min(record.get("suspect_at", 0), NOW) if was else NOW
    return without(record, "ttl", "suspect_variants", *ended) | {
        "schema": 1,
        "failure": REFUSED_KEPT | {"retry_at": since + 60},
        "suspect_version": "v1",
        "suspect_at": since,
    }


def refused(record: Record, *ended: str) -> Record:
    """`v1` may be wrong: that it was tried for the variant `c` is kept."""
    known = record.get("suspect_variants", []) if record.get("suspect_version") == "v1" else []
    return without(record, "ttl", "suspect_at", *ended) | {
        "schema": 1,
        "suspect_version": "v1",
        "suspect_variants": [*(v for v in known if v != "c"), "c"],
    }


def pointed(record: Record) -> Record:
    kept = without(record, "failure", *OF_TOKEN) | NEW_ALIAS | {"schema": 1}
    return with_ttl(kept | {"generation": record["generation"] + 1, "fence": record["fence"] + 1})


def reported(record: Record) -> Record:
    failure = record.get("failure", {})
    is_latched = failure.get("code") == "credential_rejected" and failure[
        "secret_version"
    ] in record.get("rejected_versions", [])
    kept = record if is_latched else without(record, "failure")
    return kept | {"rejected": record.get("fingerprint", ""), "report_times": [NOW - 1, NOW]}


def forgotten(record: Record) -> Record:
    versions = {"rejected_versions", "accepted_version", "latched_version", "latched_at"}
    gone = versions | {"failure", "report_times"}
    kept = without(record, *OF_TOKEN, *gone, *SUSPICION) | {"schema": 1}
    ends = {name: record.get(name, 0) for name in ("expires_at", "lease_until", "held")}
    ttl = {name: value for name, value in with_ttl(ends).items() if name == "ttl"}
    return without(kept, "ttl") | ttl


HELD = frozenset({"fence", "lease_owner"})
SWAPPED = frozenset({"fence", "generation"})
COMPARED = SWAPPED | {"rejected_versions", "accepted_version", "suspect_version", "held"}
JUDGED = HELD | {"rejected_versions"}
UNLEASED = frozenset({"accepted_version", "fence", "rejected_versions"})
LEASE_ENDS = ("lease_owner", "lease_until")


def judging(verdict: Verdict, *, has_lease: bool) -> Callable[[Store, Item], object]:
    rejection = Rejection("v1", REFUSED, "c")
    return call("judge", verdict, rejection, NOW, has_lease=has_lease)


def judgements(
    name: str, of: tuple[Verdict, Callable[..., Record]], leased: Record, unleased: Record
) -> dict[str, Write]:
    """Return the writes of a verdict: with and without the lease."""
    verdict, model = of
    by_holder = judging(verdict, has_lease=True)
    by_another = judging(verdict, has_lease=False)
    return {
        name: Write(by_holder, lambda record: model(record, *LEASE_ENDS), JUDGED, leased),
        f"{name}, without a lease": Write(by_another, model, UNLEASED, unleased),
    }


def call(operation: str, *arguments: object, **named: object) -> Callable[[Store, Item], object]:
    """Return the call of an operation of the store."""
    return lambda store, item: getattr(store, operation)(item, *arguments, **named)


NOTHING: frozenset[str] = frozenset()
ACQUIRE = ("acquire", "me", NOW + 60_000)
BY_ANOTHER: Record = {"lease_owner": "another"}
WRITES: dict[str, Write] = {
    "acquire": Write(call(*ACQUIRE), acquired, COMPARED, BY_ANOTHER),
    "acquire, forced": Write(
        call(*ACQUIRE, forced_at=NOW),
        lambda record: acquired(record) | {"forced_at": NOW},
        COMPARED,
        BY_ANOTHER,
    ),
    "commit": Write(
        call("commit", NEW_TOKEN), committed, HELD, {"generation": 8, "token": b"another"}
    ),
    "commit, with a renewal token": Write(
        call("commit", NEW_TOKEN | {"renewal": "ready"}),
        lambda record: committed(record) | {"renewal": "ready"},
        HELD,
        {"generation": 9, "token": NEW_TOKEN["token"]},
    ),
    "commit, recovering": Write(
        call("commit", NEW_TOKEN, recovers=True),
        lambda record: committed(record, "latched_version"),
        HELD,
        {"generation": 7, "token": NEW_TOKEN["token"]},
    ),
    "release": Write(
        lambda store, item: store.release(item, DOWN, renewal=item.renewal),
        failed,
        HELD,
        BY_ANOTHER,
    ),
    "release, with the renewal token unspent": Write(
        call("release", DOWN, renewal="ready"),
        lambda record: failed(record) | {"renewal": "ready"},
        HELD,
        {"fence": 10, "lease_owner": None},
    ),
    "release, for no reason that is kept": Write(
        call("release", None, renewal=None),
        lambda record: without(record, *LEASE_ENDS) | {"schema": 1},
        HELD,
        BY_ANOTHER,
    ),
    "accept": Write(call("accept", "v2"), accepted, HELD, {"accepted_version": "v3"}),
    "accept, recovering": Write(
        call("accept", "v2", recovers=True),
        lambda record: accepted(record, "latched_version"),
        HELD,
        {"accepted_version": "v2"},
    ),
    "back_off": Write(
        call("back_off", DOWN),
        lambda record: with_ttl(record | {"schema": 1, "failure": DOWN_KEPT}),
        COMPARED,
        {"failure": DOWN_KEPT | {"count": 3}},
    ),
    "back_off, over": Write(
        call("back_off", None),
        lambda record: with_ttl(without(record, "failure") | {"schema": 1}),
        COMPARED,
        {"failure": DOWN_KEPT},
    ),
    **judgements(
        "judge: latch",
        (Verdict.LATCH, latched),
        {"rejected_versions": ["v0"]},
        {"suspect_version": "v1"},
    ),
    **judgements(
        "judge: suspect",
        (Verdict.SUSPECT, suspected),
        {"suspect_version": "v0"},
        {"suspect_version": "v0", "rejected_versions": ["v1"]},
    ),
    **judgements(
        "judge: refuse the variant",
        (Verdict.REFUSE_VARIANT, refused),
        {"suspect_version": "v1", "suspect_variants": ["a"]},
        {"suspect_version": "v0", "suspect_variants": ["c"]},
    ),
    "hold": Write(
        call("hold", NEW_HOLD),
        lambda record: without(record, "ttl") | {"schema": 1} | NEW_HOLD_KEPT,
        frozenset({"held"}),
        HOLD,
    ),
    "lift": Write(
        call("hold", None),
        lambda record: without(record, "held") | {"schema": 1},
        frozenset({"held"}),
        NEW_HOLD_KEPT,
    ),
    "recover": Write(
        call("recover"),
        lambda record: without(record, "latched_version", "failure"),
        frozenset({"latched_version"}),
    ),
    "notice": Write(
        call("notice", "v2"),
        lambda record: record | {"noticed_version": "v2"},
        NOTHING,
        {"noticed_version": "v1"},
    ),
    "drop": Write(
        call("drop"),
        lambda record: without(record, *OF_TOKEN) | {"schema": 1},
        frozenset({"fingerprint"}),
        is_settled=False,
    ),
    "alias_to": Write(call("alias_to", NEW_ALIAS), pointed, SWAPPED, {"target": "c" * 64}),
    "report": Write(
        call("report", (NOW - 1, NOW)),
        reported,
        frozenset({"fingerprint", "rejected"}),
        {"rejected": "another", "fingerprint": "another"},
    ),
    "claim_refresh": Write(
        call("claim_refresh", NOW + 77),
        lambda record: record | {"nudged_until": NOW + 77},
        frozenset({"nudged_until"}),
        is_settled=False,
    ),
    "forget": Write(call("forget"), forgotten, NOTHING, {"token": b"another"}),
}
TELLS_NOTHING = {"notice", "drop"}
"""Writes that return nothing; `claim_refresh` says whether it was done."""


class Desk:
    """A table with one record, and the shipped store over it."""

    def __init__(self, record: Record) -> None:
        self.aws = MemoryAws()
        self.put(record)
        self.aws.table.records[OTHER_PLACE] = {"connection": typed("x")}
        self.item = self.aws.store.read(*PLACE)

    def put(self, record: Record) -> None:
        self.aws.table.records[PLACE] = {name: typed(value) for name, value in record.items()}

    @property
    def record(self) -> Record:
        assert self.aws.table.records[OTHER_PLACE] == {"connection": typed("x")}
        return {name: plain(value) for name, value in self.aws.table.records[PLACE].items()}

    def do(self, write: Write) -> object:
        return write.call(self.aws.store, self.item)


def fits(name: str, record: Record) -> Record:
    """Return *record* in a state in which this write is made."""
    if WRITES[name].is_leased and record.get("lease_owner") != "me":
        record = record | LEASES[0]
    if name in {"drop", "report"}:
        record = without(record, "target") | TOKEN
    if name == "recover":
        return {"latched_version": "v0"} | record
    return HOLD | record if name == "lift" else record


every_write = pytest.mark.parametrize("name", sorted(WRITES))


@every_write
def test_a_write_changes_exactly_the_attributes_of_its_model(name: str) -> None:
    for one in records():
        record = fits(name, one)
        desk = Desk(record)
        answer = desk.do(WRITES[name])
        assert desk.record == WRITES[name].model(record)
        if name == "claim_refresh":
            assert answer is True
        else:
            assert answer == told(name, desk)


def told(name: str, desk: Desk) -> Item | None:
    """Return what a write returns: the item after it, but for `forget`."""
    if name in TELLS_NOTHING:
        return None
    return desk.item if name == "forget" else desk.aws.store.read(*PLACE)


WHOLE = BASE | TOKEN | {name: value for part in PARTS for name, value in part.items()}
OTHER_VALUES: Record = NEW_HOLD_KEPT | {
    "failure": OLD_FAILURE | {"count": 99},
    "report_times": [1],
    "rejected_versions": ["v9"],
    "suspect_variants": ["z"],
    "token": b"other",
}


def other(value: Any, name: str) -> object:
    """Return a value of the same type that is another."""
    if name in OTHER_VALUES:
        return OTHER_VALUES[name]
    return f"{value}-other" if isinstance(value, str) else value + 1


@every_write
@pytest.mark.parametrize("what", ["changed", "gone", "new"])
def test_a_write_fails_if_a_compared_attribute_has_changed(name: str, what: str) -> None:
    """Other attributes may change meanwhile."""
    write = WRITES[name]
    whole = fits(name, WHOLE)
    refusing = set()
    for attribute in sorted(whole.keys() - {"connection", "variant"}):
        absent = without(whole, attribute)
        before, now = {
            "changed": (whole, whole | {attribute: other(whole[attribute], attribute)}),
            "gone": (whole, absent),
            "new": (absent, whole),
        }[what]
        desk = Desk(before)
        if desk.item.corrupt and attribute not in write.compared:
            continue
        desk.put(now)
        desk.do(write)
        if desk.record == now:
            refusing.add(attribute)
    assert refusing == write.compared


@pytest.mark.parametrize("name", sorted(n for n in WRITES if "held" not in WRITES[n].compared))
@pytest.mark.parametrize(("before", "now"), [({}, HOLD), (HOLD, {}), (HOLD, NEW_HOLD_KEPT)])
def test_a_write_respects_a_hold_that_was_changed_meanwhile(
    name: str, before: Record, now: Record
) -> None:
    """I15, I16: the hold stays as it is at the write, and a held item has no `ttl`."""
    record = fits(name, BASE | TOKEN)
    desk = Desk(record | before)
    desk.put(record | now)
    desk.do(WRITES[name])
    assert desk.record == WRITES[name].model(record | now)


@pytest.mark.parametrize("name", sorted(n for n in WRITES if "held" not in WRITES[n].compared))
def test_a_write_is_done_though_a_hold_came_and_went(name: str) -> None:
    """The read after the refused write does not show why it was refused."""
    record = fits(name, BASE | TOKEN)
    desk, holds = Desk(record), iter([HOLD])
    desk.aws.dynamodb.before_write = lambda: desk.put(record | next(holds, {}))

    def lifted(read: Callable[..., Any], **request: Any) -> Any:
        desk.put(record)
        return read(**request)

    around(desk.aws.dynamodb, "get_item", lifted)
    desk.do(WRITES[name])
    was_refused = desk.aws.dynamodb.writes > 1
    assert desk.record == WRITES[name].model(record | ({} if was_refused else HOLD))


def test_a_write_is_not_done_if_the_lease_was_lost_after_the_hold_changed() -> None:
    """The hold alone is a reason to write once more."""
    record = fits("commit", BASE | TOKEN)
    desk = Desk(record)
    changes = iter(({}, HOLD, HOLD | {"lease_owner": "another"}))
    now = record

    def meanwhile() -> None:
        nonlocal now
        now = record | next(changes)
        desk.put(now)

    meanwhile()
    desk.aws.dynamodb.before_write = meanwhile
    assert desk.do(WRITES["commit"]) is None
    assert (desk.record, desk.aws.dynamodb.writes) == (now, 2)


@every_write
@pytest.mark.parametrize("how", ["repeat", "lose_answer"])
def test_a_write_with_a_lost_response_counts_if_it_was_done(name: str, how: str) -> None:
    """boto3 repeats it, and its condition fails; or the response never arrives."""
    write = WRITES[name]
    desk = Desk(fits(name, BASE | TOKEN))
    setattr(desk.aws.dynamodb, how, True)
    is_told = write.is_settled or how == "repeat"
    with nullcontext() if is_told else pytest.raises(StoreUnavailable):
        answer = desk.do(write)
        assert answer == (told(name, desk) if write.is_settled or name == "drop" else False)
    assert desk.record == write.model(fits(name, BASE | TOKEN))


REASONS = frozenset({"failure", "latched_at", "suspect_at"})
"""What says since when and why: it may be another caller's, if that decided the same."""


@every_write
def test_a_write_that_was_not_done_and_has_no_response_is_an_error(name: str) -> None:
    """Also if another process wrote some of the same attributes, or some have their value already.

    No error is needed if everything is as this write would leave it.
    """
    write = WRITES[name]
    whole = fits(name, BASE | TOKEN)
    reads = [one for one in (fits(name, one) for one in records()) if not is_own(name, one)]
    pairs = [*((read, read) for read in reads), (whole, whole | {"failure": OLD_FAILURE})]
    pairs += [(whole, whole | write.resembling)] * bool(write.resembling)
    loose = {"ttl", "renewal"} | (REASONS if name.startswith("judge") else set())
    for read, now in pairs:
        desk = Desk(read)
        desk.put({attribute: value for attribute, value in now.items() if value is not None})
        before = desk.record
        desk.aws.dynamodb.break_before = True
        try:
            desk.do(write)
        except StoreUnavailable:
            pass
        else:
            assert without(before, *loose) == without(write.model(before), *loose)
        assert desk.record == before


@pytest.mark.parametrize(
    "left",
    [
        {"accepted_version": "v1"},
        {"suspect_version": "v2", "suspect_at": NOW - 60},
        {"latched_version": "v0"},
    ],
    ids=lambda left: next(iter(left)),
)
def test_an_acceptance_is_not_done_if_only_the_lease_has_ended(left: Record) -> None:
    """Another caller has acquired it: that tells nothing of this write, whose answer is lost."""
    name = "accept, recovering"
    record = fits(name, BASE | TOKEN)
    desk = Desk(record)
    accepted_by_another = without(record, "latched_version") | {"accepted_version": "v2"}
    desk.put(accepted_by_another | BY_ANOTHER | left)
    desk.aws.dynamodb.break_before = True
    with pytest.raises(StoreUnavailable):
        desk.do(WRITES[name])


def is_own(name: str, record: Record) -> bool:
    """Return whether *record* cannot be there: its lease is the new one, or its token reported."""
    if name.startswith("acquire"):
        return record.get("lease_owner") == "me"
    return name == "report" and record.get("rejected") == record["fingerprint"]


@every_write
def test_a_write_without_a_compared_lease_or_token_creates_the_item(name: str) -> None:
    """Other writes fail without an item."""
    write, desk = WRITES[name], Desk({})
    del desk.aws.table.records[PLACE]
    desk.item = desk.aws.store.read(*PLACE)
    assert desk.item == Item(*PLACE)
    desk.do(write)
    is_done = PLACE in desk.aws.table.records
    assert is_done is write.compared.isdisjoint({"lease_owner", "fingerprint", "latched_version"})
    if is_done and name != "judge: suspect, without a lease":
        zeros = {"generation": 0, "fence": 0}
        assert zeros | desk.record == write.model(PLACED | zeros)


def test_only_the_gate_has_latched_version() -> None:
    aws = MemoryAws()
    kept = judging(Verdict.LATCH, has_lease=False)(aws.store, Item(*OTHER_PLACE))
    assert kept == aws.store.read(*OTHER_PLACE)
    assert isinstance(kept, Item)
    assert (kept.rejected_versions, kept.latched_version) == (("v1",), None)


def test_an_alias_replaces_corrupt_attributes() -> None:
    """Otherwise each process would find them again and write the alias once more."""
    desk = Desk(BASE | ALIAS | {"forced_at": "x"})
    assert desk.item.corrupt == ("forced_at",)
    desk.do(WRITES["alias_to"])
    assert desk.aws.store.read(*PLACE).corrupt == ()


def test_delete_removes_corrupt_attributes_but_not_a_hold() -> None:
    """I16: an unreadable hold counts as one."""
    desk = Desk(BASE | TOKEN | {"forced_at": "x", "failure": "x", "held": "x"})
    desk.do(WRITES["forget"])
    found = desk.aws.store.read(*PLACE)
    assert (found.corrupt, found.held is not None) == (("held",), True)


@pytest.mark.parametrize(
    ("corrupt", "becomes"),
    [
        ({"generation": "x"}, {"generation": 0}),
        ({"expires_at": "x"}, {}),
        ({"failure": "x"}, {}),
        ({"rejected_versions": "x"}, {}),
        ({"schema": 7}, {}),
        ({"fence": "x"}, {"fence": 1}),
    ],
)
def test_acquire_removes_corrupt_attributes(corrupt: Record, becomes: Record) -> None:
    """A corrupt attribute is compared unchanged; otherwise every later write would fail."""
    desk = Desk(BASE | TOKEN | corrupt)
    assert desk.item.corrupt == tuple(corrupt)
    assert desk.aws.store.acquire(desk.item, "me", NOW + 60)
    left = without(BASE | TOKEN | {"ttl": desk.record["ttl"]}, *corrupt)
    lease = {"schema": 1, "lease_owner": "me", "lease_until": NOW + 60}
    assert desk.record == left | lease | ({"fence": 10} | becomes)


# Reading


@pytest.mark.parametrize("page", [1, 2, 5, 1000])
def test_list_returns_all_items_of_a_connection_over_several_pages(page: int) -> None:
    aws = MemoryAws(page=page)
    variants = [f"{number:064x}" for number in range(5)]
    for variant in variants:
        for connection in ("vntana#acme", "vntana#other"):
            record = BASE | TOKEN | {"connection": connection, "variant": variant}
            aws.table.records[connection, variant] = {n: typed(v) for n, v in record.items()}
    found = list(aws.store.list("vntana#acme"))
    assert found == [aws.store.read("vntana#acme", variant) for variant in variants]
    assert aws.dynamodb.pages == -(-5 // page)


def test_items_are_returned_in_the_order_of_the_request() -> None:
    desk = Desk(BASE | TOKEN)
    there, absent, again = desk.aws.store.read_all(PLACE[0], "-", "b" * 64, "-")
    assert (there.variant, there.token, there.generation) == ("-", b"sealed", 7)
    assert absent == Item(PLACE[0], "b" * 64)
    assert again == there
