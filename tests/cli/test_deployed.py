"""A deployed stage: its address is looked up, and errors of AWS are one line each."""

import re
from collections.abc import Iterator

import pytest
from typer.testing import CliRunner, Result

from tests.servers import Server, answer
from token_broker_cli.main import app

STACK = b"""<DescribeStacksResponse xmlns="http://cloudformation.amazonaws.com/doc/2010-05-15/">
<DescribeStacksResult><Stacks><member><StackName>token-broker-test</StackName>
<CreationTime>2026-01-01T00:00:00Z</CreationTime><StackStatus>CREATE_COMPLETE</StackStatus>
<Outputs><member><OutputKey>ApiUrl</OutputKey><OutputValue>%s</OutputValue></member></Outputs>
</member></Stacks></DescribeStacksResult></DescribeStacksResponse>"""
REFUSAL = b"""<ErrorResponse><Error><Type>Sender</Type><Code>%s</Code>
<Message>%s</Message></Error></ErrorResponse>"""


@pytest.fixture
def servers() -> Iterator[list[Server]]:
    made: list[Server] = []
    yield made
    for one in made:
        one.close()


@pytest.fixture(autouse=True)
def _account(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    """An account with keys, and nothing else of the shell's."""
    for name in ("TOKEN_BROKER_URL", "AWS_PROFILE", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    values = {
        "TOKEN_BROKER_STAGE": "test",
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_REGION": "eu-west-1",
        "AWS_CONFIG_FILE": f"{tmp_path}/none",
        "AWS_SHARED_CREDENTIALS_FILE": f"{tmp_path}/none",
        "COLUMNS": "80",
    }
    for name, value in values.items():
        monkeypatch.setenv(name, value)


def serve(servers: list[Server], content: bytes) -> Server:
    """Serve *content* to whoever asks."""
    server = Server(lambda taken: taken.sendall(content))
    servers.append(server)
    return server


def says(*words: str) -> Result:
    return CliRunner().invoke(app, [*words])


def test_the_address_of_the_api_is_an_output_of_the_stack(
    servers: list[Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stage is all that has to be named; the call is signed."""
    told = answer(b'{"flow": "vntana", "connection": "acme", "variants": []}')
    api = serve(servers, told)
    stacks = serve(servers, answer(STACK % api.url.encode(), "Content-Type: text/xml"))
    monkeypatch.setenv("AWS_ENDPOINT_URL_CLOUDFORMATION", stacks.url)
    result = says("status", "vntana", "acme", "--json")
    assert (result.exit_code, '"variants": []' in result.stdout) == (0, True), result.output
    assert b"StackName=token-broker-test" in stacks.requests[0]
    assert api.requests[0].startswith(b"GET /v1/vntana/acme ")
    assert b"AWS4-HMAC-SHA256 Credential=key/" in api.requests[0]


@pytest.mark.parametrize(
    ("code", "message", "said"),
    [
        (
            b"ValidationError",
            b"Stack does not exist",
            (
                "not_configured: there is no stack token-broker-test here\n"
                "→ See --stack, --url, --region.\n"
            ),
        ),
        (
            b"AccessDenied",
            b"you may not",
            (
                "access_denied: AWS refused DescribeStacks: you may not\n"
                "→ See who you are and what you may do: `token-broker doctor`.\n"
            ),
        ),
        (
            b"Throttling",
            b"slowly",
            "aws_failed: AWS answered DescribeStacks with Throttling\n→ Look up Throttling.\n",
        ),
    ],
)
def test_a_stack_that_cannot_be_described_is_reported(
    servers: list[Server],
    monkeypatch: pytest.MonkeyPatch,
    code: bytes,
    message: bytes,
    said: str,
) -> None:
    """In a line, with what to do."""
    content = answer(REFUSAL % (code, message), "Content-Type: text/xml", status="400 Bad Request")
    server = serve(servers, content)
    monkeypatch.setenv("AWS_ENDPOINT_URL_CLOUDFORMATION", server.url)
    result = says("status", "vntana", "acme")
    assert (result.exit_code, result.stdout, result.stderr) == (1, "", said)


def test_a_stack_without_an_address_is_reported(
    servers: list[Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    content = answer((STACK % b"").replace(b"ApiUrl", b"Other"), "Content-Type: text/xml")
    monkeypatch.setenv("AWS_ENDPOINT_URL_CLOUDFORMATION", serve(servers, content).url)
    result = says("status", "vntana", "acme")
    said = "not_configured: stack token-broker-test has no output ApiUrl\n→ See --url.\n"
    assert (result.exit_code, result.stdout, result.stderr) == (1, "", said)


@pytest.mark.parametrize(
    ("status", "code"),
    [
        ("403 Forbidden", "access_denied"),
        ("404 Not Found", "unreachable"),
        ("500 Oops", "unreachable"),
    ],
)
def test_an_error_of_api_gateway_is_reported(servers: list[Server], status: str, code: str) -> None:
    """Without its text."""
    api = serve(servers, answer(b'{"message": "AKIA-s3cret"}', status=status))
    result = says("status", "vntana", "acme", "--stage", "test", "--url", api.url)
    assert (result.exit_code, f"{code}: " in result.stderr) == (1, True)
    assert "s3cret" not in result.output
    assert "make run" not in result.stderr


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            ["--stage", "test", "--url", "http://broker.example.com"],
            "usage: the broker's address: .*must begin with https://.*\n→ See --url.\n",
        ),
        (["--profile", "no-such-one"], "usage: there is no such profile .*\n→ See --profile.\n"),
    ],
)
def test_invalid_settings_are_wrong_usage(options: list[str], said: str) -> None:
    """With exit code 2."""
    result = says("status", "vntana", "acme", *options)
    assert (result.exit_code, bool(re.fullmatch(said, result.stderr))) == (2, True), result.output
