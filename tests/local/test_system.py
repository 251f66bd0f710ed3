"""`make run`: everything in one process, with the real functions."""

import json
import math
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest

from tests.local.callers import answer_to, client, signed
from tests.ports import free_ports
from tests.processors import spent_by, spent_by_ended
from tests.waiting import PATIENCE_SECONDS, SOON_SECONDS, wait_until
from token_broker_fakes.control import CONTROL
from token_broker_fakes.vntana import FakeVntana
from token_broker_local.addresses import FLOWS, Addresses, secret_name
from token_broker_local.dashboard import PATH
from token_broker_local.messages import HttpRequest

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

STARTS_BY_MOTO = 5
"""How often a start may take the processor's seconds that loading moto takes: here twice."""

MOTO = [sys.executable, "-c", "import moto.moto_server.werkzeug_app"]

numbers = count(1)


class Running:
    """The local system in a separate process, and its output."""

    def __init__(self, addresses: Addresses) -> None:
        self.addresses = addresses
        begun = time.monotonic()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "token_broker_local"],
            env=os.environ | {"PORT": str(addresses.port)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        self.banner: list[str] = []
        for line in self.process.stdout:
            self.banner.append(line)
            if line.startswith("ready"):
                break
        self.took = time.monotonic() - begun
        self.spent = spent_by(self.process.pid)
        assert self.banner, self.process.communicate()
        self.lines: list[str] = []
        self.reader = threading.Thread(target=self.read)
        self.reader.start()

    def read(self) -> None:
        """Store the lines on stderr."""
        assert self.process.stderr is not None
        self.lines.extend(self.process.stderr)

    def heard(self) -> int:
        """Return the number of lines, once those of all calls so far have arrived."""
        name = f"nobody-{next(numbers)}"
        self.call("POST", f"/v1/vntana/{name}/token")
        wait_until(lambda: any(name in line for line in self.lines))
        return len(self.lines)

    def end(self, signum: signal.Signals) -> tuple[int, float]:
        """End it; return its exit code, and how many seconds that took."""
        begun = time.monotonic()
        self.process.send_signal(signum)
        code = self.process.wait(timeout=PATIENCE_SECONDS)
        took = time.monotonic() - begun
        self.reader.join()
        for stream in (self.process.stdout, self.process.stderr):
            assert stream is not None
            stream.close()
        return code, took

    def call(self, method: str, path: str) -> Any:
        """Return status and body of a signed request's answer."""
        return answer_to(self.addresses.port, signed(method, path))


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    """One system for all the tests here: each uses connections of its own."""
    system = Running(free_ports())
    yield system
    system.end(signal.SIGTERM)


@pytest.fixture
def secrets(running: Running) -> "SecretsManagerClient":
    made: SecretsManagerClient = client("secretsmanager", running.addresses.url("services"))
    return made


def test_the_system_is_ready_soon_and_the_last_line_says_so(running: Running) -> None:
    """The line begins with `ready`, once all servers respond."""
    assert running.banner[-1].startswith("ready")
    assert running.took < PATIENCE_SECONDS
    before = spent_by_ended()
    subprocess.run(MOTO, check=True)
    moto = spent_by_ended() - before
    assert running.spent < STARTS_BY_MOTO * moto or running.spent == math.inf
    assert f"Dashboard: {running.addresses.url('gateway')}{PATH}\n" in running.banner
    for name in running.addresses.ports:
        assert running.addresses.url(name) in "".join(running.banner)


CURL = pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl on this machine")


def paste(text: str) -> str:
    """Return the output of a shell for *text*, which a reader pastes into it."""
    run = subprocess.run(text, shell=True, capture_output=True, text=True, check=True)  # noqa: S602 (see above)
    return run.stdout


@CURL
def test_the_curl_lines_of_the_banner_work_when_pasted(running: Running) -> None:
    """One for each flow; a second call is a hit in memory."""
    lines = [f"{line.strip()} -s" for line in running.banner if "--aws-sigv4" in line]
    answers = [json.loads(paste(line)) for line in lines for _ in range(2)]
    told = [(answer["flow"], answer["source"]) for answer in answers]
    assert told == [(flow, source) for flow in FLOWS for source in ("exchange", "memory")]


@CURL
def test_the_banner_shows_how_to_add_a_connection_and_to_switch_a_fake(running: Running) -> None:
    """Those lines work when pasted, too. The new connection does not end the demo's token."""
    (export,) = [line for line in running.banner if "AWS_ENDPOINT_URL" in line]
    (create,) = [line for line in running.banner if "boto3" in line]
    show, break_, mend = [line for line in running.banner if "_control" in line]
    paste(f"{export}{create}")
    assert "modes" in json.loads(paste(f"{show.strip()} -s"))
    paste(f"{break_.strip()} -s")
    assert running.call("POST", "/v1/vntana/mine/token")[0] == 503
    paste(f"{mend.strip()} -s")
    running.call("DELETE", "/v1/vntana/mine/token")
    _, demo = running.call("POST", "/v1/vntana/demo/token")
    assert running.call("POST", "/v1/vntana/mine/token")[0] == 200
    assert running.call("POST", "/v1/vntana/demo/check")[0] == 200
    assert running.call("POST", "/v1/vntana/demo/token")[1]["generation"] == demo["generation"]


def test_a_changed_secret_renews_the_tokens(
    running: Running, secrets: "SecretsManagerClient"
) -> None:
    """By EventBridge's event to the function."""
    fake = FakeVntana()
    with fake.serve() as server:
        document = json.dumps(FakeVntana.demo_secret(server.url))
        name = secret_name("vntana", "rotating")
        secrets.create_secret(Name=name, SecretString=document)
        running.call("POST", "/v1/vntana/rotating/token")
        version = secrets.put_secret_value(SecretId=name, SecretString=document)["VersionId"]

        def is_renewed() -> object:
            _, status = running.call("GET", "/v1/vntana/rotating")
            is_current = status["secret_version"] == version
            return is_current and status["variants"][0]["generation"] == 2

        wait_until(is_renewed)
        wait_until(lambda: any("received PutSecretValue" in line for line in running.lines))


def test_the_log_has_a_line_for_each_call_and_no_secret(
    running: Running, secrets: "SecretsManagerClient"
) -> None:
    """With a description of the result; also for a request that the gateway refuses."""
    canary = "s3cret-c4nary"
    document = {"email": "a@b.c", "password": canary, "base_url": running.addresses.url("vntana")}
    name = secret_name("vntana", "wrong")
    secrets.create_secret(Name=name, SecretString=json.dumps(document))
    before = running.heard()
    _, first = running.call("POST", "/v1/vntana/wrong/token")
    _, again = running.call("POST", "/v1/vntana/wrong/token")
    _, token = running.call("POST", "/v1/vntana/demo/token")
    running.call("GET", "/v1/unknown/demo")
    after = running.heard()
    lines = [line for line in running.lines[before:after] if " POST " in line]
    assert (first["code"], again["code"]) == ("credential_rejected", "credential_latched")
    assert " POST /v1/vntana/wrong/token 502 " in lines[0]
    assert "credential_rejected" in lines[0]
    assert "credential_latched" in lines[1]
    assert " POST /v1/vntana/demo/token 200 " in lines[2]
    assert token["fingerprint"] in lines[2]
    assert len(lines) == 4, "the last one is of who listened"
    refused = " GET /v1/unknown/demo 403 | Missing Authentication Token\n"
    assert [line.endswith(refused) for line in running.lines[before:after]].count(True) == 1
    everything = "".join([*running.lines, *running.banner])
    assert canary not in everything
    assert token["headers"]["X-AUTH-TOKEN"].removeprefix("Bearer ") not in everything


def test_log_lines_of_concurrent_callers_do_not_mix(running: Running) -> None:
    before = running.heard()
    with ThreadPoolExecutor(16) as pool:
        calls = [pool.submit(running.call, "POST", "/v1/vntana/nobody/token") for _ in range(64)]
    assert {call.result()[0] for call in calls} == {404}
    wait_until(lambda: len(running.lines) >= before + 64)
    line = re.compile(r"\d\d:\d\d:\d\d POST /v1/vntana/nobody/token 404 \d+ ms \| .*unknown.*\n")
    assert all(line.fullmatch(one) for one in running.lines[before:])


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_system_at_once(signum: signal.Signals) -> None:
    """Also with an idle connection and a waiting request to a vendor."""
    other = Running(free_ports())
    port = other.addresses.ports["vntana"]
    slow = json.dumps({"faults": [{"kind": "delay", "seconds": 300}]}).encode()
    assert answer_to(port, HttpRequest("PATCH", CONTROL, body=slow))[1]["faults"]
    with socket.create_connection(("127.0.0.1", port)), ThreadPoolExecutor(1) as pool:
        call = pool.submit(other.call, "POST", "/v1/vntana/demo/token")
        wait_until(lambda: not answer_to(port, HttpRequest("GET", CONTROL))[1]["faults"])
        code, took = other.end(signum)
        assert isinstance(call.exception(), OSError), "it is never answered"
    assert (code, took < SOON_SECONDS) == (0, True)
    assert not any("Traceback" in line for line in other.lines)
