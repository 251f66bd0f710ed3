"""What is told of connections that fare badly."""

import time
from itertools import product
from typing import Any

import pytest

from tests.cli.accounts import Visitor
from tests.cli.operators import COLOUR
from tests.cli.tellings import NOW, at, failure, variant
from token_broker.item import rfc3339
from token_broker_cli.connections import MOST_NAMES, Connection, verdict
from token_broker_cli.errors import CommandError
from token_broker_cli.variants import VariantView

NEXT = {
    "hand_out": "hands the token out",
    "refresh": "hands the token out, and has it renewed in the background",
    "exchange": "asks the vendor for a token",
    "wait": "waits for an exchange that is under way",
    "refuse": "refuses, without asking the vendor",
}


def test_failures_are_counted() -> None:
    """Once is not worth a number; a latch is part of the state."""
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
        ({"context": {"organization": None}}, ["organization\t-"]),
        ({"issued_at": None, "refresh_after": None}, ["end\t"]),
    ],
)
def test_status_tells_what_is_wrong(
    visitor: Visitor, changes: dict[str, Any], lines: list[str]
) -> None:
    """Each thing on a line."""
    visitor.account.add("vendorlink/acme", variant(**changes))
    shown = visitor.says("status", "vendorlink", "acme").stdout.splitlines()
    for line in lines:
        assert any(one.startswith(line) for one in shown), shown
    labels = {one.partition("\t")[0] for one in shown}
    assert ("made" in labels) == ("renewal" in labels) == ("issued_at" not in changes)
    assert ("next try" in str(shown)) == ("failure" in changes and "latched" not in changes)
    assert "secret version\t{}-version" in shown
    assert f"state\t{changes.get('state', 'fresh')}{', latched' * ('latched' in changes)}" in shown


@pytest.mark.parametrize("would", NEXT)
def test_explain_says_what_the_broker_says(visitor: Visitor, would: str) -> None:
    """And nothing of its own: the same variant is explained by each word that it is told."""
    visitor.account.add("vendorlink/acme", variant(next=would, because="it is so"))
    lines = visitor.says("explain", "vendorlink", "acme").stdout.splitlines()
    assert lines == [
        "connection\tvendorlink/acme",
        "token\tthe connection",
        "state\tfresh",
        f"next\t{would}",
        "because\tit is so",
    ]
    told = visitor.says("explain", "vendorlink", "acme", "--json").stdout
    one = {"token": "the connection", "variant": "-", "state": "fresh"}
    one |= {"next": would, "because": "it is so"}
    assert Visitor.document(told) == {
        "flow": "vendorlink",
        "connection": "acme",
        "held": None,
        "variants": [one],
    }
    _, seen = visitor.watches("explain", "vendorlink", "acme", COLUMNS="120")
    assert f"the connection  fresh.  A call {NEXT[would]}.\n  because it is so\n" in COLOUR.sub(
        "", seen
    )


def test_explain_guesses_nothing(visitor: Visitor) -> None:
    """A broker that does not say is too old; a connection without tokens has nothing to explain."""
    old = variant()
    del old["next"], old["because"]
    visitor.account.add("vendorlink/acme", old)
    result = visitor.says("explain", "vendorlink", "acme")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("not_supported: ")
    visitor.account.add("vendorlink/none")
    visitor.account.answers["vendorlink/none"] = {
        **visitor.account.answers["vendorlink/none"],
        "variants": [],
    }
    assert Visitor.document(visitor.says("explain", "vendorlink", "none", "--json").stdout) == {
        "flow": "vendorlink",
        "connection": "none",
        "held": None,
        "variants": [],
    }
    _, seen = visitor.watches("explain", "vendorlink", "none")
    assert "nothing to explain" in seen


@pytest.mark.parametrize(
    ("other", "said_too"),
    [({}, []), ({"failure": failure(), "latched": True}, ["upstream_unavailable, 2 times"])],
    ids=["only", "and a failure"],
)
def test_a_hold_is_seen(visitor: Visitor, other: dict[str, Any], said_too: list[str]) -> None:
    """Who, since when, and why, by each command that looks; it comes before what is well.

    Neither the hold nor another trouble hides the other.
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
        _, seen = visitor.watches(command, "vntana", "zz", COLUMNS="100")
        assert said.replace("\t", ": ") in COLOUR.sub("", seen)
    told = Visitor.document(visitor.says("explain", "vntana", "zz", "--json").stdout)
    assert told["held"] == visitor.account.answers["vntana/zz"]["held"]
    first, *_ = visitor.says("connections").stdout.splitlines()
    assert first.startswith("vntana/zz\t")
    assert first.rpartition("\t")[2] == ", ".join([*said_too, "held: leak·[2J"])
    for columns in ("100", "60"):
        _, seen = visitor.watches("connections", COLUMNS=columns)
        assert "held: leak·[2J" in seen
        assert all(word in seen for one in said_too for word in one.split())


def test_of_one_connection_trouble_is_first_too() -> None:
    """A latch, then a failure, then the rest; the connection is as urgent as its worst token."""
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
        (MOST_NAMES, ", ".join(["vntana/acme"] * MOST_NAMES)),
        (MOST_NAMES + 2, "vntana/acme and 2 more"),
    ],
)
def test_a_verdict_names_the_first(count: int, said: str) -> None:
    lost = Connection("vntana", "acme", error=CommandError("internal", "no"))
    assert verdict([lost] * count).plain.endswith(said)


def test_a_hold_is_seen_where_no_token_is_kept(visitor: Visitor) -> None:
    """A connection is often held before it has one."""
    visitor.account.add("vendorlink/acme")
    told = visitor.account.answers["vendorlink/acme"]
    held = {"since": at(-9), "by": "me", "reason": "leak"}
    visitor.account.answers["vendorlink/acme"] = {**told, "variants": [], "held": held}
    (line,) = visitor.says("connections").stdout.splitlines()
    assert line.split("\t") == ["vendorlink/acme", "", "none yet", "", "", "held: leak"]
