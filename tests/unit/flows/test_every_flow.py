"""Requirements for every flow, tested with the fake of its vendor. A new flow adds no line."""

import json
import os
import random
import re
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from itertools import product
from keyword import iskeyword
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openapi_schema_validator import OAS30Validator

from tests.conversations import FOREIGN, SECRETS, any_answers, nearly, repeated, survives
from tests.functions.canaries import traces
from tests.subjects import (
    FLOWS,
    LOOPBACK,
    NOW,
    Talk,
    as_fault,
    body,
    canaries,
    check,
    members,
    modes,
    names,
    proof,
    questions,
    renewal_step,
    talk,
    wrong_login,
)
from token_broker.document import Document
from token_broker.errors import (
    BrokerError,
    CredentialRejected,
    InvalidRequest,
    NotConfigured,
    UpstreamContractChanged,
    UpstreamUnavailable,
)
from token_broker.exchange import Request, Response, run, sendable
from token_broker.flows import every
from token_broker.item import rfc3339
from token_broker.records import replace
from token_broker_descriptors import asked
from token_broker_descriptors import every as descriptors
from token_broker_fakes import registry
from token_broker_fakes.wire import in_json

SECRET = re.compile(r"secret|pass|private|(^|_)(key|pin|token)$")
ATTRIBUTE = re.compile(r"(?i)\b(path|expires|max-age|domain|httponly|secure|samesite)\b")
CANARY = 'Zk/..?&#%"é canary'
PLAIN = "canary-that-is-sendable"
EACH = pytest.mark.parametrize("flow", FLOWS)


@EACH
def test_the_demo_secret_needs_no_request_fields(flow: str) -> None:
    """As in `make run`, `connect` and most tests."""
    assert Talk(flow, {}).error is None


@EACH
def test_tokens_have_sendable_headers_and_a_future_expiry(flow: str) -> None:
    """Their context is JSON, and tells nothing that makes a token."""
    secrets = {text for one in talk(flow).tokens for text in (one.value, one.renewal) if text}
    for token in talk(flow).tokens:
        assert token.issued_at == NOW < token.expires_at
        assert urlsplit(token.base_url).netloc == urlsplit(LOOPBACK).netloc, "as the secret says"
        assert all(sendable(part) for pair in token.headers.items() for part in pair)
        cookies = [value for name, value in token.headers.items() if name.lower() == "cookie"]
        assert not any(map(ATTRIBUTE.search, cookies)), "what is about a cookie is not sent back"
        assert traces(secrets, json.dumps([token.context, token.base_url]).encode()) == []
    assert talk(flow).tokens[-1].headers


class Read(Document):
    """A document that knows which of its members were asked for."""

    def __init__(self, members: Mapping[str, Any]) -> None:
        super().__init__(members, InvalidRequest)
        self.names = set[str]()
        self._members = Named(self._members, self.names)


class Named(dict[str, Any]):
    """Members that put the names that are taken out into *names*."""

    def __init__(self, members: Mapping[str, Any], names: set[str]) -> None:
        super().__init__(members)
        self._names = names

    def pop(self, name: str, *default: Any) -> Any:
        """Take a member out."""
        self._names.add(name)
        return super().pop(name, *default)


@EACH
def test_the_fields_of_the_descriptor_are_those_that_a_call_has(flow: str) -> None:
    """The client, the command and the OpenAPI document offer these, in these types."""
    known = descriptors()[flow]
    schemas = {field.name: field.schema for field in known.fields}
    for call in ({field.name: field.example for field in known.fields}, known.demo):
        read = Read(call)
        every()[flow].requested(read)
        read.finish()
        assert read.names == schemas.keys()
        assert all(OAS30Validator(schemas[name]).is_valid(value) for name, value in call.items())
    taken = schemas.keys() & {"connection", "action", "min_ttl", "rejected", "force"}
    assert not taken, "members that every call may have"
    assert all(name.isidentifier() and not iskeyword(name) for name in schemas), "the client's"
    assert all(name == name.lower() for name in schemas), "the command's options have no capitals"


