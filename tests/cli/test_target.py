"""Stage and address must belong to one broker; if not, no call is made."""

import re
from dataclasses import fields
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from tests.cli.accounts import Visitor, refusal
from tests.cli.command_lines import CHANGING, COMMANDS, SECRET
from tests.cli.fake_account import STACK
from token_broker_cli import command
from token_broker_cli.context import SECONDS, Context
from token_broker_cli.errors import ADVICE, CommandError
from token_broker_cli.main import EPILOG, app
from token_broker_cli.screen import Screen
from token_broker_cli.settings import FLOWS, LocalSystem, Options, Settings
from token_broker_client.deadline import Deadline
from token_broker_local.addresses import (
    ACCESS_KEY,
    DEFAULT_PORT,
    KEY_ALIAS,
    REGION,
    SECRET_KEY,
    TABLE,
    Addresses,
    secret_name,
)
from token_broker_local.addresses import STAGE as LOCAL_STAGE
from token_broker_local.gateway import INTEGRATION_TIMEOUT

HOST = "https://abc.execute-api.eu-west-1.amazonaws.com"
OWN = "https://broker.example.com"
PAGE = Path(__file__).parents[2] / "docs" / "cli.md"
LAST = 65_534 - len(FLOWS)
"""Behind it are the ports of the AWS services and of each vendor's fake."""
URL, STAGE = "TOKEN_BROKER_URL", "TOKEN_BROKER_STAGE"


def local_and(name: str) -> Options:
    """Return options of the local system and, beside it, another one."""
    named: dict[str, Any] = {name: "x"}
    return Options(port=8080, **named)


OTHER_STAGE = "prod, not of stage test"
NO_STAGE = "No stage is set → Name one with --stage or"


@pytest.mark.parametrize(
    ("options", "environment", "said"),
    [
        (
            Options(stage="prod"),
            {URL: f"{HOST}/test"},
            "test, not of stage prod → Name the address of that stage, or none",
        ),
        (Options(url=f"{HOST}/prod/v1/"), {STAGE: "test"}, OTHER_STAGE),
        (Options(), {STAGE: "test", URL: f"{HOST}/prod"}, OTHER_STAGE),
        *(
            (Options(stage="test", url=f"{HOST}{path}"), {}, OTHER_STAGE)
            for path in ("/prod", "./prod", "//prod", "/prod//v1/")
        ),
        (Options(stage="prod"), {URL: OWN}, "does not tell its stage.* → Give both: --url"),
        (Options(url=OWN), {STAGE: "prod"}, "does not tell its stage"),
        (
            Options(url=f"{HOST}/prod", region="us-east-1"),
            {},
            "eu-west-1, not in us-east-1 → Leave out --region",
        ),
        (Options(stack="test"), {URL: f"{HOST}/prod"}, "--stack.*→ Leave .* --url"),
        (Options(stage="prod", url=OWN, stack="x"), {}, "--stack and"),
        (Options(url=""), {STAGE: "prod"}, "is empty → See --"),
        (Options(url="https://a[b", stage="a"), {}, "no URL → See --url"),
        (Options(), {}, NO_STAGE),
        (Options(url=HOST), {}, NO_STAGE),
        (Options(url=OWN), {}, NO_STAGE),
        *(
            (Options(stage=stage), {STAGE: "prod"}, "stage must match")
            for stage in ("", "a" * 17, "1a", "-a", "prod/x", "Prod", "a_b")
        ),
        *(
            (local_and(name), {}, f"--{name} .*→.* see --{name}")
            for name in ("stage", "url", "stack", "profile", "region")
        ),
        (Options(local=True, stage="prod"), {}, "--local and --stage"),
        (Options(port=LAST + 1), {}, f"port must be a number from 1 to {LAST}"),
        (Options(port=0), {STAGE: "prod"}, "port"),
        *((Options(local=True), {"PORT": port}, "port") for port in ("0", "٨٠٨٠")),
    ],
)
def test_options_that_name_two_brokers_are_refused(
    options: Options, environment: dict[str, str], said: str
) -> None:
    """In options, in the environment, or in both."""
    with pytest.raises(CommandError) as raised:
        Settings.of(options, environment)
    assert re.search(said, f"{raised.value.detail} → {raised.value.advice}")
    assert raised.value.exit_code == 2


