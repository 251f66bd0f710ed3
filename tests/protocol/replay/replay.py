"""Replays what the shipped code does in a run through the model's own transition relation.

Each write to the table, each request to the vendor and each token that is handed out has to be the
last of a few moves that the model allows the same Lambda: from the items as the table has them, and
from where the model has that Lambda. A read and what is decided by it are one move of the model's;
it is made when the code shows what it decided. What the model does not allow is a violation of
``model`` that names both.

An invocation that obtains one token to make another is, here, a Lambda for each of them; the model
has both in one (`Outer`).
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import product
from typing import TYPE_CHECKING

from tests.protocol.model.calls import marks
from tests.protocol.model.decision import ACQUIRE, decide, is_live, is_stale
from tests.protocol.model.leases import acquires, may_acquire
from tests.protocol.model.moves import STEPS
from tests.protocol.model.rules import Rules, Scenario
from tests.protocol.model.state import Ask, Lambda, Lease, Move, Stage, State, put
from tests.protocol.model.state import Item as Abstract
from tests.protocol.model.world import forgets
from tests.protocol.replay.mapping import Mapping, timeless, version
from tests.protocol.replay.threads import Thread, is_like
from tests.protocol.simulation.checking import is_harmless
from tests.protocol.simulation.editor_application import CLEAR
from tests.protocol.simulation.excuses import KNOWN_FOR, SKEW_SECONDS
from tests.protocol.simulation.invocations import Invocation, Sent
from tests.protocol.simulation.table import Place, Record
from tests.subjects import is_made_in_steps, keeps_gate_apart, renews
from token_broker.item import Item
from token_broker.tokens import ONLY, fingerprint

if TYPE_CHECKING:
    from tests.protocol.simulation.judge import Judge

LOOK_SECONDS = 40
"""Seconds for which a process may go by a version of the secret that it read."""

MAY = frozenset({"loss", "outage", "denial", "page", "unkept", "defect", "previous", "forget"})
CALLS = frozenset({"token", "check"})
"""What gets a token as a caller does."""

DECISIONS = ("hand out", "wait", "acquire", "fail", "refuse")

Key = tuple[str, str]


@dataclass(slots=True)
class Look:
    """What an invocation last read of an item."""

    item: Item
    at: float
    slept: float
    generations: set[int]
    """Those that it read before it waited for the item: force is for one that is newer."""


@dataclass(slots=True)
class Replay:
    """The model beside one run."""

    judge: "Judge"
    mapping: Mapping
    rules: Rules
    steps: int = 0
    """What was replayed."""
    _looks: dict[Key, Look] = field(default_factory=dict)
    _memory: dict[Key, list[tuple[float, Item]]] = field(default_factory=dict)
    """What each process knew of an item, and since when."""
    _gates: dict[str, list[Item]] = field(default_factory=dict)
    """The gate, each time that an invocation read it."""
    _threads: dict[str, list[Thread]] = field(default_factory=dict)
    _ended: dict[Key, Thread] = field(default_factory=dict)
    """Those whose writes may still arrive."""

    @classmethod
    def beside(cls, judge: "Judge") -> "Replay":
        """Return the model for the flow of a run."""
        flow = judge.plan.flow
        is_unclear = flow == "editor" and CLEAR not in judge.plan.modes
        scenario = Scenario(
            flow,
            "a run of the shipped code",
            faults=1,
            occasions=1,
            may=MAY,
            renewals=renews(flow),
            gate=keeps_gate_apart(flow),
            steps=1000,
            suspects=3 if is_unclear else 0,
        )
        return cls(judge, Mapping(scenario.gate, SKEW_SECONDS), Rules(scenario))

    # What the simulation tells.

    def read(self, reader: Invocation, place: Place, record: Record | None) -> None:
        """Remember what an invocation read."""
        key, item, now = (reader.name, place[1]), self._item(place, record), self._now
        before = self._looks.get(key)
        has_waited = before and before.item.lease_owner and reader.slept > before.slept
        generations = before.generations if before else set()
        if not has_waited:
            generations.add(item.generation)
        self._looks[key] = Look(item, now, reader.slept, generations)
        self._memory.setdefault((reader.container, place[1]), []).append((now, item))
        if place[1] == ONLY:
            self._gates.setdefault(reader.name, []).append(item)

    def refused(self, writer: Invocation, place: Place, changes: str) -> None:
        """Judge that a lease was not acquired: only where the model says so."""
        look = self._looks.get((writer.name, place[1]))
        if "#lease_owner = " not in changes or look is None:
            return
        seen, found = look.item, self._kept(place)
        number = self.mapping.variant(place[1])
        caller = Lambda(Stage.ACQUIRING, number, seen=seen.generation, fence=seen.fence)
        is_other = found.rejected_versions != seen.rejected_versions or is_of(found, writer)
        is_other |= found.held != seen.held  # the model has no holds: `Holding` judges them
        if not is_other and may_acquire(self.rules, self._map(found, writer), caller):
            self._fail(writer, place, "is refused the lease", caller, ["takes the lease"])

    def written(self, writer: Invocation, place: Place, before: Record, after: Record) -> None:
        """Judge one write."""
        old, new = self._item(place, before), self._item(place, after)
        self._memory.setdefault((writer.container, place[1]), []).append((self._now, new))
        one, other = timeless(self._map(old, writer)), timeless(self._map(new, writer))
        is_kept = old.lease_owner == new.lease_owner
        if one == other and is_kept:
            return  # a claim, an event's version: nothing that the model knows
        self.steps += 1
        if new.lease_owner and not is_kept:
            self._acquired(writer, place, old, new)
        elif writer.action in ("forget", "rotate") or (old.token and not new.token and is_kept):
            state = self._state(writer, place, old)
            moves = [forgets(state, self.mapping.variant(place[1]))]
            self._expect(writer, place, (old, new), moves, writer.action)
        elif new.rejected and new.rejected != old.rejected:
            self._reported(writer, place, old, new)
        elif new.target and not (old.lease_owner or new.lease_owner):
            return  # an alias, which is kept without a lease: nothing was sent
        elif not self.judge.is_unshared(next(reversed(writer.read), None)):
            self._held(writer, place, old, new)

    def sent(self, sender: Invocation, sent: Sent) -> None:
        """Judge that a request may be sent; a check's token as if it were handed out."""
        if is_harmless(sender, sent):
            self._checked(sender, sent)
            return
        threads = self._threads.get(sender.name, [])
        if sender.action == "forget" or not threads:
            return  # a logout; or without a lease, and the judge sees to that
        self.steps += 1
        thread = threads[-1]
        place = self.judge.partition, thread.variant
        state = self._state(sender, place, self._kept(place))
        if self._now + sent.seconds > sender.deadline:
            # Its answer may come when the platform has ended the holder of the lease.
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
            self._fail(sender, place, f"sends {sent.request.step}", starts[0], texts)
        thread.ones, thread.last = frozenset(found or starts), sent

    def ended(self, invocation: Invocation) -> None:
        """Judge what was handed out, and let the Lambda go."""
        for thread in self._threads.pop(invocation.name, []):
            self._ended[invocation.name, thread.variant] = thread
        name = invocation.answer.get("fingerprint")
        is_answer = invocation.end == "answered" and invocation.action == "token"
        # What could not be kept, is known to its maker's process alone.
        made = self.judge.made.get(name or "")
        is_kept = name in self.judge.kept and invocation.answer["source"] != "exchange"
        if is_answer and name and made and is_kept:
            may_be_stale = bool(invocation.answer["stale"])
            self._handed_out(invocation, made.key, name, may_be_stale=may_be_stale)

    # What is made of it.

    def _acquired(self, writer: Invocation, place: Place, old: Item, new: Item) -> None:
        threads = self._threads.setdefault(writer.name, [])
        if place[1] == ONLY and self.rules.scenario.gate:
            return  # for the sake of a variant: `_about_to_send` and `_held` look for it
        look = self._looks.get((writer.name, place[1])) or Look(old, self._now, 0.0, set())
        caller = Lambda(Stage.WAITING, self.mapping.variant(place[1]))
        if ACQUIRE not in self._choices(writer, look, is_nested=bool(threads)):
            choices = self._choices(writer, look, is_nested=bool(threads))
            self._fail(writer, place, "takes the lease", caller, {DECISIONS[c] for c in choices})
        holder = next((i for i in self.judge.wire.running.values() if is_of(old, i)), None)
        if holder and holder.ended is None and holder is not writer:
            what = f"takes over the lease of {holder.name}, who lives"
            self._fail(writer, place, what, caller, ["wait"])
        seen = look.item
        caller = caller._replace(step=Stage.ACQUIRING, seen=seen.generation, fence=seen.fence)
        state = self._state(writer, place, old, caller)
        moves = list(acquires(self.rules, state, 0, caller))
        self._expect(writer, place, (old, new), moves, "takes the lease")
        ones = frozenset({moves[0].state.lambdas[0]})
        threads.append(Thread(writer, place[1], ones, is_made_in_steps(self.judge.plan.flow)))

    def _choices(self, caller: Invocation, look: Look, *, is_nested: bool) -> set[int]:
        """Return what the model's caller may do, by each way to see what the code's one read."""
        asks = [Ask.PLAIN]
        asks += [Ask.FORCED] if caller.event.get("force") else []
        is_for_version = is_nested or caller.action not in CALLS or look.item.target
        asks += [Ask.RENEWING] if is_for_version else []
        number, gate = self.mapping.variant(look.item.variant), None
        if self.rules.scenario.gate:
            gate = self._map(self._kept((self.judge.partition, ONLY)), caller)
        generations = look.generations or {look.item.generation}
        return {
            decide(self.rules, view, Lambda(Stage.WAITING, number, ask, seen), secret, gate)
            for view in self._views(caller, look.item, look.at)
            for ask, seen, secret in product(asks, generations, self._secrets(caller))
        }

    def _views(self, caller: Invocation, seen: Item, at: float) -> Iterator[Abstract]:
        """Yield what *caller* may see in what it read, from then until now."""
        for moment, offset in product((at, self._now), {caller.offset, *caller.offsets}):
            view = self.mapping.item(seen, int(moment + offset), caller.event.get("min_ttl"))
            is_reported = seen.fingerprint and seen.fingerprint == caller.rejected
            yield view._replace(rejected=1) if is_reported else view

    def _reported(self, writer: Invocation, place: Place, old: Item, new: Item) -> None:
        token = self._map(old, writer).token
        caller = Lambda(Stage.WAITING, self.mapping.variant(place[1]), kept=token)
        moves = marks(self.rules, self._state(writer, place, old, caller), 0, caller)
        self._expect(writer, place, (old, new), moves, "reports")

    def _held(self, writer: Invocation, place: Place, old: Item, new: Item) -> None:
        """Judge a write of one who has a lease: of the variant, or of the gate for its sake."""
        is_gate = place[1] == ONLY and self.rules.scenario.gate
        threads = self._threads.get(writer.name, [])
        own = [one for one in threads if is_gate or one.variant == place[1]]
        thread = own[-1] if own else self._ended.get((writer.name, place[1]))
        if thread is None:
            if not is_gate:
                self._fail(writer, place, "writes without a lease", Lambda(), [])
            return
        number, wanted = self.mapping.variant(place[1]), timeless(self._map(new, writer))
        state = self._state(writer, place, old)
        made = self.mapping.token(new)
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
        is_ended = timeless(self._map(old, writer))._replace(lease=Lease.FREE) == wanted
        if is_gate and is_ended and thread.is_made_of_others:
            # By what it is made from, which failed: what comes of that is yet to be written.
            ends |= {
                one._replace(gate=0) for one in starts if one.step in (Stage.HOLDING, Stage.SENT)
            }
        if not ends:
            how = f" {timeless(self._map(old, writer))} -> {wanted}"
            self._fail(writer, place, "writes" + how, starts[0], self._texts(state, starts[0]))
        thread.ones = frozenset(ends or starts)
        if new.lease_owner is None and not is_gate:
            self._threads[writer.name] = [one for one in threads if one is not thread]
            self._ended[writer.name, place[1]] = thread

    def _as_seen(self, state: State, sender: Invocation) -> Iterator[State]:
        """Yield *state* with the gate as it is, and as *sender* read it before: it is no lease."""
        yield state
        for gate in self._gates.get(sender.name, []) if self.rules.scenario.gate else []:
            yield state._replace(items=put(state.items, 0, self._map(gate, sender)))

    def _about_to_send(self, one: Lambda, sent: Sent, sender: Invocation) -> Lambda:
        """Return a Lambda with what it spends in a request, and the gate's lease if it has that."""
        gate = self._kept((self.judge.partition, ONLY))
        has_gate = self.rules.scenario.gate and is_of(gate, sender)
        one = one._replace(gate=gate.fence if has_gate else one.gate)
        if one.step in (Stage.HOLDING, Stage.SENT):
            one = one._replace(version=version(sender.read[-1]))
        if sent.request.step == "extend":
            return one  # it is allowed by what was marked as in use, or not at all
        return one._replace(using=0 if sent.credential else max(one.using, 1))

    @staticmethod
    def _about_to_write(
        one: Lambda, thread: Thread, state: State, made: int, gate: int
    ) -> Iterator[Lambda]:
        """Yield a Lambda with what the code shows by its write: the number of its token."""
        sent = thread.invocation.sent
        one = one._replace(gate=gate or one.gate)
        if made and one.result > 0:
            one = one._replace(result=made)
        if thread.is_made_of_others:
            one = one._replace(login=int(bool(sent and sent[-1].credential)))
        yield one
        if made and thread.is_made_of_others and one.step in (Stage.HOLDING, Stage.SENT):
            # What it is made from says where it leads to: with no request of its own.
            yield one._replace(step=Stage.COMMITTING, result=made, version=state.secret)

    def _checked(self, sender: Invocation, sent: Sent) -> None:
        """Judge that a check may use a token that it did not make: it does not say if it is stale.

        What it found in the table it may have read a while ago, as any caller may.
        """
        name = fingerprint(sent.bearer or "")
        made = self.judge.made.get(name)
        if made and made.maker is not sender and name in self.judge.kept:
            self._handed_out(sender, made.key, name, may_be_stale=True)

    def _handed_out(
        self, caller: Invocation, variant: str, name: str, *, may_be_stale: bool
    ) -> None:
        """Judge that a kept token may be handed out: by a read that is at most a minute old."""
        self.steps += 1
        views: list[Abstract] = []
        is_bounded = not caller.is_hindered and not self.judge.plan.shifts
        for at, item in reversed(self._memory.get((caller.container, variant), [])):
            if is_bounded and at < caller.begun - KNOWN_FOR:
                break
            if item.fingerprint == name:
                views += self._views(caller, item, max(at, caller.begun))
        # A token that one call could not replace is called stale by that call alone.
        if any(is_live(v) and (may_be_stale or not is_stale(self.rules, v)) for v in views):
            return
        place, one = (
            (self.judge.partition, variant),
            Lambda(Stage.WAITING, self.mapping.variant(variant)),
        )
        what = f"hands out {name[:6]} of {caller.answer.get('source', 'a check')}"
        self._fail(caller, place, what, one, {str(view) for view in views})

    def _expect(
        self,
        writer: Invocation,
        place: Place,
        change: tuple[Item, Item],
        moves: Iterable[Move],
        what: str,
    ) -> None:
        """Judge that one of *moves* leads to the item as it was written."""
        before, wanted = (timeless(self._map(item, writer)) for item in change)
        found, number = list(moves), self.mapping.variant(place[1])
        if not any(timeless(move.state.items[number]) == wanted for move in found):
            texts = [move.text for move in found]
            self._fail(writer, place, f"{what} {before} -> {wanted}", Lambda(), texts)

    # How the model sees the run.

    @property
    def _now(self) -> float:
        return self.judge.scheduler.now

    def _secrets(self, invocation: Invocation) -> set[int]:
        """Return the versions of the secret that an invocation may go by."""
        names = [*invocation.read, *self.judge.versions_since(invocation.begun - LOOK_SECONDS)]
        return {version(name) for name in names}

    def _state(
        self, actor: Invocation, place: Place, item: Item, one: Lambda | None = None
    ) -> State:
        """Return the model's state, with *item* in its place, by the clock of *actor*."""
        self.mapping.variant(place[1])
        variants = list(self.mapping.variants)
        kept = [item if v == place[1] else self._kept((place[0], v)) for v in variants]
        return State(
            (one or Lambda(),),
            tuple(self._map(one, actor) for one in kept),
            made=(0,) * len(kept),
            credit=(1,) * len(kept),
            wrong=(0,) * len(self.judge.settings),
            faults=9,
            occasions=9,
            good=-1,  # all: which answer came is seen by what follows
            secret=version(actor.read[-1]) if actor.read else max(self._secrets(actor)),
        )

    def _map(self, item: Item, actor: Invocation) -> Abstract:
        offset = actor.offsets[-1] if actor.offsets else actor.offset
        return self.mapping.item(item, int(self._now + offset))

    def _kept(self, place: Place) -> Item:
        return self._item(place, self.judge.table.records.get(place))

    def _item(self, place: Place, record: Record | None) -> Item:
        return self.judge.item(place[1], record) if record else Item(place[0], place[1])

    def _texts(self, state: State, one: Lambda) -> set[str]:
        return {move.text for move in STEPS[one.step](self.rules, state, 0, one)}

    def _fail(
        self, actor: Invocation, place: Place, what: str, one: Lambda, allowed: Iterable[str]
    ) -> None:
        text = f"{actor.name} {what}, at {place[1][:8]}; the model has {one} there"
        self.judge.violate("model", f"{text} and allows: {'; '.join(allowed) or 'nothing'}")


def is_of(item: Item, invocation: Invocation) -> bool:
    """Say whether an invocation has the lease of *item*."""
    return (item.lease_owner or "").rpartition(".")[0] == invocation.name
