"""Output on terminals of any width, and in pipes; connections with failures come first."""

import json
import re
from typing import Any

import pytest

from tests.cli.accounts import Visitor
from tests.cli.fake_account import ACTIONS, Account
from tests.cli.operators import COLOUR
from tests.cli.statuses import failure, variant

LONG = "a" * 63
BROKEN = failure("credential_rejected", count=1)


@pytest.fixture
def crowd(account: Account, visitor: Visitor) -> Visitor:
    """Many connections, of which one has a long name, one is latched though its token lives."""
    account.add(f"vntana/{LONG}")
    for number in range(120):
        account.add(f"vntana/healthy-{number}")
    account.add("vntana/zz-latched", variant("stale", latched=True, failure=BROKEN))
    account.add("vntana/zz-failing", variant("stale", failure=failure()))
    account.add("vntana/zz-lost")
    account.answers["vntana/zz-lost"] = {"code": "store_unavailable", "detail": "no", "status": 503}
    return visitor


@pytest.mark.parametrize("columns", [40, 80, 200])
def test_columns_fold_and_connections_with_failures_come_first(
    crowd: Visitor, columns: int
) -> None:
    """Whatever one connection is called, each line of another says how it is."""
    code, seen = crowd.watches("connections", COLUMNS=str(columns))
    lines = COLOUR.sub("", seen).splitlines()
    assert code == 1
    assert max(map(len, lines)) <= columns
    text = "\n".join(lines)
    places = [text.index(f"zz-{name}") for name in ("lost", "latched", "failing")]
    assert places == sorted(places)
    assert places[-1] < text.index("healthy-0")
    assert LONG in re.sub(r"\s+|[█▏▎▍▌▋▊▉░].*", "", text)
    assert text.count("fresh") == 122
    latched = text[places[1] : places[2]]
    assert "latched" in latched
    assert "3 of 125 connections need attention" in " ".join(lines[-4:])


def test_a_latch_beside_a_live_token_is_red(visitor: Visitor) -> None:
    """Though its token is fresh."""
    visitor.account.add("vendorlink/acme", variant(latched=True))
    _, seen = visitor.watches("connections")
    assert re.search(r"\x1b\[31m[█▏▎▍▌▋▊▉░]+ fresh, latched", seen)


def test_a_pipe_gets_no_table(crowd: Visitor) -> None:
    """A line for each token, its parts apart by tabs, nothing cut or folded, no bars."""
    lines = crowd.says("connections", COLUMNS="40").stdout.splitlines()
    assert len(lines) == 125
    assert {line.count("\t") for line in lines} == {5}
    assert lines[0].split("\t") == ["vntana/zz-lost", "", "not known", "", "", "store_unavailable"]
    latched = lines[1].split("\t")
    assert (latched[0], latched[2]) == ("vntana/zz-latched", "stale, latched")
    assert latched[5] == "credential_rejected"
    assert f"vntana/{LONG}" in [line.split("\t")[0] for line in lines]
    assert not re.search("[█░]", "".join(lines))


def test_long_values_fold_on_a_terminal_only(visitor: Visitor) -> None:
    """A pipe's lines have what it is, a tab, and what it says."""
    sentence = "The vendor rejected this version of the secret, so no login is tried. " * 3
    told = variant(context={"display_name": "n" * 90}, because=sentence.strip())
    visitor.account.add("vendorlink/acme", told)
    for command, line in (
        ("status", f"display_name\t{'n' * 90}"),
        ("explain", f"because\t{sentence.strip()}"),
    ):
        assert line in visitor.says(command, "vendorlink", "acme").stdout.splitlines()
        _, seen = visitor.watches(command, "vendorlink", "acme", COLUMNS="40")
        assert max(map(len, COLOUR.sub("", seen).splitlines())) <= 40


@pytest.mark.parametrize(
    "command",
    ["connections", "doctor", "status vendorlink acme", "status vendorlink none"],
)
def test_an_ascii_terminal_gets_ascii_signs(visitor: Visitor, command: str) -> None:
    """Not question marks; and JSON loses nothing."""
    account = visitor.account
    account.add("vendorlink/acme", variant(context={"display_name": "Zoë"}))
    ascii_only = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONIOENCODING": "ascii"}
    _, seen = visitor.watches(*command.split(), **ascii_only)
    seen = COLOUR.sub("", seen)
    assert seen.isascii()
    assert "?" not in seen.replace("Zo?", "")
    assert ("Zo?" in seen) == (command != "doctor" and "none" not in command)
    assert ("> Add it" in seen) == ("none" in command)
    assert "Zoë" in visitor.shows("status", "vendorlink", "acme", "--json")
    told = visitor.runs("status", "vendorlink", "acme", "--json")
    assert told.stdout.isascii()
    assert json.loads(told.stdout)["variants"][0]["context"]["display_name"] == "Zoë"


