"""Whole answers: all that each command prints in a pipe, in JSON and on a terminal."""

import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.cli.accounts import Visitor, refusal
from tests.cli.command_lines import COMMANDS, SECRET
from tests.cli.fake_account import ACTIONS, HELD, Account
from tests.cli.statuses import NOW, at, failure, variant
from tests.subjects import FLOWS
from token_broker_cli import connections, status
from token_broker_cli import tokens as calls
from token_broker_client.request import CONNECTION

LONG = "long " * 40
PAGE = Path(__file__).parents[2] / "docs" / "cli.md"
HOLD = {"since": at(-7200), "by": "me", "reason": "leak"}
RENEWING = {
    "context": {"organization": "abcdef0123", "workspace": None, "n": 0},
    "failure": failure(count=1),
    "fingerprint": None,
    "generation": 0,
    "renewing": True,
}
ENDED = {"issued_at": None, "refresh_after": None, "expires_at": at(-9)}


@pytest.fixture(autouse=True)
def _moment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the clock stand still, where lengths are told from now."""
    for module in (connections, status, calls):
        monkeypatch.setattr(module, "time", SimpleNamespace(time=lambda: NOW))


@pytest.fixture
def account(account: Account) -> Account:
    """Return an account with connections in each kind of trouble, and in none."""
    key = {"variant": "123456789abc"}
    account.add("editor/acme", variant(), variant("dead", latched=True, **ENDED))
    account.add("vntana/failing", variant(**key), variant("aging", **RENEWING))
    account.add("vntana/held", variant("stale", failure=failure(), latched=True, **key), held=HOLD)
    account.add("vendorlink/empty", variants=[], held=HOLD)
    account.add("vendorlink/none", variants=[])
    account.add("editor/lost")
    account.answers["editor/lost"] = {"code": "not_configured", "detail": LONG, "status": 500}
    return account


def filled(text: str, visitor: Visitor) -> str:
    """Return *text* with the target of this account."""
    host = visitor.account.url.removeprefix("http://")
    where = f"stage test, {host}"
    known = {"<of>": f"vendorlink/acme ({where})", "<where>": where, "<host>": host}
    return re.sub("<[a-z]+>", lambda found: known[found[0]], text)


MOMENTS = """\
made\t2026-09-21 13:43:20 UTC, 30 min ago
renewal\t2026-09-21 14:35:00 UTC, in 21 min
end\t2026-09-21 14:43:20 UTC, in 30 min
"""
FRESH = f"state\tfresh\n{MOMENTS}generation\t3, fingerprint 0123456789abcdef\n"
STEP = "next\thand_out\nbecause\tIt lives, and its renewal is not due.\n"
PIPED = {
    "connect vendorlink acme --no-check --file -": """\
! connecting <of>
updated: <of>
! not tried at the vendor: `token-broker token vendorlink acme` does that
""",
    "connections": """\
editor/lost\t\tnot known\t\t\tnot_configured
editor/acme\tthe connection\tdead, latched\tended\t3\t
editor/acme\tthe connection\tfresh\t30 min\t3\t
vendorlink/empty\t\tnone yet\t\t\theld: leak
vntana/held\tvariant 12345678\tstale, latched\t30 min\t3\tupstream_unavailable, 2 times, held: leak
vntana/failing\torganization abcdef01\taging\t30 min\t0\tupstream_unavailable
vntana/failing\tvariant 12345678\tfresh\t30 min\t3\t
vendorlink/acme\tthe connection\tfresh\t30 min\t3\t
vendorlink/none\t\tnone yet\t\t\t
""",
    "status vntana failing": f"""\
connection\tvntana/failing
secret version\t{{}}-version
token\tvariant 12345678
{FRESH}\
token\torganization abcdef01
state\taging
{MOMENTS}\
generation\t0, fingerprint -
organization\tabcdef0123
workspace\t-
n\t0
failure\tupstream_unavailable, 1 min ago
next try\tin 40 s
renewing\tnow
""",
    "status vntana held": f"""\
connection\tvntana/held
secret version\t{{}}-version
held\t2 h ago by me: leak
token\tvariant 12345678
state\tstale, latched
{MOMENTS}\
generation\t3, fingerprint 0123456789abcdef
failure\tupstream_unavailable, 2 times, 1 min ago
latched\tthis version of the secret is not tried again
""",
    "status editor acme": f"""\