def with_canary(schema: Mapping[str, Any], example: Any, text: str) -> Any:
    """Return a value that no vendor knows and no address has as it is; None if there is none."""
    match schema["type"]:
        case "string":
            return text
        case "object":
            return {**example, "canary": text}
        case "array":
            return [text]
    return None


def shape(request: Request) -> tuple[object, ...]:
    """Return the parts of a request's address that a call's fields must not change."""
    url = urlsplit(request.url)
    return url.netloc, url.path.count("/"), [*parse_qs(url.query)], url.fragment


@EACH
def test_each_field_of_a_call_is_sent_or_refused(flow: str) -> None:
    """Instead of the secret's, and encoded where it is a part of an address."""
    known, whole = descriptors()[flow], body(flow)
    usual = {request.step: shape(request) for request, _ in talk(flow).log}
    for field, text in product(known.fields, (CANARY, PLAIN)):
        value = with_canary(field.schema, whole.get(field.name, {}), text)
        if value is None:
            continue
        kept = {field.name: whole.get(field.name, "usual")} if field.name in members(flow) else {}
        found = Talk(flow, {**whole, field.name: value}, changes=kept)
        for request, _ in found.log:
            assert shape(request) == usual.get(request.step, shape(request)), request.step
        sent = repr([(one.url, [*one.headers.items()], one.body) for one, _ in found.log])
        assert found.error or traces([text], sent.encode()), f"{field.name} changes nothing"
        assert not is_certain(found.error), f"a wrong {field.name} would latch the connection"


def is_certain(error: BrokerError | None) -> bool:
    """Say whether *error* is about nothing but the credentials."""
    return isinstance(error, CredentialRejected) and error.is_certain


def reordered(schema: Mapping[str, Any], value: Any) -> Any:
    """Return an equal value: an object in another order; also a set, with a repetition."""
    match value:
        case dict():
            return dict(reversed([*value.items(), ("other", 1)]))
        case [first, *_] if schema.get("uniqueItems"):
            assert len(set(value)) > 1, "give a demo of two"
            return [*reversed(value), first]
    return value


@EACH
def test_equal_values_of_a_field_are_one_variant(flow: str) -> None:
    """Members of an object have no order, nor has a list whose schema has `uniqueItems`."""
    vendor, whole = every()[flow].vendor, body(flow)
    credentials = vendor.parse(registry.kind(flow).demo_secret(LOOPBACK))
    for field in descriptors()[flow].fields:
        value = whole.get(field.name, field.example)
        value = {**value, "other": 1} if isinstance(value, dict) else value
        calls = [{**whole, field.name: one} for one in (value, reordered(field.schema, value))]
        asked_for = [every()[flow].requested(Document(call, InvalidRequest)) for call in calls]
        assert len({vendor.resolve(credentials, one).key for one in asked_for}) == 1, field.name


@EACH
def test_the_demo_names_another_variant_than_an_empty_body(flow: str) -> None:
    """If a call has fields: the simulation and `make run` would have one variant only.

    A vendor with a simulated user of its own has other bodies there.
    """
    from tests.protocol.simulation.generic_user import GenericUser  # noqa: PLC0415 (makes vendors)
    from tests.protocol.simulation.vendors import VENDORS  # noqa: PLC0415 (the same)

    if descriptors()[flow].fields and issubclass(VENDORS[flow], GenericUser):
        assert {*body(flow)} == {field.name for field in descriptors()[flow].fields}
        ends = {Talk(flow, content).variants[-1].key for content in (body(flow), {})}
        assert len(ends) > 1, "`demo` has the secret's values, or `resolve` leaves a field out"


