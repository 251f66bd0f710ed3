"""The command prints no password, and a token only if it was asked for."""

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import count

import pytest

from tests.cli.operators import Operator
from tests.functions.canaries import handed_out, traces
from tests.subjects import FLOWS, canaries, questions
from token_broker_local.provisions import demo_secrets

SECRETS = {flow: [one.key for one in questions(flow) if one.is_secret] for flow in FLOWS}
WRONG = {flow: {key: canaries(flow)[key] for key in SECRETS[flow]} for flow in FLOWS}
FORMS = pytest.mark.parametrize(
    ("flow", "form"), [(flow, ["--json"] if n % 2 else []) for n, flow in enumerate(FLOWS)]
)
"""Text and JSON."""
NUMBERS = count()


class Shell:
    """The output of the commands that an operator types."""

    def __init__(self, operator: Operator, form: list[str]) -> None:
        self._operator = operator
        self._form = form
        self.seen: list[str] = []

    def connects(self, flow: str, **changes: str) -> str:
        """Add a connection, untried, and return its name."""
        name = f"leak-{next(NUMBERS)}"
        document = dict(demo_secrets(self._operator.places)[flow]) | changes
        words = ("connect", flow, name, "--file", "-", "--no-check")
        assert self._operator.says(*words, stdin=json.dumps(document)).exit_code == 0
        return name

    def types(self, *words: str, stdin: str | None = None) -> str:
        """Run a command, and record its output, errors and exception."""
        result = self._operator.says(*words, *self._form, stdin=stdin)
        self.seen += [result.output, result.stderr, repr(result.exception)]
        return result.stdout

    def says(self, secrets: Iterable[str]) -> list[str]:
        """Return the beginnings of the *secrets* that are in the output."""
        return traces(secrets, "\n".join(self.seen).encode())


@contextmanager
def down(operator: Operator, flow: str) -> Iterator[None]:
    """Make a vendor answer with HTML only."""
    operator.switches(flow, "PATCH", {"faults": [{"kind": "html", "times": None}]})
    try:
        yield
    finally:
        operator.switches(flow, "PATCH", {"faults": []})


@FORMS
def test_no_command_prints_a_password(operator: Operator, flow: str, form: list[str]) -> None:
    """Right or wrong, stored or refused, tried or not, and while the vendor fails."""
    shell = Shell(operator, form)
    name, bad = shell.connects(flow), shell.connects(flow, **WRONG[flow])
    right = dict(demo_secrets(operator.places)[flow])
    wrong = right | WRONG[flow]
    for document in (wrong, wrong | {"x": 1}, dict.fromkeys(wrong, wrong)):
        shell.types("connect", flow, f"{name}-new", "--file", "-", stdin=json.dumps(document))
    shell.types("connect", flow, f"{name}-new", "--file", "-", stdin=json.dumps(wrong)[:-1])
    for connection in (name, bad):
        shell.types("status", flow, connection)
        shell.types("explain", flow, connection)
    for _ in range(2):
        shell.types("token", flow, bad)
    with down(operator, flow):
        shell.types("token", flow, name, "--force")
    if flow != "editor":  # they look at all there are
        shell.types("connections")
        shell.types("doctor")
    shell.types("forget", flow, bad, "--yes")
    values = [
        str(value) for key in SECRETS[flow] for value in (right.get(key), wrong.get(key)) if value
    ]
    assert len(shell.seen) > 25
    assert shell.says(values) == []


@FORMS
def test_only_the_command_token_prints_a_token(
    operator: Operator, flow: str, form: list[str]
) -> None:
    """Neither do status, explain, connections, verify and forget, nor errors."""
    shell = Shell(operator, form)
    name = shell.connects(flow)
    token, *others = handed_out(operator.told("token", flow, name))
    for command in ("status", "explain"):
        shell.types(command, flow, name)
    shell.types("connections")
    shell.types("verify", name, "--file", "-", stdin=token)
    shell.types("verify", name, "--file", "-", stdin=f"{token}x")
    shell.types("verify", name, "--file", "-", stdin=f"{token}\nX: y")
    with down(operator, flow):
        shell.types("token", flow, name, "--min-ttl", "999999999")
        shell.types("verify", name, "--file", "-", stdin=token)
    shell.types("forget", flow, name, "--yes")
    assert shell.says([token, *others]) == []


def test_the_search_for_secrets_finds_a_printed_token(operator: Operator) -> None:
    shell = Shell(operator, ["--json"])
    (header,) = json.loads(shell.types("token", "vendorlink", "demo"))["headers"].values()
    assert shell.says([header.removeprefix("Bearer ")])
