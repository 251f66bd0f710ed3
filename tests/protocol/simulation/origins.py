"""The version of the secret that made each token, through all steps of its exchange."""

import json
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from tests.protocol.simulation.invocations import Invocation, Sent
from tests.protocol.simulation.table import Place, Record
from tests.subjects import asides
from token_broker.exchange import Response
from token_broker.item import LATCHES

if TYPE_CHECKING:
    from tests.protocol.simulation.judge import Judge

ROLES_SECONDS = 360
"""Seconds until an exchange uses a changed role: five minutes, plus its duration and the skew."""


class Origins:
    """Tracks at the vendor which versions of the secret may have made a token."""

    def __init__(self, judge: "Judge") -> None:
        self._judge = judge
        self._made_by: dict[str, frozenset[str]] = {}
        """Versions of the secret, by the value of each issued token."""

    def of_token(self, value: str) -> frozenset[str] | None:
        """Return the versions that may have made a token; None if the vendor did not issue it."""
        return self._made_by.get(value)

    def of_request(self, sent: Sent) -> frozenset[str] | None:
        """Return the versions that a request's credential, or its token, belongs to."""
        if sent.credential is not None:
            settings = self._judge.settings.items()
            return frozenset(v for v, s in settings if s.credential == sent.credential)
        return self._made_by.get(sent.bearer or "")

    def check_sent(self, invocation: Invocation, sent: Sent) -> None:
        """I11, I12: a request uses a version that was read, and goes to that version's host."""
        versions = self.of_request(sent)
        if versions is None:
            return
        judge, step = self._judge, sent.request.step
        host = urlsplit(sent.request.url).netloc
        hosts = frozenset[str]().union(
            *(judge.vendor.hosts(judge.settings[version]) for version in versions)
        )
        if host not in hosts:
            text = f"{invocation.name}: {step} with what is {sorted(versions)}'s goes to {host}"
            judge.violate("I12", text)
        if step not in asides(judge.plan.flow) and not versions.intersection(invocation.read):
            text = f"{step} with what {sorted(versions)} made, but it read {invocation.read}"
            judge.violate("I11", f"{invocation.name}: {text}")

    def processed(self, invocation: Invocation, sent: Sent, response: Response) -> None:
        """Record the versions that made the tokens of a response."""
        versions = self.of_request(sent)
        host = urlsplit(sent.request.url).netloc
        if versions and sent.credential is not None:
            # A host of its own distinguishes a version from others with the same password.
            vendor, settings = self._judge.vendor, self._judge.settings
            versions = frozenset(v for v in versions if host in vendor.hosts(settings[v]))
        for value in self._judge.vendor.tokens(response) if versions else ():
            earlier = self._made_by.get(value, frozenset())
            self._made_by[value] = earlier | (versions or frozenset())
        if sent.request.step == "list organizations" and response.is_success:
            invocation.listed = sent.bearer

    def check_write(self, writer: Invocation, place: Place, before: Record, after: Record) -> None:
        """I11: a write names only versions that made, or were rejected in, what it stores."""
        self._check_token(writer, place, before, after)
        credentials = self._judge.credentials
        for version in added(before, after, "rejected_versions"):
            found = credentials[self._judge.settings[version].credential]
            if not found.refused and not found.strangers:
                self._judge.violate("I11", f"{writer.name}: stores {version} as rejected, untried")
        accepted = after.get("accepted_version", {}).get("S")
        if accepted and accepted != before.get("accepted_version", {}).get("S"):
            found = credentials[self._judge.settings[accepted].credential]
            if not found.was_accepted:
                self._judge.violate("I11", f"{writer.name}: stores {accepted} as accepted, untried")
        failure = after.get("failure", {}).get("M", {})
        if failure and failure != before.get("failure", {}).get("M", {}):
            self._check_failure(writer, failure)

    def _check_failure(self, writer: Invocation, failure: Record) -> None:
        version = failure.get("secret_version", {}).get("S")
        if version and failure["code"]["S"] == LATCHES:
            found = self._judge.credentials[self._judge.settings[version].credential]
            if not found.refused and not found.strangers:
                text = f"{writer.name}: stores a rejection of {version} without a login"
                self._judge.violate("I11", text)

    def _check_token(self, writer: Invocation, place: Place, before: Record, after: Record) -> None:
        name = after.get("fingerprint", {}).get("S")
        if name is None or name == before.get("fingerprint", {}).get("S"):
            return
        version = after["secret_version"]["S"]
        if after.get("kind", {}).get("S") == "listing":
            value = writer.listed
        else:
            made = self._judge.made.get(name)
            value = made.token if made else None
        versions = self._made_by.get(value or "")
        if versions is not None and version not in versions:
            text = f"{name[:6]} in {place[1][:8]} is stored as {version}'s"
            self._judge.violate("I11", f"{writer.name}: {text}, but {sorted(versions)} made it")
        context = json.loads(after.get("context", {}).get("S", "{}"))
        setting, since = self._judge.settings[version], self._judge.scheduler.now - ROLES_SECONDS
        if not self._judge.vendor.describes(context, setting, since):
            self._judge.violate(
                "I11", f"{writer.name}: stores {context} for {version}, which is false"
            )


def added(before: Record, after: Record, name: str) -> list[str]:
    """Return the strings that a write added to a list."""
    old, new = (record.get(name, {"L": []})["L"] for record in (before, after))
    return [member["S"] for member in new if member not in old]
