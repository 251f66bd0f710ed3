"""`connect`: credentials are read, checked, tried at the vendor, and only then stored."""

import json
import sys
from collections.abc import Mapping
from typing import Any

from token_broker import flows
from token_broker.errors import BrokerError
from token_broker.flows import Flow
from token_broker.tokens import Token
from token_broker_cli import files
from token_broker_cli.desk import Desk
from token_broker_cli.forms import fill_in, is_same_login
from token_broker_cli.trial import attempt
from token_broker_cli.troubles import Trouble, trouble, usage
from token_broker_cli.vault import Vault

REJECTED = "Nothing was stored. Check the credentials before you try again."
UNTRIED = "Nothing was stored. --no-check stores without trying."


def connect(
    desk: Desk, flow: str, name: str, file: str | None, *, check: bool, key: str | None = None
) -> None:
    """Add a connection, or change one."""
    vault = Vault(desk)
    kept = present(desk, vault, flow, name)
    document = read(file) if file else ask(desk, flow, name, kept)
    module = flows.every()[flow]
    credentials = parsed(module, document)
    if check:
        refuse_rejected(desk, flow, name, kept, document)
    if document == kept:
        # The same again would be a new version, with which all tokens are made anew; and its
        # trial would end the session of the token that is in use.
        tell(desk, flow, name, "unchanged", was_tried=False)
        return
    if check:
        attempted(desk, module, credentials)
    done = "created" if vault.write(flow, name, document, key) else "updated"
    tell(desk, flow, name, done, was_tried=check)


def present(desk: Desk, vault: Vault, flow: str, name: str) -> Any:
    """Return what the connection has now, None if it is new, damaged, or not for us to read."""
    try:
        return vault.read(flow, name)
    except Exception as error:
        known = trouble(error)
        if known.code not in ("access_denied", "not_configured"):
            raise
        desk.screen.note(f"What is stored now is not looked at: {known.detail}", "yellow")
        return None


def tell(desk: Desk, flow: str, name: str, done: str, *, was_tried: bool) -> None:
    """Say what became of it."""
    if desk.screen.json:
        told = {"flow": flow, "connection": name, "done": done, "tried": was_tried}
        desk.screen.data(told)
        return
    desk.screen.lines(f"{done}: {flow}/{name}")
    if done == "unchanged":
        desk.screen.note("neither tried nor stored: that is what the connection has")
    elif not was_tried:
        desk.screen.note(f"not tried at the vendor: `token-broker token {flow} {name}` does that")


def read(file: str) -> Any:
    """Return the JSON that is in *file*, or on stdin for ``-``."""
    content = files.content(file)
    try:
        return json.loads(content)
    except json.JSONDecodeError as error:
        raise usage(f"--file: no JSON at line {error.lineno}, column {error.colno}") from None
    except (ValueError, RecursionError):
        raise usage("--file: no JSON in UTF-8") from None


def ask(desk: Desk, flow: str, name: str, kept: object) -> dict[str, Any]:
    """Ask a person for the document."""
    if not sys.stdin.isatty():
        raise usage("there is nobody to ask", "Give a file: --file FILE, or --file - for stdin.")
    known = kept if isinstance(kept, Mapping) else {}
    desk.screen.note(
        f"{'Changing' if known else 'Adding'} {flow}/{name}; what is secret stays unseen."
    )
    return fill_in(flow, known, desk.settings.local)


def parsed(flow: Flow, document: object) -> Any:
    """Return what *document* says, as the function would read it."""
    try:
        return flow.vendor.parse(document)
    except BrokerError as error:
        raise Trouble(error.code, error.detail, "Correct that key; nothing was stored.") from None


def refuse_rejected(desk: Desk, flow: str, name: str, kept: object, document: Any) -> None:
    """Raise `Trouble` if the vendor rejected this very login before."""
    if not isinstance(kept, Mapping) or not is_same_login(flow, kept, document):
        return
    variants = desk.call(flow, name, "status")["variants"]
    if any(variant["latched"] for variant in variants):
        raise Trouble(
            "credential_latched",
            "the vendor rejected this login before; it was not tried again",
            "Give others. Was it the vendor's mistake? Then `token-broker forget {about}`.",
        )


def tried(flow: Flow, credentials: Any) -> Token:
    """Return what the vendor gives for *credentials*."""
    try:
        return attempt(flow, credentials)
    except BrokerError as error:
        advice = REJECTED if error.code == "credential_rejected" else UNTRIED
        problem = error.problem()
        facts = {name: problem.get(name) for name in ("upstream_status", "upstream_code")}
        raise Trouble(error.code, error.detail, advice, facts=facts) from None


def attempted(desk: Desk, flow: Flow, credentials: Any) -> None:
    """Try *credentials*, and say whom the vendor let in."""
    with desk.screen.waiting(f"trying it at the vendor of {flow.name}"):
        token = tried(flow, credentials)
    known = {key: value for key, value in token.context.items() if value is not None}
    who = ", ".join(f"{key} {value}" for key, value in known.items())
    desk.screen.note(f"✓ {flow.name} let it in" + (f": {who}" if who else ""), "green")
