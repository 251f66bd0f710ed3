"""The versions of a connection's secret. They are read only when an exchange begins."""

import json
from typing import Any

from token_broker.aws.clients import Client, call
from token_broker.errors import NotConfigured, StoreUnavailable, UnknownConnection
from token_broker.records import Record, field

CURRENT = "AWSCURRENT"
"""The stage of the version in use."""


class Secret(Record):
    """One version of a connection's secret."""

    version: str
    created_at: int
    content: Any = field(repr=False)


class Secrets:
    """Reads the secrets of one flow. Raises `UnknownConnection` and `NotConfigured`."""

    def __init__(self, prefix: str, client: Client) -> None:
        self._prefix = prefix
        self._client = client

    def current(self, connection: str, noticed: str | None = None) -> Secret:
        """Return the version in use.

        *noticed* is the version that an event named last. A late replica does not have it yet, and
        would return the version before. Then this raises `StoreUnavailable`.
        """
        answer = self._value(connection, VersionId=noticed) if noticed else None
        if noticed and answer is None:
            self.version(connection)  # that raises if there is no secret
            raise StoreUnavailable("the secret's new version is not there yet", retry_after=1)
        if answer is None or CURRENT not in answer.get("VersionStages", []):
            answer = self._value(connection, VersionStage=CURRENT)
        if answer is None:
            raise _unknown(connection)
        return _secret(connection, answer)

    def previous(self, connection: str) -> Secret | None:
        """Return the version before the one in use. None if there is none."""
        answer = self._value(connection, VersionStage="AWSPREVIOUS")
        return _secret(connection, answer) if answer else None

    def of_version(self, connection: str, version: str) -> Secret | None:
        """Return this version, with any stage or none. None if it no longer exists."""
        answer = self._value(connection, VersionId=version)
        return _secret(connection, answer) if answer else None

    def version(self, connection: str) -> str:
        """Return the id of the version in use, without its content."""
        secret_id = f"{self._prefix}{connection}"
        answer = call(self._client, "describe_secret", SecretId=secret_id) or {}
        if answer.get("DeletedDate"):  # scheduled for deletion: it has no value to read
            raise _unknown(connection)
        for version, stages in answer.get("VersionIdsToStages", {}).items():
            if CURRENT in stages:
                return str(version)
        raise _unknown(connection)

    def _value(self, connection: str, **which: str) -> Any:
        """Return AWS's answer for one version. None if there is none."""
        secret_id = f"{self._prefix}{connection}"
        return call(self._client, "get_secret_value", SecretId=secret_id, **which)


def _secret(connection: str, answer: Any) -> Secret:
    try:
        content = json.loads(answer["SecretString"])
    except (KeyError, ValueError, RecursionError):
        raise NotConfigured(f"the secret of {connection} is not a JSON text") from None
    return Secret(answer["VersionId"], int(answer["CreatedDate"].timestamp()), content)


def _unknown(connection: str) -> UnknownConnection:
    return UnknownConnection(f"there is no secret for connection {connection}")
