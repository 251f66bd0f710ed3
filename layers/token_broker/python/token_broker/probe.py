"""The action `probe`: a forced exchange whose conversation also observes the vendor.

A flow defines its probe with `probing`. This module runs it as a miss.
"""

import dataclasses
from collections.abc import Callable
from importlib import import_module
from typing import Any

from token_broker.dependencies import Dependencies
from token_broker.errors import BrokerError, InvalidRequest, RefreshInProgress, UpstreamError
from token_broker.exchange import Conversation, Exchange, NeedToken, Request, Response
from token_broker.flows import Flow
from token_broker.probing import NO_ANSWER, NOT_SENT, Observed, Prober, relayed
from token_broker.records import replace
from token_broker.refresh.invocation import Invocation
from token_broker.refresh.refresher import Refresher
from token_broker.refresh.requirement import Requirement
from token_broker.tokens import Token, Variant

LEAST_QUESTION_SECONDS = 1.0
"""With less time than this left, a probe that has a token sends no further request."""


def probe(
    deps: Dependencies, connection: str, requested: Variant, deadline: float
) -> dict[str, Any]:
    """Obtain a new token for *requested*, until *deadline*, and return the report of the probe.

    If the exchange fails, the report has the observations before that, and the error. Without any
    observation, the error is raised. Raises `InvalidRequest` for a flow without a probe.
    """
    observer = Observer(
        deps.flow, lambda: invocation.deadline.seconds_for_requests > LEAST_QUESTION_SECONDS
    )
    probing = replace(deps, flow=observer.flow, send=observer.forgiving(deps.send))
    invocation = Invocation(probing, connection, deadline)
    credentials = invocation.secret.credentials()
    error: BrokerError | None = None
    try:
        variant = observer.flow.vendor.complete(credentials, requested)
        Refresher(invocation).obtain(variant, Requirement(force=True))
    except BrokerError as raised:
        error = raised
    if not observer.observed.seen:
        raise error or RefreshInProgress("another caller renewed it meanwhile", retry_after=10)
    names = {"flow": deps.flow.name, "connection": connection}
    return names | observer.report(credentials, error)


def prober_of(flow: Flow) -> Prober[Any]:
    """Return the probe of *flow*. Raises `InvalidRequest` if it has none."""
    module = flow.vendor.probe
    if module is None:
        raise InvalidRequest(f"action: {flow.name} has nothing to probe")
    prober: Prober[Any] = import_module(module).PROBER
    return prober


class Observer:
    """Makes the exchanges of `flow` observe the vendor, for one probe."""

    def __init__(self, flow: Flow, is_time_left: Callable[[], bool]) -> None:
        self.prober = prober_of(flow)
        self.observed = Observed(self.prober.budget)
        adapted = dataclasses.replace(flow.vendor, exchange=self._exchange)
        self.flow = flow._replace(adapted=adapted)
        self._is_time_left = is_time_left

    def _exchange(
        self, credentials: Any, variant: Variant, now: int, _kept: Token | None = None
    ) -> Exchange:
        """Run the probe's conversation within the budget.

        If no time or no budget is left, it ends with its live token. A nested conversation, for
        another variant's token, has a token of its own: so `has_token` is restored after it.
        """
        had_token, self.observed.has_token = self.observed.has_token, False
        conversation = self.prober.exchange(credentials, variant, now, self.observed)
        result = yield from relayed(conversation, self._relay)
        self.observed.has_token = had_token
        return result

    def _relay(self, step: Request | NeedToken) -> Conversation[Any]:
        if isinstance(step, Request):
            is_optional = self.observed.has_token
            if is_optional and not (self.observed.allows(step) and self._is_time_left()):
                return NOT_SENT
            self.observed.count(step)
        return (yield step)

    def forgiving(self, send: Callable[..., Response]) -> Callable[..., Response]:
        """Return *send*, but with `NO_ANSWER` for an error if the conversation has a live token."""

        def forgiving_send(request: Request, *rest: Any) -> Response:
            try:
                return send(request, *rest)
            except UpstreamError:
                if not self.observed.has_token:
                    raise
                return NO_ANSWER

        return forgiving_send

    def report(self, credentials: Any, error: BrokerError | None) -> dict[str, Any]:
        """Return the observations, and the options whose value differs from *credentials*."""
        observed = self.observed
        options = {
            name: value
            for name, value in observed.options.items()
            if getattr(credentials, name) != value
        }
        findings = [
            {
                "question": question.name,
                "asks": question.asks,
                "documents": question.documents,
                "seen": observed.seen.get(question.name),
                "option": {question.name: observed.options[question.name]}
                if question.name in observed.options
                else None,
            }
            for question in self.prober.questions
        ]
        return {
            "works": error is None,
            "problem": error.problem() if error else None,
            "findings": findings,
            "options": options,
            "modes": observed.modes,
            "sent": {"requests": observed.requests, "logins": observed.logins},
            "budget": observed.budget._asdict(),
        }