@EACH
def test_connect_proposes_the_addresses_of_the_local_system(flow: str) -> None:
    """At the local system: it would send what is typed to the vendor otherwise.

    A default that is implied is the flow's, too.
    """
    demo, parse = registry.kind(flow).demo_secret(LOOPBACK), every()[flow].vendor.parse
    for question in asked(descriptors()[flow].questions):
        if question.is_implied:
            without = {key: value for key, value in demo.items() if key != question.key}
            assert parse(without) == parse({**without, question.key: question.default})
        if urlsplit(LOOPBACK).netloc in str(demo.get(question.key)):
            local = (question.local or "").format(url=LOOPBACK, address=urlsplit(LOOPBACK).netloc)
            assert demo[question.key].startswith(local)
            assert local


@EACH
def test_the_descriptor_describes_the_answer(flow: str) -> None:
    """Headers and context of each token that callers get.

    A token is called by a member of some token's context.
    """
    known, tokens = descriptors()[flow], talk(flow).callers_tokens()
    assert tokens[-1:] == talk(flow).tokens[-1:], "`token_kinds` has the kind of the demo's token"
    kinds = every()[flow].vendor.token_kinds
    made = [one.kind for one in talk(flow).variants if one.kind in kinds]
    assert made == sorted(made, key=kinds.index), "a kind stands before those made from it"
    answer = known.answer["properties"]
    common = set.intersection(*({*token.headers} for token in tokens))
    assert {*answer["headers"].get("required", ())} == common, "headers that each token has"
    common = set.intersection(*({*token.context} for token in tokens))
    assert {*answer.get("context", {}).get("required", ())} == common, "of each token's context"
    assert known.token_names.keys() <= {name for one in tokens for name in one.context}


@EACH
def test_one_request_proves_the_credentials(flow: str) -> None:
    """The gate admits that request: otherwise wrong credentials would be sent repeatedly.

    A vendor may send a login to another host; but the right ones only. Wrong ones raise
    `CredentialRejected` after the response to that request.
    """
    proven = [one.url for one, _ in talk(flow).log if one.proves_credentials]
    assert len(proven) == len(set(proven)) > 0
    refused = Talk(flow, changes=wrong_login(flow))
    assert isinstance(refused.error, CredentialRejected)
    assert refused.log[-1][0].proves_credentials
    assert [one.proves_credentials for one, _ in refused.log].count(True) == 1
    for key, wrong in wrong_login(flow).items():
        assert isinstance(Talk(flow, changes={key: wrong}).error, CredentialRejected), key


