"""Chains of aliases: a default of the secret, names, and the target token.

No vendor of ours has that, so this one is made up: each step of its way is one request.
"""

from itertools import count
from typing import TYPE_CHECKING, Any

import pytest

from tests.functions.test_tokens import assert_problem
from tests.unit.memory_aws import timeout
from tests.unit.memory_broker import MemoryBroker, around, raising
from token_broker.dependencies import Dependencies
from token_broker.document import Document
from token_broker.errors import StoreUnavailable
from token_broker.exchange import Exchange, Request, ResolvedTo, Response
from token_broker.flows import Flow
from token_broker.flows.vendor import Vendor
from token_broker.item_codec import attribute
from token_broker.records import replace
from token_broker.refresh.invocation import Invocation
from token_broker.refresh.refresher import Refresher
from token_broker.refresh.requirement import Requirement
from token_broker.tokens import Token, Variant

if TYPE_CHECKING:
    from collections.abc import Callable

WAY = ["find tenant", "find desk", "enter"]
DESK = Variant("desk", {"tenant": 3, "desk": "front"})
CHANNEL = Variant("channel", {"channel": 7})
OWNERS = Variant("channel", {"channel": 8})
BASE = "https://api.chain.example"
LIFETIME = 3600
MOST_SENT = 20
"""Requests of a test, at most."""


def requested(body: Document) -> Variant:
    """Return the requested variant: a desk, or that of the secret."""
    return Variant("asked", {"desk": body.optional_text("desk")})


def resolve(_secret: object, variant: Variant) -> Variant:
    """Return a request with the secret's desk and tenant."""
    if variant.kind != "asked":
        return variant
    return Variant("named", {"tenant": "pier", "desk": variant.inputs["desk"] or "front"})


def exchange(secret: Any, variant: Variant, now: int, _kept: Token | None) -> Exchange:
    """Resolve one step of the chain, with one request."""
    step = dict(zip(("named", "desk", "channel"), WAY, strict=True))[variant.kind]
    response: Response = yield Request("POST", BASE, step, proves_credentials=True)
    expected = secret.get("expected", {}).get(variant.kind, {})
    if variant.kind == "named":
        return ResolvedTo(DESK, expected)
    if variant.kind == "desk":
        channel = CHANNEL if response.headers["role"] == "MEMBER" else OWNERS
        return ResolvedTo(variant if secret.get("circle") else channel, expected)
    value, role = response.content.decode(), response.headers["role"]
    return Token(value, {"a": value}, BASE, now, now + LIFETIME, context={"role": role})


class Chain(Flow):
    """The flow of a vendor that is made up."""

    @property
    def vendor(self) -> Vendor[Any]:
        """The vendor of the chain."""
        return Vendor(
            parse=lambda secret: secret,
            exchange=exchange,
            token_kinds=("channel",),
            resolve=resolve,
        )


class ChainBroker(MemoryBroker):
    """A broker of that flow. *meanwhile* is done amid the step that it names, once."""

    def __init__(self, **secret: Any) -> None:
        self.sent: list[str] = []
        self.numbers = count()
        self.role = "MEMBER"
        self.meanwhile: dict[str, Callable[[], object]] = {}
        super().__init__("vendorlink", secret=secret)

    @property
    def steps(self) -> list[str]:
        """The steps since the last time."""
        found, self.sent = self.sent, []
        return found

    def _deps(self) -> Dependencies:
        flow = Chain("vendorlink", requested, "")
        return replace(super()._deps(), flow=flow)

    def _send(self, request: Request, seconds: float) -> Response:
        del seconds
        self.sent.append(request.step)
        assert len(self.sent) < MOST_SENT
        self.meanwhile.pop(request.step, lambda: None)()
        return Response(200, {"role": self.role}, f"token-{next(self.numbers)}".encode())


def aliases_written(broker: MemoryBroker) -> list[tuple[str, str]]:
    """Write down from now on which alias is written with which target."""
    written: list[tuple[str, str]] = []

    def noted(update: Any, **request: Any) -> Any:
        if target := request["ExpressionAttributeValues"].get(":target"):
            written.append((request["Key"]["variant"]["S"], target["S"]))
        return update(**request)

    around(broker.aws.dynamodb, "update_item", noted)
    return written


ASKED = [Variant("asked", {"desk": desk}) for desk in (None, "front")]
NAMED = resolve({}, ASKED[0])


def test_each_alias_of_a_chain_is_resolved_by_one_request_and_leads_to_the_end() -> None:
    """I5: a call that names the same token otherwise sends none.

    Another process finds and renews the token without reading the secret.
    """
    broker = ChainBroker()
    assert broker.call()["source"] == "exchange"
    assert broker.steps == WAY
    broker.restart()
    assert broker.call(desk="front")["source"] == "table"
    assert {broker.item(one.key).target for one in (*ASKED, NAMED, DESK)} == {CHANNEL.key}
    for desk in (None, "front"):
        broker.restart()
        before, reads = len(broker.aws.manager.calls), broker.aws.dynamodb.reads
        assert broker.call(desk=desk)["source"] == "table"
        assert len(broker.aws.manager.calls) == before
        assert broker.aws.dynamodb.reads == reads + 2
    broker.restart()
    before, reads = len(broker.aws.manager.calls), broker.aws.dynamodb.reads
    broker.now += LIFETIME - 60
    assert broker.call()["source"] == "table"
    assert len(broker.aws.manager.calls) == before
    assert broker.aws.dynamodb.reads == reads + 2
    assert [one["variant"] for one in broker.invoked] == [CHANNEL.key]
    assert broker.steps == []