connection\teditor/acme
secret version\t{{}}-version
token\tthe connection
{FRESH}\
token\tthe connection
state\tdead, latched
end\t2026-09-21 14:13:11 UTC, 9 s ago
generation\t3, fingerprint 0123456789abcdef
latched\tthis version of the secret is not tried again
""",
    "explain vntana failing": f"""\
connection\tvntana/failing
token\tvariant 12345678
state\tfresh
{STEP}\
token\torganization abcdef01
state\taging
{STEP}""",
    "explain vntana held": f"""\
connection\tvntana/held
held\t2 h ago by me: leak
token\tvariant 12345678
state\tstale
{STEP}""",
    "token vendorlink acme": "-H 'Authorization: Bearer t0ken'\n",
    "token vendorlink acme --format headers": "Authorization: Bearer t0ken\n",
    "token vendorlink acme --format export": """\
export VENDORLINK_HEADER='Authorization: Bearer t0ken'
export VENDORLINK_TOKEN=t0ken
export VENDORLINK_BASE_URL=https://h.vendorlink.nl
export VENDORLINK_EXPIRES_AT=2026-11-22T09:34:00Z
""",
    "token vendorlink acme --format json": f"{json.dumps(ACTIONS['POST', 'token'])}\n",
    "check vendorlink acme": "vendorlink/acme: it works, in 2 ms; user x\n",
    "probe vendorlink acme --yes": """\
! probing vendorlink/acme: at most 23 requests, 8 of them with the credentials; its token is \
replaced (<where>)
! sent: 4 requests, 1 of them with the credentials
! written: nothing (<where>)
""",
    "forget vendorlink acme --yes": """\
! forgetting the tokens of <of>
forgotten: 1 token of <of>
! the next call makes a new one; a latch is lifted
""",
    "hold vendorlink acme --reason leak": """\
! holding <of>
held: <of>
! no more tokens are handed out; those in memory stop within MEMORY_SECONDS
""",
    "lift vendorlink acme": """\
! lifting the hold of <of>
not held: <of>
! the next call gets a token
""",
    "verify acme --file -": "valid\nfile\tdemo.dwg\n",
}
"""What goes to stdout and, behind a mark, what goes to stderr."""


def check_streams(visitor: Visitor, words: str, told: str) -> int:
    """Assert that a command in a pipe tells all of *told*, and no more; return its exit code."""
    result = visitor.says(*words.split(), stdin=SECRET, COLUMNS="40")
    lines = filled(told, visitor).splitlines(keepends=True)
    assert result.stdout == "".join(line for line in lines if not line.startswith("! "))
    assert result.stderr == "".join(line[2:] for line in lines if line.startswith("! "))
    return result.exit_code


@pytest.mark.parametrize("words", PIPED)
def test_a_pipe_gets_the_answer_on_stdout_and_notes_on_stderr(visitor: Visitor, words: str) -> None:
    """Nothing is cut or folded: the parts of a line are apart by tabs."""
    code = check_streams(visitor, words, PIPED[words])
    assert code == (words == "connections")  # one of them could not be asked


@pytest.mark.parametrize(
    ("words", "place", "answer", "told"),
    [
        (
            "token vendorlink acme",
            ("POST", "token"),
            {**ACTIONS["POST", "token"], "stale": True},
            PIPED["token vendorlink acme"]
            + "! stale: its renewal failed; `token-broker explain` says why\n",
        ),
        (
            "forget vendorlink acme --yes",
            ("DELETE", "token"),
            {"forgotten": 2, "complete": False},
            PIPED["forget vendorlink acme --yes"].replace("1 token", "2 tokens")
            + "! there are more: run it again\n",
        ),
        (
            "forget vendorlink acme --yes",
            ("DELETE", "token"),
            {"forgotten": 0},
            PIPED["forget vendorlink acme --yes"].replace("1 token", "0 tokens"),
        ),
        (
            "check vendorlink acme",
            ("POST", "check"),
            {"ok": True, "milliseconds": 0.2, "context": {}},
            "vendorlink/acme: it works, in 0 ms\n",
        ),
        *(
            (f"verify acme --file - {form}", ("POST", "verify"), {"valid": False}, told)
            for form, told in (
                ("", "not valid: unknown, or it ended\n"),
                ("--json", '{"valid": false}\n'),
            )
        ),
    ],
)
def test_notes_and_exit_code_follow_the_answer_of_the_broker(
    visitor: Visitor, words: str, place: tuple[str, str], answer: dict[str, Any], told: str
) -> None:
    visitor.account.actions[place] = answer
    code = check_streams(visitor, words, told)
    assert code == ("valid" in answer)


OF = {"flow": "vendorlink", "connection": "acme"}
TARGET = {"stage": "test", "host": "<host>"}
NEXT = {"next": "hand_out", "because": "It lives, and its renewal is not due."}
ANSWERS: dict[str, dict[str, Any]] = {
    "connect": OF | {"done": "updated", "tried": False, "options": {}} | TARGET,
    "status": OF
    | {"variants": [variant()], "held": None, "complete": True, "secret_version": "{}-version"},
    "explain": OF
    | {
        "held": None,
        "variants": [{"token": "the connection", "variant": "-", "state": "fresh", **NEXT}],
    },
    **{word: {**ACTIONS["POST", word]} for word in ("token", "check", "verify")},
    "probe": {**ACTIONS["POST", "probe"], "written": False, **TARGET},
    "forget": {**OF, **ACTIONS["DELETE", "token"], **TARGET},
    "hold": {**OF, "held": HELD, **TARGET},
    "lift": {**OF, "held": None, **TARGET},
}


def promised(word: str) -> set[str]:
    """Return the members of a word's JSON that docs/cli.md names, or that the broker answers."""
    table = PAGE.read_text().partition("| command | answers |")[2].partition("\n\n")[0]
    rows = [line for line in table.splitlines() if line.startswith("| `")]
    (row,) = [line for line in rows if f"`{word}`" in line.split("|")[1]]
    outer = row.partition(";")[0].replace("`{", "").replace("}`", ",")
    outer = re.sub(r"\{.*?\}|\[.*?\]", "", outer)
    own = {*re.findall(r'"(\w+)"(?=[:,`])', outer)}
    if "broker's answer" in row:
        own |= (ANSWERS[word] if word == "status" else ACTIONS["POST", word]).keys()
    return own


