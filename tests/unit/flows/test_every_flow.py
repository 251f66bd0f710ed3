"""What every flow owes, with the fake that enforces its vendor's rules: a new one adds no line."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conversations import SECRETS, any_answers, repeated, survives
from tests.functions.canaries import traces
from tests.subjects import (
    FLOWS,
    LOOPBACK,
    NOW,
    Talk,
    canaries,
    members,
    proof,
    questions,
    talk,
    wrong_login,
)
from token_broker.document import Document
from token_broker.errors import (
    CredentialRejected,
    InvalidRequest,
    NotConfigured,
    UpstreamContractChanged,
    UpstreamUnavailable,
)
from token_broker.exchange import Request, Response, run, sendable
from token_broker.flows import every
from token_broker.records import replace
from token_broker_fakes import registry

EACH = pytest.mark.parametrize("flow", FLOWS)


@EACH
def test_the_demo_has_a_token_without_a_body_too(flow: str) -> None:
    """`make run`, the command's trial, and most tests ask like that."""
    assert Talk(flow, {}).error is None


@EACH
def test_a_token_can_be_handed_out(flow: str) -> None:
    """It has headers that can be sent, an end that is ahead, and a context that is JSON."""
    for token in talk(flow).tokens:
        assert token.issued_at == NOW < token.expires_at
        assert all(sendable(part) for pair in token.headers.items() for part in pair)
        json.dumps(token.context)
    assert talk(flow).tokens[-1].headers


@EACH
def test_one_request_proves_the_credentials(flow: str) -> None:
    """Without it wrong credentials would be sent again and again: the gate admits that request.

    A vendor may send a login to another host; but the right ones only.
    """
    proven = [one.url for one, _ in talk(flow).said if one.proves_credentials]
    assert len(proven) == len(set(proven)) > 0
    refused = Talk(flow, changes=wrong_login(flow)).said
    assert [one.proves_credentials for one, _ in refused].count(True) == 1


@EACH
def test_a_wrong_login_is_a_rejection(flow: str) -> None:
    """By the answer to the request that proves the credentials."""
    found = Talk(flow, changes=wrong_login(flow))
    assert isinstance(found.error, CredentialRejected)
    assert found.said[-1][0].proves_credentials


@EACH
def test_an_outage_is_no_verdict(flow: str) -> None:
    """At whichever step it comes: 429 and 5xx say to wait, a page of HTML says nothing."""
    for step in {request.step for request, _ in talk(flow).said}:
        for status in (429, 500, 503):
            error = Talk(flow, fault={"kind": "status", "step": step, "status": status}).error
            assert isinstance(error, UpstreamUnavailable), step
    error = Talk(flow, fault={"kind": "html", "step": proof(flow).step, "status": 403}).error
    assert isinstance(error, UpstreamContractChanged)


@EACH
def test_an_answer_without_a_token_is_an_error(flow: str) -> None:
    for step in {request.step for request, _ in talk(flow).said}:
        found = Talk(flow, fault={"kind": "no_token", "step": step})
        assert found.error or found.said == talk(flow).said


@EACH
def test_no_secret_is_in_a_url_a_repr_or_an_error(flow: str) -> None:
    """The right one, and a wrong one that the vendor refuses."""
    canary = canaries(flow)
    for is_known in (True, False):
        found = Talk(flow, known=canary if is_known else None, changes=canary)
        assert (found.error is None) is is_known
        urls = [request.url for request, _ in found.said]
        shown = [repr(found.vendor.parse(found.secret)), repr(found.said), *urls]
        shown.append(repr(found.error) + json.dumps(found.error.problem() if found.error else {}))
        assert traces(canary.values(), "\n".join(shown).encode()) == []


@EACH
def test_the_log_of_the_fake_shows_no_secret(flow: str) -> None:
    """Headers, JSON, forms and Basic credentials: what is secret in them the fake declares."""
    canary = canaries(flow)
    secret = [canary[one.key] for one in questions(flow) if one.is_secret]
    fake = Talk(flow, known=canary, changes=canary).fake
    assert traces(secret, json.dumps([one.describe() for one in fake.log]).encode()) == []
    assert traces(secret, (repr([*fake.log]) + json.dumps(fake.describe())).encode()) == []


@EACH
def test_each_key_of_a_secret_is_checked(flow: str) -> None:
    """What is missing, blank, no text or not known is named; a flow knows what `connect` asks."""
    parse = every()[flow].vendor.parse
    demo = registry.kind(flow).demo_secret(LOOPBACK)
    for key in (question.key for question in questions(flow)):
        missing = {name: value for name, value in demo.items() if name != key}
        for wrong in (missing, *(demo | {key: value} for value in ("", " ", [1]))):
            with pytest.raises(NotConfigured, match=f"^{key}: "):
                parse(wrong)
    with pytest.raises(NotConfigured, match=r"^no-such-key: is not known"):
        parse(demo | {"no-such-key": 1})
    for key in members(flow):
        with pytest.raises(NotConfigured, match=f"^{key}: (?!is not known)"):
            parse(demo | {key: 1})


@EACH
def test_nothing_is_pinned_unless_the_secret_says_so(flow: str) -> None:
    """Each flow knows the key."""
    vendor, demo = every()[flow].vendor, registry.kind(flow).demo_secret(LOOPBACK)
    for secret in (demo, demo | {"pinned": []}):
        assert vendor.pins(vendor.parse(secret)) == {}


@EACH
@settings(max_examples=max(20, settings().max_examples // 4))
@given(any_answers, st.booleans())
def test_whatever_is_answered_no_other_error_and_no_secret_gets_out(
    flow: str, answers: list[Response], has_kept: bool
) -> None:
    """To an exchange, a log-out, a question about a token, and a check, which is one request."""
    known, tokens, vendor = every()[flow], talk(flow).tokens, every()[flow].vendor
    _, name, key, old, renewal = SECRETS
    login = {one.key: key if one.is_secret else name for one in questions(flow)}
    credentials = vendor.parse(registry.kind(flow).demo_secret(LOOPBACK) | login)
    requested = known.requested(Document({}, InvalidRequest))
    token = replace(tokens[-1], value=old, renewal=renewal)
    kept, send, sent = token if has_kept else None, repeated(answers), list[Request]()
    for variant in (vendor.resolve(credentials, requested), *talk(flow).variants):
        exchange = vendor.exchange(credentials, variant, NOW, kept)
        survives(lambda: run(exchange, send, lambda _: tokens[0]))  # noqa: B023 (called at once)
    if log_out := vendor.log_out:
        survives(lambda: run(log_out(token), send))
    if verify := vendor.verify:
        survives(lambda: run(verify(credentials, old), send))
    if check := vendor.check:

        def noted(request: Request) -> Response:
            sent.append(request)
            return send(request)

        survives(lambda: run(check(credentials, token), noted))
        assert len(sent) == 1
