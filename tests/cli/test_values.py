"""Pure functions: durations, bars, settings, errors."""

import json
import re
import shlex
import threading
import time
from contextlib import nullcontext
from pathlib import Path
from string import Formatter
from typing import Any

import pytest
from botocore import exceptions
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, NoRegionError
from typer import Typer
from typer.main import get_command

import token_broker_cli
from tests.cli.accounts import Visitor
from tests.cli.statuses import NOW, at, variant
from tests.waiting import PATIENCE_SECONDS
from token_broker import errors
from token_broker_cli.checks import clock
from token_broker_cli.command import command
from token_broker_cli.context import Context, concurrently
from token_broker_cli.errors import CommandError, command_error
from token_broker_cli.fields import RESERVED, fields, parameter, value_of, values, with_fields
from token_broker_cli.main import app
from token_broker_cli.screen import SIGNS, Screen, facts, plain
from token_broker_cli.settings import Options, Settings, host_of
from token_broker_cli.tokens import curl, export, masked
from token_broker_cli.variants import VariantView, span, when, written
from token_broker_descriptors import Descriptor, Field
from token_broker_operations.signals import leaves


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-5, "0 s"),
        (59, "59 s"),
        (60, "1 min"),
        (119, "1 min"),
        (3_660, "1 h 1 min"),
        (86_400, "1 d"),
    ],
)
def test_lengths_have_two_units(seconds: int, words: str) -> None:
    assert span(seconds) == words


def test_times_are_shown_relative_to_now(monkeypatch: pytest.MonkeyPatch) -> None:
    """And written in UTC, in any time zone."""
    assert when(at(120), NOW) == "in 2 min"
    assert when(at(-120), NOW) == "2 min ago"
    assert when(at(0), NOW) == "0 s ago"
    assert VariantView(variant(expires_at=at(0)), NOW).left_in_words == "ended"
    assert when(None, NOW) == "never"
    assert written(None) == "-"
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "America/New_York")
        time.tzset()
        assert written("2026-11-22T10:00:00Z") == "2026-11-22 10:00:00 UTC"
    time.tzset()


@pytest.mark.parametrize(
    ("changes", "bar"),
    [
        ({}, "████░░░░"),
        ({"issued_at": at(0)}, "████████"),
        ({"state": "dead"}, "░░░░░░░░"),
        ({"issued_at": None, "expires_at": None}, "░░░░░░░░"),
        ({"issued_at": at(0), "expires_at": at(0)}, "░░░░░░░░"),
        ({"expires_at": at(-60)}, "░░░░░░░░"),
        ({"issued_at": at(60)}, "████████"),
        ({"issued_at": at(-1600), "expires_at": at(2400)}, "████▊░░░"),
        ({"issued_at": at(-1587), "expires_at": at(2413)}, "████▉░░░"),
        ({"issued_at": at(-1500), "expires_at": at(2500)}, "█████░░░"),
    ],
)
def test_a_bar_shows_the_remaining_lifetime(changes: dict[str, Any], bar: str) -> None:
    assert VariantView(variant(**changes), NOW).bar == bar


def test_each_state_has_a_colour() -> None:
    """An unknown state has none."""
    colours = {"fresh": "green", "aging": "yellow", "stale": "dark_orange", "dead": "red", "x": ""}
    for state, colour in colours.items():
        assert VariantView(variant(state), NOW).style == colour


DOCTOR = "See who you are and what you may do: `token-broker doctor`."
RESTORE = "Restore it: aws secretsmanager restore-secret."
REFUSALS = (
    *("AccessDenied", "AccessDeniedException", "ExpiredToken", "ExpiredTokenException"),
    *("InvalidClientTokenId", "InvalidSignatureException", "NotAuthorized"),
    *("SignatureDoesNotMatch", "UnrecognizedClientException"),
)
"""As AWS's services name them: https://docs.aws.amazon.com/IAM/latest/APIReference/CommonErrors.html"""


def client_error(code: str, message: str = "", operation: str = "PutSecretValue") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, operation)


