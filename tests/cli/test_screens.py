"""What is shown of a connection, whatever the terminal can show and the broker answers."""

import json
from itertools import product

import pytest

from tests.cli.accounts import Visitor, refusal
from tests.cli.operators import COLOUR
from tests.cli.statuses import NOW, failure, variant
from token_broker_cli.connections import Connection, verdict
from token_broker_cli.errors import CommandError


@pytest.mark.parametrize(
    "command",
    ["connections", "doctor", "status vendorlink acme", "status vendorlink none"],
)
def test_an_ascii_terminal_gets_ascii_signs(visitor: Visitor, command: str) -> None:
    """Not question marks; and JSON loses nothing."""
    visitor.account.add("vendorlink/acme", variant(context={"display_name": "Zoë"}))
    ascii_only = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONIOENCODING": "ascii"}
    _, seen = visitor.watches(*command.split(), **ascii_only)
    seen = COLOUR.sub("", seen)
    assert seen.isascii()
    assert "?" not in seen.replace("Zo?", "")
    assert ("Zo?" in seen) == (command != "doctor" and "none" not in command)
    assert ("> Add it" in seen) == ("none" in command)
    assert "Zoë" in visitor.shows("status", "vendorlink", "acme", "--json")
    told = visitor.says("status", "vendorlink", "acme", "--json").stdout
    assert told.isascii()
    assert json.loads(told)["variants"][0]["context"]["display_name"] == "Zoë"


HOSTILE = "\x1b]0;x\x07 \x9b2J a\tb\nc"


@pytest.mark.parametrize("form", [[], ["--json"]], ids=["words", "json"])
@pytest.mark.parametrize(
    "words", ["connections", "status vendorlink acme", "explain vendorlink acme"]
)
def test_control_characters_of_a_vendor_are_replaced(
    visitor: Visitor, words: str, form: list[str]
) -> None:
    """A hold's reason, a name, a cause and a version may hold anything."""
    told = variant(context={"display_name": HOSTILE, HOSTILE: HOSTILE}, because=HOSTILE)
    held = {"since": told["issued_at"], "by": HOSTILE, "reason": HOSTILE}
    visitor.account.add("vendorlink/acme", told, secret=HOSTILE, held=held)
    seen = visitor.shows(*words.split(), *form, columns=100)
    assert "acme" in seen
    assert not {"\x1b", "\x07", "\x9b", "\t"} & {*seen}
    if not form:
        lines = visitor.says(*words.split()).stdout.splitlines()
        assert {line.count("\t") for line in lines} == {5 if words == "connections" else 1}


STEPS = {
    "hand_out": "hands the token out",
    "refresh": "hands the token out, and has it renewed in the background",
    "exchange": "asks the vendor for a token",
    "wait": "waits for an exchange that is under way",
    "refuse": "refuses, without asking the vendor",
    "dance": "dance",  # not known to this command
}


@pytest.mark.parametrize("step", STEPS)
def test_explain_shows_the_next_step_in_the_broker_answer(visitor: Visitor, step: str) -> None:
    """In a sentence on a terminal; an unknown step is shown unchanged."""
    visitor.account.add("vendorlink/acme", variant(next=step, because="it is so"))
    lines = visitor.says("explain", "vendorlink", "acme").stdout.splitlines()
    assert lines[-2:] == [f"next\t{step}", "because\tit is so"]
    seen = visitor.shows("explain", "vendorlink", "acme", columns=120)
    assert f"the connection  fresh.  A call {STEPS[step]}.\n  because it is so\n" in seen


def test_explain_needs_the_next_step_in_the_broker_answer(visitor: Visitor) -> None:
    """A broker without it is too old."""
    old = variant()
    del old["next"], old["because"]
    visitor.account.add("vendorlink/acme", old)
    said = refusal(visitor.says("explain", "vendorlink", "acme"))
    assert said == (
        "not_supported: this broker does not say what a call would do\n"
        "→ Deploy one that is as new as this command; `token-broker status` shows what is known.\n"
    )


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


FIVE = ", ".join(["vntana/acme"] * 5)


@pytest.mark.parametrize(
    ("count", "said"),
    [
        (0, "All of them are healthy."),
        (1, "1 of 1 connections needs attention: vntana/acme"),
        (5, f"5 of 5 connections need attention: {FIVE}"),
        (6, f"6 of 6 connections need attention: {FIVE} and 1 more"),
    ],
)
def test_a_verdict_names_up_to_five_connections(count: int, said: str) -> None:
    lost = Connection("vntana", "acme", error=CommandError("internal", "no"))
    assert verdict([lost] * count).plain == said
