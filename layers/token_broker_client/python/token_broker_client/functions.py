"""The channel that invokes the broker's functions directly: Lambda's `Invoke`, signed."""

import json
import os
import re
from collections.abc import Mapping
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote

from botocore.awsrequest import AWSRequest
from botocore.utils import is_valid_endpoint_url

from token_broker_client import identity
from token_broker_client.deadline import Deadline
from token_broker_client.errors import InvalidRequest, Unreachable
from token_broker_client.request import FLOWS, Command, decoded, problem

if TYPE_CHECKING:
    import boto3

REGION = re.compile(r"arn:[^:]+:lambda:([a-z0-9-]+):")


class Functions(NamedTuple):
    """The broker's functions, as pairs of a flow and a name or ARN."""

    names: tuple[tuple[str, str], ...]
    session: "boto3.Session | None"

    def call(self, command: Command, deadline: Deadline) -> dict[str, Any]:
        """Return the function's answer to *command*."""
        name = dict(self.names).get(command.flow)
        if name is None:
            raise InvalidRequest(f"{command.flow}: no function was named for it")
        named = REGION.match(name)
        region = named[1] if named else identity.setting(self.session, "region")
        if not region:
            raise InvalidRequest(
                "no region: name the function by its ARN, or set AWS_DEFAULT_REGION"
            )
        url = identity.read(self.session, partial(endpoint, region))
        url += f"/2015-03-31/functions/{quote(name, safe='')}/invocations"
        request = AWSRequest("POST", url, {}, json.dumps(payload(command)).encode())
        reply = identity.send(request, self.session, "lambda", region, deadline)
        if reply.status != HTTPStatus.OK:
            raise identity.refusal(f"Lambda, for {name},", reply, self.session, region)
        return answered(decoded(reply.content), "x-amz-function-error" in reply.headers)


def payload(command: Command) -> dict[str, Any]:
    """Return the payload for *command*. No field of the caller's replaces the other two."""
    return {**command.body, "connection": command.connection, "action": command.action}


def names(functions: str | Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Return the name of each flow's function, from the argument *functions* of `Broker`.

    Only ``{flow}`` is replaced, because an alias or a stage may have the name of a flow.
    """
    if not isinstance(functions, str):
        return tuple(functions.items())
    if "{flow}" not in functions:
        is_one = functions.endswith(tuple(f"-{flow}" for flow in FLOWS))
        if is_one or ":" in functions.rpartition(":function:")[2]:
            raise InvalidRequest("functions: put {flow} where the names have the flow")
        functions = f"{functions.rstrip('-')}-{{flow}}"
    return tuple((flow, functions.replace("{flow}", flow)) for flow in FLOWS)


def endpoint(region: str, settings: Any) -> str:
    """Return the URL of Lambda in botocore's *settings*, or else the one of *region*."""
    setting, profile = settings.get_config_variable, settings.get_scoped_config()
    services = settings.full_config.get("services", {}).get(profile.get("services"), {})
    given = (
        os.environ.get("AWS_ENDPOINT_URL_LAMBDA")
        or os.environ.get("AWS_ENDPOINT_URL")
        or services.get("lambda", {}).get("endpoint_url")
        or profile.get("endpoint_url")
    )
    if given and not setting("ignore_configured_endpoint_urls"):
        if not is_valid_endpoint_url(given):
            raise InvalidRequest("boto3's settings: its endpoint is no address")
        return str(given).rstrip("/")
    partitions = settings.get_component("data_loader").load_data("partitions")["partitions"]
    found = (one["outputs"] for one in partitions if re.match(one["regionRegex"], region))
    outputs = next(found, partitions[0]["outputs"])
    suffix = outputs["dualStackDnsSuffix" if setting("use_dualstack_endpoint") else "dnsSuffix"]
    return f"https://lambda{'-fips' if setting('use_fips_endpoint') else ''}.{region}.{suffix}"


def answered(document: Any, has_failed: bool) -> dict[str, Any]:
    """Return the broker's answer. Raise its problem, which is in the error of a function.

    Lambda's own failures have no problem. They have a name, like ``Sandbox.Timedout``.
    """
    if not has_failed and isinstance(document, dict):
        return document
    error = document if isinstance(document, dict) else {}
    kind = str(error.get("errorType") or "no reason is given")[:100]
    raise problem(decoded(str(error.get("errorMessage")))) or Unreachable(
        f"the function failed: {kind}"
    )
