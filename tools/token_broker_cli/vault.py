"""The secrets of the connections. What is in one is never shown."""

import json
import re
from typing import Any

from token_broker_cli.desk import Desk
from token_broker_cli.troubles import Trouble, usage
from token_broker_client.request import CONNECTION
from token_broker_local.places import FLOWS


def checked(name: str) -> str:
    """Return *name* if a connection may be called so."""
    if not CONNECTION.fullmatch(name):
        raise usage(f"NAME must match {CONNECTION.pattern}")
    return name


class Vault:
    """Secrets Manager, as far as it is the broker's."""

    def __init__(self, desk: Desk) -> None:
        self._prefix = desk.settings.secrets
        self._client = desk.client("secretsmanager")

    def connections(self) -> list[tuple[str, str]]:
        """Return flow and name of every connection."""
        pages = self._client.get_paginator("list_secrets").paginate(
            Filters=[{"Key": "name", "Values": [self._prefix]}]
        )
        form = re.compile(rf"{re.escape(self._prefix)}({'|'.join(FLOWS)})/({CONNECTION.pattern})")
        names = [form.fullmatch(one["Name"]) for page in pages for one in page["SecretList"]]
        return sorted((found[1], found[2]) for found in names if found)

    def read(self, flow: str, name: str) -> Any:
        """Return what the secret of a connection says; None if there is no such secret.

        Raises `Trouble` if it is no JSON.
        """
        try:
            answer = self._client.get_secret_value(SecretId=self._id(flow, name))
        except self._client.exceptions.ResourceNotFoundException:
            return None
        try:
            return json.loads(answer.get("SecretString", ""))
        except (ValueError, RecursionError):
            raise Trouble("not_configured", f"the secret of {flow}/{name} is no JSON") from None

    def write(self, flow: str, name: str, document: Any, key: str | None = None) -> bool:
        """Keep *document*; say whether the connection is new, and then sealed with *key*."""
        text = json.dumps(document)
        try:
            self._client.put_secret_value(SecretId=self._id(flow, name), SecretString=text)
        except self._client.exceptions.ResourceNotFoundException:
            self._client.create_secret(
                Name=self._id(flow, name),
                SecretString=text,
                Description="Credentials that Token Broker logs in with",
                **({"KmsKeyId": key} if key else {}),
            )
            return True
        return False

    def _id(self, flow: str, name: str) -> str:
        return f"{self._prefix}{flow}/{name}"
