"""Probes, with fakes that enforce their vendors' rules, in each mode that an option answers to."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conversations import NOW, SECRETS, Desk, answer, any_answers, repeated
from token_broker.document import Document
from token_broker.errors import BrokerError, Internal, InvalidRequest, UpstreamUnavailable
from token_broker.exchange import NeedToken, Request, Response
from token_broker.flows import Flow, every
from token_broker.probing import Budget, Observed, ProbedFlow, prober_of
from token_broker.tokens import Token
from token_broker_fakes.editor import EditorModes, FakeEditor
from token_broker_fakes.fake import Fake
from token_broker_fakes.vendorlink import FakeVendorlink, VendorlinkModes
from token_broker_fakes.vntana import FakeVntana, VntanaModes

FLOWS = every()
FAKES: dict[str, Callable[..., Any]] = {
    "vntana": lambda modes: FakeVntana(modes=VntanaModes(**modes), clock=clock, rng=Random(1)),
    "vendorlink": lambda modes: FakeVendorlink(
        modes=VendorlinkModes(**modes), clock=clock, rng=Random(1)
    ),
    "editor": lambda modes: FakeEditor(modes=EditorModes(**modes), clock=clock, rng=Random(1)),
}
AT = {"vntana": "http://127.0.0.1:9", "vendorlink": "app.vendorlink.nl"}
GUEST = {"organization": "studio", "workspace": "chairs"}
"""Of VNTANA: a role that needs a workspace's token."""

OPTIONS: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "VNTANA by GET": ("vntana", {"refresh_method": "GET"}, {"refresh_method": "GET"}),
    "VNTANA by GET, with status 200 for what is not there": (
        "vntana",
        {"refresh_method": "GET", "failure_status": "200"},
        {"refresh_method": "GET"},
    ),
    "VNTANA with one header": (
        "vntana",
        {"workspace_headers": "client"},
        {"workspace_headers": "client"},
    ),
    "VNTANA in the body": ("vntana", {"token_place": "body"}, {"token_from_body": True}),
    "VNTANA in the session": (
        "vntana",
        {"token_place": "session", "session": "micros"},
        {"token_from_body": True, "lifetime": 30 * 86_400},
    ),
    "VNTANA in both places": ("vntana", {"token_place": "both"}, {}),
    "VNTANA without a zone": ("vntana", {"session": "seconds"}, {"lifetime": 30 * 86_400}),
    "VNTANA in milliseconds": ("vntana", {"session": "millis"}, {"lifetime": 30 * 86_400}),
    "VNTANA for an hour": ("vntana", {"session": "zulu", "lifetime": 3600}, {}),
    "VNTANA with a time that is past": ("vntana", {"session": "past"}, {}),
    "VNTANA with a time in words": ("vntana", {"session": "text"}, {}),
    "VNTANA with a number": ("vntana", {"session": "number"}, {}),
    "VNTANA without a time": ("vntana", {"session": "null"}, {}),
    "Vendorlink by the new key": ("vendorlink", {"extend_key": "rToken"}, {}),
    "Vendorlink by the old key": ("vendorlink", {"extend_key": "RenewalToken"}, {}),
    "Vendorlink with a colon": (
        "vendorlink",
        {"extend_content_type": "colon"},
        {"content_type": "application/json: charset=utf8"},
    ),
    "Vendorlink that says null": ("vendorlink", {"extend_renewal": "null"}, {}),
    "Vendorlink that says nothing": ("vendorlink", {"extend_renewal": "absent"}, {}),
    "Vendorlink that says null and means it": (
        "vendorlink",
        {"extend_renewal": "null_spent"},
        {"null_renewal": "drop"},
    ),
    "Vendorlink with a token that cannot be read": ("vendorlink", {"access_token": "opaque"}, {}),
    "the editor by its other header": (
        "editor",
        {"verify_header": "x-api-key"},
        {"verify_header": "x-api-key"},
    ),
    "the editor by either header": ("editor", {"verify_header": "either"}, {}),
    "an editor's token that is used once": ("editor", {"verify": "consumes"}, {"reuse": False}),
    "an editor's token that is used once, without a user": (
        "editor",
        {"verify": "consumes", "user_id": "optional"},
        {"reuse": False},
    ),
    "the editor that refuses for a parameter as for a key": (
        "editor",
        {"missing_parameter": "403"},
        {},
    ),
    "the editor in milliseconds": ("editor", {"expiration_time": "milliseconds"}, {}),
    "the editor in a text": ("editor", {"expiration_time": "text"}, {}),
    "the editor in parts of seconds": ("editor", {"expiration_time": "float"}, {}),
}
"""A vendor's modes, and the options that follow."""


def clock() -> float:
    return float(NOW)


@dataclass
class Probe:
    """One probe of a fake, and the credentials it was held with."""

    flow: ProbedFlow
    fake: Fake[Any]
    desk: Desk
    secret: dict[str, Any]

    def run(self) -> tuple[Token | None, dict[str, Any]]:
        """Return the token that the probe ends with, if it does, and the report."""
        credentials = self.desk.credentials
        requested = self.flow.requested(Document({}, InvalidRequest))
        variant = self.flow.prober.complete(credentials, requested)
        try:
            token = self.desk.obtain(NeedToken(self.flow.vendor.resolve(credentials, variant)))
        except BrokerError as error:
            return None, self.flow.report(credentials, error)
        return token, self.flow.report(credentials)


