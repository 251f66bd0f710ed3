"""Races and kills of real processes, over databases with atomic conditional writes."""

from collections.abc import Iterator

import boto3
import pytest

from tests.functions.world import World
from tests.races import engines
from token_broker_local.addresses import TABLE
from token_broker_local.provisions import create_table


@pytest.fixture(autouse=True)
def _time_passes(world: World) -> None:
    """Let the broker's clock run here as in the racing processes."""
    world.stands_at = None


@pytest.fixture(scope="session")
def dynalite_url() -> Iterator[str]:
    """Run dynalite with the broker's table for all tests of this process."""
    with engines.dynalite() as url:
        session = boto3.session.Session("local", "local", region_name="eu-west-1")
        client = session.client("dynamodb", endpoint_url=url)
        create_table(client)
        client.get_waiter("table_exists").wait(TableName=TABLE, WaiterConfig={"Delay": 1})
        yield url


@pytest.fixture(params=["moto", "dynalite"])
def engine(request: pytest.FixtureRequest, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Use one of the engines for the table."""
    del world
    if request.param == "dynalite":
        if not engines.has_dynalite():
            pytest.skip("dynalite is not installed: there was no npm when `make test` prepared")
        url = request.getfixturevalue("dynalite_url")
        monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", url)
