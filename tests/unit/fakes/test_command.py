"""`python -m token_broker_fakes` serves all fakes, prints how to use them, and ends at once."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from tests.subjects import FLOWS
from tests.waiting import PATIENCE_SECONDS, SOON_SECONDS
from token_broker_fakes import registry
from token_broker_fakes.__main__ import chosen

COMMAND = [sys.executable, "-W", "error", "-m", "token_broker_fakes"]


@pytest.fixture
def running() -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The command on free ports, and its output until it was ready."""
    ports = [f"--{flow}-port=0" for flow in FLOWS]
    with subprocess.Popen(
        [*COMMAND, *ports],
        env={name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        assert process.stdout
        output = ""
        while not output.endswith("ready\n"):
            line = process.stdout.readline()
            assert line, output
            output += line
        yield process, output
        process.kill()


def fetched(line: str) -> Any:
    """Send the request of a curl line of the banner, and return the response."""
    url = re.findall(r"http://\S+", line)[0]
    method = (re.findall(r"-X (\w+)", line) or ["GET"])[0]
    body = (re.findall(r"-d '(.*)'", line) or [None])[0]
    request = urllib.request.Request(url, body.encode() if body else None, method=method)  # noqa: S310 (loopback)
    with urllib.request.urlopen(request, timeout=PATIENCE_SECONDS) as answer:  # noqa: S310 (the same)
        return json.load(answer)


def test_commands_of_the_banner_can_be_pasted(running: tuple[subprocess.Popen[str], str]) -> None:
    """Each curl line works, and each secret is valid."""
    lines = running[1].splitlines()
    _, switched, broken, aged, _ = [fetched(line) for line in lines if "curl" in line]
    assert switched["modes"]["dead_token"]["value"] == "401"
    assert broken["faults"][0]["kind"] == "drop"
    assert aged["clock_offset"] == 3600
    secrets = [json.loads(text) for text in re.findall(r"(?m)^ +secret +(.*)$", running[1])]
    assert [one.keys() for one in secrets] == [
        registry.kind(flow).demo_secret("http://127.0.0.1:1").keys() for flow in FLOWS
    ]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_end_it_at_once(
    running: tuple[subprocess.Popen[str], str], number: signal.Signals
) -> None:
    """Without an error, though a connection is open."""
    process, output = running
    port = re.findall(r"http://127.0.0.1:(\d+)", output)[0]
    with socket.create_connection(("127.0.0.1", int(port))):
        begun = time.monotonic()
        process.send_signal(number)
        assert process.wait(PATIENCE_SECONDS) == 0
    assert time.monotonic() - begun < SOON_SECONDS
    assert process.stdout
    assert process.stdout.read() == ""


def test_the_error_names_a_taken_port() -> None:
    """The exit status is 1."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = subprocess.run(
            [*COMMAND, *(f"--{flow}-port=0" for flow in FLOWS), f"--vendorlink-port={port}"],
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
            check=False,
        )
    assert ended.returncode == 1
    expected = f"port {port} on 127.0.0.1: Address already in use. Choose others with --port.\n"
    assert ended.stderr == expected


@pytest.mark.parametrize(
    ("arguments", "ports"),
    [
        ([], {"vntana": 8082, "vendorlink": 8083, "editor": 8084}),
        (["--port", "9000"], {"vntana": 9000, "vendorlink": 9001, "editor": 9002}),
        (["--port", "9000", "--vendorlink-port", "0"], {"vendorlink": 0, "editor": 9002}),
        (["--editor-port", "1234"], {"vntana": 8082, "vendorlink": 8083, "editor": 1234}),
        (["--port", "0"], dict.fromkeys(FLOWS, 0)),
        (["--port", "65535", *(f"--{flow}-port=1" for flow in FLOWS[1:])], {"vntana": 65535}),
    ],
)
def test_ports_are_consecutive_or_set_for_each_fake(
    arguments: list[str], ports: dict[str, int]
) -> None:
    """The first port is an option, too; 0 stands for free ones."""
    found = dict(zip(FLOWS, chosen(arguments), strict=True))
    assert {flow: found[flow] for flow in ports} == ports


@pytest.mark.parametrize(
    "arguments",
    [
        *(["--editor-port", port] for port in ("65536", "-1", "x")),
        ["--port", str(65537 - len(FLOWS))],
    ],
    ids=" ".join,
)
def test_invalid_ports_are_refused(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Also one that only follows from the first."""
    with pytest.raises(SystemExit):
        chosen(arguments)
    assert "a port is a number from 0 to 65535" in capsys.readouterr().err
