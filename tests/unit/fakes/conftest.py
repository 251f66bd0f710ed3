"""Each rule of a fake is tested by call and over HTTP: both must answer alike."""

from collections.abc import Iterator

import pytest

from tests.unit.fakes.entrances import Ask, ByCall, ByHttp


@pytest.fixture(params=[ByCall, ByHttp], ids=["by call", "by HTTP"])
def ask(request: pytest.FixtureRequest) -> Iterator[Ask]:
    """A way to a fake."""
    way: Ask = request.param()
    yield way
    way.close()
