"""`connect`: reads credentials, checks them, tries them at the vendor, and stores them."""

import json
from collections.abc import Mapping
from typing import Any

from token_broker import flows
from token_broker.errors import BrokerError
from token_broker.flows import Flow
from token_broker.probe import prober_of
from token_broker.tokens import Token
from token_broker_cli.context import Context
from token_broker_cli.dry_run import attempt
from token_broker_cli.errors import USAGE, CommandError, command_error, usage
from token_broker_cli.probe import follows, with_options, within
from token_broker_cli.questions import ask_for_secret, can_ask, content, is_same_login
from token_broker_cli.secrets import Secrets, Stored

REJECTED = "Nothing was stored. Check the credentials before you try again."
UNASKED = (
    "Nothing was stored, as only the broker knows whether the vendor rejected this login before. "
    "--no-check stores without trying."
)
UNTRIED = "Nothing was stored. --no-check stores without trying."


def connect(
    context: Context, flow: str, name: str, file: str | None, *, check: bool, key: str | None = None
) -> None:
    """Add a connection, or change one."""
    context.announce(f"connecting {flow}/{name}")
    secrets = Secrets(context)
    stored, readable = look(context, secrets, flow, name)
    if readable:
        secrets.require_same_account(flow, name, stored.version if stored else None)
    kept = document_of(context, stored)
    document = read(file) if file else ask(context, flow, kept)
    module = flows.every()[flow]
    credentials = parsed(module, document)
    if check:
        refuse_rejected(context, flow, name, kept, document)
    if stored and document == kept:
        # The same again would be a new version, with which all tokens are made anew; and its
        # trial would end the session of the token that is in use.
        report(context, flow, name, "unchanged", was_tried=False)
        return
    options: Mapping[str, Any] = {}
    if check:
        options = try_at_vendor(context, module, credentials)
        document = with_options(module, document, options)
    context.changes = True
    is_new = False
    if stored:
        version = secrets.change(flow, name, document, stored)
    elif readable:
        is_new, version = True, secrets.create(flow, name, document, key)
    else:
        is_new, version = secrets.write(flow, name, document, key)
    done = "created" if is_new else "updated"
    secrets.require_same_account(flow, name, version, stored=True)
    report(context, flow, name, done, was_tried=check, options=options)


def look(context: Context, secrets: Secrets, flow: str, name: str) -> tuple[Stored | None, bool]:
    """Return the stored secret, and whether it may be read: storing needs no such permission."""
    try:
        return secrets.read(flow, name), True
    except Exception as error:
        found = command_error(error)
        if found.code != "access_denied":
            raise
        unseen(context, found)
        return None, False


def document_of(context: Context, stored: Stored | None) -> Any:
    """Return the document of *stored*; None if there is none, which is replaced then."""
    try:
        return stored.document() if stored else None
    except CommandError as error:
        unseen(context, error)
        return None


def unseen(context: Context, why: CommandError) -> None:
    """Warn that the stored secret is neither proposed nor compared."""
    context.screen.note(f"What is stored now is not looked at: {why.detail}", "yellow")


def report(
    context: Context,
    flow: str,
    name: str,
    done: str,
    *,
    was_tried: bool,
    options: Mapping[str, Any] | None = None,
) -> None:
    """Report the result."""
    if context.screen.json:
        document = {"flow": flow, "connection": name, "done": done, "tried": was_tried}
        found = {"options": dict(options or {})}
        context.screen.data(document | found | context.target)
        return
    context.screen.lines(f"{done}: {flow}/{name} ({context.where})")
    if done == "unchanged":
        context.screen.note("neither tried nor stored: that is what the connection has")
    elif not was_tried:
        context.screen.note(
            f"not tried at the vendor: `token-broker token {flow} {name}` does that"
        )


def read(file: str) -> Any:
    """Return the JSON in *file*, or on stdin for ``-``."""
    found = content(file)
    try:
        return json.loads(found)
    except json.JSONDecodeError as error:
        raise usage(f"--file: no JSON at line {error.lineno}, column {error.colno}") from None
    except (ValueError, RecursionError):
        raise usage("--file: no JSON in UTF-8") from None


def ask(context: Context, flow: str, kept: object) -> dict[str, Any]:
    """Ask a person for the document."""
    if not can_ask():
        raise usage(
            "stdin is no terminal to ask on", "Give a file: --file FILE, or --file - for stdin."
        )
    has = kept if isinstance(kept, Mapping) else {}
    context.screen.note(f"{'Changing it' if has else 'It is new'}; what is secret stays unseen.")
    return ask_for_secret(flow, has, context.settings.local)


def parsed(flow: Flow, document: object) -> Any:
    """Return the credentials in *document*, parsed as by the function."""
    try:
        return flow.vendor.parse(document)
    except BrokerError as error:
        raise advised(error, "Correct that key; nothing was stored.") from None


def refuse_rejected(context: Context, flow: str, name: str, kept: object, document: Any) -> None:
    """Raise `CommandError` if the vendor has rejected the same login, or may have.

    What is not going to be tried, as it is stored already, may have been.
    """
    if not isinstance(kept, Mapping) or not is_same_login(flow, kept, document):
        return
    try:
        variants = context.call(flow, name, "status")["variants"]
    except Exception as error:
        if command_error(error).exit_code == USAGE:
            raise
        if document == kept:
            return
        raise advised(error, UNASKED) from None
    if any(variant["latched"] for variant in variants):
        raise CommandError(
            "credential_latched",
            "the vendor rejected this login before; it was not tried again",
            "Give others. Was it the vendor's mistake? Then `token-broker forget {about}`.",
        )


def dry_run_of(flow: Flow, credentials: Any) -> tuple[Token, dict[str, Any]]:
    """Return the token for *credentials*, and the report of the vendor's behaviour."""
    try:
        return attempt(flow, credentials)
    except BrokerError as error:
        is_rejected = error.code == "credential_rejected"
        raise advised(error, REJECTED if is_rejected else UNTRIED) from None


def advised(error: Exception, advice: str) -> CommandError:
    """Return *error* as a `CommandError` with this command's *advice*."""
    failure = command_error(error)
    failure.advice = advice
    return failure


def try_at_vendor(context: Context, flow: Flow, credentials: Any) -> Mapping[str, Any]:
    """Try *credentials*, show whose they are, and return the options that the vendor needs."""
    if flow.vendor.probe:
        context.screen.note(f"trying it: {within(prober_of(flow).budget)}")
    with context.screen.waiting(f"trying it at the vendor of {flow.name}"):
        token, report = dry_run_of(flow, credentials)
    known_context = {key: value for key, value in token.context.items() if value is not None}
    who = ", ".join(f"{key} {value}" for key, value in known_context.items())
    context.screen.note(f"✓ {flow.name} let it in" + (f": {who}" if who else ""), "green")
    if not report:
        return {}
    for line in follows(report):
        context.screen.note(f"✓ {line}", "green")
    options: Mapping[str, Any] = report["options"]
    return options
