"""What is the same for every flow: it is found by its package, and says what it can do."""

import json
import re
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import given

from fuzz.targets import TARGETS
from tests import subjects
from tests.conversations import NOW, SECRETS, any_answers, repeated, survives
from token_broker.document import Document
from token_broker.errors import InvalidRequest, UpstreamError
from token_broker.exchange import Request, Response, run
from token_broker.flows import Flow, every
from token_broker.flows.vendor import OPTIONAL
from token_broker.flows.vntana.api import DEAD_TOKEN, SHUT_OUT, WAIT, WRONG_CREDENTIALS
from token_broker.tokens import Token, Variant
from token_broker_cli import settings
from token_broker_client import request
from token_broker_descriptors import every as descriptors
from token_broker_fakes import registry
from token_broker_local import addresses
from token_broker_operations import flows as operations

ROOT = Path(__file__).parents[3]
FLOWS = every()
KNOWN_CODES = DEAD_TOKEN | SHUT_OUT | WAIT | WRONG_CREDENTIALS
"""Of VNTANA: the other vendors' refusals have none that a check reads."""


def stems(pattern: str, ending: str = "") -> set[str]:
    """Return the names of the files that *pattern* finds, without *ending*."""
    return {path.stem.removesuffix(ending) for path in ROOT.glob(pattern)}


def folders(pattern: str) -> set[str]:
    """Return the names of the folders that have the file that *pattern* finds."""
    return {path.parent.name for path in ROOT.glob(pattern)}


PLACES: Mapping[str, Callable[[], Collection[str]]] = {
    "functions": lambda: folders("functions/*/app.py"),
    "descriptors": descriptors,
    "fakes": registry.names,
    "pages": lambda: stems("docs/upstreams/*.md"),
    "events of API Gateway": lambda: stems("events/*-api-token.json", "-api-token"),
    "events of invokers": lambda: stems("events/*-direct-token.json", "-direct-token"),
    "events of EventBridge": lambda: stems("events/*-secret-changed.json", "-secret-changed"),
    "unit tests": lambda: folders("tests/unit/flows/*/test_*.py") - {"flows"},
    "fuzz corpora": lambda: folders("fuzz/corpus/*/*") & {*FLOWS, *descriptors()},
    "fuzz targets": lambda: TARGETS.keys() & {*FLOWS, *descriptors()},
    "subjects of tests": lambda: subjects.FLOWS,
    "client": lambda: request.FLOWS,
    "command": lambda: settings.FLOWS,
    "local system": lambda: addresses.FLOWS,
    "templates": lambda: {flow.name for flow in operations.FLOWS},
}


@pytest.mark.parametrize("place", PLACES)
def test_every_place_has_the_same_flows(place: str) -> None:
    """One that was forgotten somewhere would be silent there; `make flow` makes them all."""
    assert sorted(PLACES[place]()) == list(FLOWS)


def test_each_flow_has_a_place_of_its_own_among_all() -> None:
    """From 0, with no gap: two flows that were added side by side may have taken the same one."""
    assert [one.position for one in descriptors().values()] == list(range(len(FLOWS)))


@pytest.mark.parametrize("name", FLOWS)
def test_a_descriptor_and_a_fake_are_called_as_their_flow(name: str) -> None:
    assert descriptors()[name].name == name
    assert registry.kind(name).vendor == name
    assert {subjects.proof(name).step} <= registry.kind(name).exchanges <= registry.kind(name).steps


@pytest.mark.parametrize("flow", FLOWS.values(), ids=FLOWS)
def test_the_abilities_are_the_members_that_are_there(flow: Flow) -> None:
    """Routes are made from them."""
    vendor = flow.vendor
    assert vendor.abilities == {name for name in OPTIONAL if getattr(vendor, name)}


@pytest.mark.parametrize("flow", FLOWS.values(), ids=FLOWS)
def test_a_flow_is_called_as_its_package(flow: Flow) -> None:
    """A function, its routes, its secrets and its items are named after it."""
    assert FLOWS[flow.name] is flow
    assert flow.module == f"token_broker.flows.{flow.name}.flow"
    assert flow.requested.__module__ == f"token_broker.flows.{flow.name}"


@pytest.mark.parametrize(
    ("flow", "body", "kind", "inputs"),
    [
        ("editor", {}, "parameters", {"parameters": {}}),
        ("editor", {"parameters": {"a": [1]}}, "parameters", {"parameters": {"a": [1]}}),
        ("vendorlink", {}, "login", {}),
        ("vntana", {"workspace": "b"}, "asked", {"organization": None, "workspace": "b"}),
        ("vntana", {"organization": "a"}, "asked", {"organization": "a", "workspace": None}),
    ],
)
def test_a_body_requests_a_variant(
    flow: str, body: dict[str, Any], kind: str, inputs: dict[str, Any]
) -> None:
    """Its key is in the table, so another one would lose what is kept."""
    members = Document(body, InvalidRequest)
    assert FLOWS[flow].requested(members) == Variant(kind, inputs)
    members.finish()


@pytest.mark.parametrize("flow", FLOWS.values(), ids=FLOWS)
def test_callers_get_tokens_of_some_kind(flow: Flow) -> None:
    """A flow without one would have no status, no renewal and no rotation."""
    assert flow.vendor.token_kinds


DEMO = {name: registry.kind(name).demo_secret("https://vendor.example") for name in FLOWS}


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
        assert len(sent) == 1


@pytest.mark.parametrize("name", subjects.CHECKED)
def test_the_vendors_page_says_what_a_check_asks_and_which_answers_mean_a_dead_token(
    name: str,
) -> None:
    """No other status of a refusal does, and no other code that the flow knows.

    The fake has a route for the request.
    """
    page = (ROOT / f"docs/upstreams/{name}.md").read_text()
    [(asked, dead)] = re.findall(r"(?m)^\| `([A-Z]+ /.*?)` \| (.*) \|$", page)
    flow, talk = FLOWS[name], subjects.talk(name)
    credentials, check = flow.vendor.parse(talk.secret), flow.vendor.check
    token, sent = talk.tokens[-1], list[Request]()
    assert check

    def means_dead(response: Response) -> bool:
        def send(request: Request) -> Response:
            sent.append(request)
            return response

        try:
            return not run(check(credentials, token), send)
        except UpstreamError:
            return False

    statuses = [status for status in range(400, 600) if means_dead(Response(status, {}, b"{}"))]
    assert sorted(map(str, statuses)) == sorted({*re.findall(r"\b\d{3}\b", dead)})
    codes = [*sorted(KNOWN_CODES), "ANOTHER"] if name == "vntana" else []
    refusals = {code: json.dumps({"errors": [code]}).encode() for code in codes}
    told = [code for code, body in refusals.items() if means_dead(Response(400, {}, body))]
    assert told == sorted(re.findall(r"`([A-Z_]+)`", dead))
    assert {f"{one.method} {urlsplit(one.url).path}" for one in sent} == {asked}
    assert subjects.check(name)[0] in sent
    assert {one.step for one in sent} <= {"check", "verify"}
