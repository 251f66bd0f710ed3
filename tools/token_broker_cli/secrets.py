"""The secrets of the connections. Their content is never shown."""

import json
import re
from dataclasses import dataclass, field
from typing import Any

from token_broker_cli.context import Context
from token_broker_cli.errors import CommandError, command_error, usage
from token_broker_cli.settings import FLOWS
from token_broker_client.request import CONNECTION

UNDO = "It was stored in this account: delete it there. "


def checked(name: str) -> str:
    """Return *name* if it is valid for a connection."""
    if not CONNECTION.fullmatch(name):
        raise usage(f"NAME must match {CONNECTION.pattern}")
    return name


@dataclass(frozen=True, slots=True)
class Stored:
    """The content of a secret, and its version."""

    text: str = field(repr=False)
    version: str | None

    def document(self) -> Any:
        """Return the parsed content. Raises `CommandError` if it is not JSON."""
        try:
            return json.loads(self.text)
        except (ValueError, RecursionError):
            raise CommandError("not_configured", "the secret is no JSON") from None


class Secrets:
    """The broker's secrets in Secrets Manager."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._prefix = context.settings.secrets
        self._client = context.client("secretsmanager")

    def connections(self) -> list[tuple[str, str]]:
        """Return flow and name of every connection."""
        pages = self._client.get_paginator("list_secrets").paginate(
            Filters=[{"Key": "name", "Values": [self._prefix]}]
        )
        form = re.compile(rf"{re.escape(self._prefix)}({'|'.join(FLOWS)})/({CONNECTION.pattern})")
        names = [form.fullmatch(one["Name"]) for page in pages for one in page["SecretList"]]
        return sorted((found[1], found[2]) for found in names if found)

    def read(self, flow: str, name: str) -> Stored | None:
        """Return the secret of a connection; None if there is none."""
        try:
            answer = self._client.get_secret_value(SecretId=self._id(flow, name))
        except self._client.exceptions.ResourceNotFoundException:
            return None
        return Stored(answer.get("SecretString", ""), answer.get("VersionId"))

    def require_same_account(
        self, flow: str, name: str, version: str | None, *, stored: bool = False
    ) -> None:
        """Raise `CommandError` if the broker reads other secrets: it has not *version* in use.

        *stored* says that *version* was stored by this command.

        A version's id is unique. The address may be of another account than the profile; one of
        the stack's outputs is not. Where the broker may not be asked, it cannot be known.
        """
        settings = self._context.settings
        if settings.local or settings.url is None:
            return
        try:
            there = self._context.call(flow, name, "status")["secret_version"]
        except Exception as error:  # noqa: BLE001 (storing needs neither the API nor a right to it)
            if command_error(error).code != "unknown_connection":
                return
            there = None
        if there != version:
            host = self._context.target["host"]
            raise usage(
                f"{flow}/{name} in this AWS account is not what the broker at {host} has",
                f"{UNDO if stored else ''}Name one account and region: see --profile, --region.",
            )

    def change(self, flow: str, name: str, document: Any, stored: Stored) -> str | None:
        """Store *document* if *stored* is still current; return the new version's id."""
        if self.read(flow, name) != stored:
            raise conflict(flow, name)
        return self._put(flow, name, document)

    def create(self, flow: str, name: str, document: Any, key: str | None = None) -> str | None:
        """Store *document* as a new secret, sealed with *key*; return its version's id."""
        try:
            answer = self._client.create_secret(
                Name=self._id(flow, name),
                SecretString=json.dumps(document),
                Description="Credentials that Token Broker logs in with",
                **({"KmsKeyId": key} if key else {}),
            )
        except self._client.exceptions.ResourceExistsException:
            # Another tool may have made it without a value, which AWS reports as no secret.
            if self.read(flow, name):
                raise conflict(flow, name) from None
            return self._put(flow, name, document)
        version: str | None = answer.get("VersionId")
        return version

    def write(
        self, flow: str, name: str, document: Any, key: str | None = None
    ) -> tuple[bool, str | None]:
        """Store *document* without a read; return whether it is new, and the version's id."""
        try:
            return False, self._put(flow, name, document)
        except self._client.exceptions.ResourceNotFoundException:
            return True, self.create(flow, name, document, key)

    def _put(self, flow: str, name: str, document: Any) -> str | None:
        text = json.dumps(document)
        answer = self._client.put_secret_value(SecretId=self._id(flow, name), SecretString=text)
        version: str | None = answer.get("VersionId")
        return version

    def _id(self, flow: str, name: str) -> str:
        return f"{self._prefix}{flow}/{name}"


def conflict(flow: str, name: str) -> CommandError:
    """Return the error for a connection that another operator has changed."""
    return CommandError(
        "conflict", f"{flow}/{name} was changed by another operator meanwhile; that change was kept"
    )