@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: words[0])
def test_json_has_each_member_of_the_answer(visitor: Visitor, words: list[str]) -> None:
    """Those on the page, with stage and host, where something was changed; and nothing beside."""
    del visitor.account.secrets["token-broker/test/editor/lost"]
    result = visitor.says(*words, "--json", stdin=SECRET)
    told = Visitor.document(result.stdout)
    assert told.keys() == promised(words[0])
    if words[0] in ANSWERS:
        assert told == json.loads(filled(json.dumps(ANSWERS[words[0]]), visitor))
    assert (result.exit_code, result.stderr) == (words[0] == "doctor", "")


def test_explain_has_the_hold_and_the_state_of_each_token_in_json(visitor: Visitor) -> None:
    """A latch does not change the state, and the variant's key is whole."""
    told = Visitor.document(visitor.says("explain", "vntana", "held", "--json").stdout)
    token = {"token": "variant 12345678", "variant": "123456789abc", "state": "stale", **NEXT}
    assert told == {"flow": "vntana", "connection": "held", "held": HOLD, "variants": [token]}


def test_json_has_all_connections(visitor: Visitor) -> None:
    """Of one that could not be asked it has the error, and what to do."""
    answers = visitor.account.answers
    result = visitor.says("connections", "--json")
    first, *others = Visitor.document(result.stdout)["connections"]
    error = first.pop("error")
    assert first == {"flow": "editor", "connection": "lost"}
    assert (error["code"], error["detail"]) == ("not_configured", LONG)
    assert error["advice"] == "Correct the secret with `token-broker connect editor lost`."
    names = [line.split("\t")[0] for line in PIPED["connections"].splitlines()]
    assert others == [
        {**answers[name], "secret_version": "{}-version"} for name in dict.fromkeys(names[1:])
    ]
    del visitor.account.secrets["token-broker/test/editor/lost"]
    assert visitor.says("connections").exit_code == 0


