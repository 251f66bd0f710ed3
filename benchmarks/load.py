"""The local system under load: many callers on one key, on many keys, and as a token ends.

Measured by locust in an open loop: requests have random scheduled times, RATE a second, and the
latency counts from them. Shown: throughput, latency, errors and requests to the vendor.

All processes share this machine's processors: the latency is mostly the local gateway's and moto's.
LOAD_URL measures a deployed stage instead (its connection LOAD_CONNECTION, of VNTANA, with AWS's
credentials in the environment).

Targets: one exchange per key and lifetime; no error. What a renewal costs callers is counted in
`lifetime`: here the noise of other processes hides it.
"""

import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile
from typing import Any

from benchmarks import growth
from benchmarks.cloud import client
from benchmarks.emulator import ROOT
from benchmarks.tables import Spread, Table, Target
from token_broker.sealing import Sealer
from token_broker_local.addresses import KEY_ALIAS, TABLE, Addresses

SECONDS = int(os.environ.get("SECONDS_EACH", "12"))
RATE = int(os.environ.get("RATE", "60"))
PORT = int(os.environ.get("LOAD_PORT", "18080"))
AWS = f"http://127.0.0.1:{PORT + 1}"
"""The local system's services."""

WARM = 5.0
"""The warm-up in seconds after the first token."""

KEYS = int(os.environ.get("KEYS", "10000"))
LIVES = 30
"""Seconds that a token of the last scenario lives. Three of them end under load."""


@dataclass(frozen=True)
class Scenario:
    """The callers and their requests."""

    name: str
    flow: str
    callers: int
    rate: float
    keys: int = 0
    prefix: str = ""
    """Of a key's user: for each user of ``kept-`` there is a token beforehand."""
    connection: str = "demo"
    seconds: int = SECONDS


@dataclass(frozen=True)
class Seen:
    """The answer to one request."""

    at: float
    """The scheduled time."""
    milliseconds: float
    status: int
    fingerprint: str


SCENARIOS = (
    Scenario("1 caller, one key", "vntana", 1, RATE / 2),
    Scenario("16 callers, one key", "vntana", 16, RATE),
    Scenario("64 callers, one key", "vntana", 64, RATE),
    Scenario("256 callers, one key", "vntana", 256, RATE),
    Scenario("16 callers, tokens end", "vntana", 16, RATE, connection="brief", seconds=4 * LIVES),
    Scenario("4 callers, new keys of 10,000", "editor", 4, RATE / 10, keys=KEYS, prefix="new-"),
    Scenario("64 callers, 10,000 keys", "editor", 64, RATE, keys=KEYS, prefix="kept-"),
)


COLUMNS = ("scenario", "calls/s", "p50, ms", "p99, ms", "p99.9, ms", "errors", "tokens", "upstream")


@contextmanager
def system() -> Iterator[str]:
    """Run the local system, and yield its gateway's URL."""
    with TemporaryFile() as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "token_broker_local"],
            env=dict(os.environ) | {"PORT": str(PORT)},
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=ROOT,
        )
        try:
            while b"\nready" not in (text := os.pread(output.fileno(), 1 << 16, 0)):
                if process.poll() is not None:
                    raise RuntimeError(text.decode(errors="replace"))
                time.sleep(0.05)
            yield f"http://127.0.0.1:{PORT}"
        finally:
            process.terminate()
            process.wait()


def fill() -> None:
    """Store a token for each of 10,000 users of the editor's demo."""
    aws, kms, dynamodb = growth.Aws(), client("kms", AWS), client("dynamodb", AWS)
    growth.fill(aws, Sealer(TABLE, KEY_ALIAS, lambda: kms), 0, KEYS, prefix="kept-")
    puts = [{"PutRequest": {"Item": item}} for item in aws.items.values()]
    for start in range(0, KEYS, 25):
        dynamodb.batch_write_item(RequestItems={TABLE: puts[start : start + 25]})


def connect() -> None:
    """Make a connection whose tokens live half a minute."""
    secrets = client("secretsmanager", AWS)
    demo = secrets.get_secret_value(SecretId="token-broker/local/vntana/demo")
    document = json.loads(demo["SecretString"]) | {"options": {"lifetime": LIVES}}
    text = json.dumps(document)
    secrets.create_secret(Name="token-broker/local/vntana/brief", SecretString=text)


def requests_to(flow: str) -> int:
    """Return how many requests the fake of a vendor has had."""
    port = Addresses(PORT).ports[flow]
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/_control/log?last=1") as answer:
        found: Any = json.loads(answer.read())
    entries = found if isinstance(found, list) else found.get("entries", found.get("log", []))
    return int(entries[-1]["sequence"]) if entries else 0


