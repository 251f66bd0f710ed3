"""For any vendor response, the function returns a documented result and keeps no partial item."""

import pytest
from hypothesis import HealthCheck, given, settings

from tests.conversations import any_answers, repeated
from tests.functions.world import World
from tests.subjects import FLOWS
from token_broker.exchange import Response

TOLD = {
    "credential_rejected",
    "credential_latched",
    "invalid_request",
    "not_configured",
    "upstream_contract_changed",
    "upstream_refused",
    "upstream_unavailable",
}
"""What a vendor can bring about. `not_configured` is an organization that it does not list."""


@pytest.mark.parametrize("flow", FLOWS)
@settings(
    max_examples=max(5, settings().max_examples // 20),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(answers=any_answers)
def test_any_vendor_response_leaves_a_complete_item_without_a_lease(
    world: World, flow: str, answers: list[Response]
) -> None:
    """No internal error, no undocumented 5xx; the stored item is readable, its lease released."""
    connection = world.connect(flow)
    send = repeated(answers)
    world.use(flow, send=lambda request, _: send(request))
    response = world.http(flow, connection)
    assert response["statusCode"] == 200 or response["body"]["code"] in TOLD
    for item in world.service(flow).deps.store.list(f"{flow}#{connection}"):
        assert (item.corrupt, item.lease_owner) == ((), None)
