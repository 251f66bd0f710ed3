"""The state of every variant of every connection, from the action `status`. Never a token."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from token_broker_local.addresses import FLOWS, STAGE
from token_broker_local.functions import Function, ignore

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

PREFIX = f"token-broker/{STAGE}/"

MAX_CONNECTIONS = 50
"""Connections that are read, at most: there may be thousands."""

TIMEOUT_SECONDS = 5.0
"""Limit of a status call."""


def states(
    functions: Mapping[str, Function], secrets: "SecretsManagerClient"
) -> Iterator[Mapping[str, Any]]:
    """Yield each connection's answer to `status`, or an error's name in its place.

    The connections are those that have a secret.
    """
    for flow, connection in connections(names(secrets))[:MAX_CONNECTIONS]:
        yield state(functions[flow], flow, connection)


def names(secrets: "SecretsManagerClient") -> Iterator[str]:
    """Yield the names of all secrets of this stage."""
    filters: Any = [{"Key": "name", "Values": [PREFIX]}]
    for page in secrets.get_paginator("list_secrets").paginate(Filters=filters):
        yield from (secret["Name"] for secret in page["SecretList"])


def connections(names: Iterator[str]) -> list[tuple[str, str]]:
    """Return flow and connection of each secret, in the order of the flows."""
    parts = [name.removeprefix(PREFIX).partition("/") for name in names]
    found = [(flow, connection) for flow, _, connection in parts if flow in FLOWS]
    return sorted(found, key=lambda each: (FLOWS.index(each[0]), each[1]))


def state(function: Function, flow: str, connection: str) -> Mapping[str, Any]:
    """Return the status of *connection* from *function*, without a line in the log."""
    command = json.dumps({"action": "status", "connection": connection}).encode()
    quiet = replace(function, report=ignore)
    try:
        outcome = quiet.invoke(command, TIMEOUT_SECONDS)
    except TimeoutError:
        return failed(flow, connection, "TimeoutError")
    answer = json.loads(outcome.payload)
    return failed(flow, connection, answer["errorType"]) if outcome.failed else answer


def failed(flow: str, connection: str, error: str) -> Mapping[str, Any]:
    """Return the entry of a connection whose state cannot be read."""
    return {"flow": flow, "connection": connection, "variants": [], "error": error}
