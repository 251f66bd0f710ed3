"""Symmetry reduction: the states that the exploration treats as equal.

They differ only in

* the order of Lambdas: they are sorted;
* the number of leases and tokens so far: of a fence or generation it only matters whether it is
  current, of two tokens which one is older;
* a Lambda whose write must fail, and one that waits: the failed write changes nothing;
* a Lambda with a workspace's lease, and one that then requests its organization's token;
* a late write that must fail, and no write.
"""

from collections.abc import Sequence

from tests.protocol.model.exchange import asking
from tests.protocol.model.rules import Rules
from tests.protocol.model.state import Item, Lambda, Stage, State, Value, put
from tests.protocol.model.turn import losing

PAST = -1
"""An old fence or generation."""


def settled(rules: Rules, state: State) -> State:
    """Return *state* without writes that must fail, and with relative numbers.

    The result for one Lambda does not depend on the others.
    """
    if not state.occasions or [item for item in state.items if item.fence != 1]:
        state = without_lost(rules, state)
    for name, item in enumerate(state.items):
        if item.fence != 1 or item.generation != 2:
            state = shifted(state, name)
    return state


def frame(world: State) -> State:
    """Return the part of the world on which `settled` of a Lambda depends."""
    bare = [Item(generation=item.generation, fence=item.fence) for item in world.items]
    return State((), tuple(bare), (), (), (), 0, min(world.occasions, 1))


def has_twins(rules: Rules) -> bool:
    """Return whether variants 1 and 2 are symmetric."""
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
    """Return the gate with the variants 1 and 2 of its suspects exchanged."""
    if gate.suspects in (0, 6):
        return gate
    return gate._replace(suspects=6 - gate.suspects)


def for_other_variant(one: Lambda) -> Lambda:
    if one.outer:
        return one._replace(outer=one.outer._replace(item=TURN[one.outer.item]))
    return one._replace(item=TURN[one.item]) if one.item else one


def turn(values: tuple[Value, ...]) -> tuple[Value, ...]:
    """Return three values with the last two exchanged."""
    return values[0], values[2], values[1]


def without_lost(rules: Rules, state: State) -> State:
    """Return *state* without writes that must fail, and so change nothing."""
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
    """Return whether a Lambda has a workspace's lease, but not the organization's token."""
    return one.step == Stage.HOLDING and one.item > 0 and not one.using


def forgetful(one: Lambda) -> Lambda:
    """Return a Lambda without the token it might have reported."""
    return one if one.outer or not one.kept or one.step == Stage.MARKING else one._replace(kept=0)


def waiting(one: Lambda, fences: Sequence[int]) -> Lambda:
    """Return a Lambda that read an old fence as waiting: its write fails, and it reads again."""
    if one.step != Stage.ACQUIRING or one.fence == fences[one.item]:
        return one
    return losing(one)


def shifted(state: State, name: int) -> State:
    """Return *state* with fences and generations of item *name* relative to the current ones."""
    item = state.items[name]
    fence, generation = item.fence - 1, item.generation - 2
    return state._replace(
        items=put(state.items, name, item._replace(fence=1, generation=2)),
        lambdas=tuple([counted(one, name, fence, generation) for one in state.lambdas]),
        messages=tuple(sorted(counted(one, name, fence, generation) for one in state.messages)),
    )


def counted(one: Lambda, name: int, fence: int, generation: int) -> Lambda:
    """Return a Lambda with its fences and generations of item *name* made relative."""
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
    """Return *number* relative to *by*; all old ones are equal, and 0 is none."""
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
"""The bits for each item's tokens in a bit set of all tokens: more than any item has."""


def in_world(rules: Rules, world: State) -> int:
    """Return the tokens in the world, and 0 of each item, as a bit set."""
    names = range(len(world.items))
    return sum(1 << BITS * name + one for name in names for one in numbers_of(rules, world, name))


def in_lambda(rules: Rules, one: Lambda) -> int:
    """Return the tokens in a Lambda, as a bit set."""
    names = range(rules.scenario.items)
    return sum(1 << BITS * name + of for name in names for of in set(tokens(rules, one, name)))


def without_gaps(world: State) -> int:
    """Return the tokens from 0 to the last of each item, as a bit set."""
    return sum((2 << made) - 1 << BITS * name for name, made in enumerate(world.made))


def numbers_of(rules: Rules, world: State, name: int) -> set[int]:
    """Return the numbers of tokens of item *name* in the world, and 0."""
    numbers = {0, world.items[name].token, world.made[name]}
    if rules.scenario.renewals:
        numbers.add(world.sent)
    if name == 0:
        numbers.add(world.reported)
    for one in world.messages:
        numbers.update(tokens(rules, one, name))
    return numbers


def tokens(rules: Rules, one: Lambda, name: int) -> list[int]:
    """Return the numbers of tokens of item *name* in a Lambda."""
    numbers = []
    if one.result > 0 and one.item == name:
        numbers.append(one.result)
    if one.using > 0 and spends(rules, one) == name:
        numbers.append(one.using)
    if one.kept and name == 0:
        numbers.append(one.kept)
    return numbers


def spends(rules: Rules, one: Lambda) -> int:
    """Return the item whose token the exchange uses."""
    return 0 if rules.scenario.organization else one.item


def renumbered(rules: Rules, one: Lambda, name: int, ranks: dict[int, int]) -> Lambda:
    """Return a Lambda with its tokens of item *name* renumbered."""
    if one.result > 0 and one.item == name:
        one = one._replace(result=ranks[one.result])
    if one.using > 0 and spends(rules, one) == name:
        one = one._replace(using=ranks[one.using])
    if one.kept and name == 0:
        one = one._replace(kept=ranks[one.kept])
    return one
