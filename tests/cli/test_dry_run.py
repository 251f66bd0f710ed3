"""A trial makes one exchange of the flow, against fakes that enforce the vendors' rules."""

import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, Self

import pytest

from tests.subjects import FLOWS, LOOPBACK, proof, wrong_login
from token_broker.errors import BrokerError, CredentialRejected
from token_broker.exchange import NeedToken, Request, Response
from token_broker.flows import every
from token_broker.flows.vntana.organizations import LISTING
from token_broker_cli import connect, dry_run
from token_broker_cli.dry_run import LOG_OUT_SECONDS, SECONDS, DryRun, attempt, within
from token_broker_cli.errors import CommandError
from token_broker_fakes import registry
from token_broker_fakes.editor import FakeEditor
from token_broker_fakes.vntana import FakeVntana
from token_broker_operations.signals import leaves

NOW = 1_790_000_000


def clock() -> float:
    return NOW


def trial(flow: str, fake: Any, **changes: Any) -> DryRun:
    typed = every()[flow]
    secret = fake.demo_secret(LOOPBACK) | changes
    return DryRun(typed, typed.vendor.parse(secret), fake, NOW)


@pytest.mark.parametrize("flow", FLOWS)
def test_a_rejected_login_is_sent_once(flow: str) -> None:
    """Further calls raise the same error without a request to the vendor."""
    fake = registry.new(flow, clock=clock)
    attempt = trial(flow, fake, **wrong_login(flow))
    for _ in range(3):
        with pytest.raises(CredentialRejected):
            attempt.token()
    assert fake.log.counts[proof(flow).step] == 1


@dataclass
class Vendor:
    """A transport to the fake of VNTANA, which remembers how it is used."""

    fake: FakeVntana = field(default_factory=lambda: FakeVntana(clock=time.time))
    internal_hosts: frozenset[str] = frozenset()
    patience: list[float] = field(default_factory=list)
    closed: int = 0

    def open(self, internal_hosts: frozenset[str]) -> Self:
        self.internal_hosts = internal_hosts
        return self

    def send(self, request: Request, seconds: float) -> Response:
        self.patience.append(seconds)
        return self.fake(request)

    def close(self) -> None:
        self.closed += 1

    def attempt(self, **place: str) -> None:
        """Try the demo's credentials."""
        typed = every()["vntana"]
        attempt(typed, typed.vendor.parse(self.fake.demo_secret(LOOPBACK) | place))


@pytest.fixture
def vendor(monkeypatch: pytest.MonkeyPatch) -> Vendor:
    made = Vendor()
    monkeypatch.setattr("token_broker.transport.client.Transport", made.open)
    return made


@pytest.mark.parametrize(
    ("place", "sessions"),
    [
        ({}, 1),
        ({"organization": "studio", "workspace": "chairs"}, 2),
        ({"organization": "studio", "workspace": "no-such-place"}, 1),
    ],
)
def test_each_session_of_a_trial_is_ended_once(
    vendor: Vendor, place: dict[str, str], sessions: int
) -> None:
    """Also if the trial fails after the login, of which there is one."""
    is_wrong = place.get("workspace") == "no-such-place"
    with pytest.raises(BrokerError, match="workspace") if is_wrong else nullcontext():
        vendor.attempt(**place)
    counts = vendor.fake.log.counts
    assert (counts["login"], counts["logout"], vendor.closed) == (1, sessions, 1)


def test_a_failed_log_out_is_ignored() -> None:
    """The other sessions are ended all the same."""
    fake = FakeVntana(clock=clock)
    attempt = trial("vntana", fake, organization="studio", workspace="chairs")
    attempt.token()
    refused: list[Request] = []

    def refuse(request: Request) -> Any:
        refused.append(request)
        raise CredentialRejected("refused")

    attempt.end(refuse)
    assert len(refused) == 2


def test_a_trial_fills_in_required_parameters() -> None:
    """The user of the token is named after the trial."""
    fake = FakeEditor(clock=clock)
    trial("editor", fake, parameters={}, required=["userId"]).token()
    (opening,) = fake.openings.values()
    assert "token-broker-probe" in repr(opening)


