"""The registry of flows: their packages, positions and abilities."""

import ast
import json
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import fields
from importlib import import_module
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from fuzz.targets import TARGETS
from tests import subjects
from token_broker.errors import UpstreamError
from token_broker.exchange import Request, Response, run
from token_broker.flows import every
from token_broker.flows.vntana.api import DEAD_TOKEN, SHUT_OUT, WAIT, WRONG_CREDENTIALS
from token_broker_cli import settings
from token_broker_client import request
from token_broker_descriptors import every as descriptors
from token_broker_fakes import registry
from token_broker_local import addresses
from token_broker_operations import flows as operations

ROOT = Path(__file__).parents[3]
FLOWS = every()
LAYER = "layers/token_broker/python/token_broker/flows"
FOR_A_HIT = {f"token_broker.{name}" for name in ("document", "errors", "flows", "tokens")}
"""All that a flow's package may import: a hit loads it."""
KNOWN_CODES = DEAD_TOKEN | SHUT_OUT | WAIT | WRONG_CREDENTIALS
"""Of VNTANA, whose answers have several that a check reads."""

OTHER = "ANOTHER"


def stems(pattern: str, ending: str = "") -> set[str]:
    """Return the names of the files that *pattern* finds, without *ending*."""
    return {path.stem.removesuffix(ending) for path in ROOT.glob(pattern)}


def folders(pattern: str) -> set[str]:
    """Return the names of the folders that have the file that *pattern* finds."""
    return {path.parent.name for path in ROOT.glob(pattern)}


SOURCES: Mapping[str, Callable[[], Collection[str]]] = {
    "functions": lambda: folders("functions/*/app.py"),
    "descriptors": descriptors,
    "fakes": registry.names,
    "pages": lambda: stems("docs/upstreams/*.md"),
    "events of API Gateway": lambda: stems("events/*-api-token.json", "-api-token"),
    "events of invokers": lambda: stems("events/*-direct-token.json", "-direct-token"),
    "events of a label": lambda: stems("events/*-label-updated.json", "-secret-label-updated"),
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


@pytest.mark.parametrize("source", SOURCES)
def test_flows_are_the_same_in_all_folders_and_tables(source: str) -> None:
    """A forgotten one would not fail elsewhere; `make flow` writes them all."""
    assert sorted(SOURCES[source]()) == list(FLOWS)


def test_each_flow_has_a_unique_position() -> None:
    """From 0, without gaps: two branches may have added a flow at the same position."""
    assert [one.position for one in descriptors().values()] == list(range(len(FLOWS)))


def imports(path: Path) -> set[str]:
    """Return the modules that a file imports, or imports from."""
    nodes = [*ast.walk(ast.parse(path.read_text()))]
    whole = (name.name for node in nodes if isinstance(node, ast.Import) for name in node.names)
    return {*whole, *(node.module or "" for node in nodes if isinstance(node, ast.ImportFrom))}


@pytest.mark.parametrize("name", FLOWS)
def test_package_descriptor_and_fake_have_the_name_of_the_flow(name: str) -> None:
    """Function, routes, secrets and items have this name."""
    flow, fake = FLOWS[name], registry.kind(name)
    assert (flow.name, descriptors()[name].name, fake.vendor) == (name, name, name)
    assert flow.module == f"token_broker.flows.{name}.flow"
    assert flow.requested.__module__ == f"token_broker.flows.{name}"
    app, package = (ROOT / "functions" / name / "app.py", ROOT / LAYER / name / "__init__.py")
    assert f"token_broker.flows.{name}" in imports(app)
    assert imports(package) <= FOR_A_HIT
    login = [one.step for one, _ in subjects.talk(name).log if one.proves_credentials]
    assert len([*fake.exchanges.intersection(login)]) == 1, f"one of {login} counts the logins"
    assert {subjects.renewal_step(name)} - {None} <= fake.exchanges <= fake.steps


@pytest.mark.parametrize("name", FLOWS)
def test_a_vendor_has_a_kind_of_token_and_what_its_module_defines(name: str) -> None:
    """Without a kind it would have no status or renewal; an ability that is left out is lost."""
    vendor = FLOWS[name].vendor
    assert vendor.token_kinds
    written = vars(import_module(FLOWS[name].module))
    forgotten = [one.name for one in fields(vendor) if getattr(vendor, one.name) is one.default]
    assert not written.keys() & {*forgotten}, "the module has it, but `VENDOR` has not"


@pytest.mark.parametrize("name", subjects.CHECKED)
def test_the_vendors_page_lists_the_check_request_and_dead_token_responses(
    name: str,
) -> None:
    """No other error status or code of the flow means a dead token.

    The fake has a route for the request, and answers as listed.
    """
    page = (ROOT / f"docs/upstreams/{name}.md").read_text()
    rows = re.findall(r"(?m)^\| `([A-Z]+ /.*?)` \| (.*) \|$", page)
    assert len(rows) == 1, "one row: | `GET /path` | the statuses and `CODES` of a dead token |"
    [(asked, dead)] = rows
    flow, talk = FLOWS[name], subjects.talk(name)
    credentials, check = flow.vendor.parse(talk.secret), flow.vendor.check
    token, sent = talk.tokens[-1], list[Request]()
    assert check

    def verdict(response: Response) -> bool | None:
        def send(request: Request) -> Response:
            sent.append(request)
            return response

        try:
            return run(check(credentials, token), send)
        except UpstreamError:
            return None

    def means_dead(response: Response) -> bool:
        return verdict(response) is False

    statuses = [status for status in range(400, 600) if means_dead(Response(status, {}, b"{}"))]
    assert sorted(map(str, statuses)) == sorted({*re.findall(r"\b[45]\d\d\b", dead)})
    listed = re.findall(r"`([A-Z_]+)`", dead)
    if name == "vntana":
        refused = {code: json.dumps({"errors": [code]}).encode() for code in (*KNOWN_CODES, OTHER)}
        dead_codes = [code for code, body in refused.items() if means_dead(Response(400, {}, body))]
        assert sorted(dead_codes) == sorted(listed)
    elif (answer := subjects.dead(name)).status not in statuses:
        codes = [code for code in listed if code.encode() in answer.content]
        assert len(codes) == 1, f"no code of the fake's {answer.status} {answer.content!r} is there"
        texts = {
            to: answer.content.replace(codes[0].encode(), to.encode()) for to in (*listed, OTHER)
        }
        alike = {to: Response(answer.status, answer.headers, text) for to, text in texts.items()}
        assert [to for to, response in alike.items() if means_dead(response)] == listed
        assert verdict(alike[OTHER]) is None, "another code is neither a live nor a dead token"
    assert {f"{one.method} {urlsplit(one.url).path}" for one in sent} == {asked}
    assert subjects.check(name)[0] in sent
    assert {one.step for one in sent} <= {"check", "verify"}
