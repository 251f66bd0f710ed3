"""Probes, with the fakes of the vendors, in each mode for which an option exists."""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random
from types import SimpleNamespace
from typing import Any, get_args, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import subjects
from tests.conversations import NOW, SECRETS, MiniBroker, answer, any_answers, repeated
from tests.subjects import PROBED
from tests.unit.memory_broker import raising
from token_broker.document import Document
from token_broker.errors import (
    BrokerError,
    Internal,
    InvalidRequest,
    UpstreamContractChanged,
    UpstreamError,
    UpstreamRefused,
    UpstreamUnavailable,
)
from token_broker.exchange import Exchange, NeedToken, Request, Response, run
from token_broker.flows import every
from token_broker.probe import Observer, prober_of
from token_broker.probing import NO_ANSWER, Budget, Observed
from token_broker.tokens import Token, Variant
from token_broker_fakes import registry
from token_broker_fakes.editor import EditorModes, FakeEditor
from token_broker_fakes.fake import Fake
from token_broker_fakes.vendorlink import FakeVendorlink
from token_broker_fakes.vntana import FakeVntana

FLOWS = every()
AT = {"vendorlink": "app.vendorlink.nl"}
GUEST = {"organization": "studio", "workspace": "chairs"}
"""Of VNTANA: a role that needs a workspace's token."""

MONTH = 30 * 86_400
JSON = "application/json"
BODY: dict[str, Any] = {"token_from_body": True}
OPTIONS: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("vntana", {"refresh_method": "GET"}, {"refresh_method": "GET"}),
    ("vntana", {"refresh_method": "GET", "failure_status": "200"}, {"refresh_method": "GET"}),
    ("vntana", {"workspace_headers": "client"}, {"workspace_headers": "client"}),
    ("vntana", {"token_place": "body"}, BODY),
    ("vntana", {"token_place": "session", "session": "micros"}, BODY | {"lifetime": MONTH}),
    ("vntana", {"token_place": "both"}, {}),
    *(("vntana", {"session": unit}, {"lifetime": MONTH}) for unit in ("seconds", "millis")),
    ("vntana", {"session": "zulu", "lifetime": 3600}, {}),
    ("vntana", {"session": "zulu", "lifetime": 90_000}, {}),
    ("vntana", {"session": "zulu", "lifetime": 2 * MONTH}, {"lifetime": MONTH}),
    *(("vntana", {"session": odd}, {}) for odd in ("past", "text", "number", "null")),
    *(("vendorlink", {"extend_key": key}, {}) for key in ("rToken", "RenewalToken")),
    ("vendorlink", {"extend_content_type": "colon"}, {"content_type": f"{JSON}: charset=utf8"}),
    ("vendorlink", {"extend_content_type": "utf8"}, {"content_type": f"{JSON}; charset=utf8"}),
    *(("vendorlink", {"extend_renewal": without}, {}) for without in ("null", "absent")),
    ("vendorlink", {"extend_renewal": "null_spent"}, {"null_renewal": "drop"}),
    ("vendorlink", {"access_token": "opaque"}, {}),
    ("vendorlink", {"lifetime": 1800}, {}),
    ("editor", {"verify_header": "x-api-key"}, {"verify_header": "x-api-key"}),
    ("editor", {"verify_header": "either"}, {}),
    ("editor", {"verify": "consumes"}, {"reuse": False}),
    ("editor", {"verify": "consumes", "user_id": "optional"}, {"reuse": False}),
    ("editor", {"expiration_time": "float"}, {}),
]
"""A vendor's modes, and the options that follow."""


def clock() -> float:
    return float(NOW)


