"""The whole system. Slow imports are here, not in `__main__`."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial

import boto3

from token_broker_fakes import registry
from token_broker_local import functions, provisions, secret_events, services, serving
from token_broker_local.addresses import FLOWS, Addresses
from token_broker_local.controls import Controls
from token_broker_local.dashboard import Dashboard
from token_broker_local.gateway import Gateway
from token_broker_local.metrics import Metrics
from token_broker_local.states import states


@contextmanager
def running(addresses: Addresses, report: functions.Report = functions.ignore) -> Iterator[None]:
    """Run all servers within this context; they respond when it is entered.

    The environment must be set: the functions read it when they are loaded. *report* is
    called with a line for each call.
    """
    loaded: dict[str, functions.Function] = {}
    with ExitStack() as stack:
        deliver = secret_events.router(loaded)
        stack.enter_context(services.serving(addresses.ports["services"], deliver))
        for flow, fake in registry.fakes().items():
            stack.enter_context(fake.serve(addresses.ports[flow]))
        provide(addresses)
        vendors = {flow: addresses.url(flow) for flow in FLOWS}
        controls = Controls(addresses.url("gateway"), vendors)
        read = partial(states, loaded, boto3.client("secretsmanager"))
        page = Dashboard(Metrics(), read, controls=controls)
        loaded.update(functions.load_all(report=report, on_output=page.record))
        gateway = Gateway(loaded, report=report, dashboard=page)
        stack.enter_context(serving.serving(gateway, addresses.ports["gateway"]))
        yield


def provide(addresses: Addresses) -> None:
    """Create the table, the key and the secrets of the demo."""
    provisions.provide_table(boto3.client("dynamodb"))
    provisions.create_key(boto3.client("kms"))
    provisions.create_secrets(boto3.client("secretsmanager"), provisions.demo_secrets(addresses))