@EACH
def test_each_request_with_the_secret_proves_the_credentials(
    flow: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And with what is made from it: such a request differs with the secret.

    A renewal's, too: the gate would not know that it is a login. In each mode of the fake.
    """
    canary, secret = canaries(flow), {one.key for one in questions(flow) if one.is_secret}

    def sent(ending: str, mode: Mapping[str, Any]) -> list[Request]:
        random.seed(0)
        login = {key: value + ending * (key in secret) for key, value in canary.items()}
        found = Talk(flow, modes=mode, known=login, changes=login)
        first = found.log
        found.renew()
        return [request for request, _ in (*first, *found.log)]

    for module in (os, random):
        monkeypatch.setattr(module, "urandom" if module is os else "_urandom", bytes)
    for mode in modes(flow):
        for one, other in zip(sent("1", mode), sent("2", mode), strict=True):
            assert one.proves_credentials or one == other, (one.step, mode)


@EACH
@pytest.mark.parametrize("modes", [{}, {"lifetime": 1800}])
def test_tokens_end_at_the_vendor_when_the_flow_says(flow: str, modes: dict[str, Any]) -> None:
    """Not before: the one that is handed out is listed until then. If answers tell the lifetime.

    An answer with a `Date` tells by which clock: the flow counts from it, as `seconds_until` does.
    """
    found, later = Talk(flow, modes=modes), Talk(flow, modes=modes)
    for ahead in (-60, 60) if any("date" in told.headers for _, told in found.log) else ():
        other = Talk(flow, modes=modes, ahead=ahead)
        ends = zip(found.tokens, other.tokens, strict=True)
        assert all(two.expires_at - one.expires_at == ahead for one, two in ends), "counted by us"
    token = found.tokens[-1]
    if not modes or [answer for _, answer in found.log] != [answer for _, answer in talk(flow).log]:
        found.fake.advance(token.expires_at - NOW - 1)
    assert token.value in json.dumps(found.fake.describe()), "`describe` lists what lives"
    assert found.fake.revoke(token.value)
    assert token.value not in json.dumps(found.fake.describe())
    later.fake.advance(2 * max(token.expires_at - NOW for token in later.tokens))
    assert not any(later.fake.revoke(token.value) for token in later.tokens)


@EACH
@pytest.mark.parametrize(
    ("kind", "statuses", "expected"),
    [
        ("status", (429, 500, 503), UpstreamUnavailable),
        ("html", (429, 500, 503), UpstreamUnavailable),
        ("html", (200, 401, 403), UpstreamContractChanged),
    ],
)
def test_neither_an_outage_nor_a_page_is_a_rejection(
    flow: str, kind: str, statuses: tuple[int, ...], expected: type[BrokerError]
) -> None:
    """At each step, and of a check. The page of an outage is an outage."""
    found, steps = talk(flow), {request.step for request, _ in talk(flow).log}
    for step, status in product(steps, statuses):
        error = Talk(flow, fault={"kind": kind, "step": step, "status": status}).error
        assert type(error) is expected, (step, status)
    for status in statuses if found.vendor.check else ():
        is_head, is_page = check(flow)[0].method == "HEAD", kind == "html"
        if is_head and is_page and status != HTTPStatus.OK:
            continue  # an answer to HEAD has no body, by which to know a page
        content = b"<html>" if is_page and not is_head else b""
        headers = {"content-type": "text/html"} if is_page else {}
        with pytest.raises(expected):
            checked(flow, Response(status, headers, content))


def checked(flow: str, answer: Response) -> bool:
    """Say what a check makes of the vendor's *answer*: whether it takes the token."""
    found = talk(flow)
    assert found.vendor.check
    credentials = found.vendor.parse(found.secret)
    return run(found.vendor.check(credentials, found.tokens[-1]), lambda _: answer)


@EACH
def test_a_refusal_for_another_reason_is_no_rejection(flow: str) -> None:
    """Those that the fake lists: it would latch the connection."""
    for status, said in registry.kind(flow).other_refusals:
        refused = as_fault(in_json(status, said, "refused").response())
        error = Talk(flow, fault={"kind": "answer", "step": proof(flow).step, **refused}).error
        assert error, said
        assert not isinstance(error, CredentialRejected), said


@EACH
def test_logins_in_one_second_succeed(flow: str) -> None:
    """What each login may use once is drawn, not made from the time."""
    found = Talk(flow)
    found.converse()
    assert found.error is None


@EACH
def test_a_response_without_a_token_is_an_error(flow: str) -> None:
    tokens = [token.value for token in talk(flow).tokens]
    for request, answer in talk(flow).log:
        found = Talk(flow, fault={"kind": "no_token", "step": request.step})
        told = traces(tokens, repr((answer.headers, answer.content)).encode())
        is_same = found.log == talk(flow).log and not told
        assert found.error or is_same, f"{request.step}: see the fake's `token_members`"


@EACH
def test_a_renewal_ends_in_another_token(flow: str) -> None:
    """Or a caller who reports a dead one gets it again: to prolong a session is no renewal."""
    found = Talk(flow)
    before = {token.value for token in found.tokens}
    found.renew()
    assert before.isdisjoint(token.value for token in found.tokens)


@EACH
def test_what_renews_is_kept_while_the_vendor_takes_it(flow: str) -> None:
    """Also if a renewal brings no other: the next one would be a login."""
    found, step = Talk(flow), renewal_step(flow)
    before = [token.renewal for token in found.tokens if token.renewal]
    found.renew()
    for variant, token, old in zip(found.variants, found.tokens, before, strict=True):
        credentials, kept = found.vendor.parse(found.secret), replace(token, renewal=old)
        sent = list[str]()

        def send(request: Request) -> Response:
            sent.append(request.step)  # noqa: B023 (called at once)
            return found.fake(request)

        run(found.vendor.exchange(credentials, variant, NOW, kept), send)
        assert token.renewal or sent != [step], "it renews once more, and is not kept"


@EACH
@pytest.mark.parametrize("status", [400, 401, 403])
def test_a_refused_renewal_is_followed_by_a_login(flow: str, status: int) -> None:
    """What renews may be used, dead or unknown by now: only the credentials tell."""
    found, step = Talk(flow), renewal_step(flow)
    found.renew(**({"kind": "status", "step": step, "status": status} if step else {}))
    assert found.error is None
    assert all(one.proves_credentials for one, _ in found.log[-1:])


@EACH
def test_one_wrong_value_in_a_response_is_an_error_or_ends_in_a_good_token(flow: str) -> None:
    """At each step: a lifetime that is a text or an age, or a token that no header can have.

    An address that the secret does not allow gets no request and no token.
    """
    for mode, is_renewal, step, answer in answers_in_each_mode(flow):
        for wrong in nearly(answer):
            fault = {"kind": "answer", "step": step, **as_fault(wrong)}
            found = Talk(flow, modes=mode, fault=None if is_renewal else fault)
            assert_good(found, where := f"{step}: {wrong.headers} {wrong.content!r}")
            found.renew(**(fault if is_renewal else {}))
            assert_good(found, where)


def assert_good(found: Talk, where: str) -> None:
    """Assert that the tokens can be used, and that no request or token goes to another host."""
    urls = [*(request.url for request, _ in found.log), *(one.base_url for one in found.tokens)]
    assert not [url for url in urls if FOREIGN in urlsplit(url).netloc], where
    for token in found.tokens:
        assert token.expires_at > NOW, where
        assert all(sendable(part) for pair in token.headers.items() for part in pair), where
        json.dumps([token.context, rfc3339(token.expires_at)])
        assert isinstance(token.renewal, str | None), where


def answers_in_each_mode(flow: str) -> Iterator[tuple[dict[str, Any], bool, str, Response]]:
    """Yield the successes in a first exchange, or a renewal, with members that none before has.

    With each is the mode of the fake, whether it is of the renewal, and its step.
    """
    seen = set[tuple[bool, str, str]]()
    for mode in modes(flow):
        found = Talk(flow, modes=mode)
        first = found.log
        found.renew()
        for is_renewal, log in ((False, first), (True, found.log)):
            for request, answer in log:
                members = (*names(answer), *answer.headers)
                parts = {(is_renewal, request.step, member) for member in members}
                if answer.is_success and not parts <= seen:
                    yield mode, is_renewal, request.step, answer
                    seen |= parts


@EACH
def test_a_log_out_ends_the_tokens_of_an_exchange(flow: str) -> None:
    """Of those that callers get: a session of which they are made may have no end.

    The vendor knows each of the requests.
    """
    found = Talk(flow)
    if found.vendor.ends_sessions:
        credentials = found.vendor.parse(found.secret)
        for token in found.tokens:
            run(found.vendor.end_session(credentials, token, NOW), found.fake)
        ended = [token.value for token in found.callers_tokens()]
        assert not any(map(found.fake.revoke, ended)), "a token lives on after the log-out"
        assert found.fake.log.unknown == []


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
def test_the_log_of_the_fake_is_the_same_for_any_secret(
    flow: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So it shows neither a secret nor what is made from one: Basic credentials, a signature.

    In headers, JSON and forms. What a flow draws is the same for both secrets.
    """
    canary = canaries(flow)
    secret = {one.key for one in questions(flow) if one.is_secret}
    for module in (os, random):
        monkeypatch.setattr(module, "urandom" if module is os else "_urandom", bytes)

    def shown(ending: str) -> list[Any]:
        random.seed(0)
        login = {key: value + ending * (key in secret) for key, value in canary.items()}
        fake = Talk(flow, known=login, changes=login).fake
        assert traces([login[key] for key in secret], repr([*fake.log]).encode()) == []
        return [*(one.describe() for one in fake.log), fake.describe()]

    for one, other in zip(shown("1"), shown("2"), strict=True):
        different = {name for name in one if one[name] != other[name]}
        assert different == set(), f"{one.get('step')} shows a secret, or what is made from one"


@EACH
def test_each_key_of_a_secret_is_validated(flow: str) -> None:
    """An error names a missing, blank, non-text or unknown key; `connect` asks for known ones.

    An address without TLS is an error, too.
    """
    parse = every()[flow].vendor.parse
    demo = registry.kind(flow).demo_secret(LOOPBACK)
    for key in (question.key for question in questions(flow)):
        missing = {name: value for name, value in demo.items() if name != key}
        for wrong in (missing, *(demo | {key: value} for value in ("", " ", [1]))):
            with pytest.raises(NotConfigured, match=f"^{key}: "):
                parse(wrong)
    for question in asked(descriptors()[flow].questions):
        if "{url}" in (question.local or ""):
            with pytest.raises(NotConfigured, match=f"^{question.key}:? "):
                parse(demo | {question.key: "http://vendor.example"})
    shown = ""
    for key, text in canaries(flow).items():
        try:
            parse(demo | {key: f"{text}é\n"})
        except NotConfigured as error:
            shown += str(error)
    assert traces(canaries(flow).values(), shown.encode()) == []
    with pytest.raises(NotConfigured, match=r"^no-such-key: is not known"):
        parse(demo | {"no-such-key": 1})
    for key in members(flow):
        with pytest.raises(NotConfigured, match=f"^{key}: (?!is not known)"):
            parse(demo | {key: 1})


@EACH
def test_a_pinned_field_may_not_be_chosen(flow: str) -> None:
    """Whichever fields a secret can pin: `pins` tells them, and the vendor is asked nothing."""
    for field in (one for one in descriptors()[flow].fields if one.name in members(flow)):
        name, (usual, another, *_) = field.name, field.schema.get("enum", ("usual", "another"))
        changes = {name: usual, "pinned": [name]}
        vendor, secret = every()[flow].vendor, registry.kind(flow).demo_secret(LOOPBACK)
        try:
            credentials = vendor.parse(secret | changes)
        except NotConfigured:
            continue
        assert vendor.pins(credentials) == {name: usual}
        chosen = Talk(flow, {**body(flow), name: another}, changes=changes)
        assert isinstance(chosen.error, InvalidRequest), name
        assert chosen.log == []


@EACH
def test_keys_that_are_called_secret_are_typed_unseen(flow: str) -> None:
    """`connect`, and each test that looks for secrets, goes by `is_secret`."""
    shown = [one.key for one in asked(descriptors()[flow].questions) if not one.is_secret]
    assert [key for key in shown if SECRET.search(key)] == []


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
    requested = vendor.resolve(credentials, known.requested(Document({}, InvalidRequest)))
    token = replace(tokens[-1], value=old, renewal=renewal)
    made = [replace(one, value=old, renewal=renewal) for one in tokens]
    send, sent = repeated(answers), list[Request]()
    for variant, own in ((requested, None), *zip(talk(flow).variants, made, strict=True)):
        exchange = vendor.exchange(credentials, variant, NOW, own if has_kept else None)
        survives(lambda: run(exchange, send, lambda _: tokens[0]))  # noqa: B023 (called at once)
    survives(lambda: run(vendor.end_session(credentials, token, NOW), send))
    if verify := vendor.verify:
        survives(lambda: run(verify(credentials, old), send))
    if check := vendor.check:

        def noted(request: Request) -> Response:
            sent.append(request)
            return send(request)

        survives(lambda: run(check(credentials, token), noted))
        assert len(sent) == 1
