"""One call to AWS fails during an exchange: when the token or the accepted version is stored."""

from typing import Any

import pytest

from tests.functions.world import World
from tests.subjects import FLOWS
from token_broker.errors import BrokerError, NotConfigured, StoreUnavailable
from token_broker.sealing import Sealer
from token_broker.secrets_manager import Secrets
from token_broker.store import Store

STEPS: dict[str, tuple[type, str]] = {
    "read items": (Store, "read_all"),
    "acquire": (Store, "acquire"),
    "commit": (Store, "commit"),
    "accept": (Store, "accept"),
    "seal a token": (Sealer, "seal_token"),
    "seal an alias": (Sealer, "seal_variant"),
    "alias_to": (Store, "alias_to"),
    "read the secret": (Secrets, "current"),
}
NEVER_IN_VAIN = {"commit", "accept", "seal a token"}
"""What is done once a token was made: the caller that paid for it gets it."""


@pytest.mark.parametrize("flow", FLOWS)
@pytest.mark.parametrize("error", [StoreUnavailable, NotConfigured])
@pytest.mark.parametrize("step", list(STEPS))
def test_one_failed_call_to_aws_fails_at_most_one_request(
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    flow: str,
    error: type[BrokerError],
    step: str,
) -> None:
    """I13: the next call gets a token, or an error with `retry_after`."""
    for nth in range(4):
        connection = world.connect(flow)
        with monkeypatch.context() as patch:
            calls = fail_once(patch, *STEPS[step], nth, error)
            first = world.http(flow, connection)
        assert first["statusCode"] == 200 or step not in NEVER_IN_VAIN
        world.service(flow).deps.cache.clear()
        second = world.http(flow, connection)
        if second["statusCode"] != 200:
            world.advance(second["body"]["retry_after"])
            assert second["body"]["retry_after"] <= 30
            assert world.call(flow, connection)["source"] == "exchange"
        if len(calls) <= nth:
            return


def fail_once(
    patch: pytest.MonkeyPatch, owner: type, name: str, nth: int, error: type[BrokerError]
) -> list[str]:
    """Have one call of a method fail, the *nth*, before anything is done; return all calls."""
    original, calls = getattr(owner, name), list[str]()

    def method(self: Any, *arguments: Any, **more: Any) -> Any:
        calls.append(name)
        if len(calls) == nth + 1:
            raise error("broken")
        return original(self, *arguments, **more)

    patch.setattr(owner, name, method)
    return calls
