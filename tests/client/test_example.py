"""The example of the documentation: a Lambda that works through revocations and outages.

The tests count its requests in the log of the vendor's fake.
"""

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.client.systems import System
from token_broker_client import cache
from token_broker_client.cache import Cache
from token_broker_fakes import FakeVntana
from token_broker_local.addresses import ACCESS_KEY, REGION, SECRET_KEY

EXAMPLE = Path(__file__).parents[2] / "docs/examples/organization.py"
READ = {"name": "acme", "status": "ACTIVE"}

Handler = Callable[[dict[str, Any], object], dict[str, Any]]
Start = Callable[[], Handler]


@pytest.fixture
def connection(system: System, fake_vntana: FakeVntana) -> str:
    return system.connect("vntana", FakeVntana.demo_secret(fake_vntana.url))


@pytest.fixture
def start(system: System, connection: str, bare_environment: pytest.MonkeyPatch) -> Start:
    """Return a function that loads the example as a cold start does, with an empty cache."""
    for name, value in {
        "TOKEN_BROKER_URL": system.url,
        "CONNECTION": connection,
        "AWS_ACCESS_KEY_ID": ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        "AWS_DEFAULT_REGION": REGION,
    }.items():
        bare_environment.setenv(name, value)

    def started() -> Handler:
        bare_environment.setattr(cache, "SHARED", Cache())
        spec = importlib.util.spec_from_file_location("organization", EXAMPLE)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        handler: Handler = module.handler
        return handler

    return started


def exchanges(fake: FakeVntana) -> int:
    """Return how many tokens of the organization were made."""
    return fake.log.counts["enter organization"]


def test_the_example_has_no_code_about_tokens() -> None:
    """Except its docstring and the name of the broker."""
    code = EXAMPLE.read_text().partition('"""\n\nimport')[2].lower()
    code = code.replace("token_broker", "")
    assert not any(word in code for word in ("token", "401", "403", "expire", "refresh"))


def test_the_example_reads_three_times_with_one_exchange(
    start: Start, fake_vntana: FakeVntana
) -> None:
    handler = start()
    assert [handler({}, None) for _ in range(3)] == [READ] * 3
    assert exchanges(fake_vntana) == 1


def test_the_example_reads_through_an_outage(start: Start, fake_vntana: FakeVntana) -> None:
    """The vendor goes down, forgets the token, and comes back: first for data, then for logins."""
    handler = start()
    assert handler({}, None) == READ
    fake_vntana.revoke()
    fake_vntana.fail("status", step="login", times=1)
    fake_vntana.fail("reset", step="current", times=1)
    fake_vntana.fail("status", step="current", times=2)
    assert handler({}, None) == READ
    assert [entry.status for entry in fake_vntana.log.of("login")] == [200, 503, 200]
    assert [entry.status for entry in fake_vntana.log.of("current")[1:]] == [0, 503, 403, 200]