@dataclass
class Probe:
    """One probe of a fake, and the credentials it was held with."""

    observer: Observer
    fake: Fake[Any]
    broker: MiniBroker
    secret: dict[str, Any]

    def run(self) -> tuple[Token | None, dict[str, Any]]:
        """Return the token that the probe ends with, if it does, and the report."""
        credentials = self.broker.credentials
        flow = self.observer.flow
        requested = flow.requested(Document({}, InvalidRequest))
        variant = flow.vendor.complete(credentials, requested)
        try:
            token = self.broker.obtain(NeedToken(flow.vendor.resolve(credentials, variant)))
        except BrokerError as error:
            return None, self.observer.report(credentials, error)
        return token, self.observer.report(credentials, None)

    def watch(self, see: Callable[[Request], object]) -> None:
        """Call *see* with each request before it is sent."""
        send = self.broker.send

        def seen(request: Request) -> Response:
            see(request)
            return send(request)

        self.broker.send = seen


def probe(
    flow: str,
    modes: dict[str, Any] | None = None,
    is_time_left: Callable[[], bool] = lambda: True,
    **changes: Any,
) -> Probe:
    fake = registry.new(flow, clock=clock, rng=Random(1))
    fake.modes.update(modes or {})
    at = AT.get(flow, subjects.LOOPBACK)
    secret = fake.demo_secret(at) | (GUEST if flow == "vntana" else {}) | changes
    observer = Observer(FLOWS[flow], is_time_left)
    vendor = observer.flow.vendor
    broker = MiniBroker(vendor, vendor.parse(secret), observer.forgiving(fake))
    return Probe(observer, fake, broker, secret)


def seen(report: dict[str, Any], question: str) -> Any:
    return next(one["seen"] for one in report["findings"] if one["question"] == question)


def is_live(one: Probe, token: Token) -> bool:
    """Say whether the probed vendor still accepts *token*."""
    fake = one.fake
    if isinstance(fake, FakeVntana):
        session = fake.session(token.value)
        return session is not None and not session.is_dead(NOW)
    if isinstance(fake, FakeEditor):
        return not fake.openings[token.value].is_dead(NOW)
    assert isinstance(fake, FakeVendorlink)
    return not fake.tokens.access[token.value].is_dead(NOW)


def steps_of_renewal(one: Probe, token: Token, options: dict[str, Any]) -> list[str]:
    """Return the steps that Vendorlink is asked for to renew *token*."""
    vendor = FLOWS["vendorlink"].vendor
    credentials = vendor.parse(one.secret | {"options": options})
    one.fake.log.clear()
    run(vendor.exchange(credentials, Variant("login"), NOW, token), one.fake)
    return list(one.fake.log.steps)


@pytest.mark.parametrize(("flow", "modes", "options"), OPTIONS, ids=str)
def test_a_probe_reports_the_mode_and_its_option(
    flow: str, modes: dict[str, Any], options: dict[str, Any]
) -> None:
    """With the option, a second probe reports no change; the fake records no breach.

    What is configured is tried first, so it sends less. Nothing is sent beyond the budget, by the
    fake's own count; and at most two logins are let in. Neither its token nor the renewal token was
    spent by the probe. The report can be sent to a vendor, or to the maintainers: it has no secret.
    """
    one, requests = probe(flow, modes), list[Request]()
    one.watch(requests.append)
    token, report = one.run()
    assert token is not None
    assert not [text for text in secrets_of(one, requests, token) if text in json.dumps(report)]
    assert (report["works"], report["options"]) == (True, options)
    assert is_live(one, token)
    fake, sent, budget = one.fake, report["sent"], report["budget"]
    assert len(fake.log) == sent["requests"] <= budget["requests"]
    assert sent["logins"] <= budget["logins"]
    opened = [e for e in fake.log if e.step in ("login", "generate") and e.status == 200]
    assert len(opened) <= 2
    named = {name: value for name, value in report["modes"].items() if name in modes}
    assert {name: getattr(fake.modes, name) for name in named} == named
    assert probe(flow, report["modes"]).run()[1]["findings"] == report["findings"]
    assert all(one["seen"] for one in report["findings"] if one["option"])
    observed = one.observer.observed.seen
    assert observed.keys() <= {each["question"] for each in report["findings"]}
    assert all(observed.values())
    again = probe(flow, modes, options=options)
    second = again.run()[1]
    assert second["options"] == {}
    ways = {"refresh_method", "workspace_headers", "content_type"} & options.keys()
    assert second["sent"]["requests"] <= sent["requests"] - len(ways)
    assert (fake.log.breaches, again.fake.log.breaches) == ([], [])
    if flow == "vendorlink":
        renews_by = "login" if options.get("null_renewal") == "drop" else "extend"
        assert steps_of_renewal(one, token, options) == [renews_by]


