"""Flows: over HTTP and HTTPS, by direct invocation, and the source of each token."""

from collections.abc import Mapping
from typing import Any

import requests

from stack.account import Identity
from stack.report import Report
from stack.settings import FLOWS
from stack.system import BODIES, System

READ_PATHS = {"vntana": "/v1/organizations/current", "vendorlink": "/Queries/List"}
"""A read of each vendor's with the token; the editor's token is verified instead."""

PINNED: Mapping[str, tuple[str, tuple[str, ...], Mapping[str, Any]]] = {
    "vntana": ("organization", ("organization",), {"organization": "another"}),
    "editor": ("parameters.userId", ("userId",), {"parameters": {"userId": "another"}}),
}
"""The field that is refused, the fields that are pinned, and the body that has them."""

POLICIES = ("Operate", *(f"Call{flow.capitalize()}" for flow in FLOWS))


def run(system: System, report: Report) -> None:
    """Request, report, force and forget tokens, and make invalid requests."""
    caller = system.account.session("caller", *map(system.arn, POLICIES))
    for flow in FLOWS:
        system.connect(flow, "acme")
        check_sources(system, report, caller, flow)
        check_replacements(system, report, caller, flow)
    check_verify(system, report, caller)
    for flow in PINNED:
        check_pinned(system, report, caller, flow)
    check_errors(system, report, caller)


def check_sources(system: System, report: Report, caller: Identity, flow: str) -> None:
    """Get a token from the vendor, then from memory, then from the table."""
    with report.check(f"{flow}: signed, over HTTP") as check:
        body = dict(BODIES.get(flow, {})) or None
        path = f"/v1/{flow}/acme/token"
        response = system.call(caller, "POST", path, scheme="http", body=body)
        check.equals(str(response), "200 exchange")
    with report.check(f"{flow}: again, over HTTPS") as check:
        check.equals(str(system.token(caller, flow)), "200 memory")
    with report.check(f"{flow}: invoked directly") as check:
        check.equals(system.direct(flow), "memory")
    with report.check(f"{flow}: in another process") as check:
        check.equals(system.direct(flow, qualifier="$LATEST"), "table")
    with report.check(f"{flow}: checked, by an operator") as check:
        response = system.call(caller, "POST", f"/v1/{flow}/acme/check", body=body)
        check.equals((response.status, response.body.get("ok")), (200, True))
    if flow in READ_PATHS:
        with report.check(f"{flow}: the vendor accepts the token") as check:
            token = system.token(caller, flow).body
            url = token["base_url"] + READ_PATHS[flow]
            check.equals(requests.get(url, headers=token["headers"], timeout=10).status_code, 200)


def check_replacements(system: System, report: Report, caller: Identity, flow: str) -> None:
    """Replace a token in each way that a caller or an operator has."""
    with report.check(f"{flow}: forced, once") as check:
        check.equals(str(system.token(caller, flow, force=True)), "200 exchange")
        check.equals(str(system.token(caller, flow, force=True)), "429 too_many_requests")
    with report.check(f"{flow}: reported, once; a late report changes nothing") as check:
        fingerprint = system.token(caller, flow).body["fingerprint"]
        check.equals(str(system.token(caller, flow, rejected=fingerprint)), "200 exchange")
        check.equals(str(system.token(caller, flow, rejected=fingerprint)), "200 table")
    with report.check(f"{flow}: its status has no token") as check:
        response = system.call(caller, "GET", f"/v1/{flow}/acme")
        states = {variant["state"] for variant in response.body["variants"]}
        check.equals((response.status, states), (200, {"fresh"}))
        check.equals("headers" in str(response.body), False)
    with report.check(f"{flow}: forgotten, and requested again") as check:
        response = system.call(caller, "DELETE", f"/v1/{flow}/acme/token")
        check.equals((response.status, response.body.get("complete")), (200, True))
        check.equals(str(system.token(caller, flow)), "200 exchange")


def check_verify(system: System, report: Report, caller: Identity) -> None:
    """Verify the editor's tokens."""
    path = "/v1/editor/acme/verify"
    token = system.token(caller, "editor").body["headers"]["x-api-token"]
    with report.check("editor: its token is valid") as check:
        response = system.call(caller, "POST", path, body={"token": token})
        check.equals((response.status, response.body.get("valid")), (200, True))
    with report.check("editor: an unknown token is not valid") as check:
        response = system.call(caller, "POST", path, body={"token": "made-up"})
        check.equals((response.status, response.body.get("valid")), (200, False))


def check_pinned(system: System, report: Report, caller: Identity, flow: str) -> None:
    """Send a field that the secret pins, by each action that takes it."""
    field, names, body = PINNED[flow]
    system.connect(flow, "pinned", pinned=list(names))
    with report.check(f"{flow}: a pinned field is refused, and the vendor not called") as check:
        before = system.requests(flow)
        for action in ("token", "check"):
            response = system.call(caller, "POST", f"/v1/{flow}/pinned/{action}", body=body)
            check.equals(str(response), "400 invalid_request")
            check.equals(response.body["detail"].partition(":")[0], field)
        result = system.invoke(flow, {"connection": "pinned", "action": "probe", **body})
        check.equals(result.get("errorType"), "InvalidRequest")
        check.equals(system.requests(flow) - before, 0)
    with report.check(f"{flow}: without the field, the secret's value is used") as check:
        path = f"/v1/{flow}/pinned/token"
        check.equals(str(system.call(caller, "POST", path)), "200 exchange")


def check_errors(system: System, report: Report, caller: Identity) -> None:
    """Request an unknown connection, an unknown field, and a token with rejected credentials."""
    with report.check("an unknown connection") as check:
        check.equals(str(system.token(caller, "vntana", "not-there")), "404 unknown_connection")
        check.equals(system.direct("vntana", "not-there"), "UnknownConnection")
    with report.check("an unknown field") as check:
        check.equals(str(system.token(caller, "vntana", typo=1)), "400 invalid_request")
    system.connect("vendorlink", "wrong", password="not-this-one")
    with report.check("rejected credentials are tried once") as check:
        before = system.exchanges("vendorlink")
        check.equals(str(system.token(caller, "vendorlink", "wrong")), "502 credential_rejected")
        check.equals(str(system.token(caller, "vendorlink", "wrong")), "502 credential_latched")
        check.equals(system.direct("vendorlink", "wrong"), "CredentialLatched")
        check.equals(system.exchanges("vendorlink") - before, 1)