PROD = f"{HOST}/prod"
ADDRESSES = (
    f"{PROD}/v1/",
    f"{PROD} ",
    PROD.replace(".com", ".com:443"),
    PROD.replace(".com", ".com.cn"),
    PROD.replace("abc", "vpce-1").replace(".amazonaws", ".vpce.amazonaws"),
)
"""As API Gateway has them, too."""


@pytest.mark.parametrize(
    ("options", "environment", "stage", "url"),
    [
        (Options(local=True), {}, "local", "http://127.0.0.1:8080"),
        (Options(local=True), {"PORT": "9080"}, "local", "http://127.0.0.1:9080"),
        (Options(local=True), {"PORT": ""}, "local", "http://127.0.0.1:8080"),
        (Options(port=7080), {"PORT": "9080"}, "local", "http://127.0.0.1:7080"),
        (Options(port=1), {}, "local", "http://127.0.0.1:1"),
        (Options(port=LAST), {}, "local", f"http://127.0.0.1:{LAST}"),
        *((Options(url=url), {}, "prod", url) for url in (PROD, *ADDRESSES)),
        *((Options(url=url), {}, "v1", url) for url in (f"{HOST}/v1", f"{HOST}/v1/v1")),
        (Options(stage="prod", url=PROD), {STAGE: "dev"}, "prod", PROD),
        (Options(stage="prod", url=OWN), {STAGE: "test", URL: f"{HOST}/test"}, "prod", OWN),
        (Options(), {STAGE: "prod", URL: OWN}, "prod", OWN),
        (Options(stage="prod"), {URL: PROD}, "prod", PROD),
        (Options(stage="prod"), {URL: "", STAGE: ""}, "prod", None),
        (Options(stage="pr-2".ljust(16, "0")), {}, "pr-2000000000000", None),
    ],
)
def test_options_override_the_environment(
    options: Options, environment: dict[str, str], stage: str, url: str | None
) -> None:
    """The local system's port implies it; the URL names its stage; else the stack is asked."""
    settings = Settings.of(options, environment)
    assert (settings.stage, settings.url) == (stage, url)
    assert settings.secrets == f"token-broker/{stage}/"


def test_options_after_a_command_override_options_before_it() -> None:
    """Also values that are 0 or empty."""
    front, behind = Options(stage="one", json=True, port=1), Options(stage="", port=0)
    assert behind.over(front) == Options(stage="", json=True, port=0)
    assert Options().over(front) == front


@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: words[0])
def test_every_command_refuses_two_brokers_and_an_invalid_name(
    visitor: Visitor, words: list[str]
) -> None:
    """Before any call."""
    two = visitor.types(*words, "--stage", "prod", stdin=SECRET, TOKEN_BROKER_URL=f"{HOST}/test")
    assert (two.exit_code, two.stdout) == (2, ""), two.output
    assert "stage test, not of stage prod" in two.stderr
    if "acme" in words:
        invalid = ["Not_Ok" if word == "acme" else word for word in words]
        assert "usage: NAME must match" in refusal(visitor.says(*invalid, stdin=SECRET), 2)
    assert not visitor.account.asked


@pytest.mark.parametrize("words", [line for line in COMMANDS if line[0] in CHANGING], ids=str)
@pytest.mark.parametrize(
    "stack", [("test", f"{HOST}/test"), ("test", OWN), ("prod", f"{HOST}/test")]
)
def test_a_stack_of_another_stage_is_refused(
    visitor: Visitor, stack: tuple[str, str], words: list[str]
) -> None:
    """By its own parameter, whatever its address looks like; or by its address."""
    visitor.account.stack = stack
    assert "is of stage test, not of stage prod" in refusal(
        visitor.types(*words, "--stage", "prod", "--stack", "other", stdin=SECRET), 2
    )
    assert not visitor.account.asked.keys() - {"DescribeStacks", "GetSecretValue"}


