"""What is the same for every flow: it is found by its package, and says what it can do."""

from pathlib import Path

import pytest
from hypothesis import given

from tests.conversations import NOW, SECRETS, any_answers, repeated, survives
from token_broker.exchange import Request, Response, run
from token_broker.flows import Flow, every
from token_broker.tokens import Token
from token_broker_fakes import FakeEditor, FakeVendorlink, FakeVntana

ROOT = Path(__file__).parents[3]
FLOWS = every()


def test_each_function_has_its_flow() -> None:
    """Sorted by name. There is no list of flows to edit."""
    assert list(FLOWS) == sorted(folder.parent.name for folder in ROOT.glob("functions/*/app.py"))


@pytest.mark.parametrize("flow", FLOWS.values(), ids=FLOWS)
def test_a_flow_is_called_as_its_package(flow: Flow) -> None:
    """A function, its routes, its secrets and its items are named after it."""
    assert FLOWS[flow.name] is flow
    assert flow.module == f"token_broker.flows.{flow.name}.flow"
    assert flow.requested.__module__ == f"token_broker.flows.{flow.name}"


@pytest.mark.parametrize("flow", FLOWS.values(), ids=FLOWS)
def test_callers_get_tokens_of_some_kind(flow: Flow) -> None:
    """A flow without one would have no status, no renewal and no rotation."""
    assert flow.vendor.token_kinds


DEMO = {
    "editor": FakeEditor.demo_secret("https://tokens.example"),
    "vendorlink": FakeVendorlink.demo_secret("app.vendorlink.nl"),
    "vntana": FakeVntana.demo_secret("https://api.example"),
}


@pytest.mark.parametrize("flow", FLOWS.values(), ids=FLOWS)
def test_nothing_is_pinned_unless_the_secret_says_so(flow: Flow) -> None:
    """Each flow knows the key."""
    for secret in (DEMO[flow.name], DEMO[flow.name] | {"pinned": []}):
        assert flow.vendor.pins(flow.vendor.parse(secret)) == {}


@pytest.mark.parametrize("flow", FLOWS.values(), ids=FLOWS)
@given(answers=any_answers)
def test_whatever_a_check_is_answered_no_other_error_and_no_secret_gets_out(
    flow: Flow, answers: list[Response]
) -> None:
    """It is one request, whose outcome is a verdict on the token, or an error of ours."""
    vendor, sent = flow.vendor, []
    token = Token(SECRETS[3], {}, "https://api.example", NOW, NOW + 60)

    def send(request: Request) -> Response:
        sent.append(request)
        return repeated(answers)(request)

    if vendor.check:
        credentials, check = vendor.parse(DEMO[flow.name]), vendor.check
        survives(lambda: run(check(credentials, token), send))
        assert [request.step for request in sent] == [
            "verify" if flow.name == "editor" else "check"
        ]
