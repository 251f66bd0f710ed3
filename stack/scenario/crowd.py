"""Many callers at once, and no token yet: the vendor is asked once."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

from stack.account import Identity
from stack.places import FLOWS
from stack.system import System
from stack.table import Table

CALLERS = 64


def play(system: System, table: Table) -> None:
    """Have all of them ask for one token, of each flow, each in a process of its own."""
    arns = [system.arn(f"Call{flow.capitalize()}") for flow in FLOWS]
    caller = system.account.session("crowd", *arns)
    for flow in FLOWS:
        crowd(system, table, caller, flow)


def crowd(system: System, table: Table, caller: Identity, flow: str) -> None:
    """Have all ask, and see one exchange and the same token for all."""
    system.connect(flow, "crowded")
    with table.row(f"{flow}: {CALLERS} callers, one exchange") as row:
        before = system.exchanges(flow)
        with ThreadPoolExecutor(CALLERS) as pool:
            asked = [pool.submit(system.token, caller, flow, "crowded") for _ in range(CALLERS)]
            replies = [each.result() for each in asked]
        row.seen.append(" · ".join(f"{n} x {reply}" for reply, n in counted(replies)))
        row.sees({reply.status for reply in replies}, {200})
        row.sees(len({reply.body["fingerprint"] for reply in replies}), 1)
        row.sees(system.exchanges(flow) - before, 1)


def counted(replies: list[object]) -> list[tuple[str, int]]:
    """Return how many replies there were of each kind."""
    return Counter(map(str, replies)).most_common()
