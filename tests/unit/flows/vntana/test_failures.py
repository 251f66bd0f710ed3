"""Exchanges of VNTANA after error responses and outages, step by step."""

from typing import Any

import pytest

from tests.conversations import NOW, answer, ended, held, reply
from tests.vntana_examples import (
    ASKED,
    GUEST,
    IN_ORGANIZATION,
    IN_WORKSPACE,
    KEY,
    SPACE,
    grid,
    listing,
    organization_token,
    refused,
    row,
    with_token,
)
from token_broker.errors import (
    BrokerError,
    UpstreamContractChanged,
    UpstreamRefused,
    UpstreamUnavailable,
)
from token_broker.exchange import NeedToken, ResolvedTo, Response
from token_broker.flows.vntana import flow as vntana
from token_broker.flows.vntana.organizations import LISTING
from token_broker.tokens import Variant

PROMOTED = listing(row(role="ORGANIZATION_OWNER"))
DEAD = [
    pytest.param(refused(401), id="401"),
    pytest.param(answer({"status": 401, "error": "Unauthorized"}, 401), id="401, other body"),
    pytest.param(refused(403, "FORBIDDEN"), id="403 FORBIDDEN"),
    pytest.param(refused(200, "TOKEN_NOT_FOUND"), id="200 that is a failure"),
    pytest.param(Response(403, {}, b"Forbidden"), id="403 without a reason"),
]


@pytest.mark.parametrize("dead", DEAD)
@pytest.mark.parametrize(
    ("variant", "before", "success", "result"),
    [
        pytest.param(IN_WORKSPACE, [], with_token("space/1"), "space/1", id="entering"),
        pytest.param(ASKED, [listing(GUEST)], grid(row(SPACE)), IN_WORKSPACE, id="listing"),
    ],
)
def test_a_dead_organization_token_is_replaced_once(
    variant: Variant, before: list[object], success: Response, result: object, dead: Response
) -> None:
    old, new = organization_token("org/1"), organization_token("org/2")
    talk = vntana.exchange(KEY, variant, NOW)
    next(talk)
    for response in before:
        talk.send(response)
    talk.send(old)
    assert reply(talk, dead).step == "check organization"
    assert talk.send(dead) == NeedToken(IN_ORGANIZATION, rejected=old.fingerprint)
    assert reply(talk, new).headers["x-auth-token"] == "Bearer org/2"
    token = ended(talk, success)
    assert (token.variant if isinstance(token, ResolvedTo) else token.value) == result


@pytest.mark.parametrize("dead", DEAD)
def test_a_second_dead_organization_token_is_an_error(dead: Response) -> None:
    with pytest.raises(UpstreamRefused):
        held(
            vntana.exchange(KEY, IN_WORKSPACE, NOW),
            [organization_token("org/1"), dead, dead, organization_token("org/2"), dead],
        )


REFUSALS = [*DEAD, pytest.param(refused(403, "BAD_CREDENTIALS"), id="403 BAD_CREDENTIALS")]


@pytest.mark.parametrize("refusal", REFUSALS)
def test_a_refusal_with_a_live_organization_token_replaces_nothing(refusal: Response) -> None:
    """The refusal is then about the workspace. A new token would revoke the one others use."""
    answers = [organization_token(), refusal, answer({"response": {}}), listing(GUEST)]
    with pytest.raises(UpstreamRefused, match="enter workspace"):
        held(vntana.exchange(KEY, IN_WORKSPACE, NOW), answers)


def test_an_outage_while_the_token_is_checked_replaces_nothing() -> None:
    with pytest.raises(UpstreamUnavailable, match="check organization: "):
        held(
            vntana.exchange(KEY, IN_WORKSPACE, NOW),
            [organization_token(), refused(403, "FORBIDDEN"), Response(503)],
        )


