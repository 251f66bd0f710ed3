"""`python -m token_broker_local`: start, errors at start, and prompt end."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.local.callers import answer_to, signed
from tests.ports import free_ports
from tests.processors import spent_by, spent_by_ended
from tests.subjects import FLOWS
from tests.waiting import SOON_SECONDS, wait_until
from token_broker_local import environment, ports
from token_broker_local.addresses import Addresses

COMMAND = [sys.executable, "-m", "token_broker_local"]
MOST_SPENT = 0.5
"""Seconds of a processor that an end may take: a start takes one."""


@contextmanager
def started(port: int, *shell: str) -> Iterator["subprocess.Popen[str]"]:
    """Start the local system, by a *shell* if one is given; end it if it has not ended."""
    with subprocess.Popen(
        [*shell, *COMMAND],
        env=os.environ | {"PORT": str(port)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def wait_for_handlers(pid: int) -> None:
    """Wait until Python itself has started, and our program handles signals."""
    status = Path(f"/proc/{pid}/status")
    if not status.exists():  # not Linux
        time.sleep(1)
        return
    bit = 1 << (signal.SIGTERM - 1)
    wait_until(lambda: bit & int(re.findall(r"SigCgt:\s*(\w+)", status.read_text())[0], 16))


def ended(process: "subprocess.Popen[str]") -> tuple[int, str]:
    """Return exit code and stderr of a process that ends at once."""
    _, output = process.communicate(timeout=SOON_SECONDS)
    return process.returncode, output


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("seconds", [0.0, 0.1, 0.3, 0.6])
def test_an_interrupt_during_the_start_ends_the_process_at_once(
    signum: signal.Signals, seconds: float
) -> None:
    """Without a traceback, and without the rest of the start."""
    before = spent_by_ended()
    with started(free_ports().port) as process:
        wait_for_handlers(process.pid)
        time.sleep(seconds)
        spent = spent_by(process.pid)
        process.send_signal(signum)
        code, output = ended(process)
    assert "Traceback" not in output
    assert code == 0
    assert spent_by_ended() - before - spent < MOST_SPENT


@pytest.mark.parametrize("closed", ["at the start", "once it is ready"])
def test_it_answers_though_its_output_is_closed(closed: str) -> None:
    """As by `make run 2>&1 | grep -m1 ready`, or without a terminal: a call is no worse for it."""
    port = free_ports().port
    command = 'exec >&- 2>&-; exec "$@"' if closed == "at the start" else 'exec "$@" 2>&1'

    def answers() -> bool:
        try:
            return "headers" in answer_to(port, signed())[1]
        except OSError:
            return False

    with started(port, "/bin/sh", "-c", command, "sh") as process:
        assert process.stdout
        while (line := process.stdout.readline()) and not line.startswith("ready"):
            pass
        process.stdout.close()
        wait_until(answers)
        assert answers()
        process.terminate()
        assert process.wait(SOON_SECONDS) == 0


def test_the_error_names_every_taken_port() -> None:
    """In one message, with their purposes, and how to choose other ports."""
    port = free_ports().port
    with socket.socket() as one, socket.socket() as two:
        one.bind(("127.0.0.1", port))
        two.bind(("0.0.0.0", port + 2))  # noqa: S104 (what takes every address takes ours)
        two.listen()
        with started(port) as process:
            code, output = ended(process)
    assert code == 1
    assert output == (
        f"Port {port}, for the gateway: Address already in use.\n"
        f"Port {port + 2}, for the fake of VNTANA: Address already in use.\n"
        "Choose other ports by the first of them, for example: PORT=8080 make run\n"
    )


@pytest.mark.parametrize("port", ["0", "65535", "http", "-1", "٣"])
def test_an_invalid_port_is_refused(port: str) -> None:
    """The first port must leave numbers for the others."""
    highest = 65_536 - len(Addresses().ports)
    with pytest.raises(ports.PortError, match=f"should be a number from 1 to {highest}"):
        ports.chosen(port)


@pytest.mark.parametrize(("text", "port"), [(None, 8080), ("", 8080), ("9000", 9000)])
def test_the_environment_variable_sets_the_first_port(text: str | None, port: int) -> None:
    """8080 by default; the other ports follow."""
    addresses = ports.chosen(text)
    assert [*addresses.ports] == ["gateway", "services", *FLOWS]
    assert [*addresses.ports.values()] == [port + n for n in range(len(FLOWS) + 2)]


def test_aws_settings_of_a_real_account_are_replaced() -> None:
    """A developer's AWS login does not change the local system."""
    real = ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL_DYNAMODB")
    variables = dict.fromkeys(real, "real") | {
        "HOME": "/home/somebody",
        "no_proxy": "example.com",
        "POWERTOOLS_LOG_LEVEL": "DEBUG",
    }
    environment.enter(Addresses(9000), variables)
    assert variables["AWS_ACCESS_KEY_ID"] == "local"
    assert variables["AWS_ENDPOINT_URL"] == "http://127.0.0.1:9001"
    assert variables["AWS_ENDPOINT_URL_LAMBDA"] == "http://127.0.0.1:9000"
    assert variables["HOME"] == "/home/somebody"
    assert variables["POWERTOOLS_LOG_LEVEL"] == "DEBUG"
    assert variables["NO_PROXY"] == variables["no_proxy"] == "127.0.0.1"
    assert variables["AWS_CONFIG_FILE"] == variables["AWS_SHARED_CREDENTIALS_FILE"] == os.devnull
    assert not variables.keys() & {*real}