def test_the_address_of_the_api_is_an_output_of_the_stack(visitor: Visitor) -> None:
    """A stage is all that has to be named."""
    visitor.account.stack = ("test", visitor.account.url)
    assert visitor.types("status", "vendorlink", "acme", "--stage", "test").exit_code == 0
    (body,) = visitor.account.bodies["DescribeStacks"]
    assert body["StackName"] == "token-broker-test"


REFUSAL = (
    "<ErrorResponse><Error><Code>{}</Code><Message>you may not</Message></Error></ErrorResponse>"
)


@pytest.mark.parametrize(
    ("status", "answer", "said", "advice"),
    [
        (
            400,
            REFUSAL.format("ValidationError"),
            "not_configured: there is no stack token-broker-test here",
            "See --stack, --url, --region.",
        ),
        (
            200,
            STACK.format(stage="test", url="").replace("ApiUrl", "Other"),
            "not_configured: stack token-broker-test has no output ApiUrl",
            "See --url.",
        ),
        (
            400,
            REFUSAL.format("AccessDenied"),
            "access_denied: AWS refused DescribeStacks: you may not",
            ADVICE["access_denied"],
        ),
    ],
)
def test_a_stack_without_an_address_is_reported(
    visitor: Visitor, status: int, answer: str, said: str, advice: str
) -> None:
    visitor.account.told["DescribeStacks"] = (status, answer)
    told = refusal(visitor.types("status", "vntana", "acme", "--stage", "test"))
    assert told == f"{said}\n→ {advice}\n"


@pytest.mark.parametrize(
    ("status", "code"), [(403, "access_denied"), (404, "unreachable"), (500, "unreachable")]
)
def test_an_error_of_api_gateway_is_reported_without_its_text(
    visitor: Visitor, status: int, code: str
) -> None:
    visitor.account.answers["vendorlink/acme"] = {"message": "AKIA-s3cret", "status": status}
    result = visitor.says("status", "vendorlink", "acme")
    assert (result.exit_code, f"{code}: " in result.stderr) == (1, True)
    assert "s3cret" not in result.output
    assert "make run" not in result.stderr


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            "--url http://broker.example.com",
            "usage: the broker's address: .*must begin with https://.*\n→ See --url.\n",
        ),
        ("--profile no-such-one", "usage: there is no such profile .*\n→ See --profile.\n"),
        ("--region x.y", "usage: there is no such region\n→ See --region.\n"),
    ],
)
def test_invalid_settings_are_wrong_usage(visitor: Visitor, options: str, said: str) -> None:
    result = visitor.types("status", "vntana", "acme", "--stage", "test", *options.split())
    assert (result.exit_code, bool(re.fullmatch(said, result.stderr))) == (2, True), result.output


def test_an_endpoint_that_is_no_address_is_wrong_usage(visitor: Visitor) -> None:
    """boto3's variable is no defect of the command."""
    said = refusal(visitor.says("connections", AWS_ENDPOINT_URL_SECRETS_MANAGER="nonsense"), 2)
    assert "usage: the endpoint of secretsmanager is no address" in said
    assert "AWS_ENDPOINT_URL" in said


def test_a_named_stack_is_used() -> None:
    """By an option, by a variable, or after the stage."""
    named = {"TOKEN_BROKER_STACK": "ours"}
    for options, environment, stack in (
        (Options(stage="prod"), {}, "token-broker-prod"),
        (Options(stage="prod"), {"TOKEN_BROKER_STACK": ""}, "token-broker-prod"),
        (Options(stage="prod"), named, "ours"),
        (Options(stage="prod", stack="mine"), named, "mine"),
    ):
        assert Settings.of(options, environment).stack == stack


def test_the_address_determines_the_region_of_the_secrets() -> None:
    """Not the environment, which may name another one."""
    assert Settings.of(Options(url=f"{HOST}/prod"), {}).region == "eu-west-1"
    for own in (OWN, f"{HOST}.example.com/test", f"{OWN}/a.execute-api.us-east-1.amazonaws.com/b"):
        assert Settings.of(Options(stage="prod", url=own), {}).region is None


