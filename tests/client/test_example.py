"""The example of the documentation: a Lambda that works through revocations and outages.

The tests count its requests in the log of the vendor's fake.
"""

import importlib.util
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.client.systems import System
from tests.waiting import PATIENCE_SECONDS
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


def test_the_example_starts_while_the_vendor_is_down(start: Start, fake_vntana: FakeVntana) -> None:
    """No request is sent before the first invocation."""
    fake_vntana.fail("status", times=None)
    handler = start()
    fake_vntana.heal()
    assert handler({}, None) == READ


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


def test_fifty_concurrent_refusals_cause_one_exchange(
    start: Start, fake_vntana: FakeVntana
) -> None:
    """Each Lambda has its own cache, so that only the broker can share the exchange."""
    fake_vntana.modes.dead_token = "401"
    handlers = [start() for _ in range(50)]
    with ThreadPoolExecutor(50) as pool:
        assert list(pool.map(called, handlers)) == [READ] * 50
        assert exchanges(fake_vntana) == 1
        fake_vntana.revoke()
        fake_vntana.log.clear()
        barrier = threading.Barrier(50)

        def at_once(handler: Handler) -> dict[str, Any]:
            barrier.wait(PATIENCE_SECONDS)
            return called(handler)

        assert list(pool.map(at_once, handlers)) == [READ] * 50
    statuses = [entry.status for entry in fake_vntana.log.of("current")]
    assert sorted(statuses) == [200] * 50 + [401] * 50
    assert exchanges(fake_vntana) == 1
    assert fake_vntana.log.counts["login"] == 1


def called(handler: Handler) -> dict[str, Any]:
    return handler({}, None)
