"""The secret of a connection, in its versions. Read when, and only when, an exchange begins."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from token_broker.errors import NotConfigured, StoreUnavailable, UnknownConnection
from token_broker.store import unavailable

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

GONE = frozenset({"ResourceNotFoundException", "InvalidRequestException"})
"""Codes for a secret that is not there, or that is scheduled for deletion."""


@dataclass(frozen=True, slots=True)
class Secret:
    """One version of a connection's secret."""

    version: str
    created_at: int
    content: Any = field(repr=False)


class Secrets:
    """Reads the secrets of one flow. Raises `UnknownConnection` and `NotConfigured`."""

    def __init__(self, prefix: str, client: Callable[[], "SecretsManagerClient"]) -> None:
        self._prefix = prefix
        self._client = client

    def current(self, connection: str, noticed: str | None = None) -> Secret:
        """Return the version that is in use.

        *noticed* is one that an event told of. A replica that is late does not know it yet, and
        would take the one before for the current one: that raises `StoreUnavailable`.
        """
        if noticed:
            answer = self._call("get_secret_value", connection, noticed, VersionId=noticed)
            if "AWSCURRENT" in answer.get("VersionStages", []):
                return self._secret(connection, answer)
        return self._read(connection, "AWSCURRENT")

    def previous(self, connection: str) -> Secret | None:
        """Return the version before that, or None."""
        try:
            return self._read(connection, "AWSPREVIOUS")
        except UnknownConnection:
            return None

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
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 (off the hit path)

        try:
            call = getattr(self._client(), operation)
            return call(SecretId=f"{self._prefix}{connection}", **arguments)
        except ClientError as error:
            if error.response["Error"]["Code"] in GONE:
                if noticed and self.version(connection):
                    raise StoreUnavailable(
                        "the secret's new version is not there yet", retry_after=1
                    ) from None
                raise UnknownConnection(f"there is no secret for connection {connection}") from None
            raise unavailable(error, "the secret", "STAGE") from None
        except BotoCoreError as error:
            raise unavailable(error, "the secret", "STAGE") from None
