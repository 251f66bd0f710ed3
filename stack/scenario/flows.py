"""Each flow: over HTTP and HTTPS, by direct invocation, and where its tokens come from."""

from collections.abc import Mapping
from typing import Any

import requests

from stack.account import Identity
from stack.places import FLOWS
from stack.system import BODIES, System
from stack.table import Table

HARMLESS = {"vntana": "/v1/organizations/current", "vendorlink": "/Queries/List"}
"""What each vendor is asked with a token; the editor's is verified instead."""

PINNED: Mapping[str, tuple[str, tuple[str, ...], Mapping[str, Any]]] = {
    "vntana": ("organization", ("organization",), {"organization": "another"}),
    "editor": ("parameters.userId", ("userId",), {"parameters": {"userId": "another"}}),
}
"""Which field is refused, once what is pinned, of which body."""

CALLS = tuple(f"Call{flow.capitalize()}" for flow in FLOWS)


def play(system: System, table: Table) -> None:
    """Ask for tokens, report, force and forget them, and make mistakes."""
    caller = system.account.session("caller", *map(system.arn, CALLS), system.arn("Operate"))
    for flow in FLOWS:
        system.connect(flow, "acme")
        sources(system, table, caller, flow)
        replacements(system, table, caller, flow)
    editors(system, table, caller)
    for flow in PINNED:
        pinned(system, table, caller, flow)
    mistakes(system, table, caller)


def sources(system: System, table: Table, caller: Identity, flow: str) -> None:
    """See a token come from the vendor, then from memory, then from the table."""
    with table.row(f"{flow}: signed, over HTTP") as row:
        body = dict(BODIES.get(flow, {})) or None
        path = f"/v1/{flow}/acme/token"
        reply = system.call(caller, "POST", path, scheme="http", body=body)
        row.sees(str(reply), "200 exchange")
    with table.row(f"{flow}: again, over HTTPS") as row:
        row.sees(str(system.token(caller, flow)), "200 memory")
    with table.row(f"{flow}: invoked directly") as row:
        row.sees(system.direct(flow), "memory")
    with table.row(f"{flow}: in another process") as row:
        row.sees(system.direct(flow, qualifier="$LATEST"), "table")
    with table.row(f"{flow}: checked, by an operator") as row:
        reply = system.call(caller, "POST", f"/v1/{flow}/acme/check", body=body)
        row.sees((reply.status, reply.body.get("ok")), (200, True))
    if flow in HARMLESS:
        with table.row(f"{flow}: the vendor takes the token") as row:
            answer = system.token(caller, flow).body
            url = answer["base_url"] + HARMLESS[flow]
            row.sees(requests.get(url, headers=answer["headers"], timeout=10).status_code, 200)


def replacements(system: System, table: Table, caller: Identity, flow: str) -> None:
    """Have a token replaced in each way that a caller or an operator has."""
    with table.row(f"{flow}: forced, once") as row:
        row.sees(str(system.token(caller, flow, force=True)), "200 exchange")
        row.sees(str(system.token(caller, flow, force=True)), "429 too_many_requests")
    with table.row(f"{flow}: reported, once; a late report changes nothing") as row:
        fingerprint = system.token(caller, flow).body["fingerprint"]
        row.sees(str(system.token(caller, flow, rejected=fingerprint)), "200 exchange")
        row.sees(str(system.token(caller, flow, rejected=fingerprint)), "200 table")
    with table.row(f"{flow}: its state, without a token") as row:
        reply = system.call(caller, "GET", f"/v1/{flow}/acme")
        states = {variant["state"] for variant in reply.body["variants"]}
        row.sees((reply.status, states), (200, {"fresh"}))
        row.sees("headers" in str(reply.body), False)
    with table.row(f"{flow}: forgotten, and had again") as row:
        reply = system.call(caller, "DELETE", f"/v1/{flow}/acme/token")
        row.sees((reply.status, reply.body.get("complete")), (200, True))
        row.sees(str(system.token(caller, flow)), "200 exchange")


def editors(system: System, table: Table, caller: Identity) -> None:
    """Verify tokens of the editor's."""
    path = "/v1/editor/acme/verify"
    token = system.token(caller, "editor").body["headers"]["x-api-token"]
    with table.row("editor: a token is verified") as row:
        reply = system.call(caller, "POST", path, body={"token": token})
        row.sees((reply.status, reply.body.get("valid")), (200, True))
    with table.row("editor: another is not") as row:
        reply = system.call(caller, "POST", path, body={"token": "made-up"})
        row.sees((reply.status, reply.body.get("valid")), (200, False))


def pinned(system: System, table: Table, caller: Identity, flow: str) -> None:
    """Choose what the secret pins, in each way in which a caller or an operator could."""
    field, names, body = PINNED[flow]
    system.connect(flow, "pinned", pinned=list(names))
    with table.row(f"{flow}: a pinned field is refused, and the vendor not asked") as row:
        before = sum(system.fakes[flow].log.counts.values())
        for action in ("token", "check"):
            reply = system.call(caller, "POST", f"/v1/{flow}/pinned/{action}", body=body)
            row.sees(str(reply), "400 invalid_request")
            row.sees(reply.body["detail"].partition(":")[0], field)
        told = system.invoke(flow, {"connection": "pinned", "action": "probe", **body})
        row.sees(told.get("errorType"), "InvalidRequest")
        row.sees(sum(system.fakes[flow].log.counts.values()) - before, 0)
    with table.row(f"{flow}: left out, it is what the secret says") as row:
        path = f"/v1/{flow}/pinned/token"
        row.sees(str(system.call(caller, "POST", path)), "200 exchange")


def mistakes(system: System, table: Table, caller: Identity) -> None:
    """Ask for what is not there, or wrongly, and with credentials that the vendor rejects."""
    with table.row("a connection that is not there") as row:
        row.sees(str(system.token(caller, "vntana", "not-there")), "404 unknown_connection")
        row.sees(system.direct("vntana", "not-there"), "UnknownConnection")
    with table.row("a field that is not known") as row:
        row.sees(str(system.token(caller, "vntana", typo=1)), "400 invalid_request")
    system.connect("vendorlink", "wrong", password="not-this-one")
    with table.row("credentials that are rejected are tried once") as row:
        before = system.exchanges("vendorlink")
        row.sees(str(system.token(caller, "vendorlink", "wrong")), "502 credential_rejected")
        row.sees(str(system.token(caller, "vendorlink", "wrong")), "502 credential_latched")
        row.sees(system.direct("vendorlink", "wrong"), "CredentialLatched")
        row.sees(system.exchanges("vendorlink") - before, 1)
