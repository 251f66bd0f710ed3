"""A gateway that is served on a free port, in front of functions that a test makes up."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from tests.waiting import PATIENCE_SECONDS
from token_broker_local.addresses import FLOWS, function_name
from token_broker_local.functions import Function
from token_broker_local.gateway import Gateway
from token_broker_local.serving import serving

Serve = Callable[[Callable[[Any, Any], Any]], int]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Return a function that serves a handler as all three functions, and returns the port."""
    with ExitStack() as stack:

        def served(handler: Callable[[Any, Any], Any]) -> int:
            functions = {
                flow: Function(function_name(flow), handler, PATIENCE_SECONDS) for flow in FLOWS
            }
            return stack.enter_context(serving(Gateway(functions), 0))

        yield served
