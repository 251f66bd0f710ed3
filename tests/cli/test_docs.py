"""The commands of docs/cli.md run, in order, on a system of their own."""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.cli.operators import on_terminal
from tests.systems import system
from tests.waiting import PATIENCE_SECONDS
from token_broker_local.addresses import FLOWS, Addresses

PAGE = Path(__file__).parents[2] / "docs" / "cli.md"
BLOCK = re.compile(r"```console\n(.*?)```", re.DOTALL)
FILE = re.compile(r"^`(\S+\.json)`:\n\n```json\n(.*?)```", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True)
class Example:
    """A command, and what the page says that it prints."""

    command: str
    output: str


def examples(page: str) -> Iterator[Example]:
    for block in BLOCK.findall(page):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, output = part.partition("\n")
            yield Example(command, output)


def here(text: str, places: Addresses) -> str:
    """Return *text* with the ports of this system, where the page has those of `make run`."""
    named = ("gateway", "services", *FLOWS)
    ports = {str(8080 + index): str(places.ports[name]) for index, name in enumerate(named)}
    return re.sub(r"\b808\d\b", lambda found: ports.get(found[0], found[0]), text)


def shape(text: str) -> str:
    """Return *text* without what differs from one run to the next."""
    for pattern, stands_for in (
        (r"[█▏▎▍▌▋▊▉░]+", "BAR"),
        (r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", "UUID"),
        (r"[\w+/.-]{37,}=*", "…"),
        (r"[\w+/.-]+…", "…"),  # as the page shortens it
        (r"\b[0-9a-f]{8,}\b", "HEX"),
        (r"\d{4}-\d\d-\d\d[T ][\d:]+( UTC|Z)?", "MOMENT"),
        (r"\b(\d+ (d|h|min|s)\b ?)+", "SPAN "),
        (r"\b\d+\b", "NUMBER"),
        (r"\s+", " "),
    ):
        text = re.sub(pattern, stands_for, text)
    return text.strip()


def without(flows: Collection[str], text: str) -> str:
    """Return *text*, shaped, without what it says of *flows*, which the page does not know."""
    for flow in flows:
        text = re.sub(rf"✓ {flow}\b[^✓]*|\b{flow}/demo none yet ", "", text)
    return re.sub(r"right form: .*?demo.*?(?= All)", "right form: …", text) if flows else text


def run(command: str) -> str:
    """Return all that is seen of *command*: on a terminal, or what a script gets, by a shell."""
    first, *words = shlex.split(command)
    if first == "token-broker" and "|" not in words and "--json" not in words:
        return on_terminal(words)
    whole = ["/bin/sh", "-c", f"{{ {command}\n}} 2>&1"]
    done = subprocess.run(
        whole, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False
    )
    return done.stdout


@pytest.mark.slow
def test_each_command_on_the_page_prints_the_output_on_the_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = PAGE.read_text()
    shown, unknown = [*examples(page)], [flow for flow in FLOWS if flow not in page]
    assert len(shown) > 10
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    monkeypatch.setenv("COLUMNS", "80")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "127.0.0.1")
    with system() as places:
        monkeypatch.setenv("PORT", str(places.port))
        for name, content in FILE.findall(page):
            (tmp_path / name).write_text(here(content, places))
        for example in shown:
            seen = without(unknown, shape(run(here(example.command, places))))
            assert seen == without(unknown, shape(example.output)), example.command
