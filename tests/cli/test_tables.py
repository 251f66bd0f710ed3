"""The output for connections with failures, latches and holds."""

import time
from itertools import product
from typing import Any

import pytest

from tests.cli.accounts import Visitor
from tests.cli.statuses import NOW, at, failure, variant
from token_broker.item import rfc3339
from token_broker_cli.connections import Connection, verdict
from token_broker_cli.errors import CommandError
from token_broker_cli.variants import VariantView

NEXT = {
    "hand_out": "hands the token out",
    "refresh": "hands the token out, and has it renewed in the background",
    "exchange": "asks the vendor for a token",
    "wait": "waits for an exchange that is under way",
    "refuse": "refuses, without asking the vendor",
}


def test_repeated_failures_are_counted() -> None:
    """A single failure has no number; a latch is part of the state."""
    once = VariantView(variant("stale", failure=failure(count=1)), NOW)
    often = VariantView(variant("stale", failure=failure(count=7), latched=True), NOW)
    assert (once.failure, once.words) == ("upstream_unavailable", "stale")
    assert (often.failure, often.words) == ("upstream_unavailable, 7 times", "stale, latched")


@pytest.mark.parametrize(
    ("changes", "lines"),
    [
        ({"failure": failure()}, ["failure\tupstream_unavailable, 2 times, ", "next try\t"]),
        ({"failure": failure(), "latched": True}, ["failure\t", "latched\tthis version"]),
        ({"renewing": True}, ["renewing\tnow"]),
        ({"expires_at": at(-90), "state": "dead"}, [f"end\t{at(-90)[:10]} {at(-90)[11:19]} UTC, "]),
        ({"fingerprint": None, "generation": 0}, ["generation\t0, fingerprint -"]),
        ({"context": {"organization": None, "n": 0}}, ["organization\t-", "n\t0"]),
        ({"issued_at": None, "refresh_after": None}, ["end\t"]),
    ],
)
def test_status_shows_each_state_on_a_line(
    visitor: Visitor, changes: dict[str, Any], lines: list[str]
) -> None:
    """A label and a value."""
    visitor.account.add("vendorlink/acme", variant(**changes))
    shown = visitor.says("status", "vendorlink", "acme").stdout.splitlines()
    for line in lines:
        assert any(one.startswith(line) for one in shown), shown
    labels = {one.partition("\t")[0] for one in shown}
    assert ("made" in labels) == ("renewal" in labels) == ("issued_at" not in changes)
    assert ("next try" in str(shown)) == ("failure" in changes and "latched" not in changes)
    assert "secret version\t{}-version" in shown
    assert f"state\t{changes.get('state', 'fresh')}{', latched' * ('latched' in changes)}" in shown


@pytest.mark.parametrize("would", [*NEXT, "dance"])
def test_explain_shows_the_next_step_in_the_broker_answer(visitor: Visitor, would: str) -> None:
    """In a sentence on a terminal; an unknown step is shown unchanged."""
    visitor.account.add("vendorlink/acme", variant(next=would, because="it is so"))
    lines = visitor.says("explain", "vendorlink", "acme").stdout.splitlines()
    assert lines == [
        "connection\tvendorlink/acme",
        "token\tthe connection",
        "state\tfresh",
        f"next\t{would}",
        "because\tit is so",
    ]
    seen = visitor.shows("explain", "vendorlink", "acme", columns=120)
    assert f"the connection  fresh.  A call {NEXT.get(would, would)}.\n  because it is so\n" in seen


def test_explain_needs_the_next_step_in_the_broker_answer(visitor: Visitor) -> None:
    """A broker without it is too old."""
    old = variant()
    del old["next"], old["because"]
    visitor.account.add("vendorlink/acme", old)
    result = visitor.says("explain", "vendorlink", "acme")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == (
        "not_supported: this broker does not say what a call would do\n"
        "→ Deploy one that is as new as this command; `token-broker status` shows what is known.\n"
    )


