"""Output of real processes on a terminal and in a pipe."""

import json
import os
import pty
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from typer.main import get_command

from tests.cli.accounts import Visitor
from tests.cli.operators import COLOUR, Operator
from tests.waiting import PATIENCE_SECONDS
from token_broker_cli.main import app

PROGRAM = str(Path(sys.executable).with_name("token-broker"))
MOST_MODULES = 450
"""Modules that help may load, its own and Python's: here 356. More would make it slow."""


def streams(*command: str, environment: Mapping[str, str] = os.environ) -> tuple[str, str]:
    """Return what a process writes to stdout and to stderr."""
    done = subprocess.run(
        command,
        env=environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    return done.stdout, done.stderr


def test_stdout_decides_whether_a_token_is_masked(visitor: Visitor) -> None:
    """A pipe that starts at a terminal gets the token."""
    mine, theirs = pty.openpty()
    result = visitor.runs("token", "vendorlink", "acme", stdin=os.ttyname(theirs))
    os.close(mine)
    os.close(theirs)
    assert (result.stdout, result.stderr) == ("-H 'Authorization: Bearer t0ken'\n", "")


def test_a_typed_token_is_not_shown(visitor: Visitor) -> None:
    visitor.account.add("editor/acme")
    visitor.account.actions["POST", "verify"] = {"valid": False}
    code, seen = visitor.watches("verify", "acme", answers=["s3cret"])
    assert (code, COLOUR.sub("", seen)) == (1, "Token: \nnot valid: unknown, or it ended\n")


def test_json_on_a_terminal_has_no_progress_beside_it(visitor: Visitor) -> None:
    code, seen = visitor.watches("connections", "--json")
    assert (code, len(json.loads(seen)["connections"])) == (0, 1)


def test_no_color_removes_the_colours(visitor: Visitor) -> None:
    """Bold and dim may stay; colours go."""
    seen = visitor.shows_coloured("doctor", NO_COLOR="1")
    assert "\x1b[1m" in seen
    assert not re.search(r"\x1b\[[0-9;]*3[0-7]m", seen)


def test_the_option_local_overrides_the_settings_of_the_environment(
    operator: Operator, tmp_path: Path
) -> None:
    """Profile, endpoint and proxy; PORT is the one of `make run`."""
    for name in ("config", "credentials"):
        (tmp_path / ".aws").mkdir(exist_ok=True)
        (tmp_path / ".aws" / name).write_text("no settings")
    environment = {
        "PATH": "/usr/bin:/bin",
        "HOME": str(tmp_path),
        "PORT": str(operator.places.port),
        "AWS_PROFILE": "no-such-profile",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
        **dict.fromkeys(("HTTP_PROXY", "http_proxy"), "http://127.0.0.1:9"),
        **dict.fromkeys(("NO_PROXY", "no_proxy"), "intranet.example"),
    }
    out, err = streams(PROGRAM, "connections", "--local", "--json", environment=environment)
    assert json.loads(out)["connections"], err


def test_help_loads_few_modules_and_no_aws_libraries() -> None:
    script = "import sys, token_broker_cli.main; print(*sys.modules)"
    loaded, _ = streams(sys.executable, "-c", script)
    assert "token_broker_cli.main" in loaded.split()
    assert not {"boto3", "botocore", "requests", "moto", "rich"} & {*loaded.split()}
    helped, imports = streams(sys.executable, "-X", "importtime", PROGRAM, "--help")
    assert "Usage" in helped
    assert 100 < imports.count("import time:") < MOST_MODULES


def test_a_shell_completes_commands_and_flows() -> None:
    """With the completion of bash, here a flow's, behind a command's."""
    asked = {"COMP_WORDS": "token-broker token vend", "COMP_CWORD": "2"}
    bash = {"_TOKEN_BROKER_COMPLETE": "complete_bash"}
    out, err = streams(PROGRAM, environment=os.environ | asked | bash)
    assert out.split() == ["vendorlink"], err


def test_no_secret_can_be_an_argument() -> None:
    """No command has an option or an argument for a password, a key or a token."""
    commands = get_command(app).commands  # type: ignore[attr-defined]  # of a group
    names = {one.name for command in commands.values() for one in command.params}
    assert len(names) > 10
    # `kms_key` names a key.
    assert not {n for n in names - {"kms_key"} if re.search("pass|secret|token|key|cred", n)}