def secrets_of(one: Probe, sent: list[Request], token: Token) -> set[str]:
    """Return what the report may not have: the secret's values, and each token, sent or not."""
    texts = [*one.secret.values()]
    for request in sent:
        texts += request.json.values() if isinstance(request.json, dict) else ()
        texts += [request.headers.get(name) for name in ("authorization", "x-auth-token")]
    words = {text.rpartition(" ")[2] for text in texts if isinstance(text, str)}
    found = words | {token.value, token.renewal or token.value}
    return {word for word in found - {*AT.values(), *GUEST.values()} if len(word) > 1}


@pytest.mark.parametrize("flow", PROBED)
def test_wrong_credentials_are_sent_once(flow: str) -> None:
    """A rejection ends the probe without findings."""
    wrong: dict[str, Any] = subjects.wrong_login(flow)
    one = probe(flow, **wrong)
    token, report = one.run()
    assert token is None
    assert report["problem"]["code"] == "credential_rejected"
    assert (report["sent"]["logins"], one.observer.prober.budget.logins >= 1) == (1, True)
    assert one.fake.log.steps[-1] == subjects.proof(flow).step
    assert one.observer.observed.seen == {}


@pytest.mark.parametrize("kind", ["status", "drop", "html"])
@pytest.mark.parametrize("flow", PROBED)
def test_an_outage_during_a_probe_loses_no_token(flow: str, kind: str) -> None:
    """After each step: the token so far is returned, or a documented error raised."""
    whole = probe(flow)
    whole.run()
    steps = len(whole.fake.log)
    for reached in range(steps):
        one = probe(flow)
        sent, had_token = 0, False

        def send(request: Request, one: Probe = one, reached: int = reached) -> Response:
            nonlocal sent, had_token
            sent += 1
            if sent == reached + 1:
                had_token = one.observer.observed.has_token
                one.fake.fail(kind, times=None)  # type: ignore[arg-type]  # one of them
            return one.fake(request)

        one.broker.send = one.observer.forgiving(send)
        token, report = one.run()
        assert (token is None) is (report["problem"] is not None)
        assert token or not (had_token and one.observer.observed.has_token)
        if kind != "html":
            assert sent <= reached + 2, "it goes on asking a vendor that is down"


@pytest.mark.parametrize("flow", PROBED)
def test_a_probe_out_of_time_returns_its_findings_so_far(flow: str) -> None:
    """It stops once it has a token and no time is left.

    Without a token, it sends all requests for one.
    """
    whole = flags(probe(flow))
    assert any(whole) or flow == "vntana"
    for left in range(len(whole)):
        rest = iter([True] * left)
        sent = flags(probe(flow, is_time_left=lambda rest=rest: next(rest, False)))  # type: ignore[misc]  # bound
        assert sent.count(True) == min(left, whole.count(True))
        assert sent.count(False) == whole.count(False)


def flags(one: Probe) -> list[bool]:
    """Run a probe, which works; return of each request whether there was a token by then."""
    found, observed = list[bool](), one.observer.observed
    one.watch(lambda _: found.append(observed.has_token))
    token, report = one.run()
    assert token is not None, report
    assert report["works"]
    return found


def test_a_wrongly_configured_key_is_detected() -> None:
    report = probe("vendorlink", {"extend_key": "rToken"}, options={"extend_key": "RenewalToken"})
    assert report.run()[1]["options"] == {"extend_key": "both"}


