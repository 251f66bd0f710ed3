"""Many callers at once, and no token yet: the vendor is asked once."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from stack.system import Reply, System
from stack.table import Table

CALLERS = 64


def play(system: System, table: Table) -> None:
    """Have all of them ask for one token, each in a process of its own."""
    policies = [system.arn("CallVntana"), system.arn("Operate")]
    caller = system.account.session("crowd", *policies)
    system.connect("vntana", "crowded")
    with table.row(f"{CALLERS} processes are started") as row:
        replies = at_once(lambda: system.call(caller, "GET", "/v1/vntana/crowded"))
        row.seen.append(counted(replies))
    with table.row(f"{CALLERS} callers: one exchange, one token") as row:
        before = system.exchanges("vntana")
        replies = at_once(lambda: system.token(caller, "vntana", "crowded"))
        row.seen.append(counted(replies))
        row.sees({reply.status for reply in replies}, {200})
        row.sees(len({reply.body["fingerprint"] for reply in replies}), 1)
        row.sees(system.exchanges("vntana") - before, 1)


def at_once(call: Callable[[], Reply]) -> list[Reply]:
    """Have every caller make a call, and return the replies."""
    with ThreadPoolExecutor(CALLERS) as pool:
        asked = [pool.submit(call) for _ in range(CALLERS)]
        return [each.result() for each in asked]


def counted(replies: list[Reply]) -> str:
    """Tell how many replies there were of each kind."""
    return " · ".join(f"{n} x {reply}" for reply, n in Counter(map(str, replies)).most_common())
