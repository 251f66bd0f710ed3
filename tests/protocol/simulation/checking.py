"""Checks the answers of `check`; only a call for a token may return one."""

import json

from tests.protocol.simulation.answers import check_pin, wanted_by
from tests.protocol.simulation.history import History
from tests.protocol.simulation.invocations import Invocation, Sent
from tests.protocol.simulation.origins import ROLES_SECONDS
from token_broker.exchange import Response
from token_broker.tokens import fingerprint

ROUNDED = 0.1
"""The precision in milliseconds of a check's duration."""


def record_verification(
    history: History, invocation: Invocation, sent: Sent, response: Response
) -> None:
    """Record the vendor's answer; the check may report a token that the vendor rejected."""
    if not sent.bearer:
        return
    vendor = history.vendor
    is_live = not vendor.is_ended(sent.bearer) and vendor.ends_at(sent.bearer) > history.now
    if response.is_success and is_live:
        sent.is_verified = True
    else:
        invocation.refused = fingerprint(sent.bearer)
        history.reported.add(invocation.refused)
        history.caller_reports.add(invocation.refused)


def check_no_token(history: History, invocation: Invocation) -> None:
    """Check that only an answered call for a token returns one."""
    is_token = invocation.action == "token" and invocation.end == "answered"
    text = json.dumps(dict(invocation.answer))
    if not is_token and any(made.token in text for made in history.made.values()):
        history.violate("check", f"{invocation.name} returns a token by {invocation.action}")


def check_verification(history: History, invocation: Invocation) -> None:
    taken = [
        sent
        for sent in invocation.sent
        if sent.is_verified and sent.is_answered and not sent.is_unclear
    ]
    if invocation.end == "failed" and taken:
        code = invocation.answer["code"]
        history.violate("check", f"{invocation.name} fails with {code}, but it works")
    elif invocation.end == "answered" and not taken:
        text = f"{invocation.name} succeeds, but the vendor accepted no token"
        history.violate("check", text)
    elif invocation.end == "answered":
        check_success(history, invocation, taken[-1])


def check_success(history: History, invocation: Invocation, sent: Sent) -> None:
    """Check that the vendor accepted a token of the variant, and that the context is true."""
    name, made = invocation.name, history.made[fingerprint(sent.bearer or "")]
    if history.is_nonexistent(invocation, made):
        history.violate("I17", f"{name} succeeds for a nonexistent variant")
    elif made.key not in wanted_by(history, invocation, made):
        history.violate("I8", f"{name} checks a token of another variant")
    check_pin(history, invocation, made)
    context, since = invocation.answer["context"], made.at - ROLES_SECONDS
    settings = [history.settings[one] for one in history.versions_of(made)]
    if not any(history.vendor.describes(context, one, since) for one in settings):
        history.violate("check", f"{name} returns {context}, which is not the token's context")
    milliseconds = invocation.answer["milliseconds"]
    least = 1000 * ((sent.ended_at or 0.0) - sent.sent_at) - ROUNDED
    if not least <= milliseconds <= 1000 * (history.now - invocation.begun) + ROUNDED:
        history.violate("check", f"{name} returns a duration of {milliseconds} ms")