@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: words[0])
def test_every_request_is_signed_for_the_region(visitor: Visitor, words: list[str]) -> None:
    """To the broker and to AWS; the environment names another region."""
    visitor.says(*words, "--region", "us-east-1", stdin=SECRET)
    assert visitor.account.regions == {"us-east-1"}


def test_connect_stores_a_new_secret_without_an_api(visitor: Visitor) -> None:
    """Also without permission to describe the stack; the output says so."""
    words = ("connect", "vendorlink", "new", "--no-check", "--file", "-", "--stage", "test")
    result = visitor.types(*words, stdin=SECRET)
    assert result.exit_code == 0, result.output
    assert "token-broker/test/vendorlink/new" in visitor.account.secrets
    assert "stage test, address not known" in result.stdout
    told = Visitor.document(visitor.types(*words, "--json", stdin=SECRET).stdout)
    assert (told["done"], told["stage"], told["host"]) == ("unchanged", "test", None)


def test_command_and_local_system_have_equal_addresses_and_credentials() -> None:
    """Both have their own constants: neither imports the other."""
    there, here = Addresses(9000), LocalSystem(9000)
    urls = [there.url(name) for name in there.ports]
    assert [here.url(name) for name in here.LISTENERS] == urls
    assert LocalSystem() == LocalSystem(DEFAULT_PORT)
    mine = (LocalSystem.REGION, LocalSystem.STAGE, LocalSystem.KEY, LocalSystem.KEY)
    assert mine == (REGION, LOCAL_STAGE, ACCESS_KEY, SECRET_KEY)
    settings = Settings.at(LocalSystem())
    assert (settings.table, settings.key) == (TABLE, KEY_ALIAS)
    assert f"{settings.secrets}vntana/acme" == secret_name("vntana", "acme")


def test_the_command_waits_as_long_as_the_integration_timeout_of_the_api() -> None:
    """Not shorter: the error of the API tells more."""
    assert INTEGRATION_TIMEOUT - SECONDS == 1
    left: list[float] = []

    def call(_: object, deadline: Deadline) -> dict[str, object]:
        left.append(deadline.left)
        return {}

    context = Context(Settings.at(LocalSystem()), Screen())
    context.__dict__["gateway"] = SimpleNamespace(call=call)
    context.call("editor", "acme", "status")
    assert SECONDS - 1 < left[0] <= SECONDS


@pytest.mark.parametrize("place", ["before", "behind"])
@pytest.mark.parametrize("option", [field.name for field in fields(Options)])
def test_each_option_may_stand_before_or_after_the_command(
    monkeypatch: pytest.MonkeyPatch, option: str, place: str
) -> None:
    chosen: list[Options] = []

    def run(_: object, one: Options, __: object) -> int:
        chosen.append(one)
        return 0

    monkeypatch.setattr(command, "run_body", run)
    values: dict[str, Any] = {"local": True, "json": True, "port": 9}
    value = values.get(option, "x")
    typed = [f"--{option}"] if value is True else [f"--{option}={value}"]
    words = [*typed, "doctor"] if place == "before" else ["doctor", *typed]
    assert CliRunner().invoke(app, words).exit_code == 0
    assert chosen == [Options(**{option: value})]


def test_help_names_the_exit_codes_of_the_page() -> None:
    """And a letter is enough to say yes, or to ask for it; no shared option has another name."""
    table = PAGE.read_text().partition("| exit code | when |")[2].partition("\n\n")[0]
    assert re.findall(r"^\| (\d+)", table, re.MULTILINE) == re.findall(r"\b\d+", EPILOG)
    assert CliRunner().invoke(app, ["-h"]).exit_code == 0
    for word in ("forget", "probe"):
        (yes,) = [one for one in get_command(app).commands[word].params if one.name == "yes"]  # type: ignore[attr-defined]  # of a group
        assert yes.opts == ["--yes", "-y"]
    for one in fields(Options):
        (option,) = [o for o in get_command(app).commands["lift"].params if o.name == one.name]  # type: ignore[attr-defined]  # same
        assert [*option.opts, *option.secondary_opts] == [f"--{one.name}"]
