"""The log of a fake's requests."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.unit.fakes import editor_client, vntana_client
from tests.unit.fakes.entrances import Ask, by_call
from token_broker.exchange import Request
from token_broker_fakes import FakeVntana
from token_broker_fakes.log import KEPT, Masks


def test_an_entry_has_request_response_and_result(ask: Ask) -> None:
    """With time, step, headers and bodies."""
    visitor = vntana_client.client(ask)
    visitor.login()
    entry = visitor.fake.log[0]
    assert (entry.sequence, entry.at, entry.step) == (1, vntana_client.NOW, "login")
    assert (entry.method, entry.path) == ("POST", "/v1/auth/login")
    assert entry.host == "api-platform.vntana.com"
    assert entry.body == b'{"email":"a@example.com","password":"pass"}'
    assert entry.header("Content-Type") == "application/json"
    assert entry.header("x-auth-token") is None
    assert (entry.status, entry.led_to) == (200, "login token of a@example.com")
    assert not entry.is_lost


def test_an_entry_names_the_error_code_or_the_token(ask: Ask) -> None:
    """A success names the token that was handed out or used."""
    visitor = vntana_client.client(ask)
    token = visitor.organization_token()
    visitor.workspace(token)
    visitor.current(token)
    visitor.current("dead")

    assert [entry.led_to for entry in visitor.fake.log] == [
        "login token of a@example.com",
        "organization token of acme",
        "workspace token of chairs",
        "used: organization token of acme",
        "FORBIDDEN",
    ]


def test_clearing_the_log_keeps_the_sequence_numbers(ask: Ask) -> None:
    """A cleared log is empty."""
    visitor = vntana_client.client(ask)
    log = visitor.fake.log
    visitor.login()
    visitor.call("GET", "/v1/clients")
    visitor.login()
    assert (log.steps, log.counts) == (["login", "unknown", "login"], {"login": 2, "unknown": 1})
    assert [entry.sequence for entry in log.of("login")] == [1, 3]
    log.breaches.append("x")
    log.clear()
    assert (len(log), log.counts, log.unknown, log.breaches) == (0, {}, [], [])
    visitor.login()
    assert log[0].sequence == 4


def test_no_token_or_password_in_a_repr(ask: Ask) -> None:
    visitor, editor = vntana_client.client(ask), editor_client.client(ask)
    token, opening = visitor.organization_token(), editor.token()
    visitor.current(token)
    editor.get(f"editor?apitoken={opening}")
    shown = repr([*visitor.fake.log, *editor.fake.log])
    assert [secret for secret in (token, opening, "pass") if secret in shown] == []


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        (r'{"p": "a\"b", "u": "me"}', '{"p": "…", "u": "me"}'),
        ('{"p" :\n"a"}', '{"p" :\n"…"}'),
        ('{"xp": "a", "p": null}', '{"xp": "a", "p": null}'),
        ("p=a%26b&u=me&p=c", "p=…&u=me&p=…"),
        ("xp=a&p.q=b", "xp=a&p.q=b"),
        ("no body", "no body"),
    ],
)
def test_credentials_are_masked_in_json_and_in_forms(body: str, shown: str) -> None:
    """Basic credentials in any header, also if the vendor does not use them."""
    masks = Masks({"p", "secret"})
    assert masks.body(body) == shown
    assert masks.header("P", "a") == "…"
    for scheme in ("Basic", "basic", "BASIC "):
        assert masks.header("authorization", f"{scheme} c2VjcmV0") == f"{scheme} …"


def test_the_log_keeps_a_bounded_number_of_entries() -> None:
    """A fake that is served for days needs no more memory."""
    fake = FakeVntana()
    request = Request("GET", "https://x/y", "test")
    for _ in range(KEPT + 1):
        fake(request)
    assert (len(fake.log), fake.log[0].sequence) == (KEPT, 2)
    assert fake.log.counts["unknown"] == KEPT + 1


@pytest.mark.parametrize("faulty", [False, True])
def test_concurrent_requests_are_processed_once_each(faulty: bool) -> None:
    """Exactly one token of the organization stays valid."""
    visitor = vntana_client.client(by_call)
    if faulty:
        visitor.fake.fail("late", times=None)
    with ThreadPoolExecutor(8) as pool:
        made = [pool.submit(visitor.organization_token) for _ in range(200)]
    tokens = [one.result() for one in made]
    assert len(set(tokens)) == 200
    assert sum(visitor.current(token).is_success for token in tokens) == 1
    assert visitor.fake.log.counts["login"] == 200
    assert [entry.sequence for entry in visitor.fake.log] == list(range(1, 601))
