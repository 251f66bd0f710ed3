"""Tries credentials before they are stored: one run of the flow's own exchange, nothing kept.

A login that was rejected is never sent again: whatever asks for another one gets the same error.
"""

import os
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from token_broker.document import Document
from token_broker.errors import BrokerError, CredentialRejected, InvalidRequest
from token_broker.exchange import NeedToken, Request, ResolvedTo, Response, Send, run
from token_broker.flows import Flow
from token_broker.probe import LEAST_QUESTION_SECONDS, Observer
from token_broker.records import replace
from token_broker.tokens import Token, Variant

SECONDS = 25.0
LOG_OUT_SECONDS = 3.0


@dataclass(slots=True)
class DryRun:
    """One run of an exchange, and the tokens it made."""

    flow: Flow
    credentials: Any
    send: Send
    now: int
    _tokens: dict[str, Token] = field(default_factory=dict, repr=False)
    _rejection: CredentialRejected | None = field(default=None, repr=False)

    def token(self) -> Token:
        """Return the token of a call without fields. Raises `BrokerError`."""
        vendor = self.flow.vendor
        requested = self.flow.requested(Document({}, InvalidRequest))
        variant = vendor.complete(self.credentials, requested)
        return self.answer(NeedToken(vendor.resolve(self.credentials, variant)))

    def answer(self, need: NeedToken) -> Token:
        """Return a token of this run, or make it, as the broker does with its table."""
        kept = self._tokens.get(need.variant.key)
        if kept and kept.fingerprint == need.rejected:
            # The login that it was made with may be spent: it is made anew with one of its own.
            self._tokens = {key: replace(one, handoff={}) for key, one in self._tokens.items()}
        if kept is None or kept.fingerprint == need.rejected:
            kept = self._tokens[need.variant.key] = self._exchange(need.variant)
        return kept

    def end(self, send: Send) -> None:
        """End the sessions, if the vendor has a log-out."""
        for token in {one.fingerprint: one for one in self._tokens.values()}.values():
            with suppress(BrokerError):
                run(self.flow.vendor.end_session(self.credentials, token, self.now), send)

    def _exchange(self, variant: Variant) -> Token:
        if self._rejection:
            raise self._rejection
        try:
            conversation = self.flow.vendor.exchange(self.credentials, variant, self.now, None)
            result = run(conversation, self.send, self.answer)
        except CredentialRejected as error:
            self._rejection = error
            raise
        return self.answer(NeedToken(result.variant)) if isinstance(result, ResolvedTo) else result


def attempt(flow: Flow, credentials: Any) -> tuple[Token, dict[str, Any]]:
    """Try *credentials* against the vendor; return the token. All sessions are ended again.

    With it comes the report of a probe: what is tried is also how the vendor behaves. It is empty
    where a vendor leaves nothing open.
    """
    # Slow, and not always needed.
    from token_broker.transport.client import Transport, hosts_in  # noqa: PLC0415

    transport = Transport(hosts_in(os.environ.get("INTERNAL_HOSTS", "")))
    until = time.monotonic() + SECONDS
    observer = observer_of(flow, lambda: time.monotonic() < until - LEAST_QUESTION_SECONDS)
    send = within(transport.send, SECONDS)
    if observer:
        flow, send = observer.flow, observer.forgiving(send)
    trial = DryRun(flow, credentials, send, int(time.time()))
    try:
        token = trial.token()
    except BrokerError:  # some sessions may have begun; Ctrl-C does not wait for their end
        trial.end(within(transport.send, LOG_OUT_SECONDS))
        raise
    else:
        trial.end(within(transport.send, LOG_OUT_SECONDS))
    finally:
        transport.close()
    return token, observer.report(credentials, None) if observer else {}


def observer_of(flow: Flow, is_time_left: Callable[[], bool]) -> Observer | None:
    """Return what observes the vendor in the exchanges of *flow*; None without a probe."""
    return Observer(flow, is_time_left) if flow.vendor.probe else None


def within(send: Callable[[Request, float], Response], seconds: float) -> Send:
    """Return a sender whose requests together take at most *seconds*."""
    until = time.monotonic() + seconds
    return lambda request: send(request, max(0.1, until - time.monotonic()))
