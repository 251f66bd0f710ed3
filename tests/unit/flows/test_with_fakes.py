"""Vendorlink's and the editor's flows with fakes that enforce their vendors' rules, in each mode.

VNTANA's, whose tokens are made from tokens, are in `test_with_fake`.
"""

from collections.abc import Callable
from random import Random
from typing import Any

import pytest

from tests.conversations import NOW, Desk
from token_broker.errors import BrokerError, CredentialRejected, UpstreamContractChanged
from token_broker.exchange import run
from token_broker.flows.editor.flow import VENDOR as EDITOR
from token_broker.flows.editor.flow import verify as verification
from token_broker.flows.vendorlink.flow import VENDOR as VENDORLINK
from token_broker.tokens import Variant
from token_broker_fakes.editor import EditorModes, FakeEditor
from token_broker_fakes.vendorlink import FakeVendorlink, VendorlinkModes

LOGIN = Variant("login")
HOST = "app.vendorlink.nl"
PARAMETERS = {"userId": "1", "file": "ä.dwg", "isViewOnly": True, "nested": {"a": [None, 1.5]}}


def clock() -> float:
    return float(NOW)


def vendorlink_desk(
    options: dict[str, str] | None = None, leads: dict[str, str] | None = None, **modes: Any
) -> tuple[Desk, FakeVendorlink]:
    fake = FakeVendorlink(modes=VendorlinkModes(**modes), leads=leads, clock=clock, rng=Random(1))
    secret = fake.demo_secret(HOST) | {"options": options or {}}
    return Desk(VENDORLINK, VENDORLINK.parse(secret), fake), fake


@pytest.mark.parametrize(
    "modes",
    [
        pytest.param({}, id="as documented now"),
        pytest.param({"extend_key": "rToken"}, id="the new key only"),
        pytest.param({"extend_key": "RenewalToken"}, id="the old key only"),
        pytest.param({"extend_renewal": "null"}, id="null, and the old one goes on"),
        pytest.param({"extend_renewal": "absent"}, id="absent, and the old one goes on"),
        pytest.param({"hostname": "absent"}, id="no hostname"),
        pytest.param({"hostname": "empty"}, id="an empty hostname"),
        pytest.param({"hostname": "null"}, id="hostname is null"),
        pytest.param({"access_token": "wrapped"}, id="a token with blanks in it"),
        pytest.param({"access_token": "garbled"}, id="a token that does not decode"),
        pytest.param({"access_token": "no_exp"}, id="a token without exp"),
        pytest.param({"access_token": "opaque"}, id="an opaque token"),
        pytest.param({"extend_content_type": "utf-8"}, id="the content type of the clients"),
    ],
)
def test_a_login_is_extended_again_and_again(modes: dict[str, Any]) -> None:
    desk, fake = vendorlink_desk(**modes)
    for _ in range(4):
        assert desk.renew(LOGIN).expires_at == desk.now + 3600
        fake.advance(3600 + 60)
        desk.now += 3600 + 60
    assert fake.log.steps == ["login", "extend", "extend", "extend"]
    assert fake.reused == []
    assert fake.log.unknown == []


@pytest.mark.parametrize("failure", ["401", "400", "403", "empty200", "null", "object"])
def test_an_extension_that_comes_too_late_becomes_one_login(failure: str) -> None:
    desk, fake = vendorlink_desk(extend_failure=failure)
    desk.renew(LOGIN)
    fake.advance(15 * 86_400)
    desk.renew(LOGIN)
    assert fake.log.steps == ["login", "extend", "login"]


@pytest.mark.parametrize(
    ("modes", "options"),
    [
        ({"extend_key": "RenewalToken"}, {"extend_key": "rToken"}),
        (
            {"extend_content_type": "colon"},
            {"content_type": "application/json; charset=utf8"},
        ),
    ],
)
def test_a_switch_that_does_not_fit_costs_a_login_and_no_more(
    modes: dict[str, Any], options: dict[str, str]
) -> None:
    desk, fake = vendorlink_desk(options, **modes)
    desk.renew(LOGIN)
    desk.renew(LOGIN)
    assert fake.log.steps == ["login", "extend", "login"]


def test_what_was_spent_although_it_said_null_is_not_kept_if_the_secret_says_drop() -> None:
    desk, fake = vendorlink_desk({"null_renewal": "drop"}, extend_renewal="null_spent")
    for _ in range(3):
        desk.renew(LOGIN)
    assert fake.log.steps == ["login", "extend", "login"]
    assert fake.reused == []


