"""Which states are one: what the exploration need not tell apart.

* Which Lambda is which: they are sorted.
* How often a lease was taken, and how many tokens there were: of fences and generations matters
  whether they are the present one, of tokens which is older.
* A Lambda that will lose its write for sure, and one that waits: losing changes nothing.
* A Lambda that has taken a workspace's lease, and one that asks for its organization's token.
* A late write that will lose for sure, and none.
"""

from collections.abc import Sequence

from tests.protocol.model.answers import losing
from tests.protocol.model.exchange import asking
from tests.protocol.model.rules import Rules
from tests.protocol.model.state import Item, Lambda, Stage, State, Value, put

PAST = -1
"""A fence or generation that never comes back."""


def settled(rules: Rules, state: State) -> State:
    """Return *state* with what is lost for sure given up, and its numbers counted anew.

    No Lambda decides what becomes of another one.
    """
    if not state.occasions or [item for item in state.items if item.fence != 1]:
        state = without_lost(rules, state)
    for name, item in enumerate(state.items):
        if item.fence != 1 or item.generation != 2:
            state = shifted(state, name)
    return state


def frame(world: State) -> State:
    """Return what decides how a Lambda is `settled`: a world with nothing else in it."""
    bare = [Item(generation=item.generation, fence=item.fence) for item in world.items]
    return State((), tuple(bare), (), (), (), 0, min(world.occasions, 1))


def has_twins(rules: Rules) -> bool:
    """Return whether each state has a twin that is the same to the protocol: variants 1 and 2."""
    return rules.scenario.items == 3 and rules.guards.key


TURN = (0, 2, 1)


def swapped(state: State) -> State:
    """Return *state* with variants 1 and 2 exchanged."""
    return state._replace(
        lambdas=tuple(for_other_variant(one) for one in state.lambdas),
        items=turn((other_suspects(state.items[0]), *state.items[1:])),
        made=turn(state.made),
        credit=turn(state.credit),
        messages=tuple(sorted(for_other_variant(one) for one in state.messages)),
    )


def other_suspects(gate: Item) -> Item:
    """Return the gate with the two variants exchanged that a version was refused for."""
    if gate.suspects in (0, 6):
        return gate
    return gate._replace(suspects=6 - gate.suspects)


def for_other_variant(one: Lambda) -> Lambda:
    """Return a Lambda that is about the other variant."""
    if one.outer:
        return one._replace(outer=one.outer._replace(item=TURN[one.outer.item]))
    return one._replace(item=TURN[one.item]) if one.item else one


def turn(values: tuple[Value, ...]) -> tuple[Value, ...]:
    """Return three values in their other order."""
    return values[0], values[2], values[1]


def without_lost(rules: Rules, state: State) -> State:
    """Return *state* without what will be lost for sure, which then changes nothing."""
    fences = [item.fence for item in state.items]
    lambdas, messages = state.lambdas, state.messages
    if rules.guards.swap_fence and rules.guards.loser:
        lambdas = tuple([waiting(one, fences) for one in lambdas])
    if rules.scenario.organization and rules.guards.ask:
        lambdas = tuple([asking(one) if is_about_to_ask(one) else one for one in lambdas])
    if messages and (rules.guards.fence or rules.guards.owner):
        messages = tuple(g for g in messages if g.step == Stage.SENT or g.fence == fences[g.item])
    if not state.occasions and "report" in rules.scenario.may:
        lambdas = tuple([forgetful(one) for one in lambdas])
    if lambdas == state.lambdas and messages == state.messages:
        return state
    return state._replace(lambdas=lambdas, messages=messages)


def is_about_to_ask(one: Lambda) -> bool:
    """Return whether a workspace's lease was taken, and the organization's token is not there yet."""
    return one.step == Stage.HOLDING and one.item > 0 and not one.using


def forgetful(one: Lambda) -> Lambda:
    """Return a Lambda without the token it might have reported."""
    return one if one.outer or not one.kept or one.step == Stage.MARKING else one._replace(kept=0)


def waiting(one: Lambda, fences: Sequence[int]) -> Lambda:
    """Return a Lambda that read an old fence as what it will be: it loses, and reads again."""
    if one.step != Stage.ACQUIRING or one.fence == fences[one.item]:
        return one
    return losing(one)


