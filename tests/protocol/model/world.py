"""Moves of the environment: time, changes of the secret, late messages."""

from collections.abc import Iterator

from tests.protocol.model.answers import may
from tests.protocol.model.commit import done, may_commit
from tests.protocol.model.deaths import WORLD
from tests.protocol.model.rules import Rules
from tests.protocol.model.state import Age, End, Failure, Item, Move, Stage, State, put, worth
from tests.protocol.model.upstream import processed


def happens(rules: Rules, state: State) -> Iterator[Move]:
    """Yield the moves of the environment."""
    for name in range(len(state.items)):
        yield from ages(rules, state, name)
    for message in range(len(state.messages)):
        yield from arrives(rules, state, message)
    if may(rules, state, "rotation") and state.secret + 1 < len(state.wrong):
        yield rotates(state)
    if may(rules, state, "expel") and state.good >> state.secret & 1:
        yield expels(state)


def expels(state: State) -> Move:
    """The upstream rejects a version that it accepted before."""
    after = state._replace(good=state.good & ~(1 << state.secret), occasions=state.occasions - 1)
    return Move(WORLD, "the upstream no longer accepts the credentials", after, (), fair=False)


def forgets(state: State, name: int) -> Move:
    """An operator forgets: fence, generation and a lease stay."""
    item = state.items[name]
    bare = Item(generation=item.generation, fence=item.fence, lease=item.lease)
    after = state._replace(
        items=put(state.items, name, bare),
        wrong=(0,) * len(state.wrong) if item.latch or item.suspect >= 0 else state.wrong,
        occasions=state.occasions - 1,
    )
    text = f"an operator forgets {name}"
    return Move(WORLD, text, after._replace(credit=(1,) * len(after.credit)), (), fair=False)


def rotates(state: State) -> Move:
    """The secret gets a new version, which justifies an exchange of each item."""
    after = state._replace(
        secret=state.secret + 1, credit=(1,) * len(state.credit), occasions=state.occasions - 1
    )
    return Move(WORLD, "the secret gets a new version", after, (), fair=False)


def ages(rules: Rules, state: State, name: int) -> Iterator[Move]:
    """A token ages, or a failure reaches its `retry_at`."""
    item = state.items[name]
    if item.age == Age.FRESH and may(rules, state, "end"):
        aged = worth(state, name)._replace(
            items=put(state.items, name, item._replace(age=Age.AGING)),
            occasions=state.occasions - 1,
        )
        yield Move(WORLD, f"the token of {name} is due for renewal", aged, (), fair=False)
    if item.age == Age.AGING:
        ended = state._replace(items=put(state.items, name, item._replace(age=Age.DEAD)))
        yield Move(WORLD, f"the token of {name} ends", ended, (), fair=False)
    if may(rules, state, "forget") and (item.token or item.latch or item.suspect >= 0):
        yield forgets(state, name)
    if item.early:
        later = state._replace(items=put(state.items, name, item._replace(early=0)))
        text = f"a minute is over since the rejection at {name}"
        yield Move(WORLD, text, later._replace(credit=(1,) * len(state.credit)), (), fair=False)
    if item.failure == Failure.PATIENT:
        due = worth(state, name)._replace(
            items=put(state.items, name, item._replace(failure=Failure.DUE))
        )
        yield Move(WORLD, f"the failure of {name} is due for another try", due, (), fair=False)


def arrives(rules: Rules, state: State, place: int) -> Iterator[Move]:
    """A message of a crashed Lambda arrives, or is lost."""
    message = state.messages[place]
    rest = state._replace(messages=state.messages[:place] + state.messages[place + 1 :])
    if message.step == Stage.SENT:
        after = processed(rules, rest, message)[0]._replace(wrong=state.wrong)
        yield Move(WORLD, "a late request is processed", after, (), fair=True)
        yield Move(WORLD, "a late request is lost", rest, (), fair=True)
        return
    item = rest.items[message.item]
    yield Move(WORLD, "a late write is lost", rest, (), fair=True)
    if may_commit(rules, item, message):
        after = done(rules, rest, message)
        ended = item.lease != after.items[message.item].lease
        own = (End(item.fence == message.fence),) if ended else ()
        yield Move(WORLD, "a late write arrives", after, own, fair=True)