def run(scenario: Scenario, url: str) -> list[Seen]:
    """Run the callers, and return their answers."""
    with TemporaryDirectory() as folder:
        out = Path(folder) / "seen.json"
        described = asdict(scenario) | {"url": url, "out": str(out)}
        subprocess.run(
            [
                sys.executable, "-m", "locust", "--headless", "--only-summary", "-L", "ERROR",
                "-f", str(Path(__file__).with_name("locustfile.py")),
                "-u", str(scenario.callers), "-r", str(scenario.callers),
                "-t", f"{scenario.seconds}s", "--stop-timeout", "20",
            ],
            env=dict(os.environ) | {"SCENARIO": json.dumps(described)},
            check=True,
            capture_output=True,
        )  # fmt: skip
        return [Seen(*each) for each in json.loads(out.read_text())]


def renewals(seen: Sequence[Seen]) -> list[float]:
    """Return the time of the first answer with each token, without the first token."""
    first: dict[str, float] = {}
    for each in seen:
        if each.fingerprint:
            at = each.at + each.milliseconds / 1000
            first[each.fingerprint] = min(at, first.get(each.fingerprint, at))
    return sorted(first.values())[1:]


def split(seen: Sequence[Seen], around: float = 1.0) -> tuple[Spread, Spread]:
    """Return the latency near renewals, and the latency of all other requests.

    Requests before the first token, or during the warm-up, are in neither.
    """
    moments = renewals(seen)
    settled = min(each.at + each.milliseconds / 1000 for each in seen) + WARM
    near: list[float] = []
    far: list[float] = []
    for each in seen:
        if each.at < settled:
            continue
        is_near = any(abs(each.at - moment) <= around for moment in moments)
        (near if is_near else far).append(each.milliseconds)
    return Spread(near or [0.0]), Spread(far or [0.0])


def main() -> None:
    """Measure and publish."""
    if deployed := os.environ.get("LOAD_URL"):
        load_deployed(deployed.rstrip("/"), os.environ.get("LOAD_CONNECTION", "demo"))
        return
    shown = Table(
        "load",
        f"Under load, {SECONDS} s each: the local system and its callers on one machine",
        COLUMNS,
        "locust, open loop: requests arrive at random, and a wait begins at the scheduled time."
        " Each request is signed. The gateway, moto and the fakes are one process; it shares the"
        " processors with the callers.",
    )
    with system() as url:
        connect()
        time.sleep(1)
        for scenario in SCENARIOS:
            if scenario.prefix == "kept-":
                fill()  # last, for moto is the slower the more it keeps
            before = requests_to(scenario.flow)
            seen = run(scenario, url)
            time.sleep(1)
            upstream = requests_to(scenario.flow) - before
            add(shown, scenario, seen, upstream)
            aim(shown, scenario, seen, upstream)
    shown.publish()


def load_deployed(url: str, connection: str) -> None:
    """Measure a deployed stage and publish it, without the requests to its vendor."""
    shown = Table(
        "load-deployed",
        f"Under load, {SECONDS} s each: a deployed stage",
        COLUMNS,
        "locust, open loop: requests arrive at random, and a wait begins at the scheduled time. It"
        " includes the network between the callers and AWS.",
    )
    for scenario in SCENARIOS[:4]:
        there = replace(scenario, rate=RATE, connection=connection)
        add(shown, there, run(there, url), None)
    shown.publish()


def add(shown: Table, scenario: Scenario, seen: Sequence[Seen], upstream: int | None) -> None:
    """Add a row with the target of no errors."""
    waits = Spread([each.milliseconds for each in seen])
    errors = sum(each.status != 200 for each in seen)
    tokens = len({each.fingerprint for each in seen} - {""})
    ended = max(each.at + each.milliseconds / 1000 for each in seen)
    lasted = ended - min(each.at for each in seen)
    shown.add(
        scenario.name, len(seen) / lasted, waits.median, waits.quantile(0.99),
        waits.quantile(0.999), errors, tokens, "" if upstream is None else upstream,
    )  # fmt: skip
    shown.targets.append(Target(f"{scenario.name}: errors", errors, 0))


def aim(shown: Table, scenario: Scenario, seen: Sequence[Seen], upstream: int) -> None:
    """Add the targets of a scenario."""
    tokens = len({each.fingerprint for each in seen} - {""})
    if scenario.connection == "demo" and not scenario.keys:
        shown.targets.append(Target(f"{scenario.name}: tokens in one lifetime", tokens, 1))
    if scenario.connection == "brief":
        near, far = split(seen)
        shown.facts["renewals"] = {
            "n": len(renewals(seen)),
            "near": [near.median, near.quantile(0.99), len(near.values)],
            "else": [far.median, far.quantile(0.99), len(far.values)],
        }
        for name, waits in (("near a renewal", near), ("else", far)):
            shown.add(
                f"- {name}",
                "",
                waits.median,
                waits.quantile(0.99),
                waits.quantile(0.999),
                "",
                "",
                "",
            )
        most = 1 + scenario.seconds / (0.8 * LIVES)
        shown.targets.append(Target("tokens end: tokens", tokens, most))
    if scenario.prefix == "kept-":
        shown.targets.append(Target(f"{scenario.name}: exchanges", upstream, 0))
    elif scenario.keys:
        shown.targets.append(
            Target(f"{scenario.name}: exchanges beyond one a key", upstream - tokens, 0)
        )