@pytest.mark.parametrize(
    ("error", "code", "advice"),
    [
        *((client_error(one, "may not"), "access_denied", DOCTOR) for one in REFUSALS),
        (client_error("Throttling", "'s3cret' is bad"), "aws_failed", "Look up Throttling."),
        (client_error("InvalidRequestException"), "aws_failed", RESTORE),
        (
            client_error("InvalidRequestException", operation="DescribeKey"),
            "aws_failed",
            "Look up InvalidRequestException.",
        ),
        (NoCredentialsError(), "access_denied", DOCTOR),
        (NoRegionError(), "usage", "Name one: --region, or AWS_REGION."),
        (KeyError("s3cret"), "internal", "Report it."),
    ],
)
def test_each_error_is_one_line_without_a_secret(error: Exception, code: str, advice: str) -> None:
    """Only refusals of AWS keep their text: other texts may repeat the input."""
    told = command_error(error)
    assert (told.code, told.exit_code) == (code, 2 if code == "usage" else 1)
    assert told.document() == {"code": code, "detail": told.detail, "advice": advice}
    assert "s3cret" not in told.detail
    assert ("may not" in told.detail) == ("may not" in str(error))


@pytest.mark.parametrize(
    "kind",
    [
        one
        for one in vars(exceptions).values()
        if isinstance(one, type)
        and issubclass(one, BotoCoreError)
        and one is not exceptions.WaiterError  # nothing is waited for
    ],
)
def test_each_error_of_botocore_is_one_line(kind: type[BotoCoreError]) -> None:
    """Errors of the network and of credentials have codes of their own."""
    names = [name for _, name, _, _ in Formatter().parse(kind.fmt) if name]
    told = command_error(kind(**dict.fromkeys(names, "s3cret")))
    network = (exceptions.ConnectionError, exceptions.HTTPClientError)
    assert (told.code == "unreachable") == issubclass(kind, network)
    assert (told.code == "access_denied") == bool(re.search("Cred|Token|SSO", kind.__name__))
    assert told.code in ("unreachable", "aws_failed", "access_denied", "usage")
    assert told.advice
    assert "s3cret" not in f"{told.detail} {told.advice}"


def test_an_error_keeps_the_facts_of_the_broker() -> None:
    """Also 0 and false; text rounds the numbers."""

    class Told(Exception):
        code, detail, retryable, retry_after = "upstream_unavailable", "no", False, 1.6
        upstream_status, upstream_code = 0, "A\x1b[2J"

    told = command_error(Told())
    assert told.facts == {
        "retryable": False,
        "retry_after": 1.6,
        "upstream_status": 0,
        "upstream_code": "A\x1b[2J",
    }
    assert facts(told) == " (the vendor's code is A·[2J; try again in 2 s)"
    assert facts(CommandError("internal", "no", facts={"upstream_code": None})) == ""


def test_concurrent_results_keep_their_order() -> None:
    """Eight calls at a time; Ctrl-C does not wait for the threads."""
    is_done, eight = threading.Event(), threading.Barrier(8)

    def call(one: int) -> int:
        assert threading.current_thread().daemon
        eight.wait(PATIENCE_SECONDS)
        if one:
            is_done.set()
        else:
            is_done.wait(PATIENCE_SECONDS)
        return one

    def fail(raised: type[BaseException]) -> None:
        raise raised

    assert concurrently(call, range(8)) == [*range(8)]
    for raised in (ValueError, SystemExit, KeyboardInterrupt):
        with pytest.raises(raised):
            concurrently(fail, [raised, BufferError])


