"""Readable counterexamples: the actor and text of each move, and the changes of the table."""

from collections.abc import Iterator

from tests.protocol.model.explorer import Exploration, Found
from tests.protocol.model.moves import moves, start
from tests.protocol.model.state import Item, Move, State
from tests.protocol.model.symmetry import without_lost

NAMES = "ABCDEFGH"
AGES = ("ended", "due for renewal", "fresh")
LEASES = ("no lease", "leased", "leased, late", "lease over")
RENEWALS = ("", "renewal ready", "renewal in use")
FAILURES = ("", "failed, waits", "failed")


def path(seen: Exploration, found: Found) -> Iterator[Move]:
    """Yield the moves to the violation *found*, with each Lambda in its place."""
    chain = [found.at]
    while seen.parents[chain[-1]] >= 0:
        chain.append(seen.parents[chain[-1]])
    space, rules = seen.space, seen.space.rules
    state = start(rules)
    for number in reversed(chain[:-1]):
        target = seen.states[number]
        move = next(m for m in moves(rules, state) if space.key(m.state) == target)
        state = without_lost(rules, move.state)
        yield move
    if found.move:
        yield next(m for m in moves(rules, state) if (m.text, space.key(m.state)) == found.move)


def lines(seen: Exploration, found: Found) -> Iterator[str]:
    """Yield a line for each move, with its changes of the table."""
    before = start(seen.space.rules)
    for number, move in enumerate(path(seen, found), 1):
        who = NAMES[move.actor] if move.actor >= 0 else " "
        changes = "; ".join(_changes(before, move.state))
        yield f"{number:3}  {who}  {move.text:<62} {changes}".rstrip()
        before = move.state
    if not found.move:
        yield "     stuck: no move is enabled, and a caller still waits"


def _changes(before: State, after: State) -> Iterator[str]:
    for name, (old, new) in enumerate(zip(before.items, after.items, strict=True)):
        if old != new:
            label = f"item {name}: " if len(after.items) > 1 else ""
            yield label + ", ".join(filter(None, _facts(new)))
    if before.made != after.made:
        yield "live upstream: " + ", ".join(f"token {number}" for number in after.made if number)


def _facts(item: Item) -> Iterator[str]:
    yield f"token {item.token} {AGES[item.age]}" if item.token else "no token"
    yield f"fence {item.fence - 1}"
    yield LEASES[item.lease]
    yield RENEWALS[item.renewal]
    yield "rejected" if item.rejected else ""
    yield FAILURES[item.failure]
    yield f"version {item.latch.bit_length() - 1} latched" if item.latch else ""
    yield f"version {item.suspect} suspect" if item.suspect >= 0 else ""
    yield f"version {item.accepted} accepted" if item.accepted >= 0 else ""
