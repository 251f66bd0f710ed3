"""The whole system, put together. What is slow to import is imported here, not in `__main__`."""

import threading
from pathlib import Path

import boto3

from token_broker_local import functions, provisions, rotations, services, vendors
from token_broker_local.gateway import Gateway
from token_broker_local.places import Places
from token_broker_local.serving import GatewayServer

TICK = 0.05
"""Seconds within which the gateway notices that it is to end."""


def start(places: Places, folder: Path = functions.FOLDER) -> None:
    """Start everything; when this returns, everything answers."""
    loaded: dict[str, functions.Function] = {}
    services.serve(places.ports["services"], rotations.router(loaded))
    vendors.serve(places)
    provide(places)
    loaded.update(functions.load_all(folder))
    gateway = GatewayServer(Gateway(loaded), places.ports["gateway"])
    threading.Thread(target=gateway.serve_forever, args=(TICK,), daemon=True).start()


def provide(places: Places) -> None:
    """Create what the functions need."""
    provisions.create_table(boto3.client("dynamodb"))
    provisions.create_key(boto3.client("kms"))
    provisions.create_secrets(boto3.client("secretsmanager"), vendors.demo_secrets(places))