@pytest.mark.parametrize(
    ("options", "tries"),
    [(Options(local=True), 1), (Options(stage="prod"), 3)],
)
def test_calls_to_aws_have_few_attempts_and_short_timeouts(
    monkeypatch: pytest.MonkeyPatch, options: Options, tries: int
) -> None:
    """Calls to the local system have one attempt."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "key")
    context = Context(Settings.of(options, {}), Screen())
    config = context.client("sts").meta.config
    assert config.retries["total_max_attempts"] == tries
    assert config.connect_timeout + config.read_timeout <= 15


def test_only_host_and_port_of_an_address_are_shown() -> None:
    assert host_of("https://user:s3cret@h.example:8443/prod?x=y") == "h.example:8443"


@pytest.mark.parametrize(
    ("kind", "called", "values"),
    [
        ("object", "a JSON object", ["{}"]),
        ("array", "a JSON list", ["[1]"]),
        ("integer", "a whole number", ["3"]),
        ("number", "a number", ["3", "1.5"]),
        ("boolean", "true or false", ["true"]),
    ],
)
@pytest.mark.parametrize("text", ["{}", "[1]", "3", "1.5", "true", "null"])
def test_the_value_of_a_field_is_checked_against_its_type(
    kind: str, called: str, values: list[str], text: str
) -> None:
    """JSON, except for a string; another value is wrong usage."""
    assert value_of({"type": "string"}, "x", text) == text
    with (
        nullcontext()
        if text in values
        else pytest.raises(CommandError, match=f"--x must be {called}$")
    ):
        assert value_of({"type": kind}, "x", text) == json.loads(text)


def test_a_field_has_the_type_of_its_flow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another flow's field of the same name may have another type."""
    known = {
        kind: Descriptor(kind, 0, "", "", "", (), (Field("x", "", {"type": kind}),))
        for kind in ("string", "integer", "object")
    }
    monkeypatch.setattr("token_broker_cli.fields.every", lambda: known)
    assert values("string", {"x": "3"}) == {"x": "3"}
    assert values("integer", {"x": "3", "y": None}) == {"x": 3}