def test_the_probe_leaves_out_exactly_one_parameter() -> None:
    """So the vendor's response concerns that one."""
    one = probe("editor", parameters={"userId": "1", "file": "a", "n": 0})
    one.run()
    bodies = [json.loads(entry.body) for entry in one.fake.log.of("generate")]
    assert bodies == [{"userId": "1", "file": "a", "n": 0}, {"file": "a", "n": 0}]


def test_an_unsupported_method_is_not_tried_with_other_headers() -> None:
    """The organization's token is stored, so entering it did not show the method."""
    assert seen(probe("vntana").run()[1], "workspace_headers") == "both"
    one = probe("vntana", {"workspace_headers": "client"})
    assert seen(one.run()[1], "workspace_headers") == "clientUuid alone"
    kept = one.broker.kept
    one.broker.kept = {key: kept[key] for key in kept if not kept[key].context.get("workspace")}
    one.fake.log.clear()
    one.fake.modes.refresh_method = "GET"
    again = Observer(FLOWS["vntana"], lambda: True)
    one.broker.vendor, one.observer = again.flow.vendor, again
    assert one.run()[1]["options"] == {"refresh_method": "GET", "workspace_headers": "client"}
    entered = ["enter workspace"] * 2
    assert one.fake.log.steps == ["list workspaces", "unknown", *entered]


def test_an_organization_or_a_workspace_that_cannot_be_entered_is_reported() -> None:
    """With the response to each method or header; the first one is the error."""
    one = probe("vntana", {"super_admin": "forbidden"})
    assert isinstance(one.fake, FakeVntana)
    one.fake.accounts[0].organizations[1].role = "SUPER_ADMIN"
    _, report = one.run()
    detail = "no way works (POST: 403 FORBIDDEN; GET: 405 METHOD_NOT_ALLOWED)"
    assert seen(report, "refresh_method") == detail
    assert report["problem"]["upstream_code"] == "FORBIDDEN"
    one = probe("vntana", {"dead_token": "401"})
    one.fake.fail("status", step="enter workspace", times=None, status=403)
    said = "no way works (POST, both: 403; POST, client: 403)"
    assert seen(one.run()[1], "workspace_headers") == said


def report_of(flow: str, answers: list[Response], **changes: Any) -> dict[str, Any]:
    """Return the report of a probe that is sent *answers* in turn, and then 403s."""
    one = probe(flow, **changes)
    rest = iter(answers)
    one.broker.send = lambda _: next(rest, answer({}, 403))
    return one.run()[1]


PAIR = answer({"accessToken": "a", "renewalToken": "r"})
SINGLE = answer({"accessToken": "a"})
OPENED = answer({"token": "t", "expiration_time": NOW + 60})
DOWN = answer({}, 503)
NOT_BELIEVED = {"x.eyJleHAiOjF9.x": 1, "x.eyJleHAiOjk5OTk5OTk5OTl9.x": 9_999_999_999}
"""Tokens that end at these times: they are past, or live for centuries."""

