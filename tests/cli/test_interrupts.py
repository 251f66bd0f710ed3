"""Ctrl-C, unwritable output, and questions without a terminal are one line each."""

import json
import os
import pty
import signal
from pathlib import Path
from typing import Any

import pytest
import typer

from tests.cli.accounts import Visitor
from tests.cli.command_lines import CHANGING, COMMANDS, SECRET, commands
from tests.cli.operators import COLOUR, watched
from tests.cli.processes import CLOSED
from token_broker_cli import command
from token_broker_cli.secrets import Secrets


@pytest.mark.parametrize(
    ("word", "form"),
    [*((line[0], []) for line in COMMANDS), ("status", ["--json"]), ("lift", ["--json"])],
)
def test_an_interruption_ends_a_command_at_once(
    visitor: Visitor, word: str, form: list[str], tmp_path: Path
) -> None:
    """With exit code 130 and a line, while the broker does not answer."""
    file = tmp_path / "secret.json"
    file.write_text(SECRET)
    (words,) = [line for line in commands(str(file)) if line[0] == word]
    code, out, err = visitor.interrupts(*words, *form)
    assert (code, out) == (130, ""), err
    # `connect` asks the broker before it changes anything.
    is_changing = word in CHANGING - {"connect"}
    detail = "ended by Ctrl-C" + "; what was asked for may have been done" * is_changing
    if form:
        told = {"code": "interrupted", "detail": detail, "advice": ""}
        assert Visitor.document(err) == told
    else:
        assert err.splitlines()[-1] == f"interrupted: {detail}"


def test_an_interruption_before_the_command_starts_is_reported(
    visitor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also in JSON; Typer itself would leave with 130, or with 1, and say nothing."""
    for raised in (KeyboardInterrupt, typer.Abort):

        def interrupt(*_: Any, raised: type[BaseException] = raised) -> None:
            raise raised

        monkeypatch.setattr(command, "run_body", interrupt)
        result = visitor.says("connections")
        assert (result.exit_code, result.stderr) == (130, "interrupted: ended by Ctrl-C\n")
        told = json.loads(visitor.says("connections", "--json").stderr)
        assert told == {"code": "interrupted", "detail": "ended by Ctrl-C", "advice": ""}


def test_a_second_interruption_is_ignored(
    visitor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command first reports what may have been done."""

    def interrupt(*_: Any) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr(Secrets, "_put", interrupt)
    before = signal.getsignal(signal.SIGINT)
    try:
        words = ("connect", "vendorlink", "acme", "--no-check", "--file", "-")
        result = visitor.says(*words, stdin=SECRET)
        assert (result.exit_code, "may have been done" in result.stderr) == (130, True)
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize(
    "words", ["connect vendorlink new", "forget vendorlink acme", "verify acme --json"]
)
def test_an_interrupted_question_is_reported_as_interrupted(visitor: Visitor, words: str) -> None:
    """Not as a no."""
    code, seen = visitor.watches(*words.split(), answers=[None])
    *_, last = seen.splitlines()
    said = json.loads(last)["code"] if "--json" in words else COLOUR.sub("", last).partition(":")[0]
    assert (code, said) == (130, "interrupted"), seen


FORGET = (
    "Forget the tokens of vendorlink/acme ({})? Callers get new ones on their next call [y/N]: "
)
PROBE = (
    "Probe vendorlink/acme: at most 23 requests, 8 of them with the credentials; "
    "its token is replaced ({})? [y/N]: "
)


@pytest.mark.parametrize(
    ("words", "typed", "question"),
    [
        ("forget", "n", FORGET),
        ("forget", "\x04", FORGET),
        ("probe", "n", PROBE),
        ("forget --json", "n", FORGET),
    ],
)
def test_the_answer_no_changes_nothing(
    visitor: Visitor, words: str, typed: str, question: str
) -> None:
    """The question says what is meant, and where."""
    code, seen = visitor.watches(*words.split(), "vendorlink", "acme", answers=[typed])
    *asked, last = COLOUR.sub("", seen).splitlines()
    where = f"stage test, {visitor.account.url.removeprefix('http://')}"
    assert "".join(asked).startswith(question.format(where))
    error = {"code": "aborted", "detail": "nothing was changed", "advice": ""}
    told = json.dumps(error) if "--json" in words else "aborted: nothing was changed"
    assert (code, last) == (1, told)
    assert not visitor.account.asked


def test_questions_go_to_stderr(visitor: Visitor) -> None:
    """Whether or not stdout is a terminal."""
    mine, theirs = pty.openpty()
    os.write(mine, b"n\n")
    result = visitor.runs("forget", "vendorlink", "acme", stdin=os.ttyname(theirs))
    os.close(mine)
    os.close(theirs)
    assert (result.returncode, result.stdout, "[y/N]" in result.stderr) == (1, "", True)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("connect vendorlink new", "usage: stdin is no terminal"),
        ("connect vendorlink new --file -", "usage: --file: stdin is closed"),
        ("forget vendorlink acme", "usage: stdin is no terminal"),
        ("verify acme", "usage: stdin is no terminal"),
        ("verify acme --file -", "usage: --file: stdin is closed"),
    ],
)
def test_a_closed_stdin_is_wrong_usage(visitor: Visitor, words: str, said: str) -> None:
    result = visitor.runs(*words.split(), stdin=CLOSED)
    assert (result.returncode, said in result.stderr) == (2, True), result.stderr