def test_a_report_of_a_rejected_token_resolves_no_alias_again() -> None:
    """It causes one request, and counts for the limit."""
    broker = ChainBroker()
    broker.call()
    assert broker.steps == WAY
    for _ in range(3):
        broker.restart()
        broker.call(rejected=broker.call()["fingerprint"])
        assert broker.steps == ["enter"]
    last = broker.call()["fingerprint"]
    assert_problem(broker.http({"rejected": last}), "too_many_requests", 429)


def test_a_forced_call_accepts_a_token_made_after_its_start() -> None:
    """I5: also at the end of a chain, here after a rotation."""
    broker = ChainBroker()
    broker.call()
    broker.put_secret()
    broker.restart()
    first = broker.service

    def another() -> None:
        broker.restart()
        work = Invocation(broker.deps, "acme", broker.monotonic + 29)
        Refresher(work).obtain(CHANNEL, Requirement(force=True))
        broker.service = first

    broker.meanwhile["find desk"] = another
    broker.sent.clear()
    answer = broker.call(force=True)
    assert (answer["source"], answer["generation"]) == ("table", 2)
    assert broker.steps == WAY


def test_a_generation_of_an_alias_is_none_of_its_target() -> None:
    """A renewal of a variant that became an alias accepts the token that is kept."""
    broker = ChainBroker()
    broker.call()
    broker.restart()
    work = Invocation(broker.deps, "acme", broker.monotonic + 29)
    _, source, *_ = Refresher(work).obtain(NAMED, Requirement(newer_than=5))
    assert (source, broker.steps) == ("table", WAY)


@pytest.mark.parametrize(("kind", "again"), [("named", WAY[:1]), ("desk", WAY)])
def test_the_first_alias_of_a_chain_expects_the_context_of_the_last(
    kind: str, again: list[str]
) -> None:
    """Whichever expects it, and also if another call found the end first, by another name.

    A new role resolves the aliases that expect another one again, once.
    """
    member = {"role": "MEMBER"}
    broker = ChainBroker(expected={kind: member})
    broker.call()
    broker.call(desk="front")
    for one in (*ASKED, NAMED):
        assert broker.item(one.key).decoded_context() == member
    broker.now += LIFETIME
    broker.role = "OWNER"
    broker.restart()
    broker.sent.clear()
    written = aliases_written(broker)
    assert broker.call()["context"] == {"role": "OWNER"}
    assert broker.steps == ["enter", *again]
    assert len(written) == len(set(written)), "one write of each target"


def test_of_two_roles_that_a_chain_expects_the_one_nearest_to_the_token_counts() -> None:
    """The other may be older: a call rewrites the aliases before the token, one after the other."""
    broker = ChainBroker(expected={"named": {"role": "GUEST"}, "desk": {"role": "MEMBER"}})
    broker.call()
    for one in (ASKED[0], NAMED, DESK):
        assert broker.item(one.key).decoded_context() == {"role": "MEMBER"}


def test_an_alias_that_never_fits_its_token_is_resolved_once_more() -> None:
    broker = ChainBroker(expected={"desk": {"role": "NEVER"}})
    assert broker.call()["context"] == {"role": "MEMBER"}
    assert broker.steps == [*WAY, "find desk"]


def test_a_circular_chain_of_aliases_is_an_internal_error() -> None:
    broker = ChainBroker(circle=True)
    with pytest.raises(Exception, match="internal"):
        broker.call()


def test_an_alias_of_the_version_before_is_followed_and_not_shortened() -> None:
    """I11: what the new version leads to is not known before the next exchange."""
    broker = ChainBroker()
    broker.call()
    version = broker.put_secret()
    broker.restart()
    assert broker.call(desk="front")["source"] == "table"
    alias = broker.item(ASKED[1].key)
    assert (alias.target, alias.secret_version) == (NAMED.key, version)


def test_an_alias_that_the_table_does_not_take_delays_its_caller_by_two_seconds() -> None:
    """I13: and starts no outage of the vendor."""
    broker = ChainBroker()

    def failing(commit: Any, lease: Any, values: Any, **more: Any) -> Any:
        if "target" in values:
            raise StoreUnavailable("busy")
        return commit(lease, values, **more)

    around(broker.aws.store, "commit", failing)
    assert broker.call()["source"] == "exchange"
    assert (broker.steps, broker.item().outage_since) == (WAY, 0)
    assert sum(broker.slept) == pytest.approx(2 * 2, abs=0.2)


def test_a_failure_to_open_an_alias_of_the_end_fails_no_call() -> None:
    broker = ChainBroker()
    broker.call()
    broker.restart()
    around(broker.aws.sealer, "open_variant", raising(StoreUnavailable("the key")))
    assert broker.call(desk="front")["source"] == "table"
    assert broker.telemetry.of("unkept") == [{"code": "store_unavailable", "variant": NAMED.key}]


def test_a_failure_to_store_the_shortened_alias_fails_no_call() -> None:
    broker = ChainBroker()
    longer = {one.key for one in (ASKED[0], NAMED)}

    def failing(update: Any, **request: Any) -> Any:
        target = request["ExpressionAttributeValues"].get(":target")
        if request["Key"]["variant"]["S"] in longer and target == attribute(CHANNEL.key):
            raise timeout()
        return update(**request)

    around(broker.aws.dynamodb, "update_item", failing)
    assert broker.call()["source"] == "exchange"
    assert broker.telemetry.of("unkept") == [{"code": "store_unavailable", "variant": NAMED.key}]
    broker.restart()
    assert broker.call()["source"] == "table"
    assert broker.steps == WAY
