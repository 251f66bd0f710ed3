"""Many callers at once, and no token yet: the vendor is asked once."""

import random
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from stack.account import Identity
from stack.system import Reply, System
from stack.table import Table

CALLERS = 64
TRIES = 10


def play(system: System, table: Table) -> None:
    """Have all of them ask for one token, each in a process of its own."""
    policies = [system.arn("CallVntana"), system.arn("Operate")]
    caller = system.account.session("crowd", *policies)
    system.connect("vntana", "crowded")
    with table.row(f"{CALLERS} processes are started, by and by") as row:
        for callers in (CALLERS // 4, CALLERS // 2, CALLERS):
            replies = at_once(lambda: system.call(caller, "GET", "/v1/vntana/crowded"), callers)
        row.seen.append(counted(replies))
    with table.row(f"{CALLERS} callers: one exchange, one token") as row:
        before = system.exchanges("vntana")
        replies = at_once(lambda: until_answered(system, caller), CALLERS)
        row.seen.append(counted(replies))
        row.sees({reply.status for reply in replies}, {200})
        row.sees(len({reply.body["fingerprint"] for reply in replies}), 1)
        row.sees(system.exchanges("vntana") - before, 1)


def until_answered(system: System, caller: Identity) -> Reply:
    """Ask for a token, and again as the client does: a busy machine lets functions wait for AWS."""
    for waited in range(TRIES):
        reply = system.token(caller, "vntana", "crowded")
        if reply.status < 500:
            break
        time.sleep(reply.body.get("retry_after", 1) + random.uniform(0, 4) * waited)  # noqa: S311 (jitter)
    return reply


def at_once(call: Callable[[], Reply], callers: int) -> list[Reply]:
    """Have so many *callers* make a call, and return the replies."""
    with ThreadPoolExecutor(callers) as pool:
        asked = [pool.submit(call) for _ in range(callers)]
        return [each.result() for each in asked]


def counted(replies: list[Reply]) -> str:
    """Tell how many replies there were of each kind."""
    return " · ".join(f"{n} x {reply}" for reply, n in Counter(map(str, replies)).most_common())
