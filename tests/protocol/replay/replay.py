"""Trace validation: checks each step of the shipped code against the model's transition relation.

Each write to the table, each request to the vendor and each returned token must end a short
sequence of moves that the model allows the same Lambda, from the items in the table and from the
Lambda's state in the model. In the model a read and its decision are one move; the replay makes it
when the code shows the decision. A step that the model does not allow is a violation of ``model``,
which names the step and the allowed moves.

An invocation that obtains one token to make another is a separate Lambda for each token; the model
has both in one (`Outer`).
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import product
from typing import TYPE_CHECKING, NamedTuple

from tests.protocol.model.calls import marks
from tests.protocol.model.decision import ACQUIRE, decide, is_live, is_stale
from tests.protocol.model.leases import acquires, may_acquire
from tests.protocol.model.moves import STEPS, forgets
from tests.protocol.model.rules import Rules, Scenario
from tests.protocol.model.state import Ask, Lambda, Lease, Move, Stage, State, put
from tests.protocol.model.state import Item as Abstract
from tests.protocol.model.turn import Turn
from tests.protocol.replay.mapping import Mapping, timeless, version
from tests.protocol.replay.threads import Thread, is_like
from tests.protocol.simulation.editor_user import CLEAR
from tests.protocol.simulation.excuses import KNOWN_FOR, SKEW_SECONDS
from tests.protocol.simulation.history import Update
from tests.protocol.simulation.invocations import Invocation, Sent
from tests.protocol.simulation.table import Place, Record
from tests.subjects import is_made_in_steps, keeps_gate_apart, renews
from token_broker.item import Item
from token_broker.tokens import ONLY, fingerprint

if TYPE_CHECKING:
    from tests.protocol.simulation.history import History

LOOK_SECONDS = 40
"""Seconds for which a process may use a version of the secret that it read."""

MAY = frozenset({"loss", "outage", "denial", "page", "unkept", "defect", "previous", "forget"})
CALLS = frozenset({"token", "check"})
"""Actions that obtain a token as a caller does."""

DECISIONS = ("hand out", "wait", "acquire", "fail", "refuse")

Key = tuple[str, str]


@dataclass(slots=True)
class Look:
    """The last read of an item by an invocation."""

    item: Item
    at: float
    slept: float
    generations: set[int]
    """The generations read before it waited: force needs a newer one."""


class Write(NamedTuple):
    """A write to the table, by the items before and after."""

    writer: Invocation
    variant: str
    old: Item
    new: Item


@dataclass(slots=True)
class Replay:
    """The model's state during one run."""

    history: "History"
    mapping: Mapping
    rules: Rules
    steps: int = 0
    """The number of replayed steps."""
    _looks: dict[Key, Look] = field(default_factory=dict)
    _memory: dict[Key, list[tuple[float, Item]]] = field(default_factory=dict)
    """The versions of an item that each process has read, with their times."""
    _gates: dict[str, list[Item]] = field(default_factory=dict)
    """The gate in each read of an invocation."""
    _threads: dict[str, list[Thread]] = field(default_factory=dict)
    _ended: dict[Key, Thread] = field(default_factory=dict)
    """Ended invocations whose writes may still arrive."""

    @classmethod
    def beside(cls, history: "History") -> "Replay":
        """Return the model for the flow of a run."""
        flow = history.plan.flow
        is_unclear = flow == "editor" and CLEAR not in history.plan.modes
        scenario = Scenario(
            flow,
            "a run of the shipped code",
            (1, 1),
            MAY,
            renewals=renews(flow),
            gate=keeps_gate_apart(flow),
            steps=1000,
            suspects=3 if is_unclear else 0,
        )
        return cls(history, Mapping(scenario.gate, SKEW_SECONDS), Rules(scenario))

    # Inputs from the simulation.

    def read(self, reader: Invocation, place: Place, record: Record | None) -> None:
        variant, now = place[1], self._now
        key, item = (reader.name, variant), self._item(variant, record)
        before = self._looks.get(key)
        has_waited = before and before.item.lease_owner and reader.slept > before.slept
        generations = before.generations if before else set()
        if not has_waited:
            generations.add(item.generation)
        self._looks[key] = Look(item, now, reader.slept, generations)
        self._memory.setdefault((reader.container, variant), []).append((now, item))
        if variant == ONLY:
            self._gates.setdefault(reader.name, []).append(item)

    def refused(self, writer: Invocation, place: Place, changes: str) -> None:
        """Check that the model also refuses an acquire whose condition failed."""
        variant = place[1]
        look = self._looks.get((writer.name, variant))
        if "#lease_owner = " not in changes or look is None:
            return
        seen, found = look.item, self._kept(variant)
        number = self.mapping.variant(variant)
        caller = Lambda(Stage.ACQUIRING, number, seen=seen.generation, fence=seen.fence)
        is_other = found.rejected_versions != seen.rejected_versions or is_of(found, writer)
        is_other |= found.held != seen.held  # the model has no holds: the judge checks them
        if not is_other and may_acquire(self.rules, self._map(found, writer), caller):
            self._fail(writer, variant, "is refused the lease", caller, ["takes the lease"])

    def written(self, update: Update) -> None:
        writer, variant = update.writer, update.variant
        old, new = self._item(variant, update.before), self._item(variant, update.after)
        write = Write(writer, variant, old, new)
        self._memory.setdefault((writer.container, variant), []).append((self._now, new))
        is_same = self._timeless(old, writer) == self._timeless(new, writer)
        is_kept = old.lease_owner == new.lease_owner
        if is_same and is_kept:
            return  # a claim or an event's version: not in the model
        self.steps += 1
        if new.lease_owner and not is_kept:
            self._acquired(write)
        elif writer.action in ("forget", "rotate") or (old.token and not new.token and is_kept):
            state = self._state(writer, variant, old)
            self._expect(write, [forgets(state, self.mapping.variant(variant))], writer.action)
        elif new.rejected and new.rejected != old.rejected:
            self._reported(write)
        elif new.target and not (old.lease_owner or new.lease_owner):
            return  # an alias, which needs no lease: nothing was sent
        elif not self.history.is_unshared(writer.version):
            self._held(write)

    def sent(self, sender: Invocation, sent: Sent) -> None:
        """Check that a request may be sent; the token of a check counts as returned."""
        if sender.verifies(sent):
            self._checked(sender, sent)
            return
        threads = self._threads.get(sender.name, [])
        if sender.action == "forget" or not threads:
            return  # a logout; or without a lease, which the judge checks
        self.steps += 1
        thread = threads[-1]
        state = self._state(sender, thread.variant, self._kept(thread.variant))
        if self._now + sent.seconds > sender.deadline:
            # Its answer may arrive after the platform has ended the lease's holder.
            number = self.mapping.variant(thread.variant)
            late = state.items[number]._replace(lease=Lease.LATE)
            state = state._replace(items=put(state.items, number, late))
        starts = [self._about_to_send(one, sent, sender) for one in thread.ones]
        found = {
            move.state.lambdas[0]._replace(using=0 if thread.is_made_of_others else one.using)
            for one, seen in product(starts, self._as_seen(state, sender))
            for move in thread.paths(self.rules, seen, one)
            if move.state.lambdas[0].step == Stage.SENT and move.state.lambdas[0].begun > one.begun
        }
        if not found:
            texts = self._texts(state, starts[0])
            self._fail(sender, thread.variant, f"sends {sent.step}", starts[0], texts)
        thread.ones, thread.last = frozenset(found or starts), sent

    def ended(self, invocation: Invocation) -> None:
        """Check the returned token, and end the Lambda."""
        for thread in self._threads.pop(invocation.name, []):
            self._ended[invocation.name, thread.variant] = thread
        name = invocation.answer.get("fingerprint")
        is_answer = invocation.end == "answered" and invocation.action == "token"
        # Only the maker's process knows a token that could not be stored.
        made = self.history.made.get(name or "")
        is_kept = name in self.history.kept and invocation.answer["source"] != "exchange"
        if is_answer and name and made and is_kept:
            may_be_stale = bool(invocation.answer["stale"])
            self._handed_out(invocation, made.key, name, may_be_stale=may_be_stale)

    # Checks of each step.

    def _acquired(self, write: Write) -> None:
        writer, variant, old, _ = write
        threads = self._threads.setdefault(writer.name, [])
        if self.history.is_gate(variant):
            return  # for a variant: `_about_to_send` and `_held` check it
        look = self._looks.get((writer.name, variant)) or Look(old, self._now, 0.0, set())
        caller = Lambda(Stage.WAITING, self.mapping.variant(variant))
        choices = self._choices(writer, look, is_nested=bool(threads))
        if ACQUIRE not in choices:
            allowed = {DECISIONS[choice] for choice in choices}
            self._fail(writer, variant, "takes the lease", caller, allowed)
        holder = next((i for i in self.history.wire.running.values() if is_of(old, i)), None)
        if holder and holder.ended is None and holder is not writer:
            what = f"takes over the lease of {holder.name}, which still runs"
            self._fail(writer, variant, what, caller, ["wait"])
        seen = look.item
        caller = caller._replace(step=Stage.ACQUIRING, seen=seen.generation, fence=seen.fence)
        state = self._state(writer, variant, old, caller)
        moves = list(acquires(Turn(self.rules, state, 0, caller)))
        self._expect(write, moves, "takes the lease")
        ones = frozenset({moves[0].state.lambdas[0]})
        threads.append(Thread(writer, variant, ones, is_made_in_steps(self.history.plan.flow)))

    def _choices(self, caller: Invocation, look: Look, *, is_nested: bool) -> set[int]:
        """Return the model's possible decisions for each view of what the code's caller read."""
        asks = [Ask.PLAIN]
        asks += [Ask.FORCED] if caller.event.get("force") else []
        is_for_version = is_nested or caller.action not in CALLS or look.item.target
        asks += [Ask.RENEWING] if is_for_version else []
        number, gate = self.mapping.variant(look.item.variant), None
        if self.rules.scenario.gate:
            gate = self._map(self._kept(ONLY), caller)
        generations = look.generations or {look.item.generation}
        return {
            decide(self.rules, view, Lambda(Stage.WAITING, number, ask, seen), secret, gate)
            for view in self._views(caller, look.item, look.at)
            for ask, seen, secret in product(asks, generations, self._secrets(caller))
        }

    def _views(self, caller: Invocation, seen: Item, at: float) -> Iterator[Abstract]:
        """Yield the views of a read item at *caller*'s clock, from the read until now."""
        for moment, offset in product((at, self._now), {caller.offset, *caller.offsets}):
            view = self.mapping.item(seen, int(moment + offset), caller.event.get("min_ttl"))
            is_reported = seen.fingerprint and seen.fingerprint == caller.rejected
            yield view._replace(rejected=1) if is_reported else view

    def _reported(self, write: Write) -> None:
        writer, variant, old, _ = write
        token = self._map(old, writer).token
        caller = Lambda(Stage.WAITING, self.mapping.variant(variant), kept=token)
        state = self._state(writer, variant, old, caller)
        moves = marks(Turn(self.rules, state, 0, caller))
        self._expect(write, moves, "reports")

    def _held(self, write: Write) -> None:
        """Check a write of a lease's holder: to its variant, or to the gate for the variant."""
        writer, variant, old, new = write
        is_gate = self.history.is_gate(variant)
        threads = self._threads.get(writer.name, [])
        own = [one for one in threads if is_gate or one.variant == variant]
        thread = own[-1] if own else self._ended.get((writer.name, variant))
        if thread is None:
            if not is_gate:
                self._fail(writer, variant, "writes without a lease", Lambda(), [])
            return
        number, made = self.mapping.variant(variant), self.mapping.token(new)
        before, wanted = self._timeless(old, writer), self._timeless(new, writer)
        state = self._state(writer, variant, old)
        gate = old.fence if is_gate and is_of(old, writer) else 0
        starts = [
            start
            for one in thread.ones
            for start in self._about_to_write(one, thread, state, 0 if is_gate else made, gate)
        ]
        state = state._replace(made=put(state.made, starts[0].item, made - 1))
        ends = {
            move.state.lambdas[0]._replace(gate=0)
            for start in starts
            for move in thread.paths(self.rules, state, start)
            if is_like(move.state.items[number], wanted)
        }
        if is_gate and before._replace(lease=Lease.FREE) == wanted and thread.is_made_of_others:
            # The exchange of its input failed: the write of this result follows.
            ends |= {
                one._replace(gate=0) for one in starts if one.step in (Stage.HOLDING, Stage.SENT)
            }
        if not ends:
            what = f"writes {before} -> {wanted}"
            self._fail(writer, variant, what, starts[0], self._texts(state, starts[0]))
        thread.ones = frozenset(ends or starts)
        if new.lease_owner is None and not is_gate:
            self._threads[writer.name] = [one for one in threads if one is not thread]
            self._ended[writer.name, variant] = thread

    def _as_seen(self, state: State, sender: Invocation) -> Iterator[State]:
        """Yield *state* with the current gate, and with the gates that *sender* read before."""
        yield state
        for gate in self._gates.get(sender.name, []) if self.rules.scenario.gate else []:
            yield state._replace(items=put(state.items, 0, self._map(gate, sender)))

    def _about_to_send(self, one: Lambda, sent: Sent, sender: Invocation) -> Lambda:
        """Return a Lambda with the token that its request uses, and its gate lease, if any."""
        gate = self._kept(ONLY)
        has_gate = self.rules.scenario.gate and is_of(gate, sender)
        one = one._replace(gate=gate.fence if has_gate else one.gate)
        if one.step in (Stage.HOLDING, Stage.SENT):
            one = one._replace(version=version(sender.read[-1]))
        if sent.step == "extend":
            return one  # only a mark as in use allows it
        return one._replace(using=0 if sent.credential else max(one.using, 1))

    @staticmethod
    def _about_to_write(
        one: Lambda, thread: Thread, state: State, made: int, gate: int
    ) -> Iterator[Lambda]:
        """Yield a Lambda with the token number that the code's write shows."""
        sent = thread.invocation.sent
        one = one._replace(gate=gate or one.gate)
        if made and one.result > 0:
            one = one._replace(result=made)
        if thread.is_made_of_others:
            one = one._replace(login=int(bool(sent and sent[-1].credential)))
        yield one
        if made and thread.is_made_of_others and one.step in (Stage.HOLDING, Stage.SENT):
            # Its input decides the target of the alias, without a request.
            yield one._replace(step=Stage.COMMITTING, result=made, version=state.secret)

    def _checked(self, sender: Invocation, sent: Sent) -> None:
        """Check that a check may use a stored token; its answer has no `stale` flag.

        As for any caller, the read of the table may be some time ago.
        """
        name = fingerprint(sent.bearer or "")
        made = self.history.made.get(name)
        if made and made.maker is not sender and name in self.history.kept:
            self._handed_out(sender, made.key, name, may_be_stale=True)

    def _handed_out(
        self, caller: Invocation, variant: str, name: str, *, may_be_stale: bool
    ) -> None:
        """Check that a stored token may be returned, by a read that is at most a minute old."""
        self.steps += 1
        views: list[Abstract] = []
        is_bounded = not caller.is_hindered and not self.history.plan.shifts
        for at, item in reversed(self._memory.get((caller.container, variant), [])):
            if is_bounded and at < caller.begun - KNOWN_FOR:
                break
            if item.fingerprint == name:
                views += self._views(caller, item, max(at, caller.begun))
        # Only the call that could not replace a token returns it as stale.
        if any(is_live(v) and (may_be_stale or not is_stale(self.rules, v)) for v in views):
            return
        one = Lambda(Stage.WAITING, self.mapping.variant(variant))
        what = f"returns {name[:6]} of {caller.answer.get('source', 'a check')}"
        self._fail(caller, variant, what, one, {str(view) for view in views})

    def _expect(self, write: Write, moves: Iterable[Move], what: str) -> None:
        """Check that one of *moves* leads to the written item."""
        writer, variant, old, new = write
        before, wanted = self._timeless(old, writer), self._timeless(new, writer)
        found, number = list(moves), self.mapping.variant(variant)
        if not any(timeless(move.state.items[number]) == wanted for move in found):
            texts = [move.text for move in found]
            self._fail(writer, variant, f"{what} {before} -> {wanted}", Lambda(), texts)

    # The run in terms of the model.

    @property
    def _now(self) -> float:
        return self.history.scheduler.now

    def _secrets(self, invocation: Invocation) -> set[int]:
        """Return the versions of the secret that an invocation may use."""
        names = [*invocation.read, *self.history.versions_since(invocation.begun - LOOK_SECONDS)]
        return {version(name) for name in names}

    def _state(
        self, actor: Invocation, variant: str, item: Item, one: Lambda | None = None
    ) -> State:
        """Return the model's state, with *item* in its place, by the clock of *actor*."""
        self.mapping.variant(variant)
        kept = [item if v == variant else self._kept(v) for v in list(self.mapping.variants)]
        return State(
            (one or Lambda(),),
            tuple(self._map(one, actor) for one in kept),
            made=(0,) * len(kept),
            credit=(1,) * len(kept),
            wrong=(0,) * len(self.history.settings),
            faults=9,
            occasions=9,
            good=-1,  # all: later steps show which answer came
            secret=version(actor.version) if actor.version else max(self._secrets(actor)),
        )

    def _map(self, item: Item, actor: Invocation) -> Abstract:
        offset = actor.offsets[-1] if actor.offsets else actor.offset
        return self.mapping.item(item, int(self._now + offset))

    def _timeless(self, item: Item, actor: Invocation) -> Abstract:
        return timeless(self._map(item, actor))

    def _kept(self, variant: str) -> Item:
        place = self.history.partition, variant
        return self._item(variant, self.history.table.records.get(place))

    def _item(self, variant: str, record: Record | None) -> Item:
        known = self.history
        return known.item(variant, record) if record else Item(known.partition, variant)

    def _texts(self, state: State, one: Lambda) -> set[str]:
        return {move.text for move in STEPS[one.step](Turn(self.rules, state, 0, one))}

    def _fail(
        self, actor: Invocation, variant: str, what: str, one: Lambda, allowed: Iterable[str]
    ) -> None:
        text = f"{actor.name} {what}, at {variant[:8]}; the model has {one} there"
        self.history.violate("model", f"{text} and allows: {'; '.join(allowed) or 'nothing'}")


def is_of(item: Item, invocation: Invocation) -> bool:
    return invocation.owns(item.lease_owner)
