"""Concurrent callers without a token: one exchange."""

import random
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from stack.account import Identity
from stack.report import Report
from stack.system import Response, System

CALLERS = 64
ATTEMPTS = 10


def run(system: System, report: Report) -> None:
    """Request one token from many processes at the same time."""
    policies = [system.arn("CallVntana"), system.arn("Operate")]
    caller = system.account.session("concurrent", *policies)
    system.connect("vntana", "concurrent")
    path = "/v1/vntana/concurrent"
    with report.check(f"{CALLERS} processes start") as check:
        for callers in (CALLERS // 4, CALLERS // 2, CALLERS):
            responses = concurrently(lambda: system.call(caller, "GET", path), callers)
        check.note(count_by_kind(responses))
    with report.check(f"{CALLERS} callers: one exchange, one token") as check:
        before = system.exchanges("vntana")
        responses = concurrently(lambda: token_with_retries(system, caller), CALLERS)
        check.note(count_by_kind(responses))
        check.equals({response.status for response in responses}, {200})
        check.equals(len({response.body["fingerprint"] for response in responses}), 1)
        check.equals(system.exchanges("vntana") - before, 1)


def token_with_retries(system: System, caller: Identity) -> Response:
    """Request a token with the client's retries: on a busy machine AWS times out."""
    for attempt in range(ATTEMPTS):
        response = system.token(caller, "vntana", "concurrent")
        if response.status < 500:
            break
        time.sleep(response.body.get("retry_after", 1) + random.uniform(0, 4) * attempt)  # noqa: S311 (jitter)
    return response


def concurrently(call: Callable[[], Response], callers: int) -> list[Response]:
    """Make *call* in so many threads, and return the responses."""
    with ThreadPoolExecutor(callers) as pool:
        futures = [pool.submit(call) for _ in range(callers)]
        return [future.result() for future in futures]


def count_by_kind(responses: list[Response]) -> str:
    """Return the number of responses of each kind, as text."""
    counts = Counter(map(str, responses)).most_common()
    return " · ".join(f"{count} x {response}" for response, count in counts)
