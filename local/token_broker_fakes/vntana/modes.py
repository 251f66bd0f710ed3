"""How VNTANA's documents and clients contradict each other; the first value is the default."""

from dataclasses import dataclass
from typing import Literal

from token_broker_fakes.modes import Modes

MONTH = 30 * 86_400


@dataclass(slots=True)
class VntanaModes(Modes):
    """The switches of `FakeVntana`; ``docs/upstreams/vntana.md`` says where each comes from."""

    token_place: Literal["header", "body", "both", "session"] = "header"
    """Where a token is returned: ``session`` is ``response.session.accessToken``."""
    token_header: Literal["X-AUTH-TOKEN", "x-auth-token", "X-Auth-Token"] = "X-AUTH-TOKEN"
    token_prefix: Literal["none", "Bearer", "bearer"] = "none"
    """The prefix of a returned token."""
    request_prefix: Literal["Bearer", "none", "either"] = "Bearer"
    """The required prefix of a sent token."""
    request_header: Literal["x-auth-token", "authorization", "either"] = "x-auth-token"
    refresh_method: Literal["POST", "GET", "either"] = "POST"
    workspace_headers: Literal["both", "client", "either"] = "both"
    """The headers that name a workspace: ``client`` also refuses the organization's uuid."""
    wrong_password: Literal["403", "401"] = "403"
    dead_token: Literal["403", "401", "403_bad_credentials"] = "403"
    """How an expired or revoked token is refused."""
    failure_status: Literal["real", "200"] = "real"
    """``200`` puts every refusal into a 200 with ``"success": false``."""
    success_errors: Literal["list", "object", "absent"] = "list"
    failure_errors: Literal["strings", "objects"] = "strings"
    failure_body: Literal["absent", "null"] = "absent"
    """Whether a refusal has ``"response": null``."""
    key_login: Literal["accepted", "refused"] = "accepted"
    key_field: Literal["personal-access-token", "authenticationKey"] = "personal-access-token"
    session: Literal[
        "absent", "millis", "micros", "seconds", "zulu", "past", "text", "null", "number"
    ] = "absent"
    """``response.session.expiration``: without a zone and with decimals, as VNTANA writes times."""
    grid: Literal["complete", "incomplete", "empty"] = "complete"
    """``incomplete`` leaves the last row out, and ``totalCount`` tells."""
    created: Literal["millis", "micros", "seconds"] = "millis"
    workspaces: Literal["listed", "forbidden"] = "listed"
    """``forbidden``: listing workspaces is a 403, as where there are none or too few rights."""
    single_session: Literal["same", "family", "off"] = "same"
    """The tokens that a new one revokes: the one before of the same organization or workspace; its
    workspaces' tokens as well; nothing."""
    login_token: Literal["lives", "spent"] = "lives"
    """``spent``: entering an organization revokes the login token."""
    logins: Literal["many", "one"] = "many"
    """``one``: a new login revokes the login token before."""
    other_answers: Literal["plain", "decoy"] = "plain"
    """``decoy``: lists carry a token header too, with a token that is good for nothing."""
    super_admin: Literal["allowed", "forbidden"] = "allowed"
    """``forbidden``: the role SUPER_ADMIN meets unexplained 403s."""
    lockout: int = 0
    """Wrong passwords in a row after which an account is CLIENT_BLOCKED; 0: never."""
    lifetime: int = MONTH
    """Seconds that organization and workspace tokens live."""
    login_lifetime: int = MONTH
    """Seconds that login tokens live."""
