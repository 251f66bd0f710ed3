"""`make sam-local`: every file of events/, and the API, under the real `sam local`.

Needs Docker on Linux. Build for this machine's architecture first: `make build ARCH=x86_64`.
"""

import json
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests
import yaml

from tests.live.loopback import OUTSIDE, bridge, ports
from token_broker_descriptors import every
from token_broker_local.addresses import Addresses
from token_broker_local.environment import settings

ROOT = Path(__file__).parents[2]
BUILT = ROOT / ".aws-sam" / "build" / "template.yaml"
LOCAL = BUILT.with_name("local.yaml")
ADDRESSES = Addresses(int(os.environ.get("PORT", "18080")))
API_PORT = ADDRESSES.port + 10
PATIENCE = 300
"""Seconds until an answer: the first call makes an image."""

ARCHITECTURE = {"x86_64": "x86_64", "aarch64": "arm64"}[platform.machine()]
EVERYWHERE = "0.0.0.0"  # noqa: S104 (containers come by a bridge; the public is turned away)

FLOWS = tuple(every())


def main(sam: str) -> int:
    """Invoke, and return how many answers were not as they should be."""
    write_template()
    with local_system():
        wrong = [path.name for path in sorted(ROOT.glob("events/*.json")) if not invoked(sam, path)]
        with local_api(sam):
            wrong += [flow for flow in FLOWS if not requested(flow)]
    for each in wrong:
        print(f"not as it should be: {each}", file=sys.stderr)
    return len(wrong)


def write_template() -> None:
    """Write the built template with the local system's addresses, and the bridge to them."""
    template = yaml.safe_load(BUILT.read_text())
    function = template["Globals"]["Function"]
    own = {name: value for name, value in settings(ADDRESSES).items() if is_told(name)}
    function["Environment"]["Variables"] |= own | {"BRIDGED_PORT": str(ADDRESSES.port)}
    function["Handler"] = "loopback.handler"
    LOCAL.write_text(yaml.safe_dump(template, sort_keys=False))
    for flow in FLOWS:
        shutil.copy(Path(__file__).with_name("loopback.py"), BUILT.parent / function_name(flow))


def is_told(name: str) -> bool:
    """Say whether a setting is the function's; credentials and region, SAM gives."""
    return not name.startswith("AWS_") or "ENDPOINT" in name


def function_name(flow: str) -> str:
    """Return the function's name in the template."""
    return f"{flow.capitalize()}Function"


@contextmanager
def local_system() -> Iterator[None]:
    """Have the system of `make run` on ports of its own, for containers too."""
    command = [sys.executable, "-m", "token_broker_local"]
    environment = os.environ | {"PORT": str(ADDRESSES.port)}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as system:
        assert system.stdout
        if not any(line.startswith("ready") for line in system.stdout):
            raise SystemExit("the local system does not start; it has said why")
        bridges = [
            bridge((EVERYWHERE, port + OUTSIDE), ("127.0.0.1", port))
            for port in ports(ADDRESSES.port)
        ]
        try:
            yield
        finally:
            for each in bridges:
                each.close()
            system.terminate()


@contextmanager
def local_api(sam: str) -> Iterator[None]:
    """Have `sam local start-api`."""
    command = [sam, "local", "start-api", *common(), "--port", str(API_PORT)]
    with subprocess.Popen(command, env=environment(), stderr=subprocess.DEVNULL) as api:
        try:
            until_answering()
            yield
        finally:
            api.terminate()


def common() -> list[str]:
    """Return what every command of SAM is told."""
    return ["-t", str(LOCAL), "--parameter-overrides", f"Architecture={ARCHITECTURE}"]


def environment() -> Mapping[str, str]:
    """Return this process's environment with the local system's credentials, for SAM to pass on."""
    given = {name: value for name, value in settings(ADDRESSES).items() if not is_told(name)}
    return os.environ | given


def invoked(sam: str, event: Path) -> bool:
    """Invoke the function that *event* is for, show what it says, and say whether it succeeded."""
    function = function_name(event.stem.partition("-")[0])
    began = time.monotonic()
    done = subprocess.run(
        [sam, "local", "invoke", function, "-e", str(event), *common()],
        env=environment(),
        check=False,
        capture_output=True,
        text=True,
    )
    lines = done.stdout.strip().splitlines()
    answer = json.loads(lines[-1]) if lines and lines[-1].startswith("{") else {}
    show(event.name, answer, time.monotonic() - began)
    return bool(answer) and "errorType" not in answer and answer.get("statusCode", 200) == 200


def show(name: str, answer: Mapping[str, Any], seconds: float) -> None:
    """Print one line: what was asked, and what came back without its token."""
    shown = json.loads(answer["body"]) if "body" in answer else dict(answer)
    for spoken in ("headers", "url"):
        shown.pop(spoken, None)
    status = answer.get("statusCode", "")
    print(f"{name:32} {seconds:5.1f} s {status:4} {json.dumps(shown)[:150]}", flush=True)


def requested(flow: str) -> bool:
    """Ask the API for a token; SAM's own API checks no signature."""
    body = every()[flow].demo
    began = time.monotonic()
    url = f"http://127.0.0.1:{API_PORT}/v1/{flow}/demo/token"
    answer = requests.post(url, json=body, timeout=PATIENCE)
    response = {"statusCode": answer.status_code, "body": answer.text}
    show(f"POST /v1/{flow}/demo/token", response, time.monotonic() - began)
    return answer.ok


def until_answering() -> None:
    """Wait for SAM's API: any answer will do."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        try:
            requests.get(f"http://127.0.0.1:{API_PORT}/", timeout=5)
        except requests.ConnectionError:
            time.sleep(0.5)
        else:
            return
    raise TimeoutError("SAM's API does not answer")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