NO_EXTENSION = "none, with no content type (9 tried; 403)"
OWN_TYPE = {"content_type": "text/json", "extend_key": "rToken"}
OWN: dict[str, Any] = {"options": OWN_TYPE}
NONE_REQUIRED: dict[str, Any] = {"parameters": {"file": "a"}, "required": []}
FILE_REQUIRED = NONE_REQUIRED | {"required": ["file"]}
NOT_ASKED: dict[str, str | None] = {"missing_parameter": None, "reuse": None}
NOT_ASKED |= {"verify_header": "neither of the two"}
OPTIONAL: dict[str, str | None] = {"missing_parameter": "a token: it is optional"}
NO_EXPIRATION = {"expiration_time": "missing", "missing_parameter": None}
STUDIO = answer({"response": {"grid": [{"uuid": "1", "slug": "studio", "role": "R"}]}})
ENTERED = [answer({}, x_auth_token="t"), STUDIO]
IN_HEADER = {"refresh_method": None, "token_from_body": "in the header"}
WAIT = answer({"errors": ["API_RATE_LIMIT_EXCEEDED"]}, 400)
"""A code that asks to wait, with a status that does not."""
VENDORLINK: dict[str, tuple[list[Response], dict[str, str | None]]] = {
    "a login without a renewal token": (
        [SINGLE],
        {"extend_key": "a login gives no renewal token", "null_renewal": None},
    ),
    "no extension at all": ([PAIR], {"extend_key": NO_EXTENSION, "content_type": None}),
    "two keys together": ([PAIR, PAIR], {"extend_key": "both together; alone: neither"}),
    "down before null": ([PAIR, SINGLE, DOWN], {"extend_key": "both", "null_renewal": None}),
    "down before the keys": ([PAIR, PAIR, DOWN], {"extend_key": "both"}),
    **{
        f"a token that ends at {exp}": (
            [answer({"accessToken": token})],
            {"exp": f"{exp - NOW} s ahead, which is ignored: 60 minutes are assumed"},
        )
        for token, exp in NOT_BELIEVED.items()
    },
}


def test_a_probe_goes_on_with_the_renewal_token_of_the_last_answer() -> None:
    """The one before, which worked after null, is spent once there is a new one."""
    one, sent = probe("vendorlink"), list[Any]()
    new = answer({"accessToken": "a", "renewalToken": "s"})
    rest = iter([PAIR, SINGLE, new, SINGLE, SINGLE])
    one.broker.send = lambda _: next(rest)
    one.watch(lambda request: sent.append(request.json))
    one.run()
    assert [next(iter(json.values())) for json in sent[1:]] == ["r", "r", "s", "s"]


TOLD: dict[str, tuple[str, list[Response], dict[str, Any], dict[str, str | None]]] = {
    **{name: ("vendorlink", answers, {}, found) for name, (answers, found) in VENDORLINK.items()},
    "a content type of the operator's own": ("vendorlink", [PAIR] * 3, OWN, dict(OWN_TYPE)),
    "a parameter that is not required": ("editor", [OPENED], NONE_REQUIRED, NOT_ASKED),
    "another parameter that is optional": ("editor", [OPENED, OPENED], FILE_REQUIRED, OPTIONAL),
    "an expiration that is no number": ("editor", [answer({"token": "t"})], {}, NO_EXPIRATION),
    "a success without a token": ("vntana", [*ENTERED, answer({})], {}, IN_HEADER),
    "a code that asks to wait": ("vntana", [*ENTERED, WAIT], {}, {"refresh_method": None}),
}


@pytest.mark.parametrize(("flow", "answers", "changes", "findings"), TOLD.values(), ids=TOLD)
def test_responses_that_no_fake_gives_are_reported(
    flow: str, answers: list[Response], changes: dict[str, Any], findings: dict[str, str | None]
) -> None:
    """A question without an observation is null, and gives no option."""
    report = report_of(flow, answers, **changes)
    assert {question: seen(report, question) for question in findings} == findings
    assert report["options"] == {}


def test_what_the_editor_answers_is_named_by_the_modes_of_its_fake() -> None:
    """A status that the fake has not is no mode."""
    names = get_type_hints(EditorModes)
    values = {
        "seconds": NOW + 1,
        "milliseconds": 10**12 + 1,
        "float": NOW + 0.5,
        "text": str(NOW + 1),
        "words": "tomorrow",
        "past": NOW,
        "zero": 0,
        "null": None,
    }
    assert {*values, "missing"} == {*get_args(names["expiration_time"])}
    for form, value in values.items():
        report = report_of("editor", [answer({"token": "t", "expiration_time": value})])
        assert report["modes"]["expiration_time"] == seen(report, "expiration_time") == form
    statuses = {*get_args(names["missing_parameter"])}
    for status in ("400", "401", "403", "409", "422"):
        report = report_of("editor", [OPENED, answer({}, int(status))])
        assert seen(report, "missing_parameter") == status
        mode = report["modes"].get("missing_parameter")
        assert mode == (status if status in statuses else None)


