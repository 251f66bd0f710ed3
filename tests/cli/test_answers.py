"""Whole answers: all that each command says in a pipe, in JSON and on a terminal."""

import json
from types import SimpleNamespace
from typing import Any

import pytest

from tests.cli.accounts import Visitor
from tests.cli.command_lines import COMMANDS, SECRET
from tests.cli.fake_account import ACTIONS, HELD
from tests.cli.statuses import NOW, at, failure, variant
from token_broker_cli import connections, status, tokens
from token_broker_cli.errors import CommandError

WORDS = {line[0]: line for line in COMMANDS}
TOLD = """\
secret version\t{version}
token\tthe connection
state\tfresh
made\t2026-09-21 13:43:20 UTC, 30 min ago
renewal\t2026-09-21 14:35:00 UTC, in 21 min
end\t2026-09-21 14:43:20 UTC, in 30 min
generation\t3, fingerprint 0123456789abcdef
"""
BUDGET = "at most 19 requests, 4 of them with the credentials"
PIPED = {
    "connect": (
        "updated: {of}\n",
        (
            "connecting {of}\n"
            "not tried at the vendor: `token-broker token vendorlink acme` does that\n"
        ),
    ),
    "connections": ("vendorlink/acme\tthe connection\tfresh\t30 min\t3\t\n", ""),
    "status": ("connection\tvendorlink/acme\n" + TOLD.format(version="{{}}-version"), ""),
    "explain": (
        (
            "connection\tvendorlink/acme\ntoken\tthe connection\nstate\tfresh\nnext\thand_out\n"
            "because\tIt lives, and its renewal is not due.\n"
        ),
        "",
    ),
    "token": ("-H 'Authorization: Bearer t0ken'\n", ""),
    "check": ("vendorlink/acme: it works, in 2 ms; user x\n", ""),
    "probe": (
        "",
        (
            f"probing vendorlink/acme: {BUDGET}; its token is replaced ({{where}})\n"
            "sent: 4 requests, 1 of them with the credentials\nwritten: nothing ({where})\n"
        ),
    ),
    "forget": (
        "forgotten: 1 token of {of}\n",
        "forgetting the tokens of {of}\nthe next call makes a new one; a latch is lifted\n",
    ),
    "hold": (
        "held: {of}\n",
        "holding {of}\nnothing is handed out any more, everywhere within MEMORY_SECONDS\n",
    ),
    "lift": ("not held: {of}\n", "lifting the hold of {of}\nthe next call gets a token\n"),
    "verify": ("valid\nfile\tdemo.dwg\n", ""),
}
"""What goes to stdout, and what goes to stderr."""


@pytest.fixture(autouse=True)
def _moment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the clock stand still, where lengths are told from now."""
    for module in (connections, status, tokens):
        monkeypatch.setattr(module, "time", SimpleNamespace(time=lambda: NOW))


@pytest.mark.parametrize("word", sorted(WORDS.keys() - {"doctor"}))
def test_a_pipe_gets_the_answer_on_stdout_and_notes_on_stderr(visitor: Visitor, word: str) -> None:
    where = f"stage test, {visitor.account.url.removeprefix('http://')}"
    if word == "verify":
        visitor.account.add("editor/acme")
    said = visitor.says(*WORDS[word], stdin=SECRET)
    of = f"vendorlink/acme ({where})"
    expected = tuple(text.format(of=of, where=where) for text in PIPED[word])
    assert (said.stdout, said.stderr) == expected


CHANGED: dict[str, dict[str, Any]] = {
    "connect": {"done": "updated", "tried": False, "options": {}},
    "forget": {**ACTIONS["DELETE", "token"]},
    "hold": {"held": HELD},
    "lift": {"held": None},
}
ASKED: dict[str, dict[str, Any]] = {
    **{word: {**ACTIONS["POST", word]} for word in ("token", "check", "verify")},
    "explain": {
        "held": None,
        "variants": [
            {
                "token": "the connection",
                "variant": "-",
                "state": "fresh",
                "next": "hand_out",
                "because": "It lives, and its renewal is not due.",
            }
        ],
    },
}


@pytest.mark.parametrize("word", sorted(WORDS.keys() - {"doctor"}))
def test_json_has_each_member_of_the_answer(visitor: Visitor, word: str) -> None:
    """With stage and host, where something was changed."""
    if word == "verify":
        visitor.account.add("editor/acme")
    told = Visitor.document(visitor.says(*WORDS[word], "--json", stdin=SECRET).stdout)
    host = visitor.account.url.removeprefix("http://")
    of = {"flow": "vendorlink", "connection": "acme"}
    target: dict[str, Any] = {"stage": "test", "host": host}
    known = {**visitor.account.answers["vendorlink/acme"], "secret_version": "{}-version"}
    answers = {
        "status": known,
        "connections": {"connections": [known]},
        "probe": {**ACTIONS["POST", "probe"], "written": False, **target},
        **{name: of | target | one for name, one in CHANGED.items()},
        **ASKED,
        "explain": of | ASKED["explain"],
    }
    assert told == answers[word]


SHOWN = {
    "status vendorlink acme": """\
