"""Each command, as people and as machines read it."""

import json
import re

import pytest

from tests.cli.conftest import Connect
from tests.cli.operators import COLOUR, Operator, watched

DEEP = "[" * 100_000
WRONG = {"username": "demo", "password": "not-the-p4ssword"}


def test_token_prints_arguments_for_curl(operator: Operator, connected: Connect) -> None:
    """One `-H` for each header, quoted for a shell."""
    result = operator.says("token", "vntana", connected("vntana"))
    assert re.fullmatch(r"-H 'X-AUTH-TOKEN: Bearer [^']+'\n", result.stdout)


def test_token_prints_header_lines(operator: Operator) -> None:
    """As `curl -H @-` reads them."""
    result = operator.says("token", "vendorlink", "demo", "--format", "headers")
    assert re.fullmatch(r"Authorization: Bearer \S+\n", result.stdout)


def test_token_prints_exports(operator: Operator, connected: Connect) -> None:
    """Variables are named after the flow; the editor's address is one of them."""
    result = operator.says("token", "editor", connected("editor"), "--format", "export")
    names = re.findall(r"^export (\w+)=", result.stdout, re.MULTILINE)
    assert names == [
        f"EDITOR_{name}" for name in ("HEADER", "TOKEN", "BASE_URL", "URL", "EXPIRES_AT")
    ]


@pytest.mark.parametrize("option", [["--json"], ["--format", "json"]])
def test_token_answers_in_json(operator: Operator, option: list[str]) -> None:
    """The broker's own answer."""
    result = operator.says("token", "vendorlink", "demo", *option)
    answer = json.loads(result.stdout)
    assert answer["headers"]["Authorization"].startswith("Bearer ")
    assert result.stdout.count("\n") == 1


def test_token_passes_every_option_on(operator: Operator, connected: Connect) -> None:
    """Variant, minimal life and force reach the broker."""
    editor, vntana = connected("editor"), connected("vntana")
    words = ("token", "editor", editor, "--parameters", '{"userId": "7"}')
    first, second = operator.told(*words), operator.told(*words)
    assert (first["generation"], second["source"]) == (1, "memory")
    assert operator.told(*words, "--force")["generation"] == 2
    too_long = operator.says("token", "editor", editor, "--min-ttl", "99999999")
    assert (too_long.exit_code, "invalid_request" in too_long.stderr) == (1, True)
    nowhere = operator.says("token", "vntana", vntana, "--organization", "no-such-place")
    assert (nowhere.exit_code, "organization" in nowhere.stderr) == (1, True)


def test_connections_are_listed_with_their_tokens(operator: Operator, connected: Connect) -> None:
    """A bar, the end in words, the generation; failures and the latch by name."""
    good, bad = connected("vendorlink"), connected("vendorlink", **WRONG)
    operator.says("token", "vendorlink", good)
    assert operator.says("token", "vendorlink", bad).exit_code == 1
    code, seen = watched(["connections", *operator.at], COLUMNS="120")
    text = COLOUR.sub("", seen)
    assert code == 0
    below = text[text.index(f"vendorlink/{good}") :].splitlines()[1]
    assert re.search(r"█{7}\S fresh +(5\d min|1 h) +1", below)
    lines = text[text.index(f"vendorlink/{bad}") :].splitlines()
    assert re.search(r"░{8} dead, latched +- +0 +credential_rejected", lines[1])


def test_status_shows_the_token_without_its_value(operator: Operator) -> None:
    """A line for each thing, and no token."""
    token = operator.told("token", "vendorlink", "demo")
    result = operator.says("status", "vendorlink", "demo")
    for said in ("vendorlink/demo", "Demo User", "fresh", token["fingerprint"], "UTC, in "):
        assert said in result.stdout
    assert token["headers"]["Authorization"] not in result.stdout
    (variant,) = operator.told("status", "vendorlink", "demo")["variants"]
    assert variant["fingerprint"] == token["fingerprint"]


def test_explain_asks_the_broker(operator: Operator, connected: Connect) -> None:
    """With a token, and after a rejection."""
    good, bad = connected("vendorlink"), connected("vendorlink", **WRONG)
    operator.says("token", "vendorlink", good)
    (fresh,) = operator.told("explain", "vendorlink", good)["variants"]
    operator.says("token", "vendorlink", bad)
    (latched,) = operator.told("explain", "vendorlink", bad)["variants"]
    assert [one["next"] for one in (fresh, latched)] == ["hand_out", "refuse"]
    assert "rejected" in latched["because"]