def test_a_token_that_may_be_spent_is_not_kept() -> None:
    """An outage during its verification: another one is generated, or none returned."""
    known = answer({"userId": "1"})
    refused = answer({}, 400)
    for verified in ([DOWN], [known, DOWN]):
        assert report_of("editor", [OPENED, refused, *verified, OPENED])["works"]
        report = report_of("editor", [OPENED, refused, *verified, DOWN])
        assert report["problem"]["code"] == "upstream_unavailable"


@given(any_answers, st.sampled_from(PROBED))
def test_a_probe_stays_within_its_budget_for_any_responses(
    answers: list[Response], flow: str
) -> None:
    """The report has no secret."""
    one = probe(flow)
    one.broker.send = repeated(answers)
    _, report = one.run()
    assert (report["problem"] or {}).get("code") != Internal.code
    shown = json.dumps(report["findings"])
    assert not [secret for secret in SECRETS if secret in shown]


def test_a_request_beyond_the_budget_is_an_internal_error() -> None:
    """It is not sent."""
    request = Request("GET", "http://127.0.0.1:9/", "step", proves_credentials=True)
    for budget in (Budget(1, 9), Budget(9, 1)):
        observed = Observed(budget)
        observed.count(request)
        with pytest.raises(Internal, match="step: the probe would send more than it may"):
            observed.count(request)
    one = probe("vendorlink")
    one.observer.observed.budget = Budget(0, 0)
    assert one.run()[1]["problem"]["code"] == Internal.code
    assert len(one.fake.log) == 0


def test_a_flow_without_questions_cannot_be_probed() -> None:
    """Nothing is sent."""
    vendor = replace(FLOWS["editor"].vendor, probe=None)
    plain: Any = SimpleNamespace(name="plain", vendor=vendor)
    with pytest.raises(InvalidRequest, match="plain has nothing to probe"):
        prober_of(plain)


def test_a_probe_distinguishes_its_token_from_those_of_other_variants() -> None:
    """The next request is sent though no time is left, and an outage then is an error."""
    made = Token("value", {}, "https://api.example", NOW, NOW + 60)

    def exchange(_: Any, variant: Variant, *rest: Any) -> Exchange:
        if variant.kind == "inner":
            rest[-1].has_token = True
            return made
        yield NeedToken(Variant("inner", {"a": 1}))
        answered: Response = yield Request("GET", "http://127.0.0.1:9/", "step")
        answered.reached("step")
        return made

    observer = Observer(FLOWS["vntana"], lambda: False)
    observer.prober = replace(observer.prober, exchange=exchange)
    for status in (200, 503):
        send = observer.forgiving(lambda _, status=status: answer({}, status))
        broker = MiniBroker(observer.flow.vendor, None, send)
        try:
            ended: object = broker.obtain(NeedToken(Variant("outer")))
        except BrokerError as error:
            ended = type(error)
        assert ended == (made if status == 200 else UpstreamUnavailable)


@pytest.mark.parametrize("kind", [UpstreamUnavailable, UpstreamContractChanged, UpstreamRefused])
def test_an_outage_before_the_first_token_is_an_error(kind: type[UpstreamError]) -> None:
    """After it, the token is returned, also if a response is too large. A defect is one always."""
    observer = Observer(FLOWS["vntana"], lambda: True)
    send = observer.forgiving(raising(kind("login: no answer")))
    request = Request("POST", subjects.LOOPBACK, "login")
    with pytest.raises(kind):
        send(request)
    observer.observed.has_token = True
    assert send(request) is NO_ANSWER
    with pytest.raises(ZeroDivisionError):
        observer.forgiving(raising(ZeroDivisionError()))(request)
