"""Output of real processes on a terminal and in a pipe."""

import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.main import get_command

from tests.cli.operators import PROGRAM, Operator, on_terminal
from tests.cli.processes import run
from tests.waiting import PATIENCE_SECONDS
from token_broker_cli.main import app

ESCAPE = "\x1b["
MASK = "••••••••"
MOST_MODULES = 450
"""Modules that help may load, its own and Python's: here 356. More would make it slow."""


@pytest.mark.parametrize("form", [["--format", "curl"], ["--format", "export"], ["--json"]])
def test_a_token_is_masked_on_a_terminal(operator: Operator, form: list[str]) -> None:
    """In each format."""
    token = operator.told("token", "editor", "demo")["headers"]["x-api-token"]
    code, seen = operator.watches("token", "editor", "demo", *form)
    assert (code, token in seen, MASK in seen) == (0, False, True)
    assert ('{\n  "flow": ' in seen) == (form == ["--json"])


def test_a_token_is_shown_on_a_terminal_with_the_option_show(operator: Operator) -> None:
    """With its fingerprint."""
    token = operator.told("token", "editor", "demo")["headers"]["x-api-token"]
    _, seen = operator.watches("token", "editor", "demo", "--show")
    assert (token in seen, MASK in seen) == (True, False)
    assert "fingerprint" in seen


def test_a_pipe_gets_the_token_and_no_colours(operator: Operator) -> None:
    """Stdout has only the answer."""
    result = operator.pipes("token", "vendorlink", "demo")
    assert result.returncode == 0, result.stderr
    assert re.fullmatch(r"-H 'Authorization: Bearer [^']+'\n", result.stdout)
    assert result.stderr == ""


def test_stdout_decides_whether_a_token_is_masked(operator: Operator) -> None:
    """A pipe that starts at a terminal gets the token; a terminal behind a pipe does not."""
    mine, theirs = pty.openpty()
    words = ["token", "vendorlink", "demo", *operator.at]
    result = run(words, os.environ, stdin=os.ttyname(theirs))
    os.close(mine)
    os.close(theirs)
    assert (MASK in result.stdout, "Bearer " in result.stdout) == (False, True)
    assert MASK in on_terminal(words)


def test_only_a_terminal_gets_colours(operator: Operator) -> None:
    """Pipes get none, for answers and for errors."""
    _, seen = operator.watches("status", "vendorlink", "demo")
    assert f"{ESCAPE}32m" in seen or f"{ESCAPE}1m" in seen
    assert ESCAPE not in operator.pipes("status", "vendorlink", "demo").stdout
    wrong = operator.pipes("token", "vntana", "nobody")
    assert (wrong.returncode, ESCAPE in wrong.stderr) == (1, False)
    assert wrong.stderr.startswith("unknown_connection: ")


def test_no_color_removes_the_colours(operator: Operator, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bold and dim may stay; colours go."""
    monkeypatch.setenv("NO_COLOR", "1")
    _, seen = operator.watches("doctor")
    assert not re.search(r"\x1b\[[0-9;]*3[0-7]m", seen)


def test_the_option_local_overrides_the_settings_of_the_environment(
    operator: Operator, tmp_path: Path
) -> None:
    """Profile, endpoint and proxy; PORT is the one of `make run`."""
    for name in ("config", "credentials"):
        (tmp_path / ".aws").mkdir(exist_ok=True)
        (tmp_path / ".aws" / name).write_text("no settings")
    environment = {
        "HOME": str(tmp_path),
        "PORT": str(operator.places.port),
        "AWS_PROFILE": "no-such-profile",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
        **dict.fromkeys(("HTTP_PROXY", "http_proxy"), "http://127.0.0.1:9"),
        **dict.fromkeys(("NO_PROXY", "no_proxy"), "intranet.example"),
    }
    result = subprocess.run(
        [PROGRAM, "connections", "--local", "--json"],
        env={"PATH": "/usr/bin:/bin"} | environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["connections"]


def test_help_loads_no_aws_libraries() -> None:
    """And few modules in all."""
    script = "import sys, token_broker_cli.main; print([m for m in sys.modules if '.' not in m])"
    loaded = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=True,
    ).stdout
    for slow in ("boto3", "botocore", "requests", "moto", "rich"):
        assert f"'{slow}'" not in loaded
    helped = subprocess.run(
        [sys.executable, "-X", "importtime", PROGRAM, "--help"],
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=True,
    )
    assert "Usage" in helped.stdout
    assert 100 < helped.stderr.count("import time:") < MOST_MODULES


def test_a_shell_completes_commands_and_flows() -> None:
    """With the completion of bash."""
    words = {"tok": ("1", "token"), "token vend": ("2", "vendorlink")}
    for typed, (position, found) in words.items():
        asked = {"COMP_WORDS": f"token-broker {typed}", "COMP_CWORD": position}
        result = subprocess.run(
            [PROGRAM],
            env=os.environ | asked | {"_TOKEN_BROKER_COMPLETE": "complete_bash"},
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
            check=False,
        )
        assert result.stdout.split() == [found], result.stderr


def test_no_secret_can_be_an_argument() -> None:
    """No command has an option or an argument for a password, a key or a token."""
    commands = get_command(app).commands  # type: ignore[attr-defined]  # of a group
    names = {one.name for command in commands.values() for one in command.params}
    assert len(names) > 10
    # `kms_key` names a key.
    assert not {n for n in names - {"kms_key"} if re.search("pass|secret|token|key|cred", n)}