def probe(
    flow: str,
    modes: dict[str, Any] | None = None,
    is_time_left: Callable[[], bool] = lambda: True,
    **changes: Any,
) -> Probe:
    fake = FAKES[flow](modes or {})
    at = AT.get(flow, AT["vntana"])
    secret = fake.demo_secret(at) | (GUEST if flow == "vntana" else {}) | changes
    probed = ProbedFlow.of(FLOWS[flow], is_time_left)
    desk = Desk(probed.vendor, probed.vendor.parse(secret), probed.forgiving(fake))
    return Probe(probed, fake, desk, secret)


def seen(report: dict[str, Any], question: str) -> Any:
    return next(one["seen"] for one in report["findings"] if one["question"] == question)


@pytest.mark.parametrize(("flow", "modes", "options"), OPTIONS.values(), ids=OPTIONS)
def test_a_mode_is_named_and_its_option_follows(
    flow: str, modes: dict[str, Any], options: dict[str, Any]
) -> None:
    """With the option a second probe finds nothing to change; and the fake has no breach."""
    one = probe(flow, modes)
    token, report = one.run()
    assert token is not None
    assert (report["works"], report["options"]) == (True, options)
    fake = one.fake
    named = {name: value for name, value in report["modes"].items() if name in modes}
    assert {name: getattr(fake.modes, name) for name in named} == named
    twin = FAKES[flow](report["modes"])  # they are modes
    assert twin.describe()
    again = probe(flow, modes, options=options)
    assert again.run()[1]["options"] == {}
    for each in (fake, again.fake):
        assert each.log.breaches == []


@pytest.mark.parametrize(("flow", "modes", "options"), OPTIONS.values(), ids=OPTIONS)
def test_no_more_is_sent_than_was_told(
    flow: str, modes: dict[str, Any], options: dict[str, Any]
) -> None:
    """By the fake's own count; and at most two logins are let in."""
    del options
    one = probe(flow, modes)
    _, report = one.run()
    sent, budget = report["sent"], report["budget"]
    assert len(one.fake.log) == sent["requests"] <= budget["requests"]
    assert sent["logins"] <= budget["logins"]
    opened = [e for e in one.fake.log if e.step in ("login", "generate") and e.status == 200]
    assert len(opened) <= 2


@pytest.mark.parametrize("flow", FLOWS)
def test_a_report_has_no_secret(flow: str) -> None:
    """So that it can be sent to a vendor, or to the makers of the broker."""
    one = probe(flow)
    token, report = one.run()
    assert token is not None
    shown = json.dumps(report)
    secrets = [v for v in one.secret.values() if isinstance(v, str) and v not in AT.values()]
    for secret in (*secrets, token.value, token.renewal or token.value):
        assert secret not in shown or secret in GUEST.values()


@pytest.mark.parametrize("flow", FLOWS)
def test_wrong_credentials_are_sent_once(flow: str) -> None:
    """A rejection ends a probe, with nothing seen."""
    wrong = {"vntana": "personal_access_token", "vendorlink": "password", "editor": "api_key"}
    one = probe(flow, **{wrong[flow]: "wrong"})
    token, report = one.run()
    assert token is None
    assert report["problem"]["code"] == "credential_rejected"
    assert len(one.fake.log) == 1
    assert one.flow.observed.seen == {}


@pytest.mark.parametrize("kind", ["status", "drop", "html"])
@pytest.mark.parametrize("flow", FLOWS)
def test_a_vendor_that_goes_down_costs_no_token(flow: str, kind: str) -> None:
    """After each step: what was opened by then is returned, or it is an error of ours."""
    whole = probe(flow)
    whole.run()
    steps = len(whole.fake.log)
    for reached in range(steps):
        one = probe(flow)
        sent = 0

        def send(request: Request, one: Probe = one, reached: int = reached) -> Response:
            nonlocal sent
            sent += 1
            if sent == reached + 1:
                one.fake.fail(kind, times=None)  # type: ignore[arg-type]  # one of them
            return one.fake(request)

        one.desk.send = one.flow.forgiving(send)
        token, report = one.run()
        assert (token is None) is (report["problem"] is not None)
        if flow == "vendorlink" and reached:
            assert token is not None
        if kind != "html":
            assert sent <= reached + 2, "it goes on asking a vendor that is down"


@pytest.mark.parametrize("flow", FLOWS)
def test_a_probe_ends_in_time_with_what_it_has(flow: str) -> None:
    """Once there is a token, a moment without time left is enough."""
    whole = probe(flow)
    whole.run()
    for left in range(len(whole.fake.log)):
        rest = iter([True] * left)
        one = probe(flow, is_time_left=lambda rest=rest: next(rest, False))  # type: ignore[misc]  # bound
        token, report = one.run()
        assert token is not None, report
        assert report["works"]


def test_an_entry_that_no_way_leads_to_is_told() -> None:
    """Each way and what the vendor said, and the first refusal is the error."""
    one = probe("vntana")
    one.fake.modes.workspace_headers = "client"
    one.fake.modes.request_prefix = "none"
    _, report = one.run()
    assert report["problem"]["code"] in ("upstream_refused", "upstream_contract_changed")
    for modes, question in (({"super_admin": "forbidden"}, "refresh_method"),):
        one = probe("vntana", modes)
        one.fake._platform.accounts[0].organizations[1].role = "SUPER_ADMIN"  # type: ignore[attr-defined]  # noqa: SLF001
        _, report = one.run()
        assert seen(report, question) == "no way works (POST: 403 FORBIDDEN; GET: 405 METHOD_NOT_ALLOWED)"
