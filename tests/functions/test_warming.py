"""The invocations of a schedule, and what the log says of a direct invocation's caller."""

from dataclasses import dataclass

import pytest

from tests.functions.world import World, logged
from token_broker_local.functions import LambdaContext


@dataclass(frozen=True, slots=True)
class Invocation(LambdaContext):
    """An invocation by an alias."""

    alias: str = "live"

    @property
    def invoked_function_arn(self) -> str:
        """The ARN by which the function was called."""
        return f"arn:aws:lambda:eu-west-1:123456789012:function:{self.function_name}:{self.alias}"


def test_each_connection_is_checked_by_an_invocation_of_its_own(world: World) -> None:
    """A schedule of checks differs from one of warm tokens by one word."""
    event = {"action": "warm", "each": "check", "calls": {"connection": "acme"}}
    assert world.service("vntana")(event, LambdaContext("token-broker")) == {"invoked": 1}
    assert world.invoked == [{"action": "check", "connection": "acme"}]


@pytest.mark.parametrize("alias", ["live", "team-orders"])
def test_the_audit_line_names_the_alias(
    world: World, capsys: pytest.CaptureFixture[str], alias: str
) -> None:
    """It is all that Lambda tells of an invoker, so a team that is to be told apart has its own."""
    event = {"connection": world.connect("vendorlink")}
    world.service("vendorlink")(event, Invocation("token-broker-vendorlink", alias=alias))
    [audit] = logged(capsys, "hand-out")
    assert audit["caller"] == f"direct invocation of {alias}"