SHOWN = {
    "status vendorlink acme": """\
vendorlink/acme  secret version {}-versi

token       the connection
state       ████░░░░ fresh
made        2026-09-21 13:43:20 UTC, 30 min ago
renewal     2026-09-21 14:35:00 UTC, in 21 min
end         2026-09-21 14:43:20 UTC, in 30 min
generation  3, fingerprint 0123456789abcdef
""",
    "explain vntana held": """\
vntana/held
held: 2 h ago by me: leak

variant 12345678  stale, latched.  A call hands the token out.
  because It lives, and its renewal is not due.
""",
    "status vendorlink empty": """\
vendorlink/empty  secret version {}-versi
held: 2 h ago by me: leak
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
    "token vendorlink acme --json": """\
{
  "flow": "vendorlink",
  "headers": {
    "Authorization": "Bearer ••••••••"
  },
  "base_url": "https://h.vendorlink.nl",
  "expires_at": "2026-11-22T09:34:00Z",
  "fingerprint": "f00d",
  "generation": 1,
  "source": "table",
  "stale": false
}
""",
    "token vendorlink lost": """\
unknown_connection: there is no secret
→ Add it with `token-broker connect vendorlink lost`; `token-broker connections`
lists what there is.
""",
    "verify acme --file FILE": "valid\nfile  demo.dwg\n",
}


def without_ends(text: str) -> str:
    """Return *text* without the blanks at the ends of its lines."""
    return "\n".join(line.rstrip() for line in text.split("\n"))


@pytest.mark.parametrize("words", SHOWN)
def test_a_person_sees_the_answer_and_the_notes(
    visitor: Visitor, words: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """On a terminal of 80 columns."""
    file = tmp_path_factory.mktemp("answers") / "token"
    file.write_text("t0ken")
    seen = visitor.shows(*words.replace("FILE", str(file)).split())
    assert without_ends(seen) == filled(SHOWN[words], visitor)


def test_a_person_is_told_that_a_token_is_stale(visitor: Visitor) -> None:
    """Though it is masked."""
    visitor.account.actions["POST", "token"] = {**ACTIONS["POST", "token"], "stale": True}
    assert "\nstale: its renewal failed" in visitor.shows("token", "vendorlink", "acme")


LIST = """\
Connection      Token                   Ends in     Gen Failures
editor/lost     not known                               not_configured
editor/acme
  the           ░░░░░░░░ dead, latched  ended         3
  connection
  the           ████░░░░ fresh          30 min        3
  connection
vendorlink/empt none yet                                held: leak
y
vntana/held                                             held: leak
  variant       ████░░░░ stale, latched 30 min        3 upstream_unavail
  12345678                                              able, 2 times
vntana/failing
  organization  ████░░░░ aging          30 min        0 upstream_unavail
  abcdef01                                              able
  variant       ████░░░░ fresh          30 min        3
  12345678
vendorlink/acme
  the           ████░░░░ fresh          30 min        3
  connection
vendorlink/none none yet

5 of 7 connections need attention: editor/lost, editor/acme,
vendorlink/empty, vntana/held, vntana/failing
"""
BELOW = """\
editor/lost
  not known
  not_configured
editor/acme
  the connection
  dead, latched, ended, generation 3
  the connection
  fresh, 30 min, generation 3
vendorlink/empty
  none yet
  held: leak
vntana/held
  variant 12345678
  stale, latched, 30 min, generation 3
  upstream_unavailable, 2 times, held: leak
vntana/failing
"""


def test_a_list_of_connections_is_a_table_from_72_columns_on(visitor: Visitor) -> None:
    """With the same verdict below it."""
    table, below = (without_ends(visitor.shows("connections", columns=n)) for n in (72, 71))
    assert table == LIST
    assert below.startswith(BELOW)
    assert below.endswith("\n".join(["", *LIST.splitlines()[-2:], ""]))


@pytest.mark.parametrize("columns", [40, 80, 200])
@pytest.mark.parametrize(
    "words", ["connections", "status vendorlink NAME", "explain vendorlink NAME", "doctor"]
)
def test_a_terminal_folds_what_is_long(visitor: Visitor, words: str, columns: int) -> None:
    """Each part of it is to be seen; nothing is wider than the terminal."""
    name, long = "n" * 63, "Why? " * 50
    visitor.account.add(
        f"vendorlink/{name}", variant(context={"display_name": "d" * 300}, because=long)
    )
    seen = visitor.shows(*words.replace("NAME", name).split(), columns=columns)
    assert max(map(len, seen.splitlines())) <= columns
    text = re.sub(r"\s", "", seen)
    assert "status" not in words or "d" * 300 in text
    assert "explain" not in words or "Why?" * 50 in text


RED = re.compile(r"\x1b\[((?:1;)?31)m *(\S.*?) *\x1b\[0m")
WRONG = {
    "connections": {
        "1;31": ["lost", "acme", "empty", "held", "failing", " ".join(LIST.splitlines()[-2:])],
        "31": [
            *("not known", "not_configured", "░░░░░░░░ dead, latched", "held: leak", "held: leak"),
            *("████░░░░ stale, latched", "upstream_unavailable, 2 times", "upstream_unavailable"),
        ],
    },
    "status vntana held": {
        "31": [
            *("held: 2 h ago by me: leak", "████░░░░ stale, latched"),
            "upstream_unavailable, 2 times, 1 min ago",
            "this version of the secret is not tried again",
        ]
    },
    "explain vntana held": {"31": ["held: 2 h ago by me: leak", "stale, latched."]},
    "status editor lost": {"1;31": ["not_configured"]},
}
"""What is red, by whether it is bold, too."""


@pytest.mark.parametrize("words", WRONG)
def test_what_is_wrong_is_red(visitor: Visitor, words: str) -> None:
    """A latch, too, beside a token that lives; and a connection's name is bold."""
    seen: dict[str, list[str]] = {}
    for style, text in RED.findall(visitor.shows_coloured(*words.split(), columns=120)):
        seen.setdefault(style, []).append(text)
    assert seen == WRONG[words]


def test_an_empty_list_says_how_to_add_a_connection(visitor: Visitor) -> None:
    visitor.account.secrets.clear()
    result = visitor.says("connections")
    said = "There are none yet: `token-broker connect` adds one.\n"
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", said)
    assert json.loads(visitor.says("connections", "--json").stdout) == {"connections": []}


NO_JSON = 'usage: --parameters is no JSON\n→ Like this: --parameters \'{"userId": "jane"}\'\n'
ERRORS = {
    "verify acme --flow vntana --file -": "usage: --flow must be one of editor\n",
    "verify acme --file -": (
        "usage: there is no token in it\n→ Give one: `token-broker token editor NAME`.\n"
    ),
    "verify acme --file /nowhere": "usage: --file: No such file or directory\n",
    "verify acme": "usage: stdin is no terminal to ask on\n→ Give it by stdin: --file -\n",
    "forget vendorlink acme": "usage: stdin is no terminal to confirm on\n→ Say so: --yes\n",
    "probe vendorlink acme": "usage: stdin is no terminal to confirm on\n→ Say so: --yes\n",
    "connect vendorlink acme": (
        "connecting <of>\nusage: stdin is no terminal to ask on\n"
        "→ Give a file: --file FILE, or --file - for stdin.\n"
    ),
    "token editor acme --parameters {": NO_JSON,
    f"check editor acme --parameters {'[' * 100_000}": NO_JSON,
    "token editor acme --parameters []": "usage: --parameters must be a JSON object\n",
    "status nowhere acme": (
        f"usage: Invalid value for 'FLOW': 'nowhere' is not one of {', '.join(map(repr, FLOWS))}.\n"
        "→ See `token-broker status --help`.\n"
    ),
    "token vendorlink acme/x": f"usage: NAME must match {CONNECTION.pattern}\n",
    "status editor lost": (
        f"not_configured: {LONG}\n→ Correct the secret with `token-broker connect editor lost`.\n"
    ),
}


def test_a_check_without_a_harmless_request_is_wrong_usage(
    visitor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is no such route: API Gateway would say that access is denied."""
    monkeypatch.setattr("token_broker_cli.tokens.CHECKING", ("editor",))
    said = visitor.says("check", "vendorlink", "acme")
    assert (said.exit_code, said.stderr) == (2, "usage: FLOW must be one of editor\n")


@pytest.mark.parametrize("words", ERRORS, ids=lambda words: words[:50])
def test_an_error_says_what_to_do(visitor: Visitor, words: str) -> None:
    """In a line, however long; 2 is for wrong usage."""
    result = visitor.says(*words.split(), stdin=" \n")
    assert (result.stdout, result.stderr) == ("", filled(ERRORS[words], visitor))
    assert result.exit_code == (2 if "usage: " in ERRORS[words] else 1)


def test_an_error_is_json_with_the_option_json(visitor: Visitor) -> None:
    said = refusal(visitor.says("token", "vendorlink", "lost", "--json"))
    assert Visitor.document(said) == {
        "code": "unknown_connection",
        "detail": "there is no secret",
        "retryable": False,
        "advice": "Add it with `token-broker connect vendorlink lost`; "
        "`token-broker connections` lists what there is.",
    }