vendorlink/acme  secret version {{}}-versi

token       the connection
state       ████░░░░ fresh
made        2026-09-21 13:43:20 UTC, 30 min ago
renewal     2026-09-21 14:35:00 UTC, in 21 min
end         2026-09-21 14:43:20 UTC, in 30 min
generation  3, fingerprint 0123456789abcdef
""",
    "explain vendorlink acme": """\
vendorlink/acme

the connection  fresh.  A call hands the token out.
  because It lives, and its renewal is not due.
""",
    "status vendorlink none": """\
vendorlink/none  secret version {{}}-versi
No token is kept: the first call makes one.
""",
    "explain vendorlink none": """\
vendorlink/none
No token is kept: there is nothing to explain.
""",
    "token vendorlink acme": """\
-H 'Authorization: Bearer ••••••••'
generation 1, fingerprint f00d, from table; ends in 61 d 19 h
masked: --show shows it, and a pipe gets it as it is
""",
    "token vendorlink acme --show": """\
-H 'Authorization: Bearer t0ken'
generation 1, fingerprint f00d, from table; ends in 61 d 19 h
""",
    "token vendorlink lost": """\
unknown_connection: there is no secret
→ Add it with `token-broker connect vendorlink lost`; `token-broker connections`
lists what there is.
""",
    "forget vendorlink acme --yes": """\
forgetting the tokens of {of}
forgotten: 1 token of {of}
the next call makes a new one; a latch is lifted
""",
    "forget vendorlink acme --yes --json": """\
{{
  "flow": "vendorlink",
  "connection": "acme",
  "stage": "test",
  "host": "{host}",
  "forgotten": 1,
  "complete": true
}}
""",
    "verify acme --file {file}": "valid\nfile  demo.dwg\n",
}


@pytest.mark.parametrize("words", SHOWN)
def test_a_person_sees_the_answer_and_the_notes(
    visitor: Visitor, words: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """On a terminal of 80 columns."""
    file = tmp_path_factory.mktemp("answers") / "token"
    file.write_text("t0ken")
    visitor.account.add("editor/acme")
    visitor.account.add("vendorlink/none")
    visitor.account.answers["vendorlink/none"] = {
        **visitor.account.answers["vendorlink/none"],
        "variants": [],
    }
    host = visitor.account.url.removeprefix("http://")
    seen = visitor.shows(*words.format(file=file).split())
    lines = [line.rstrip() for line in seen.splitlines()]
    expected = SHOWN[words].format(of=f"vendorlink/acme (stage test, {host})", host=host)
    assert "\n".join([*lines, ""]) == expected


LIST = """\
Connection      Token                   Ends in     Gen Failures
editor/lost     not known                               store_unavailabl
                                                        e
editor/latched
  the           ░░░░░░░░ dead, latched  ended         3
  connection
vntana/held                                             held: leak
  variant       ████░░░░ stale, latched 30 min        3 upstream_unavail
  12345678                                              able, 2 times
vntana/failing
  organization  ████░░░░ aging          30 min        3 upstream_unavail
  abcdef01                                              able
  variant       ████░░░░ fresh          30 min        3
  12345678
vendorlink/acme
  the           ████░░░░ fresh          30 min        3
  connection
vendorlink/none none yet

4 of 6 connections need attention: editor/lost, editor/latched,
vntana/held, vntana/failing
"""
BELOW = """\
editor/lost
  not known
  store_unavailable
editor/latched
  the connection
  dead, latched, ended, generation 3
vntana/held
  variant 12345678
  stale, latched, 30 min, generation 3
  upstream_unavailable, 2 times, held: leak