def test_explain_has_the_state_of_each_token_in_json(visitor: Visitor) -> None:
    """A latch does not change the state."""
    latched = variant("stale", latched=True, variant="abc")
    visitor.account.add("vendorlink/acme", variant(), latched)
    told = Visitor.document(visitor.says("explain", "vendorlink", "acme", "--json").stdout)
    states = [(one["variant"], one["state"]) for one in told["variants"]]
    assert states == [("-", "fresh"), ("abc", "stale")]
    visitor.account.answers["vendorlink/acme"] = {
        **visitor.account.answers["vendorlink/acme"],
        "variants": [],
    }
    told = Visitor.document(visitor.says("explain", "vendorlink", "acme", "--json").stdout)
    assert told["variants"] == []


@pytest.mark.parametrize(
    ("other", "said_too"),
    [({}, []), ({"failure": failure(), "latched": True}, ["upstream_unavailable, 2 times"])],
    ids=["only", "and a failure"],
)
def test_each_command_shows_a_hold(
    visitor: Visitor, other: dict[str, Any], said_too: list[str]
) -> None:
    """Operator, time and reason. Held connections come before healthy ones.

    A failure beside the hold is shown too.
    """
    since = rfc3339(int(time.time()) - 7200)
    visitor.account.add("vntana/zz", variant(**other))
    visitor.account.answers["vntana/zz"] = {
        **visitor.account.answers["vntana/zz"],
        "held": {"since": since, "by": "arn:aws:iam::1:user/me", "reason": "leak\x1b[2J"},
    }
    said = "held\t2 h ago by arn:aws:iam::1:user/me: leak·[2J"
    for command in ("status", "explain"):
        assert said in visitor.says(command, "vntana", "zz").stdout.splitlines()
        seen = visitor.shows(command, "vntana", "zz", columns=100)
        assert said.replace("\t", ": ") in seen
    told = Visitor.document(visitor.says("explain", "vntana", "zz", "--json").stdout)
    assert told["held"] == visitor.account.answers["vntana/zz"]["held"]
    first, *_ = visitor.says("connections").stdout.splitlines()
    assert first.startswith("vntana/zz\t")
    assert first.rpartition("\t")[2] == ", ".join([*said_too, "held: leak·[2J"])
    for columns in (100, 60):
        seen = visitor.shows("connections", columns=columns)
        assert "held: leak·[2J" in seen
        assert all(word in seen for one in said_too for word in one.split())


def test_tokens_with_failures_come_first() -> None:
    """A latch, then a failure, then others. The worst token decides on its connection."""
    kinds = (
        variant(),
        variant(failure=failure()),
        variant(latched=True),
        variant(latched=True, failure=failure()),
    )
    variants = [kind | {"variant": str(n)} for n, kind in enumerate(kinds)]
    views = Connection("vntana", "acme", {"variants": variants}).views(NOW)
    assert [view.answer["variant"] for view in views] == ["3", "2", "1", "0"]
    for pair in product(zip(variants, (3, 2, 1, 1), strict=True), repeat=2):
        tokens, urgencies = zip(*pair, strict=True)
        assert Connection("vntana", "acme", {"variants": tokens}).urgency == min(urgencies)


@pytest.mark.parametrize(
    ("count", "said"),
    [
        (0, "All of them are healthy."),
        (1, "1 of 1 connections needs attention: vntana/acme"),
        (5, "5 of 5 connections need attention: " + ", ".join(["vntana/acme"] * 5)),
        (6, ", ".join(["vntana/acme"] * 5) + " and 1 more"),
    ],
)
def test_a_verdict_names_up_to_five_connections(count: int, said: str) -> None:
    lost = Connection("vntana", "acme", error=CommandError("internal", "no"))
    assert verdict([lost] * count).plain.endswith(said)


def test_a_hold_is_shown_for_a_connection_without_tokens(visitor: Visitor) -> None:
    """A connection may be held before its first token."""
    visitor.account.add("vendorlink/acme")
    told = visitor.account.answers["vendorlink/acme"]
    held = {"since": at(-9), "by": "me", "reason": "leak"}
    visitor.account.answers["vendorlink/acme"] = {**told, "variants": [], "held": held}
    result = visitor.says("connections")
    assert result.exit_code == 0  # each could be asked
    assert result.stdout == "vendorlink/acme\t\tnone yet\t\t\theld: leak\n"
