"""The tokens that this process keeps: each is asked for once, and serves all threads.

Until `refresh_after`, and for `MAX_AGE_SECONDS` at most, a token is handed out as it is. After
that one caller asks the broker for the next one, while the others go on with the old. After
`expires_at` all wait for that one call.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Generator, Hashable
from itertools import count
from threading import Lock
from typing import NamedTuple, TypeAlias

from token_broker_client.answers import Answer
from token_broker_client.deadline import Deadline
from token_broker_client.errors import BrokerError
from token_broker_client.request import PLAIN, TokenRequest
from token_broker_client.single_flight import SharedCall, SingleFlight, reset_in_children

ENTRIES = 1000
"""Tokens that are kept at most; least recently used go first."""

MAX_AGE_SECONDS = 300.0
"""After which the broker is asked whether a token is still the one, however long it lives."""

LOOK_SECONDS = 10.0
"""Between two looks for the next token, where the broker has only the old one yet."""

RENEWAL_SECONDS = 5.0
"""How long a call may take that looks for a newer token while the old one still works."""

SAFETY_SECONDS = 30.0
"""Before its end, a token is handed out no more; for a short-lived one, a tenth of its time."""

REJECTED = 4
"""Fingerprints of dead tokens that are remembered of each key: an answer may be overtaken."""

ENDS = frozenset(
    {"connection_held", "credential_latched", "credential_rejected", "unknown_connection"}
)
"""Codes by which the broker itself says of a connection that there is no token of it to use."""

Waits: TypeAlias = Generator[tuple[SharedCall[Answer], Deadline], None, Answer]
"""What has to be waited for, and until when; in the end, the answer."""


class Kept(NamedTuple):
    """An answer, and until when it serves. All in seconds since the epoch."""

    answer: Answer
    number: int
    """Of the call that it came from, in the order in which calls began."""
    since: float
    look_at: float
    ends_at: float
    rejected: tuple[str, ...] = ()

    @classmethod
    def of(cls, answer: Answer, number: int, now: float, max_age: float) -> "Kept":
        """Return *answer*, which came *now*, as it is kept."""
        left = answer.expires_at.timestamp() - now
        look_at = min(answer.refresh_after.timestamp(), now + max_age)
        ends_at = now + left - min(SAFETY_SECONDS, left / 10)
        return cls(answer, number, now, max(look_at, now + LOOK_SECONDS), ends_at)

    def suits(self, request: TokenRequest, now: float) -> bool:
        """Say whether this answer is what is asked for."""
        expires_at = self.answer.expires_at.timestamp()
        lives = now < self.ends_at
        if request.min_ttl is not None:
            lives = now < expires_at and now + request.min_ttl <= expires_at
        return lives and not request.force and self.answer.fingerprint != request.rejected

    def is_due(self, now: float) -> bool:
        """Say whether it is time to look for the next; a clock that was set back tells nothing."""
        return not self.since <= now < self.look_at


class Question(NamedTuple):
    """What is wanted, and how the broker is asked for it."""

    key: Hashable
    request: TokenRequest
    fetch: Callable[[TokenRequest, Deadline], Answer]
    """Gets an answer, trying again until the deadline."""
    look: Callable[[Deadline], Answer]
    """Looks for the next token, once."""
    max_age: float = MAX_AGE_SECONDS


class Cache:
    """What a process keeps. Threads and tasks may share it; a forked child begins anew."""

    def __init__(self, entries: int = ENTRIES, clock: Callable[[], float] = time.time) -> None:
        self._entries = entries
        self._clock = clock
        self._calls: SingleFlight[Answer] = SingleFlight()
        self.reset()
        reset_in_children(self)

    def reset(self) -> None:
        """Keep nothing, as in a new process."""
        self._kept: OrderedDict[Hashable, Kept] = OrderedDict()
        self._lock = Lock()
        self._numbers = count(1)
        self._cleared_at = 0

    def fresh(self, question: Question) -> Answer | None:
        """Return what is kept, if it suits and it is too early to look for the next."""
        kept, now = self._recall(question.key), self._clock()
        if not kept or not kept.suits(question.request, now):
            return None
        # What was reported has been replaced: the next one is not looked for at once.
        return kept.answer if question.request.rejected or not kept.is_due(now) else None

    def obtain(self, question: Question, deadline: Deadline) -> Answer:
        """Return an answer that suits, before *deadline*; raise a `BrokerError` if none is."""
        waits = self._obtained(question, deadline)
        while True:
            try:
                shared_call, until = next(waits)
            except StopIteration as end:
                answer: Answer = end.value
                return answer
            shared_call.wait(until)

    async def obtain_async(self, question: Question, deadline: Deadline) -> Answer:
        """Do the same for a task, without blocking other tasks or a thread."""
        waits = self._obtained(question, deadline)
        while True:
            try:
                shared_call, until = next(waits)
            except StopIteration as end:
                answer: Answer = end.value
                return answer
            await shared_call.wait_async(until)

    def clear(self) -> None:
        """Keep nothing; the answer to a call that has begun is only for its callers."""
        self._calls.clear()
        with self._lock:
            self._kept.clear()
            self._cleared_at = next(self._numbers)

    def __len__(self) -> int:
        return len(self._kept)

    def _obtained(self, question: Question, deadline: Deadline) -> Waits:
        """Say what has to be waited for, and return the answer; nothing waits here."""
        while True:
            if answer := self.fresh(question):
                return answer
            kept = self._recall(question.key)
            if kept and kept.suits(question.request, self._clock()):
                return (yield from self._renewed(question, kept, deadline))
            shared_call, is_mine = self._calls.join(
                (question.key, question.request),
                lambda until: self._call(question, lambda: question.fetch(question.request, until)),
                deadline,
            )
            yield shared_call, deadline
            try:
                answer = shared_call.outcome()
            except BrokerError as error:
                # Another caller's time was over, and this one's is not.
                is_cut_short = shared_call.deadline.ends_at < deadline.ends_at
                if not (is_cut_short and error.retryable) or deadline.is_over:
                    raise
            else:
                if is_mine or answer.is_shareable:
                    return answer

    def _renewed(self, question: Question, kept: Kept, deadline: Deadline) -> Waits:
        """Have one caller look for the next token; the old one serves all until it ends."""
        plain, deadline = question._replace(request=PLAIN), deadline.within(RENEWAL_SECONDS)
        shared_call, is_mine = self._calls.join(
            (question.key, PLAIN),
            lambda until: self._call(plain, lambda: question.look(until)),
            deadline,
        )
        if not is_mine:
            return kept.answer
        yield shared_call, deadline
        try:
            answer = shared_call.outcome()
        except BrokerError as error:
            if error.code in ENDS:
                self._drop(question.key, kept)
                raise
            pause = min(question.max_age, error.retry_after or 0)
            self._postpone(question.key, kept, max(LOOK_SECONDS, pause))
            return kept.answer
        now = self._clock()
        is_better = Kept.of(answer, 0, now, question.max_age).suits(question.request, now)
        return answer if is_better else kept.answer

    def _call(self, question: Question, ask: Callable[[], Answer]) -> Answer:
        # Another call may have ended since this one was wanted.
        if answer := self.fresh(question):
            return answer
        number = next(self._numbers)
        return self._put(question, number, ask())

    def _recall(self, key: Hashable) -> Kept | None:
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
            return self._kept.get(key)

    def _put(self, question: Question, number: int, answer: Answer) -> Answer:
        """Keep *answer*, unless the call that it came from was overtaken; return what serves.

        Generations tell nothing here: the answers of one key may be of different variants.
        """
        key, request, now = question.key, question.request, self._clock()
        with self._lock:
            kept = self._kept.get(key)
            rejected = dead(kept, answer, request)
            is_dead = answer.fingerprint in rejected
            if kept and kept.answer.fingerprint not in rejected and now < kept.ends_at:
                self._kept[key] = kept._replace(rejected=rejected)
                if is_dead or number < kept.number:
                    return kept.answer if kept.suits(request, now) else answer
            else:
                self._kept.pop(key, None)
            if answer.is_shareable and not is_dead and number > self._cleared_at:
                new = Kept.of(answer, number, now, question.max_age)
                self._kept[key] = new._replace(rejected=rejected)
            while len(self._kept) > self._entries:
                self._kept.popitem(last=False)
        return answer

    def _drop(self, key: Hashable, kept: Kept) -> None:
        with self._lock:
            if (now := self._kept.get(key)) and now.number == kept.number:
                del self._kept[key]

    def _postpone(self, key: Hashable, kept: Kept, seconds: float) -> None:
        with self._lock:
            if (now := self._kept.get(key)) and now.number == kept.number:
                since = self._clock()
                self._kept[key] = now._replace(since=since, look_at=since + seconds)


def dead(kept: Kept | None, answer: Answer, request: TokenRequest) -> tuple[str, ...]:
    """Return the fingerprints that are known to be dead, after *answer* to *request*."""
    known = kept.rejected if kept else ()
    if request.rejected and request.rejected not in (*known, answer.fingerprint):
        known = (*known, request.rejected)
    return known[-REJECTED:]


SHARED = Cache()


def shared() -> Cache:
    """Return the process's own."""
    return SHARED
