"""The tokens that this process keeps: one call to the broker serves all threads.

Until `refresh_after`, and for `MAX_AGE_SECONDS` at most, a token is handed out as it is. After
that one caller asks the broker for the next token, and the others go on with the old one. After
`expires_at` all wait for that one call.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Generator, Hashable
from functools import partial
from itertools import count
from threading import Lock
from typing import NamedTuple, TypeAlias

from token_broker_client.answers import Answer
from token_broker_client.deadline import Deadline
from token_broker_client.errors import BrokerError
from token_broker_client.request import PLAIN, TokenRequest
from token_broker_client.single_flight import SharedCall, SingleFlight, when_forked

ENTRIES = 1000
"""Tokens that are kept, at most. The least recently used is dropped first."""

MAX_AGE_SECONDS = 300.0
"""Seconds after which the broker is asked whether it has a newer token."""

LOOK_SECONDS = 10.0
"""Seconds between two calls for the next token, while the broker still has the old one."""

RENEWAL_SECONDS = 5.0
"""Seconds that a call for the next token may take while the old one still works."""

SAFETY_SECONDS = 30.0
"""A token is not handed out this long before its end, or for the last tenth of a short life."""

REJECTED = 4
"""Fingerprints of dead tokens to remember for each key: a late answer may have one of them."""

ENDS = frozenset(
    {"connection_held", "credential_latched", "credential_rejected", "unknown_connection"}
)
"""Codes by which the broker says that no token of the connection may be used."""

Waits: TypeAlias = Generator[tuple[SharedCall[Answer], Deadline], None, Answer]
"""Yields a call to wait for, and until when. Returns the answer."""


class Kept(NamedTuple):
    """An answer, and until when it serves. All in seconds since the epoch."""

    answer: Answer
    number: int
    """The number of the call that it came from, in the order in which calls began."""
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
        soonest = now + min(LOOK_SECONDS, max_age)
        return cls(answer, number, now, max(look_at, soonest), ends_at)

    def suits(self, request: TokenRequest, now: float) -> bool:
        """Say whether this answer meets *request*."""
        expires_at = self.answer.expires_at.timestamp()
        lives = now < self.ends_at
        if request.min_ttl is not None:
            lives = now < expires_at and request.min_ttl <= expires_at - now
        return lives and not request.force and self.answer.fingerprint != request.rejected

    def is_due(self, now: float) -> bool:
        """Say whether to ask for the next token, also because the clock was set back."""
        return not self.since <= now < self.look_at


class Question(NamedTuple):
    """The request for a token, and the functions that ask the broker."""

    key: Hashable
    request: TokenRequest
    fetch: Callable[[Deadline], Answer]
    """Asks the broker, and tries again until the deadline."""
    look: Callable[[Deadline], Answer]
    """Asks the broker once, for the next token."""
    max_age: float


class Cache:
    """What a process keeps. Threads and tasks may share it; a forked child begins anew."""

    def __init__(self, entries: int = ENTRIES, clock: Callable[[], float] = time.time) -> None:
        self._entries = entries
        self._clock = clock
        self.reset()
        when_forked(self.reset)

    def reset(self) -> None:
        """Keep nothing, as in a new process."""
        self._calls: SingleFlight[Answer] = SingleFlight()
        self._kept: OrderedDict[Hashable, Kept] = OrderedDict()
        self._lock = Lock()
        self._numbers = count(1)
        self._cleared_at = 0

    def fresh(self, question: Question) -> Answer | None:
        """Return the kept answer, if it suits and is not due."""
        kept, now = self._recall(question.key), self._clock()
        if not kept or not kept.suits(question.request, now):
            return None
        # A report is met by any other token: it need not be the newest.
        return kept.answer if question.request.rejected or not kept.is_due(now) else None

    def obtain(self, question: Question, deadline: Deadline) -> Answer:
        """Return an answer that suits, before *deadline*; raise a `BrokerError` if none is."""
        waits = self._obtained(question, deadline)
        while not isinstance(step := following(waits), Answer):
            shared_call, until = step
            shared_call.wait(until)
        return step

    async def obtain_async(self, question: Question, deadline: Deadline) -> Answer:
        """Do the same for a task, without blocking other tasks or a thread."""
        waits = self._obtained(question, deadline)
        while not isinstance(step := following(waits), Answer):
            shared_call, until = step
            await shared_call.wait_async(until)
        return step

    def clear(self) -> None:
        """Keep nothing. The answer to a call that has begun is not kept either."""
        self._calls.clear()
        with self._lock:
            self._kept.clear()
            self._cleared_at = next(self._numbers)

    def __len__(self) -> int:
        return len(self._kept)

    def _obtained(self, question: Question, deadline: Deadline) -> Waits:
        """Yield the calls to wait for, and return the answer. This itself does not wait."""
        place: tuple[object, ...] = (question.key, question.request)
        others = 0
        while True:
            if answer := self.fresh(question):
                return answer
            kept = self._recall(question.key)
            if kept and kept.suits(question.request, self._clock()):
                if answer := (yield from self._renewed(question, kept, deadline)):
                    return answer
                continue
            call = partial(self._call, question, question.fetch, deadline)
            shared_call, is_mine = self._calls.join(place, call, deadline)
            yield shared_call, deadline
            try:
                answer = shared_call.outcome()
            except BrokerError as error:
                # The caller that began the call had less time than this one: call again.
                is_cut_short = shared_call.deadline.ends_at < deadline.ends_at
                if not (is_cut_short and error.retryable) or deadline.is_over:
                    raise
            else:
                if is_mine or answer.is_shareable:
                    return answer
                # After the first exchange the token may be in the table. After a second one each
                # call makes its own token, so the callers need not wait for each other.
                others += 1
                if others > 1:
                    place = (*place, object())

    def _renewed(
        self, question: Question, kept: Kept, deadline: Deadline
    ) -> Generator[tuple[SharedCall[Answer], Deadline], None, Answer | None]:
        """Have one caller ask for the next token. The others get the old one until it ends.

        Returns None if neither the next token nor, after the call, the old one suits.
        """
        plain, deadline = question._replace(request=PLAIN), deadline.within(RENEWAL_SECONDS)
        call = partial(self._call, plain, question.look, deadline)
        shared_call, is_mine = self._calls.join((question.key, PLAIN), call, deadline)
        if not is_mine:
            return kept.answer
        yield shared_call, deadline
        try:
            answer = shared_call.outcome()
        except BrokerError as error:
            if error.code in ENDS:
                raise
            pause = min(question.max_age, error.retry_after or 0)
            self._postpone(question.key, kept, max(LOOK_SECONDS, pause))
        else:
            now = self._clock()
            if Kept.of(answer, 0, now, question.max_age).suits(question.request, now):
                return answer
        return kept.answer if kept.suits(question.request, self._clock()) else None

    def _call(
        self, question: Question, ask: Callable[[Deadline], Answer], deadline: Deadline
    ) -> Answer:
        # Another call may have ended since this one was decided.
        if answer := self.fresh(question):
            return answer
        number = next(self._numbers)
        try:
            return self._put(question, number, ask(deadline))
        except BrokerError as error:
            if error.code in ENDS:
                self._drop(question.key, number)
            raise

    def _recall(self, key: Hashable) -> Kept | None:
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
            return self._kept.get(key)

    def _put(self, question: Question, number: int, answer: Answer) -> Answer:
        """Keep *answer*, unless a later call has a kept answer; return the answer to use.

        Generations cannot be compared: the answers of one key may be of different variants.
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

    def _drop(self, key: Hashable, number: int) -> None:
        """Drop the kept answer, unless its call began after that with *number*."""
        with self._lock:
            if (kept := self._kept.get(key)) and kept.number < number:
                del self._kept[key]

    def _postpone(self, key: Hashable, kept: Kept, seconds: float) -> None:
        with self._lock:
            if (now := self._kept.get(key)) and now.number == kept.number:
                since = self._clock()
                self._kept[key] = now._replace(since=since, look_at=since + seconds)


def following(waits: Waits) -> tuple[SharedCall[Answer], Deadline] | Answer:
    """Return the next call to wait for, and until when; at the end, the answer."""
    try:
        return next(waits)
    except StopIteration as end:
        answer: Answer = end.value
        return answer


def dead(kept: Kept | None, answer: Answer, request: TokenRequest) -> tuple[str, ...]:
    """Return the fingerprints that are known to be dead, after *answer* to *request*."""
    known = kept.rejected if kept else ()
    if request.rejected and request.rejected not in (*known, answer.fingerprint):
        known = (*known, request.rejected)
    return known[-REJECTED:]


SHARED = Cache()
"""The cache of this process."""
