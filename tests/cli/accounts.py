"""Ways to run the command against a fake account."""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from tests.cli.fake_account import Account
from tests.cli.operators import COLOUR, coloured, watched
from tests.cli.processes import Done, Process, run
from tests.waiting import PATIENCE_SECONDS
from token_broker_cli.main import app


def refusal(result: Result, code: int = 1) -> str:
    """Return what a command says that fails with *code*, without an answer."""
    assert (result.exit_code, result.stdout) == (code, ""), result.output
    return result.stderr


@dataclass(frozen=True)
class Visitor:
    """Works with a stage of *account*, all of whose servers are on loopback."""

    account: Account

    @property
    def at(self) -> list[str]:
        return ["--stage", self.account.stage, "--url", self.account.url]

    @property
    def environment(self) -> dict[str, str]:
        cleared = ("AWS_", "TOKEN_BROKER_", "PORT", "COLUMNS", "NO_COLOR")
        kept = {k: v for k, v in os.environ.items() if not k.startswith(cleared)}
        return kept | {
            "AWS_ENDPOINT_URL": self.account.url,
            "AWS_ACCESS_KEY_ID": "key",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_REGION": "eu-west-1",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "NO_PROXY": "127.0.0.1",
        }

    def says(self, *words: str, stdin: str | bytes | None = None, **environment: str) -> Result:
        """Run a command in this process, at its stage."""
        return self.types(*words, *self.at, stdin=stdin, **environment)

    def types(self, *words: str, stdin: str | bytes | None = None, **environment: str) -> Result:
        """Run a command in this process, wherever it leads."""
        cleared = {
            name: None for name in os.environ if name.startswith(("AWS_", "TOKEN_BROKER_", "PORT"))
        }
        env = cleared | self.environment | {"COLUMNS": "80"} | environment
        return CliRunner().invoke(app, [*words], input=stdin, env=env)

    def watches(
        self, *words: str, answers: Sequence[str | None] = (), **environment: str
    ) -> tuple[int, str]:
        """Run a command on a terminal."""
        return watched([*words, *self.at], answers, **self.environment, **environment)

    def shows(self, *words: str, columns: int = 80) -> str:
        """Run a command on a terminal, in this process; return what stays there."""
        return COLOUR.sub("", self.shows_coloured(*words, columns=columns))

    def shows_coloured(self, *words: str, columns: int = 80, **environment: str) -> str:
        """Do the same, with the escape sequences of colours."""
        terminal = {"COLUMNS": str(columns), "TERM": "xterm-256color"}
        kept = self.environment | terminal | environment
        with pytest.MonkeyPatch.context() as patch:
            for name in os.environ.keys() - kept.keys():
                patch.delenv(name)
            for name, value in kept.items():
                patch.setenv(name, value)
            return coloured([*words, *self.at])

    def runs(self, *words: str, **sinks: str | int | None) -> Done:
        """Run a command in a process of its own, whose streams go where *sinks* say."""
        return run([*words, *self.at], self.environment, lambda _: None, **sinks)

    @staticmethod
    def document(text: str) -> Any:
        """Return the one line of JSON that *text* is."""
        assert text.count("\n") == 1
        return json.loads(text)

    def interrupts(self, *words: str) -> tuple[int, str, str]:
        """Run a command and press Ctrl-C as soon as the broker is asked, which never answers."""
        self.account.goes_on.clear()

        def interrupt(process: Process) -> None:
            assert self.account.is_asked.wait(PATIENCE_SECONDS)
            process.interrupt()

        done = run([*words, *self.at], self.environment, interrupt)
        return done.returncode, done.stdout, done.stderr