def shifted(state: State, name: int) -> State:
    """Return *state* with fences and generations of item *name* counted from the present ones."""
    item = state.items[name]
    fence, generation = item.fence - 1, item.generation - 2
    return state._replace(
        items=put(state.items, name, item._replace(fence=1, generation=2)),
        lambdas=tuple([counted(one, name, fence, generation) for one in state.lambdas]),
        messages=tuple(sorted(counted(one, name, fence, generation) for one in state.messages)),
    )


def counted(one: Lambda, name: int, fence: int, generation: int) -> Lambda:
    """Return a Lambda with its fences and generations of item *name* counted anew."""
    if one.item == name and (one.fence or one.seen):
        one = one._replace(fence=relative(one.fence, fence), seen=relative(one.seen, generation))
    if one.gate and name == 0:
        one = one._replace(gate=relative(one.gate, fence))
    outer = one.outer
    if outer and outer.item == name:
        fences = relative(outer.fence, fence), relative(outer.seen, generation)
        one = one._replace(outer=outer._replace(fence=fences[0], seen=fences[1]))
    return one


def relative(number: int, by: int) -> int:
    """Return *number* counted anew; all of the past are one, and 0 is none."""
    if not number or not by:
        return number
    return number - by if number > by else PAST


def ranked(rules: Rules, state: State) -> State:
    """Return *state* with the tokens of each item numbered without gaps."""
    for name in range(len(state.items)):
        state = ranked_of(rules, state, name)
    return state


def ranked_of(rules: Rules, state: State, name: int) -> State:
    """Return *state* with the tokens of item *name* numbered without gaps."""
    numbers = numbers_of(rules, state, name)
    for one in state.lambdas:
        numbers.update(tokens(rules, one, name))
    ranks = {number: rank for rank, number in enumerate(sorted(numbers))}
    item = state.items[name]
    return state._replace(
        items=put(state.items, name, item._replace(token=ranks[item.token])),
        made=put(state.made, name, ranks[state.made[name]]),
        sent=ranks[state.sent] if rules.scenario.renewals else state.sent,
        reported=state.reported if name else ranks[state.reported],
        lambdas=tuple(renumbered(rules, one, name, ranks) for one in state.lambdas),
        messages=tuple(sorted(renumbered(rules, one, name, ranks) for one in state.messages)),
    )


BITS = 16
"""More than the tokens of any item, in a number that has a bit for each token of each."""


def in_world(rules: Rules, world: State) -> int:
    """Return the tokens that the world remembers, and 0 of each item: a bit each."""
    names = range(len(world.items))
    return sum(1 << BITS * name + one for name in names for one in numbers_of(rules, world, name))


def in_lambda(rules: Rules, one: Lambda) -> int:
    """Return the tokens that a Lambda remembers, a bit each."""
    names = range(rules.scenario.items)
    return sum(1 << BITS * name + of for name in names for of in set(tokens(rules, one, name)))


def without_gaps(world: State) -> int:
    """Return the tokens from 0 to the last of each item, a bit each."""
    return sum((2 << made) - 1 << BITS * name for name, made in enumerate(world.made))


def numbers_of(rules: Rules, world: State, name: int) -> set[int]:
    """Return the numbers of tokens of item *name* that the world remembers, and 0."""
    numbers = {0, world.items[name].token, world.made[name]}
    if rules.scenario.renewals:
        numbers.add(world.sent)
    if name == 0:
        numbers.add(world.reported)
    for one in world.messages:
        numbers.update(tokens(rules, one, name))
    return numbers


def tokens(rules: Rules, one: Lambda, name: int) -> list[int]:
    """Return the numbers of tokens of item *name* that a Lambda remembers."""
    numbers = []
    if one.result > 0 and one.item == name:
        numbers.append(one.result)
    if one.using > 0 and spends(rules, one) == name:
        numbers.append(one.using)
    if one.kept and name == 0:
        numbers.append(one.kept)
    return numbers


def spends(rules: Rules, one: Lambda) -> int:
    """Return the item whose token the exchange spends."""
    return 0 if rules.scenario.organization else one.item


def renumbered(rules: Rules, one: Lambda, name: int, ranks: dict[int, int]) -> Lambda:
    """Return a Lambda with its tokens of item *name* numbered anew."""
    if one.result > 0 and one.item == name:
        one = one._replace(result=ranks[one.result])
    if one.using > 0 and spends(rules, one) == name:
        one = one._replace(using=ranks[one.using])
    if one.kept and name == 0:
        one = one._replace(kept=ranks[one.kept])
    return one