def test_doctor_groups_equal_findings_of_many_connections(crowd: Visitor) -> None:
    """Trouble first; JSON has each, and the sum counts each."""
    crowd.account.denied.add("DescribeTable")
    result = crowd.says("doctor")
    told = json.loads(crowd.says("doctor", "--json").stdout)["findings"]
    secrets = [one for one in told if "/" in one["check"]]
    assert len(secrets) == 125
    lines = result.stdout.splitlines()
    assert len(lines) < 25
    levels = [line.partition("\t")[0] for line in lines[:-1]]
    assert levels == sorted(levels, key=["failure", "warning", "ok"].index)
    assert re.search(r"healthy-\d+, .* and \d+ more", result.stdout)
    counts = [[one["level"] for one in told].count(level) for level in ("failure", "warning")]
    assert re.findall(r"\d+", lines[-1]) == [str(count) for count in counts if count]


def test_secrets_without_permission_to_read_are_one_finding(crowd: Visitor) -> None:
    """However many they are."""
    crowd.account.denied.add("GetSecretValue")
    _, seen = crowd.watches("doctor")
    assert seen.count("you are not allowed to read the secret") == 1
    assert len([line for line in seen.splitlines() if "examining" not in line]) < 45


def test_doctor_expects_the_error_unknown_connection(visitor: Visitor) -> None:
    """Any other error of the broker is a failure."""
    no = {"code": "store_unavailable", "detail": "the table does not answer", "status": 503}
    visitor.account.answers["editor/token-broker-doctor"] = no
    lines = visitor.says("doctor").stdout.splitlines()
    assert "ok\tvntana\tthe function answers signed calls\t" in lines
    assert any(
        line.startswith("failure\teditor\tstore_unavailable: the table does not answer\t")
        for line in lines
    )


HOSTILE = "\x1b]0;x\x07 \x9b2J a\tb\nc"


@pytest.mark.parametrize("form", [[], ["--json"]], ids=["words", "json"])
@pytest.mark.parametrize(
    "words", ["connections", "status vendorlink acme", "explain vendorlink acme"]
)
def test_control_characters_of_a_vendor_are_replaced(
    visitor: Visitor, words: str, form: list[str]
) -> None:
    """A hold's reason, a name, a cause and a version may hold anything."""
    account = visitor.account
    told = variant(context={"display_name": HOSTILE, HOSTILE: HOSTILE}, because=HOSTILE)
    account.add("vendorlink/acme", told, secret=HOSTILE)
    held = {"since": told["issued_at"], "by": HOSTILE, "reason": HOSTILE}
    account.answers["vendorlink/acme"] = {**account.answers["vendorlink/acme"], "held": held}
    code, seen = visitor.watches(*words.split(), *form, COLUMNS="100")
    assert code == 0
    assert not re.search(r"\x1b\]0|\x9b", seen)
    assert "asking" not in seen or not form
    if not form:
        lines = visitor.says(*words.split()).stdout.splitlines()
        assert {line.count("\t") for line in lines} == {5 if words == "connections" else 1}


def test_an_error_is_one_line_in_a_pipe(visitor: Visitor) -> None:
    """However long it is; the next line is the advice."""
    problem = {"code": "store_unavailable", "detail": "long " * 40, "status": 503}
    visitor.account.answers["vendorlink/acme"] = problem
    lines = visitor.says("status", "vendorlink", "acme").stderr.splitlines()
    assert [line[:5] for line in lines] == ["store", "→ See"]


STALE = "stale: its renewal failed; `token-broker explain` says why\n"
MORE = "there are more: run it again\n"


@pytest.mark.parametrize(
    ("word", "change", "said"),
    [
        ("token", {}, ""),
        ("token", {"stale": True}, STALE),
        ("forget", {}, ""),
        ("forget", {"complete": None}, ""),
        ("forget", {"complete": False}, MORE),
    ],
)
def test_an_incomplete_answer_has_a_note(
    visitor: Visitor, monkeypatch: pytest.MonkeyPatch, word: str, change: dict[str, Any], said: str
) -> None:
    """A token whose renewal failed; tokens that are left, where the broker says so."""
    place = ("POST" if word == "token" else "DELETE", "token")
    answer = {
        key: value for key, value in {**ACTIONS[place], **change}.items() if value is not None
    }
    monkeypatch.setitem(ACTIONS, place, answer)
    options = ["--yes"] if word == "forget" else []
    err = visitor.says(word, "vendorlink", "acme", *options).stderr
    assert err.rpartition("a latch is lifted\n")[2] == said


@pytest.mark.parametrize(("count", "said"), [(0, "0 tokens"), (1, "1 token"), (2, "2 tokens")])
def test_forgotten_tokens_are_counted(
    visitor: Visitor, monkeypatch: pytest.MonkeyPatch, count: int, said: str
) -> None:
    monkeypatch.setitem(ACTIONS, ("DELETE", "token"), {"forgotten": count, "complete": True})
    told = visitor.says("forget", "vendorlink", "acme", "--yes").stdout
    assert told.startswith(f"forgotten: {said} of vendorlink/acme (")


def test_verify_reports_an_invalid_token(visitor: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    """The input is hidden, and the output does not repeat it."""
    monkeypatch.setitem(ACTIONS, ("POST", "verify"), {"valid": False})
    visitor.account.add("editor/acme")
    code, seen = visitor.watches("verify", "acme", answers=["s3cret"])
    assert (code, COLOUR.sub("", seen)) == (1, "Token: \nnot valid: unknown, or it ended\n")