vntana/failing
  organization abcdef01
  aging, 30 min, generation 3
  upstream_unavailable
  variant 12345678
  fresh, 30 min, generation 3
vendorlink/acme
  the connection
  fresh, 30 min, generation 3
vendorlink/none
  none yet

4 of 6 connections need attention: editor/lost, editor/latched,
vntana/held, vntana/failing
"""


@pytest.fixture
def troubled(visitor: Visitor) -> Visitor:
    """Connections in each kind of trouble, and in none."""
    account, key = visitor.account, {"variant": "123456789abc"}
    account.add("vntana/held", variant("stale", failure=failure(), latched=True, **key))
    held = {"since": at(-7200), "by": "me", "reason": "leak"}
    account.answers["vntana/held"] = {**account.answers["vntana/held"], "held": held}
    failing = variant("aging", failure=failure(count=1), context={"organization": "abcdef0123"})
    account.add("vntana/failing", variant(**key), failing)
    account.add("editor/latched", variant("dead", latched=True, expires_at=at(-9)))
    account.add("vendorlink/none")
    account.answers["vendorlink/none"] = {
        **account.answers["vendorlink/none"],
        "variants": [],
    }
    account.add("editor/lost")
    account.answers["editor/lost"] = {"code": "store_unavailable", "detail": "no", "status": 503}
    return visitor


@pytest.mark.parametrize(("columns", "shown"), [(72, LIST), (71, BELOW)])
def test_a_list_of_connections_is_a_table_from_72_columns_on(
    troubled: Visitor, columns: int, shown: str
) -> None:
    lines = [line.rstrip() for line in troubled.shows("connections", columns=columns).splitlines()]
    assert "\n".join([*lines, ""]) == shown


@pytest.mark.parametrize(
    ("urgency", "style"),
    [("lost", "bold red"), ("latched", "bold red"), ("failing", "bold red"), ("none", "bold")],
)
def test_the_name_of_a_connection_in_trouble_is_red(
    troubled: Visitor, urgency: str, style: str
) -> None:
    place = next(one for one in troubled.account.answers if one.endswith(f"/{urgency}"))
    flow, _, name = place.partition("/")
    told: Any = troubled.account.answers[place]
    error = CommandError("internal", "no") if "code" in told else None
    one = connections.Connection(flow, name, None if error else told, error)
    assert [str(span.style) for span in connections.title(one).spans][-1] == style


def test_an_empty_list_says_how_to_add_a_connection(visitor: Visitor) -> None:
    visitor.account.secrets.clear()
    result = visitor.says("connections")
    said = "There are none yet: `token-broker connect` adds one.\n"
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", said)
    assert json.loads(visitor.says("connections", "--json").stdout) == {"connections": []}


ERRORS = {
    "verify acme --flow vntana --file -": "usage: --flow must be one of editor\n",
    "verify acme --file -": (
        "usage: there is no token in it\n→ Give one: `token-broker token editor NAME`.\n"
    ),
    "verify acme": "usage: stdin is no terminal to ask on\n→ Give it by stdin: --file -\n",
    "forget vendorlink acme": "usage: stdin is no terminal to confirm on\n→ Say so: --yes\n",
    "connect vendorlink acme": (
        "connecting {of}\nusage: stdin is no terminal to ask on\n"
        "→ Give a file: --file FILE, or --file - for stdin.\n"
    ),
    "token editor acme --parameters {": (
        'usage: --parameters is no JSON\n→ Like this: --parameters \'{"userId": "jane"}\'\n'
    ),
}


def test_a_check_without_a_harmless_request_is_wrong_usage(
    visitor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is no such route: API Gateway would say that access is denied."""
    monkeypatch.setattr("token_broker_cli.tokens.CHECKING", ("editor",))
    said = visitor.says("check", "vendorlink", "acme")
    assert (said.exit_code, said.stderr) == (2, "usage: FLOW must be one of editor\n")


@pytest.mark.parametrize("words", ERRORS)
def test_wrong_usage_says_what_to_do(visitor: Visitor, words: str) -> None:
    result = visitor.says(*words.split(), stdin=" \n")
    of = f"vendorlink/acme (stage test, {visitor.account.url.removeprefix('http://')})"
    expected = ERRORS[words].replace("{of}", of)
    assert (result.exit_code, result.stdout, result.stderr) == (2, "", expected)
