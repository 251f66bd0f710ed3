"""Items of one variant in several states, for tests of decisions."""

from typing import Any

from tests.conversations import NOW
from token_broker.item import CREDENTIAL_REJECTED, Failure, Hold, Item
from token_broker.records import replace

EMPTY = Item("vntana#acme", "-")
FRESH = replace(
    EMPTY,
    generation=7,
    token=b"sealed",
    fingerprint="0123456789abcdef",
    issued_at=NOW - 1000,
    refresh_at=NOW + 1000,
    expires_at=NOW + 2000,
    secret_version="v1",
)
AGING = replace(FRESH, refresh_at=NOW)
DOWN = Failure("upstream_unavailable", "login: down", NOW - 10, 1, NOW + 5, "v1")
AGAIN = replace(DOWN, retry_at=NOW)
REFUSED = replace(DOWN, code=CREDENTIAL_REJECTED)
RUNNING: dict[str, Any] = {"lease_owner": "a", "lease_until": NOW + 9}
DIED: dict[str, Any] = {"lease_owner": "a", "lease_until": NOW}


def kept(**changes: Any) -> Item:
    return replace(FRESH, **changes)


HOLD = Hold(NOW, "arn:caller", "laptop stolen")
REPORTED = kept(rejected=FRESH.fingerprint)
V1_REJECTED: dict[str, Any] = {"rejected_versions": ("v1",)}
