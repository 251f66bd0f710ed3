"""The version of the secret that made each token, through all steps of its exchange."""

import json
from urllib.parse import urlsplit

from tests.protocol.simulation.history import History, Update, text
from tests.protocol.simulation.invocations import Invocation, Sent
from tests.subjects import asides
from token_broker.exchange import Response
from token_broker.item import CREDENTIAL_REJECTED

ROLES_SECONDS = 360
"""Seconds until an exchange uses a changed role: five minutes, plus its duration and the skew."""


def origins_of(history: History, sent: Sent) -> frozenset[str] | None:
    """Return the versions that a request's credential, or its token, belongs to.

    None if the vendor did not issue the token.
    """
    if sent.credential is None:
        return history.made_by.get(sent.bearer or "")
    settings = history.settings.items()
    return frozenset(v for v, setting in settings if setting.credential == sent.credential)


def check_origin(history: History, invocation: Invocation, sent: Sent) -> None:
    """I11, I12: a request uses a version that was read, and goes to that version's host."""
    versions = origins_of(history, sent)
    if versions is None:
        return
    step, host = sent.step, urlsplit(sent.request.url).netloc
    if not any(host in history.vendor.hosts(history.settings[version]) for version in versions):
        what = f"{invocation.name}: {step} with what is {sorted(versions)}'s goes to {host}"
        history.violate("I12", what)
    if step not in asides(history.plan.flow) and not versions.intersection(invocation.read):
        what = f"{step} with what {sorted(versions)} made, but it read {invocation.read}"
        history.violate("I11", f"{invocation.name}: {what}")


def record_origins(
    history: History, invocation: Invocation, sent: Sent, response: Response
) -> None:
    versions = origins_of(history, sent)
    if versions and sent.credential is not None:
        # A host of its own distinguishes a version from others with the same password.
        host = urlsplit(sent.request.url).netloc
        hosts_of = history.vendor.hosts
        versions = frozenset(v for v in versions if host in hosts_of(history.settings[v]))
    for value in history.vendor.tokens(response) if versions else ():
        earlier = history.made_by.get(value, frozenset())
        history.made_by[value] = earlier | (versions or frozenset())
    if sent.step == "list organizations" and response.is_success:
        invocation.listed = sent.bearer


def check_versions(history: History, update: Update) -> None:
    """I11: a write names only versions that made, or were rejected in, what it stores."""
    check_token_version(history, update)
    name, after = update.writer.name, update.after
    for version in update.added("rejected_versions"):
        if not was_rejected(history, version):
            history.violate("I11", f"{name}: stores {version} as rejected, untried")
    accepted = text(after, "accepted_version") if update.is_new("accepted_version") else None
    if accepted and not history.credential_of(accepted).was_accepted:
        history.violate("I11", f"{name}: stores {accepted} as accepted, untried")
    failure = after.get("failure", {}).get("M", {}) if update.is_new("failure") else {}
    if failure and failure["code"]["S"] == CREDENTIAL_REJECTED:
        version = text(failure, "secret_version") or ""
        if version and not was_rejected(history, version):
            history.violate("I11", f"{name}: stores a rejection of {version} without a login")


def was_rejected(history: History, version: str) -> bool:
    credential = history.credential_of(version)
    return bool(credential.refused or credential.strangers)


def check_token_version(history: History, update: Update) -> None:
    """I11: a stored token is of the version that made it, and its context is true."""
    writer, after = update.writer, update.after
    name = text(after, "fingerprint")
    if name is None or not update.is_new("fingerprint"):
        return
    version, made = after["secret_version"]["S"], history.made.get(name)
    is_listing = text(after, "kind") == "listing"
    value = writer.listed if is_listing else made.token if made else None
    versions = history.made_by.get(value or "")
    if versions is not None and version not in versions:
        what = f"{name[:6]} in {update.variant[:8]} is stored as {version}'s"
        history.violate("I11", f"{writer.name}: {what}, but {sorted(versions)} made it")
    context = json.loads(text(after, "context") or "{}")
    since = history.now - ROLES_SECONDS
    if not history.vendor.describes(context, history.settings[version], since):
        history.violate("I11", f"{writer.name}: stores {context} for {version}, which is false")
