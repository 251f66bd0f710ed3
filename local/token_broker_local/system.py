"""The whole system, put together. What is slow to import is imported here, not in `__main__`."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import boto3

from token_broker_fakes import registry
from token_broker_local import functions, provisions, rotations, services, serving, vendors
from token_broker_local.controls import Controls
from token_broker_local.dashboard import Dashboard
from token_broker_local.figures import Figures
from token_broker_local.gateway import Gateway
from token_broker_local.places import FLOWS, Places
from token_broker_local.states import States


@contextmanager
def running(
    places: Places,
    folder: Path = functions.FOLDER,
    report: functions.Report = functions.ignore,
) -> Iterator[None]:
    """Run everything for as long as this lasts; within it, everything answers.

    The environment must have been entered: the functions read it as they are loaded. *report* is
    told a line for each call.
    """
    loaded: dict[str, functions.Function] = {}
    with ExitStack() as stack:
        deliver = rotations.router(loaded)
        stack.enter_context(services.serving(places.ports["services"], deliver))
        for flow, fake in registry.fakes().items():
            stack.enter_context(fake.serve(places.ports[flow]))
        provide(places)
        figures = Figures()
        loaded.update(functions.load_all(folder, report, figures.hear))
        states = States(loaded, boto3.client("secretsmanager"))
        controls = Controls(places.url("gateway"), {flow: places.url(flow) for flow in FLOWS})
        page = Dashboard(figures, states, controls=controls)
        gateway = Gateway(loaded, report=report, dashboard=page)
        stack.enter_context(serving.serving(gateway, places.ports["gateway"]))
        yield


def provide(places: Places) -> None:
    """Create what the functions need."""
    provisions.provide_table(boto3.client("dynamodb"))
    provisions.create_key(boto3.client("kms"))
    provisions.create_secrets(boto3.client("secretsmanager"), vendors.demo_secrets(places))
