"""Requirements for every flow, tested with the fake of its vendor. A new flow adds no line."""

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
def test_the_demo_secret_needs_no_request_fields(flow: str) -> None:
    """As in `make run`, `connect` and most tests."""
    assert Talk(flow, {}).error is None


@EACH
def test_tokens_have_sendable_headers_and_a_future_expiry(flow: str) -> None:
    """Their context is JSON."""
    for token in talk(flow).tokens:
        assert token.issued_at == NOW < token.expires_at
        assert all(sendable(part) for pair in token.headers.items() for part in pair)
        json.dumps(token.context)
    assert talk(flow).tokens[-1].headers


@EACH
def test_one_request_proves_the_credentials(flow: str) -> None:
    """The gate admits that request: otherwise wrong credentials would be sent repeatedly.

    A vendor may send a login to another host; but the right ones only.
    """
    proven = [one.url for one, _ in talk(flow).log if one.proves_credentials]
    assert len(proven) == len(set(proven)) > 0
    refused = Talk(flow, changes=wrong_login(flow)).log
    assert [one.proves_credentials for one, _ in refused].count(True) == 1


@EACH
def test_wrong_credentials_raise_credential_rejected(flow: str) -> None:
    """After the response to the request that proves the credentials."""
    found = Talk(flow, changes=wrong_login(flow))
    assert isinstance(found.error, CredentialRejected)
    assert found.log[-1][0].proves_credentials


@EACH
def test_an_outage_is_not_a_rejection(flow: str) -> None:
    """At each step: neither 429 or 5xx, nor an HTML page."""
    for step in {request.step for request, _ in talk(flow).log}:
        for status in (429, 500, 503):
            error = Talk(flow, fault={"kind": "status", "step": step, "status": status}).error
            assert isinstance(error, UpstreamUnavailable), step
    error = Talk(flow, fault={"kind": "html", "step": proof(flow).step, "status": 403}).error
    assert isinstance(error, UpstreamContractChanged)


@EACH
def test_a_response_without_a_token_is_an_error(flow: str) -> None:
    for step in {request.step for request, _ in talk(flow).log}:
        found = Talk(flow, fault={"kind": "no_token", "step": step})
        assert found.error or found.log == talk(flow).log


@EACH
def test_no_secret_is_in_a_url_a_repr_or_an_error(flow: str) -> None:
    """For right credentials, and for wrong ones that the vendor rejects."""
    canary = canaries(flow)
    for is_known in (True, False):
        found = Talk(flow, known=canary if is_known else None, changes=canary)
        assert (found.error is None) is is_known
        urls = [request.url for request, _ in found.log]
        shown = [repr(found.vendor.parse(found.secret)), repr(found.log), *urls]
        shown.append(repr(found.error) + json.dumps(found.error.problem() if found.error else {}))
        assert traces(canary.values(), "\n".join(shown).encode()) == []


@EACH
def test_the_log_of_the_fake_shows_no_secret(flow: str) -> None:
    """In headers, JSON, forms and Basic credentials."""
    canary = canaries(flow)
    secret = [canary[one.key] for one in questions(flow) if one.is_secret]
    fake = Talk(flow, known=canary, changes=canary).fake
    assert traces(secret, json.dumps([one.describe() for one in fake.log]).encode()) == []
    assert traces(secret, (repr([*fake.log]) + json.dumps(fake.describe())).encode()) == []


@EACH
def test_each_key_of_a_secret_is_validated(flow: str) -> None:
    """An error names a missing, blank, non-text or unknown key; `connect` asks for known ones."""
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
def test_nothing_is_pinned_by_default(flow: str) -> None:
    """Each flow accepts the key `pinned`."""
    vendor, demo = every()[flow].vendor, registry.kind(flow).demo_secret(LOOPBACK)
    for secret in (demo, demo | {"pinned": []}):
        assert vendor.pins(vendor.parse(secret)) == {}


@EACH
@settings(max_examples=max(20, settings().max_examples // 4))
@given(any_answers, st.booleans())
def test_any_response_causes_a_documented_error_without_secrets(
    flow: str, answers: list[Response], has_kept: bool
) -> None:
    """In an exchange, a logout, a verification, and a check, which is one request."""
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
