"""The versions of a connection's secret. They are read only when an exchange begins."""

import json
from typing import Any

from token_broker.aws.clients import Client, call
from token_broker.errors import NotConfigured, StoreUnavailable, UnknownConnection
from token_broker.records import Record, field


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
        if noticed:
            answer = self._call("get_secret_value", connection, noticed, VersionId=noticed)
            if "AWSCURRENT" in answer.get("VersionStages", []):
                return self._secret(connection, answer)
        return self._read(connection, "AWSCURRENT")

    def previous(self, connection: str) -> Secret | None:
        """Return the version before the one in use. None if there is none."""
        try:
            return self._read(connection, "AWSPREVIOUS")
        except UnknownConnection:
            return None

    def of_version(self, connection: str, version: str) -> Secret | None:
        """Return this version, with any stage or none. None if it no longer exists."""
        try:
            answer = self._call("get_secret_value", connection, VersionId=version)
        except UnknownConnection:
            return None
        return self._secret(connection, answer)

    def version(self, connection: str) -> str | None:
        """Return the id of the version in use, without its content."""
        stages = self._call("describe_secret", connection).get("VersionIdsToStages", {})
        return next((v for v, names in stages.items() if "AWSCURRENT" in names), None)

    def _read(self, connection: str, stage: str) -> Secret:
        answer = self._call("get_secret_value", connection, VersionStage=stage)
        return self._secret(connection, answer)

    def _secret(self, connection: str, answer: Any) -> Secret:
        try:
            content = json.loads(answer["SecretString"])
        except (KeyError, ValueError, RecursionError):
            raise NotConfigured(f"the secret of {connection} is not a JSON text") from None
        return Secret(answer["VersionId"], int(answer["CreatedDate"].timestamp()), content)

    def _call(
        self, operation: str, connection: str, noticed: str | None = None, **arguments: str
    ) -> Any:
        secret_id = f"{self._prefix}{connection}"
        answer = call(self._client, operation, SecretId=secret_id, **arguments)
        if answer is None and noticed and self.version(connection):
            raise StoreUnavailable("the secret's new version is not there yet", retry_after=1)
        if answer is None:
            raise UnknownConnection(f"there is no secret for connection {connection}")
        return answer
