"""Scheduled invocations, and the caller of a direct invocation in the log."""

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


@pytest.mark.parametrize("alias", ["live", "team-orders"])
def test_the_audit_line_names_the_alias_of_a_direct_invocation(
    world: World, capsys: pytest.CaptureFixture[str], alias: str
) -> None:
    """Lambda tells nothing else of an invoker, so each team has an alias."""
    event = {"connection": world.connect("vendorlink")}
    world.service("vendorlink")(event, Invocation("token-broker-vendorlink", alias=alias))
    [audit] = logged(capsys, "hand-out")
    assert audit["caller"] == f"direct invocation of {alias}"
