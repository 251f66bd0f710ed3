"""What `make run` says once it runs."""

import json
from collections.abc import Iterator

from token_broker_local.places import (
    ACCESS_KEY,
    FLOWS,
    REGION,
    SECRET_KEY,
    Places,
    secret_name,
)

NAMES = {"vntana": "VNTANA", "vendorlink": "Vendorlink", "editor": "ARES Kudo editor"}
BODIES = {"editor": {"parameters": {"userId": "42"}}}


def banner(places: Places) -> str:
    """Return the text, which is all that a newcomer has to read."""
    return "\n".join(lines(places))


def lines(places: Places) -> Iterator[str]:
    """Yield the text line by line."""
    yield "Token Broker, whole, on this machine"
    yield ""
    yield from table(places)
    yield ""
    yield "Ask for a token:"
    yield ""
    for flow in FLOWS:
        yield f"  {curl(places, flow)}"
    yield ""
    yield from connecting(places)
    yield ""
    yield from switching(places)
    yield ""


def table(places: Places) -> Iterator[str]:
    """Yield what runs where."""
    identity = f"{REGION}, access key and secret {ACCESS_KEY}/{SECRET_KEY}"
    yield f"  {places.url('gateway')}  API Gateway (IAM) and Lambda: {identity}"
    yield f"  {places.url('services')}  Secrets Manager, DynamoDB, KMS, EventBridge (moto)"
    for flow in FLOWS:
        yield f"  {places.url(flow)}  a fake of {NAMES[flow]}"


def curl(places: Places, flow: str) -> str:
    """Return the line that asks for a token of *flow*'s demo connection."""
    body = f" -d '{json.dumps(BODIES[flow])}'" if flow in BODIES else ""
    return (
        f'curl --aws-sigv4 "aws:amz:{REGION}:execute-api" --user {ACCESS_KEY}:{SECRET_KEY} '
        f"-X POST{body} {places.url('gateway')}/v1/{flow}/demo/token"
    )


def connecting(places: Places) -> Iterator[str]:
    """Yield how to add a connection of one's own."""
    yield f"A connection is a secret called {secret_name('FLOW', 'NAME')}. Add one, for example:"
    yield ""
    yield (
        f"  AWS_ACCESS_KEY_ID={ACCESS_KEY} AWS_SECRET_ACCESS_KEY={SECRET_KEY} "
        f"aws --region {REGION} --endpoint-url {places.url('services')} "
        f"secretsmanager create-secret --name {secret_name('vntana', 'acme')} --secret-string file://acme.json"
    )
    yield (
        f"  boto3.client('secretsmanager', '{REGION}', endpoint_url='{places.url('services')}', "
        f"aws_access_key_id='{ACCESS_KEY}', aws_secret_access_key='{SECRET_KEY}')"
        f".create_secret(Name='{secret_name('vntana', 'acme')}', SecretString=document)"
    )


def switching(places: Places) -> Iterator[str]:
    """Yield how to make a vendor behave differently."""
    yield "Each fake shows its modes and its log, and can be switched while it runs:"
    yield ""
    yield f"  curl {places.url('vntana')}/_control"