def test_check_reports_whether_a_connection_works(operator: Operator, connected: Connect) -> None:
    """Or says why it does not, with what to do."""
    good, bad = connected("vendorlink"), connected("vendorlink", **WRONG)
    result = operator.says("check", "vendorlink", good)
    assert result.stdout.startswith(f"vendorlink/{good}: it works, in ")
    assert operator.told("check", "vendorlink", good)["ok"]
    told = operator.told("check", "vntana", "demo", "--organization", "acme")
    assert told["context"]["role"] == "ORGANIZATION_ADMIN"
    failed = operator.says("check", "vendorlink", bad)
    assert (failed.exit_code, "credential_rejected" in failed.stderr) == (1, True)


def test_forget_drops_tokens_and_lifts_the_latch(operator: Operator, connected: Connect) -> None:
    """It says how many there were."""
    name = connected("vendorlink")
    operator.says("token", "vendorlink", name)
    result = operator.says("forget", "vendorlink", name, "--yes")
    assert result.stdout.startswith(f"forgotten: 1 token of vendorlink/{name} (stage local, 127.")
    told = operator.told("forget", "vendorlink", name, "--yes")
    assert (told["connection"], told["stage"], told["forgotten"]) == (name, "local", 0)


def test_verify_shows_the_parameters_of_a_token(operator: Operator, connected: Connect) -> None:
    """It comes by stdin, in its header or without; for one that is dead the exit code is 1."""
    name = connected("editor")
    answer = operator.told("token", "editor", name)
    token = answer["headers"]["x-api-token"]
    result = operator.says("verify", name, "--file", "-", stdin=f"x-api-token: {token}\n")
    assert (result.exit_code, "valid" in result.stdout) == (0, True)
    assert "demo.dwg" in result.stdout
    told = operator.told("verify", name, "--file", "-", stdin=token)
    assert (told["valid"], told["parameters"]["userId"]) == (True, "demo-user")
    dead = operator.says("verify", name, "--file", "-", "--json", stdin="nonsense")
    assert (dead.exit_code, json.loads(dead.stdout)) == (1, {"valid": False})


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        pytest.param(["token", "vntana", "nobody"], 1, "unknown_connection", id="the broker"),
        pytest.param(["token", "vntana", "Not Ok"], 2, "usage: NAME", id="a name"),
        pytest.param(["token", "vntana", "acme/x"], 2, "usage: NAME", id="more than a name"),
        pytest.param(["token", "paypal", "demo"], 2, "'vntana'", id="a flow"),
        pytest.param(["token", "editor", "demo", "--parameters", "{"], 2, "usage", id="no JSON"),
        pytest.param(["token", "editor", "demo", "--parameters", "[]"], 2, "object", id="a list"),
        pytest.param(["check", "editor", "demo", "--parameters", DEEP], 2, "no JSON", id="deep"),
        pytest.param(["verify", "demo", "--file", "-"], 2, "usage", id="no token"),
        pytest.param(["verify", "demo", "--file", "/nowhere"], 2, "No such file", id="no file"),
        pytest.param(["verify", "demo"], 2, "--file -", id="no token and no terminal"),
        pytest.param(["connect", "vntana", "mine"], 2, "--file -", id="no answers and no terminal"),
        pytest.param(["forget", "vendorlink", "demo"], 2, "--yes", id="no confirmation"),
        pytest.param(["probe", "editor", "demo"], 2, "--yes", id="no confirmation of a probe"),
        pytest.param(["status", "vntana"], 2, "NAME", id="too few words"),
    ],
)
def test_an_error_has_an_exit_code_and_a_line(
    operator: Operator, words: list[str], code: int, said: str
) -> None:
    """1 where broker, vendor or AWS refused, 2 for wrong usage; stdout stays empty."""
    result = operator.says(*words)
    assert (result.exit_code, result.stdout) == (code, "")
    assert said in result.stderr
    assert "Traceback" not in result.output


def test_an_error_is_json_with_the_option_json(operator: Operator) -> None:
    """With the code, what happened, and what to do."""
    result = operator.says("token", "vntana", "nobody", "--json")
    error = json.loads(result.stderr)
    assert error["code"] == "unknown_connection"
    assert "token-broker connect vntana nobody" in error["advice"]
