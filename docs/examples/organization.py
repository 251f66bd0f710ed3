"""A caller of the broker: a Lambda that reads from VNTANA. No line of it is about tokens.

Environment: TOKEN_BROKER_URL, the broker's output ApiUrl; CONNECTION, a connection's name.
"""

import os
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from token_broker_client import Broker

vntana = Broker.from_url(os.environ["TOKEN_BROKER_URL"]).access("vntana", os.environ["CONNECTION"])

session = requests.Session()
session.auth = vntana.auth()
tries = HTTPAdapter(max_retries=Retry(4, backoff_factor=0.2, status_forcelist=[502, 503, 504]))
session.mount("https://", tries)
session.mount("http://", tries)


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:  # noqa: ARG001 (Lambda's form)
    """Return the name and the state of the organization."""
    answer = session.get(vntana.url("/v1/organizations/current"), timeout=10)
    answer.raise_for_status()
    organization = answer.json()["response"]
    return {"name": organization["slug"], "status": organization["status"]}