@pytest.mark.parametrize(("age", "is_listed_again"), [(60, False), (61, True)])
def test_an_administrator_gets_the_organization_token(age: int, is_listed_again: bool) -> None:
    """For an organization-level role ``BAD_CREDENTIALS`` means: keep the organization's token.

    The role is looked up in a listing of the last minute.
    """
    kept = listing(row(role="ORGANIZATION_ADMIN"), at=NOW - age)
    live = answer({"response": {}})
    answers = [organization_token(), refused(403, "BAD_CREDENTIALS"), live, kept]
    answers += [PROMOTED] if is_listed_again else []
    role = "ORGANIZATION_OWNER" if is_listed_again else "ORGANIZATION_ADMIN"
    found = held(vntana.exchange(KEY, IN_WORKSPACE, NOW), answers)
    assert found == ResolvedTo(IN_ORGANIZATION, {"role": role})


def test_no_step_is_repeated_with_the_same_organization_token() -> None:
    """The broker returns the same token if it is too young to be dead."""
    same, dead = organization_token("org/1"), refused(403, "FORBIDDEN")
    with pytest.raises(UpstreamRefused):
        held(vntana.exchange(KEY, IN_WORKSPACE, NOW), [same, dead, dead, same])


@pytest.mark.parametrize("rows", [[GUEST], []])
def test_bad_credentials_of_another_role_may_mean_a_dead_token(rows: list[dict[str, Any]]) -> None:
    """Or an organization that left the account. It is no rejection of the credentials."""
    bad = refused(403, "BAD_CREDENTIALS")
    answers = [organization_token("org/1"), bad, bad, organization_token("org/2")]
    found = held(vntana.exchange(KEY, IN_WORKSPACE, NOW), [*answers, with_token("space/1")])
    assert found.value == "space/1"
    with pytest.raises(UpstreamRefused) as error:
        held(vntana.exchange(KEY, IN_WORKSPACE, NOW), [*answers, bad, listing(*rows)])
    assert error.value.upstream_code == "BAD_CREDENTIALS"


STEPS: dict[str, tuple[Variant, list[object]]] = {
    "login": (LISTING, []),
    "list organizations": (LISTING, [with_token("login/1")]),
    "enter organization": (IN_ORGANIZATION, [listing(row()), with_token("login/1")]),
    "list workspaces": (ASKED, [listing(GUEST), organization_token()]),
    "enter workspace": (IN_WORKSPACE, [organization_token()]),
}
"""Each step, and what leads to it."""
CODES = [
    (403, "API_RATE_LIMIT_EXCEEDED", UpstreamUnavailable),
    (200, "BAD_GATEWAY", UpstreamUnavailable),
    (401, "UNAUTHORIZED_IP", UpstreamRefused),
]
HALF = Response(200, {"x-auth-token": "a"}, b'{"succ')


@pytest.mark.parametrize(
    ("last", "error", "code"),
    [
        pytest.param(Response(503), UpstreamUnavailable, None, id="down"),
        *(
            pytest.param(refused(status, code), error, code, id=f"{code} under {status}")
            for status, code, error in CODES
        ),
        pytest.param(Response(302), UpstreamContractChanged, None, id="redirected"),
        pytest.param(Response(200, {}, b"<html>"), UpstreamContractChanged, None, id="a page"),
        pytest.param(HALF, UpstreamContractChanged, None, id="truncated"),
        pytest.param(answer({}), UpstreamContractChanged, None, id="neither token nor grid"),
        pytest.param(answer({}, x_auth_token="a b"), UpstreamContractChanged, None, id="odd"),
    ],
)
@pytest.mark.parametrize("step", STEPS)
def test_the_error_of_a_failed_step_names_the_step(
    step: str, last: Response, error: type[BrokerError], code: str | None
) -> None:
    variant, before = STEPS[step]
    with pytest.raises(error, match=f"^{step}: ") as raised:
        held(vntana.exchange(KEY, variant, NOW), [*before, last])
    assert raised.value.upstream_code == code
