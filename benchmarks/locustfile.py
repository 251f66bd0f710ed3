"""Locust's callers: they request tokens and record the answers.

Requests arrive as a Poisson process with a given mean rate, independent of earlier requests. The
latency counts from the scheduled time, so that a slow system cannot hide its delay (coordinated
omission).
"""

import json
import os
import random
import time
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import gevent
from locust import FastHttpUser, events, task

from token_broker.aws.endpoints import Credentials
from token_broker.aws.fast_client import authorization

SCENARIO = json.loads(os.environ["SCENARIO"])
CREDENTIALS = Credentials(
    os.environ.get("AWS_ACCESS_KEY_ID", "local"),
    os.environ.get("AWS_SECRET_ACCESS_KEY", "local"),
    os.environ.get("AWS_SESSION_TOKEN"),
    os.environ.get("AWS_REGION", "eu-west-1"),
)
DICE = random.Random(7)
PREFIX = urlsplit(SCENARIO["url"]).path.rstrip("/")
"""The stage, in the URL of a deployed API."""

RATE = SCENARIO["rate"] / SCENARIO["callers"]
seen: list[tuple[float, float, int, str]] = []
"""The scheduled time, the milliseconds since then, the status and the token's fingerprint."""


class Caller(FastHttpUser):  # type: ignore[misc]  # locust has no types here
    """Requests a token repeatedly."""

    host = SCENARIO["url"].rstrip("/")
    network_timeout = connection_timeout = 30.0

    def on_start(self) -> None:
        """Draw the first scheduled time."""
        self.due = time.time() + DICE.expovariate(RATE)
        gevent.sleep(self.wait_time())

    def wait_time(self) -> float:
        """Return the seconds until the next request."""
        return max(0.0, self.due - time.time())

    @task  # type: ignore[untyped-decorator]  # as above
    def token(self) -> None:
        """Send one request."""
        flow, connection = SCENARIO["flow"], SCENARIO["connection"]
        path = f"/v1/{flow}/{connection}/token"
        body = json.dumps(request_body()).encode()
        due = self.due
        self.due += DICE.expovariate(RATE)
        with self.client.post(
            path, data=body, headers=signed(path, body), catch_response=True, name=flow
        ) as answer:
            taken = (time.time() - due) * 1000
            content: Any = answer.json() if answer.status_code == 200 else {}
            seen.append((due, taken, answer.status_code, content.get("fingerprint", "")))
            answer.success()


def request_body() -> dict[str, Any]:
    """Return a body: for one of many keys, or for the only one."""
    if not SCENARIO["keys"]:
        return {}
    return {"parameters": {"userId": f"{SCENARIO['prefix']}{DICE.randrange(SCENARIO['keys'])}"}}


def signed(path: str, body: bytes) -> dict[str, str]:
    """Return the headers that sign a request."""
    headers = {
        "host": urlsplit(SCENARIO["url"]).netloc,
        "content-type": "application/json",
        "x-amz-date": time.strftime("%Y%m%dT%H%M%SZ", time.gmtime()),
        "x-amz-content-sha256": sha256(body).hexdigest(),
    }
    if CREDENTIALS.session_token:
        headers["x-amz-security-token"] = CREDENTIALS.session_token
    signature = authorization(CREDENTIALS, "execute-api", headers, body, path=f"{PREFIX}{path}")
    return headers | {"authorization": signature}


@events.quitting.add_listener  # type: ignore[untyped-decorator]  # as above
def write(**_: object) -> None:
    """Write the recorded answers."""
    Path(SCENARIO["out"]).write_text(json.dumps(seen))
