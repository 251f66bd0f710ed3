"""A token cache in common style: boto3, requests and Powertools with all features."""

import os
from typing import Any

import boto3
import requests
from aws_lambda_powertools import Logger, Tracer
from aws_lambda_powertools.event_handler import APIGatewayRestResolver
from aws_lambda_powertools.utilities import parameters

logger = Logger()
tracer = Tracer()
app = APIGatewayRestResolver()
session = requests.Session()
table = boto3.resource("dynamodb").Table(os.environ["TABLE_NAME"])
secrets = parameters.SecretsProvider()


@app.post("/v1/vendorlink/<connection>/token")
@tracer.capture_method
def token(connection: str) -> dict[str, Any]:
    key = {"connection": f"vendorlink#{connection}", "variant": "-"}
    item = table.get_item(Key=key, ConsistentRead=True)["Item"]
    logger.info("hand-out", connection=connection)
    return {"fingerprint": item["fingerprint"]}


@logger.inject_lambda_context
@tracer.capture_lambda_handler
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    return app.resolve(event, context)