@pytest.mark.parametrize(
    ("named", "hosts"), [("", set()), (" a.example , B.Example,", {"a.example", "b.example"})]
)
def test_private_addresses_are_allowed_for_hosts_in_internal_hosts(
    vendor: Vendor, monkeypatch: pytest.MonkeyPatch, named: str, hosts: set[str]
) -> None:
    monkeypatch.setenv("INTERNAL_HOSTS", named)
    vendor.attempt()
    assert vendor.internal_hosts == hosts


def test_all_requests_have_one_deadline(vendor: Vendor) -> None:
    """Except the last one, which ends the session and has its own short time limit."""
    vendor.attempt()
    patience = vendor.patience
    assert len(patience) > 3
    assert patience == sorted(set(patience), reverse=True)
    assert SECONDS - 1 < patience[0] <= SECONDS
    assert patience[-1] <= LOG_OUT_SECONDS
    assert (SECONDS, LOG_OUT_SECONDS) == (25, 3)  # with which a trial ends as a call does
    late = Vendor()
    within(late.send, -1)(Request("GET", f"{LOOPBACK}/x", "login"))
    assert late.patience == [0.1]


@pytest.mark.parametrize(("passed", "is_left"), [(0, True), (23.9, True), (24, False), (26, False)])
def test_a_probe_sends_no_request_in_the_last_second_of_a_trial(
    monkeypatch: pytest.MonkeyPatch, passed: float, is_left: bool
) -> None:
    """A request of the probe may take a second."""
    moments = iter([1000.0, *[1000.0 + passed] * 99])
    monkeypatch.setattr(dry_run, "time", SimpleNamespace(monotonic=lambda: next(moments)))

    def observer_of(_: object, is_time_left: Callable[[], bool]) -> None:
        raise BrokerError(str(is_time_left()))

    monkeypatch.setattr(dry_run, "observer_of", observer_of)
    with pytest.raises(BrokerError, match=str(is_left)):
        attempt(every()["vntana"], None)


@pytest.mark.parametrize("error", [*leaves(BrokerError)])
def test_the_advice_to_check_the_credentials_is_for_rejections_only(
    monkeypatch: pytest.MonkeyPatch, error: type[BrokerError]
) -> None:
    def fail(*_: object) -> None:
        raise error("no")

    monkeypatch.setattr(connect, "attempt", fail)
    with pytest.raises(CommandError) as raised:
        connect.dry_run_of(every()["vntana"], None)
    advice = connect.REJECTED if error is CredentialRejected else connect.UNTRIED
    assert (raised.value.code, raised.value.advice) == (error.code, advice)


def test_a_trial_uses_a_token_again_until_it_is_rejected() -> None:
    """Its repr shows no token."""
    fake = FakeVntana(clock=clock)
    attempt = trial("vntana", fake)
    token = attempt.token()
    assert attempt.token() is token
    kept = attempt.answer(NeedToken(LISTING))
    assert attempt.answer(NeedToken(LISTING, rejected=kept.fingerprint)) is not kept
    assert "Bearer" not in repr(attempt)


@pytest.mark.parametrize("login", ["lives", "spent"])
@pytest.mark.parametrize("position", range(1, 6))
def test_a_concurrent_renewal_by_the_broker_is_not_reported_as_a_rejection(
    login: str, position: int
) -> None:
    """The broker may end the trial's token after any step; the credentials are still valid."""
    secret = {"organization": "studio", "workspace": "chairs"}
    fake = FakeVntana(clock=clock)
    fake.modes.update({"login_token": login})
    sent: list[Request] = []

    def send(request: Request) -> Response:
        response = fake(request)
        sent.append(request)
        if len(sent) == position:
            trial("vntana", fake, **secret).token()
        return response

    attempt = trial("vntana", fake, **secret)
    attempt.send = send
    assert attempt.token().headers
    assert len(sent) >= position
