"""Checks the answers of `check`; only a call for a token may return one."""

import json
from typing import TYPE_CHECKING

from tests.protocol.simulation.answers import wanted_by
from tests.protocol.simulation.invocations import Invocation, Sent
from tests.protocol.simulation.origins import ROLES_SECONDS
from tests.protocol.simulation.pinning import check_pin
from token_broker.exchange import Response
from token_broker.tokens import fingerprint

if TYPE_CHECKING:
    from tests.protocol.simulation.judge import Judge

STEPS = frozenset({"check", "verify"})
"""Steps that verify a token and change nothing."""

ROUNDED = 0.1
"""The precision in milliseconds of a check's duration."""


class Checking:
    """The verification requests of a run, and those that the vendor accepted."""

    def __init__(self, judge: "Judge") -> None:
        self._judge = judge
        self._taken: list[Sent] = []
        """Accepted requests whose token was live at the vendor."""

    def processed(self, invocation: Invocation, sent: Sent, response: Response) -> None:
        """Record the vendor's answer; the check may report a token that the vendor rejected."""
        if not is_harmless(invocation, sent) or not sent.bearer:
            return
        vendor, now = self._judge.vendor, self._judge.scheduler.now
        is_live = not vendor.is_ended(sent.bearer) and vendor.ends_at(sent.bearer) > now
        if response.is_success and is_live:
            self._taken.append(sent)
        else:
            invocation.refused = fingerprint(sent.bearer)
            self._judge.reported.add(invocation.refused)
            self._judge.caller_reports.add(invocation.refused)

    def ended(self, invocation: Invocation) -> None:
        """Check that an answer contains no token, and that a check's result is the vendor's."""
        is_token = invocation.action == "token" and invocation.end == "answered"
        text = json.dumps(dict(invocation.answer))
        if not is_token and any(made.token in text for made in self._judge.made.values()):
            self._violate(invocation, f"returns a token by {invocation.action}")
        if invocation.action != "check":
            return
        taken = [sent for sent in invocation.sent if sent in self._taken and is_heard(sent)]
        if invocation.end == "failed" and taken:
            self._violate(invocation, f"fails with {invocation.answer['code']}, but it works")
        if invocation.end == "answered":
            self._check_success(invocation, taken)

    def is_about_own_request(self, invocation: Invocation) -> bool:
        """Return whether an error is about a check's verification request, which is not stored.

        The next check may send it at once, so the error has no `retry_after`.
        """
        return bool(invocation.sent) and is_harmless(invocation, invocation.sent[-1])

    def _check_success(self, invocation: Invocation, taken: list[Sent]) -> None:
        """Check that the vendor accepted a token of the variant, and that the context is true."""
        judge = self._judge
        if not taken:
            self._violate(invocation, "succeeds, but the vendor accepted no token")
            return
        sent = taken[-1]
        made = judge.made[fingerprint(sent.bearer or "")]
        if invocation.is_bad:
            judge.violate("I17", f"{invocation.name} succeeds for a nonexistent variant")
        elif made.key not in wanted_by(judge, invocation, made):
            judge.violate("I8", f"{invocation.name} checks a token of another variant")
        check_pin(judge, invocation, made)
        context, since = invocation.answer["context"], made.at - ROLES_SECONDS
        settings = [judge.settings[one] for one in judge.versions_of(made)]
        if not any(judge.vendor.describes(context, one, since) for one in settings):
            self._violate(invocation, f"returns {context}, which is not the token's context")
        milliseconds = invocation.answer["milliseconds"]
        least = 1000 * ((sent.ended_at or 0.0) - sent.sent_at) - ROUNDED
        if not least <= milliseconds <= 1000 * (judge.scheduler.now - invocation.begun) + ROUNDED:
            self._violate(invocation, f"returns a duration of {milliseconds} ms")

    def _violate(self, invocation: Invocation, text: str) -> None:
        self._judge.violate("check", f"{invocation.name} {text}")


def is_harmless(invocation: Invocation, sent: Sent) -> bool:
    """Return whether a request is a check's verification of its token."""
    return invocation.action == "check" and sent.request.step in STEPS


def is_heard(sent: Sent) -> bool:
    """Return whether the vendor's answer, not a proxy's, arrived."""
    return sent.is_answered and not sent.is_unclear