@pytest.mark.parametrize("failure", ["empty200", "204", "null", "object", "400", "401", "403"])
def test_a_wrong_password_is_rejected_however_that_is_said(failure: str) -> None:
    desk, fake = vendorlink_desk(login_failure=failure, api="off")
    with pytest.raises(CredentialRejected):
        desk.renew(LOGIN)
    assert fake.log.steps == ["login"]


def test_a_login_is_followed_to_its_host_and_extended_there() -> None:
    chain = {HOST: "app2.vendorlink.nl", "app2.vendorlink.nl": "eu.app.vendorlink.nl"}
    desk, fake = vendorlink_desk(leads=chain)
    assert desk.renew(LOGIN).base_url == "https://eu.app.vendorlink.nl/API"
    desk.renew(LOGIN)
    assert [entry.host for entry in fake.log] == [HOST, *chain.values(), "eu.app.vendorlink.nl"]


@pytest.mark.parametrize(
    ("elsewhere", "logins"), [("self", 1), ("loop", 2), ("chain", 4), ("foreign", 1)]
)
def test_a_login_is_not_sent_around(elsewhere: str, logins: int) -> None:
    desk, fake = vendorlink_desk(elsewhere=elsewhere)
    with pytest.raises(UpstreamContractChanged):
        desk.renew(LOGIN)
    assert len(fake.log) == logins
    assert all(entry.host.endswith(".vendorlink.nl") for entry in fake.log)
    assert fake.log.breaches == []


def editor_desk(secret: dict[str, Any] | None = None, **modes: Any) -> tuple[Desk, FakeEditor]:
    fake = FakeEditor(modes=EditorModes(**modes), clock=clock, rng=Random(1))
    members = fake.demo_secret("http://127.0.0.1:9") | (secret or {})
    return Desk(EDITOR, EDITOR.parse(members), fake), fake


@pytest.mark.parametrize(
    "modes",
    [
        {},
        {"expiration_time": "milliseconds"},
        {"expiration_time": "float"},
        {"expiration_time": "text"},
        {"success_type": "text"},
        {"success_type": "none"},
        {"extra": "fields"},
    ],
    ids=str,
)
def test_a_token_stands_for_the_exact_parameters(modes: dict[str, Any]) -> None:
    desk, _ = editor_desk(**modes)
    token = desk.renew(Variant("parameters", {"parameters": PARAMETERS}))
    assert token.expires_at == NOW + 3600
    verified = run(verification(desk.credentials, token.value), desk.send)
    assert verified is not None
    assert {name: verified[name] for name in PARAMETERS} == PARAMETERS
    assert verified["auth"]


@pytest.mark.parametrize("form", ["words", "past", "zero", "null", "missing"])
def test_an_expiration_that_makes_no_sense(form: str) -> None:
    desk, _ = editor_desk(expiration_time=form)
    with pytest.raises(UpstreamContractChanged, match="expiration_time"):
        desk.renew(Variant("parameters", {"parameters": PARAMETERS}))


@pytest.mark.parametrize("claimed", ["json", "text", "none"])
def test_a_wrong_key_is_rejected_although_that_is_said_in_no_json(claimed: str) -> None:
    desk, _ = editor_desk({"api_key": "wrong"}, refusal_type=claimed)
    with pytest.raises(CredentialRejected):
        desk.renew(Variant("parameters", {"parameters": PARAMETERS}))


@pytest.mark.parametrize("header", ["x-api-token", "x-api-key"])
def test_verify_has_the_header_that_is_configured(header: str) -> None:
    desk, fake = editor_desk(
        {"options": {"verify_header": header}}, verify_header=header, header_case="lower"
    )
    token = desk.renew(Variant("parameters", {"parameters": PARAMETERS}))
    verify: Callable[[], Any] = lambda: run(  # noqa: E731 (asked twice)
        verification(desk.credentials, token.value), desk.send
    )
    assert verify()
    fake.advance(3600)
    assert verify() is None


@pytest.mark.parametrize("kind", ["status", "html", "truncate", "no_token", "drop", "reset"])
@pytest.mark.parametrize("made", [vendorlink_desk, editor_desk], ids=["vendorlink", "editor"])
def test_a_network_that_fails_is_an_error_of_ours(made: Callable[[], Any], kind: str) -> None:
    desk, fake = made()
    fake.fail(kind)
    with pytest.raises(BrokerError) as error:
        desk.renew(Variant("parameters", {"parameters": PARAMETERS}))
    assert error.value.status in (502, 503)