@pytest.mark.parametrize("form", ["", "--json"])
@pytest.mark.parametrize("sink", ["/dev/full", CLOSED])
@pytest.mark.parametrize("words", ["connections", "token vendorlink acme --format json", "doctor"])
def test_an_unwritable_answer_is_reported(
    visitor: Visitor, words: str, sink: str | None, form: str
) -> None:
    """In one line, without a traceback."""
    result = visitor.runs(*words.split(), *form.split(), stdout=sink)
    assert (result.returncode, result.stderr.count("\n")) == (1, 1), result.stderr
    said = "output_failed" if form else "output_failed: the answer cannot be written: "
    assert said in result.stderr
    assert ("No space left on device" if sink else "stdout is closed") in result.stderr


def test_a_closed_pipe_ends_a_command_silently(visitor: Visitor) -> None:
    """As with `head`; Python prints no error at its exit either."""
    reader, writer = os.pipe()
    os.close(reader)
    result = visitor.runs("connections", stdout=writer)
    assert (result.returncode, result.stderr) == (1, "")


def test_the_exit_code_survives_an_unwritable_stderr(visitor: Visitor) -> None:
    """If stderr is closed or full; stdout still gets the answer."""
    for sink in (CLOSED, "/dev/full"):
        assert visitor.runs("status", "vendorlink", "none", stderr=sink).returncode == 1
        assert visitor.runs("status", "vendorlink", "No", "--json", stderr=sink).returncode == 2
        result = visitor.runs("forget", "vendorlink", "acme", "--yes", stderr=sink)
        assert (result.returncode, result.stdout[:9]) == (0, "forgotten"), sink


@pytest.mark.parametrize(
    "words",
    [
        ["token", "paypal", "acme"],
        ["token", "vendorlink"],
        ["nonsense"],
        ["status", "vendorlink", "acme", "--min-ttl", "3"],
        ["connections", "--port", "x"],
    ],
    ids=" ".join,
)
def test_an_invalid_command_line_is_one_line(visitor: Visitor, words: list[str]) -> None:
    """Or JSON, with `--json` before or after the command."""
    result = visitor.types(*words)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("usage: ")
    place = " ".join(["token-broker", *(word for word in words[:1] if word != "nonsense")])
    assert result.stderr.endswith(f"→ See `{place} --help`.\n")
    for typed in ([*words, "--json"], ["--json", *words]):
        result = visitor.types(*typed)
        assert (result.exit_code, json.loads(result.stderr)["code"]) == (2, "usage")


def test_without_arguments_the_command_shows_its_help() -> None:
    code, seen = watched([])
    assert (code, "connections" in seen) == (2, True)