def test_a_field_may_be_called_like_an_option(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the command: a vendor may have regions. No command could start otherwise."""
    for one in ("token", "check", "probe"):
        options = get_command(app).commands[one].params  # type: ignore[attr-defined]  # of a group
        others = {param.name for param in options} - {
            parameter(field.name) for _, field in fields()
        }
        assert others <= RESERVED
    called = tuple(Field(name, "", {"type": "string"}) for name in ("region", "yes", "min_age"))
    known = {"x": Descriptor("x", 0, "", "", "", (), called)}
    monkeypatch.setattr("token_broker_cli.fields.every", lambda: known)

    def body(context: Context, /, flow: str, *, yes: bool = False, **fields: str | None) -> None:
        del context, flow, yes, fields

    made = Typer()
    made.command()(command(with_fields(body)))
    flags = {flag for one in get_command(made).params for flag in one.opts}
    assert {"--region", "--vendor-region", "--yes", "--vendor-yes", "--min-age"} <= flags
    raw = {"vendor_region": "eu", "vendor_yes": None, "min_age": "2"}
    assert values("x", raw) == {"region": "eu", "min_age": "2"}
    with pytest.raises(CommandError, match=r"^--min-age must be a JSON list$"):
        value_of({"type": "array"}, "min_age", "2")


def test_help_names_the_flow_of_a_field() -> None:
    """And JSON, if the field is not a string."""
    options = get_command(app).commands["token"].params  # type: ignore[attr-defined]  # of a group
    helps = {one.name: (one.metavar, one.help) for one in options if hasattr(one, "help")}
    assert helps["organization"] == (None, "VNTANA: uuid or slug.")
    assert helps["parameters"] == ("JSON", "Editor: an object.")


@pytest.mark.parametrize("value", ["Bearer a'b $c", "plain"])
def test_a_shell_reads_printed_values_unchanged(value: str) -> None:
    """Also quotes, spaces and dollar signs."""
    parts = {"base_url": "b", "url": "u", "expires_at": "e"}
    answer = {"flow": "vntana", "headers": {"x": value, "y": "b"}, **parts}
    assert [shlex.split(line)[1] for line in curl(answer)] == [f"x: {value}", "y: b"]
    assert [shlex.split(line)[1] for line in export(answer)] == [
        f"VNTANA_HEADER=x: {value}",
        "VNTANA_HEADER_2=y: b",
        f"VNTANA_TOKEN={value.removeprefix('Bearer ')}",
        "VNTANA_BASE_URL=b",
        "VNTANA_URL=u",
        "VNTANA_EXPIRES_AT=e",
    ]


CODES = [
    *(one.code for one in leaves(errors.BrokerError)),
    *("conflict", "access_denied", "unreachable"),
]


@pytest.mark.parametrize("code", CODES)
def test_each_error_code_has_advice(code: str) -> None:
    """With existing commands, and with the connection if it is known."""
    advice = CommandError(code, "no").about("vntana", "acme").advice
    assert advice.endswith(".")
    words = {*re.findall("token-broker ([a-z]+)", advice)}
    assert words <= get_command(app).commands.keys()  # type: ignore[attr-defined]  # of a group
    for word in words & {"connect", "forget", "lift", "status"}:
        assert f"`token-broker {word} vntana acme`" in advice
        assert f"{word} FLOW NAME`" in CommandError(code, "no").about(None, None).advice


@pytest.mark.parametrize(
    ("offset", "level"),
    [
        *((offset, "ok") for offset in (0, 1, 31, -33)),
        *((offset, "warning") for offset in (32, 300, -34, -302)),
        *((offset, "failure") for offset in (301, -303)),
    ],
)
def test_a_clock_that_is_off_by_more_than_a_limit_is_reported(offset: int, level: str) -> None:
    """Beyond five minutes AWS refuses signatures."""
    date = "Mon, 21 Sep 2026 14:13:20 GMT"
    found = clock(date, NOW + offset, NOW + offset + 3)
    assert (found.level, "NTP" in found.do) == (level, level != "ok")
    if level != "ok":
        assert f" s {'ahead of' if offset > 0 else 'behind'} the API's" in found.says
    assert ("to the second" in clock(date, NOW + offset, NOW + offset).says) == (offset in (0, 1))
    for unreadable in (None, "", "yesterday"):
        assert clock(unreadable, NOW, NOW).level == "warning"


def test_a_token_is_masked_in_headers_and_url() -> None:
    answer = {"headers": {"x-api-token": "a/b c"}, "url": "https://e/?apitoken=a%2Fb%20c#a/b c"}
    for part in ("a/b", "a%2Fb", " c"):
        assert part not in str(masked(answer))
    assert masked({"headers": {"Authorization": "Bearer a"}})["headers"] == {
        "Authorization": "Bearer ••••••••"
    }


def test_control_characters_are_replaced(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """And markup is printed as it is."""
    assert plain("a\x1b]0;title\x07b\r\nc") == "a·]0;title·b·\nc"
    Screen().note("\x1b[2J", "")
    Screen().fail(CommandError("usage", "\x1b[2J"))
    assert capsys.readouterr().err == "·[2J\nusage: ·[2J\n"
    monkeypatch.setenv("FORCE_COLOR", "1")
    Screen().show("[red]a[/red] :smile: 12")
    assert capsys.readouterr().out == "[red]a[/red] :smile: 12\n"


def test_each_non_ascii_character_has_a_replacement() -> None:
    """For terminals with another encoding."""
    files = Path(token_broker_cli.__path__[0]).glob("*.py")
    signs = {sign for file in files for sign in file.read_text() if not sign.isascii()}
    assert len(signs) > 10
    assert all(chr(SIGNS[ord(sign)]).isascii() for sign in signs if ord(sign) in SIGNS)
    assert signs == {chr(one) for one in SIGNS}


@pytest.mark.parametrize(
    ("words", "body"),
    [
        ("token vntana acme", {"force": False}),
        ("token vntana acme --min-ttl 0", {"min_ttl": 0, "force": False}),
        ("token vntana acme --min-ttl 60 --force", {"min_ttl": 60, "force": True}),
        ("token vntana acme --organization=", {"organization": "", "force": False}),
        ("check vntana acme --workspace x", {"workspace": "x"}),
        ("probe vntana acme --yes --parameters {}", {"parameters": {}}),
        ("hold vntana acme --reason=A-Leak", {"reason": "A-Leak"}),
        ("verify acme --file -", {"token": "t0ken"}),
    ],
)
def test_options_of_a_token_are_sent(
    visitor: Visitor, words: str, body: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also zero and empty values: the broker judges them. A token may come in its header."""
    asked: list[dict[str, Any]] = []

    def call(_: Context, *__: str, **body: Any) -> None:
        asked.append(body)
        raise CommandError("internal", "enough")

    monkeypatch.setattr(Context, "call", call)
    for stdin in ("t0ken\n", "x-api-token: t0ken \n"):
        visitor.says(*words.split(), stdin=stdin)
    assert asked == [body, body]
