"""The text that `make run` prints when everything runs."""

import json
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from token_broker_descriptors import every
from token_broker_local.addresses import (
    ACCESS_KEY,
    FLOWS,
    REGION,
    SECRET_KEY,
    Addresses,
    secret_name,
)
from token_broker_local.dashboard import PATH

NEW_CONNECTION = "mine"
"""An example name for a new connection."""

ELSEWHERE = {"organization": "studio", "workspace": "chairs"}
"""Not the demo's organization: a new token there would end the token of the connection `demo`."""


def banner(addresses: Addresses, document: Mapping[str, Any]) -> str:
    """Return the banner; *document* is the secret of VNTANA's connection `demo`."""
    name, example = secret_name("vntana", NEW_CONNECTION), json.dumps({**document, **ELSEWHERE})
    paragraphs = [
        ["Token Broker, complete, on this machine"],
        table(addresses),
        [f"Dashboard: {addresses.url('gateway')}{PATH}"],
        ["Ask for a token:"],
        [f"  {curl(addresses, flow)}" for flow in FLOWS],
        [f"A connection is a secret, {secret_name('FLOW', 'NAME')}. Add one, with either line:"],
        connect_lines(addresses, f"'{name}'", f"'{example}'"),
        ["Each fake shows its modes, faults and log. Make VNTANA fail, and work again:"],
        control_lines(f"{addresses.url('vntana')}/_control"),
    ]
    return "\n\n".join("\n".join(paragraph) for paragraph in paragraphs) + "\n"


def table(addresses: Addresses) -> Iterator[str]:
    """Yield the services with their addresses."""
    identity = f"{REGION}, access key and secret {ACCESS_KEY}/{SECRET_KEY}"
    yield f"  {addresses.url('gateway')}  API Gateway (IAM) and Lambda: {identity}"
    yield f"  {addresses.url('services')}  Secrets Manager, DynamoDB, KMS, EventBridge (moto)"
    for flow in FLOWS:
        yield f"  {addresses.url(flow)}  a fake of {every()[flow].vendor}"


def curl(addresses: Addresses, flow: str) -> str:
    """Return the line that asks for a token of *flow*'s demo connection."""
    demo = every()[flow].demo
    body = f" -d '{json.dumps(demo)}'" if demo else ""
    return (
        f'curl --aws-sigv4 "aws:amz:{REGION}:execute-api" --user {ACCESS_KEY}:{SECRET_KEY} '
        f"-X POST{body} {addresses.url('gateway')}/v1/{flow}/demo/token"
    )


def connect_lines(addresses: Addresses, name: str, document: str) -> Iterator[str]:
    """Yield how to add a connection called *name* by the AWS CLI, or by boto3."""
    yield (
        f"  export AWS_ACCESS_KEY_ID={ACCESS_KEY} AWS_SECRET_ACCESS_KEY={SECRET_KEY} "
        f"AWS_DEFAULT_REGION={REGION} AWS_ENDPOINT_URL={addresses.url('services')}"
    )
    yield f"  aws secretsmanager create-secret --name {name} --secret-string {document}"
    create = 'boto3.client("secretsmanager").create_secret(Name=argv[1], SecretString=argv[2])'
    script = f"import boto3; from sys import argv; {create}"
    yield f"  {sys.executable} -c '{script}' {name} {document}"


def control_lines(control: str) -> Iterator[str]:
    """Yield how to make the vendor whose control endpoint is *control* fail, and work again."""
    down = json.dumps({"faults": [{"kind": "status", "status": 503, "times": None}]})
    yield f"  curl {control}"
    yield f"  curl -X PATCH -d '{down}' {control}"
    yield f"  curl -X PUT -d '{{}}' {control}"
