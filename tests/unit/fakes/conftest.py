"""Each rule of a fake is tested by call and over HTTP, with the same result."""

from collections.abc import Iterator
from contextlib import closing

import pytest

from tests.unit.fakes.entrances import Ask, ByHttp, by_call


@pytest.fixture(params=["by call", "by HTTP"])
def ask(request: pytest.FixtureRequest) -> Iterator[Ask]:
    """An entrance to a fake: call or HTTP."""
    with closing(ByHttp()) as by_http:
        yield by_call if request.param == "by call" else by_http
