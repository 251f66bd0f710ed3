"""`probe`, and the probe of `connect`, find the options for each mode of a vendor."""

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations, product
from random import Random
from typing import Any

import pytest
from typer.testing import CliRunner

from tests.cli.accounts import Visitor
from tests.cli.operators import Operator
from tests.cli.test_connect import NAMES, secret, secrets_manager
from tests.functions.test_probe import is_live
from tests.functions.world import World, client
from tests.subjects import FLOWS as EACH
from tests.subjects import LOOPBACK
from token_broker.flows import every
from token_broker.probe import prober_of
from token_broker.probing import Budget
from token_broker_cli.context import Context
from token_broker_cli.main import app
from token_broker_cli.probe import follows, with_options
from token_broker_fakes import FakeEditor, FakeVendorlink, FakeVntana, registry
from token_broker_fakes.fake import Fake
from token_broker_fakes.modes import choices
from token_broker_local.addresses import REGION, STAGE, secret_name

SECRET = "token-broker/test/vendorlink/acme"
DEFAULT = every()["vntana"].vendor.parse({"personal_access_token": "x"}).lifetime
UNSUITED: dict[str, dict[str, set[str]]] = {
    "vntana": {
        # No document has the token without its prefix or in another header, but for one commit.
        "request_prefix": {"none"},
        "request_header": {"authorization"},
        # An operator has to give the other kind of login, and a list that is whole.
        "key_login": {"refused"},
        "key_field": {"authenticationKey"},
        "grid": {"incomplete", "empty"},
    },
    "vendorlink": {
        # The API is switched off, or a login is sent where it must not go.
        "api": {"off"},
        "elsewhere": {"self", "loop", "chain", "foreign"},
    },
    "editor": {
        # When the token ends has to be known; what is in the address and the parameters is the
        # operator's to say.
        "expiration_time": {"words", "past", "zero", "null", "missing"},
        "auth": {"required"},
        "query_name": {"auth"},
    },
}
"""Values that are no option's: with them a vendor works by no secret, or by another one."""

FLOWS = tuple(sorted(UNSUITED))
"""Those whose modes and options this test knows. What every prober owes, is in `test_probes`."""

NUMBERS: dict[str, tuple[int, ...]] = {"lifetime": (600, 3600, 30 * 86_400), "lockout": (0, 3)}
VENDORLINK_LIFETIMES = (600, 3600, 7200)


KNOWN = {
    "vntana": {"login": ("token", "password"), "place": ("none", "named")},
    "vendorlink": {},
    "editor": {},
}
"""What an operator knows of an account, which is not how the vendor behaves."""


def sets(flow: str, fake: Fake[Any]) -> Iterator[dict[str, Any]]:
    """Yield sets of modes, and of what an operator knows: each two values meet in one of them."""
    values: dict[str, Sequence[Any]] = {**KNOWN[flow]}
    for name, found in choices(type(fake.modes)).items():
        suited = [one for one in found if one not in UNSUITED[flow].get(name, ())]
        if suited or name in NUMBERS:
            values[name] = suited or NUMBERS[name]
    if flow == "vendorlink":
        values["lifetime"] = VENDORLINK_LIFETIMES
    return pairs(values)


def pairs(values: Mapping[str, Sequence[Any]]) -> Iterator[dict[str, Any]]:
    """Yield a value of each name, until each two values of two names have met."""
    rng = Random(0)
    left = [
        {one: x, other: y}
        for one, other in combinations(values, 2)
        for x, y in product(values[one], values[other])
    ]
    while left:
        row = left[0]
        for name in rng.sample([*values], len(values)):
            if name not in row:
                new = Counter(
                    pair[name]
                    for pair in left
                    if name in pair and pair.items() <= (row | {name: pair[name]}).items()
                )
                best = [x for x in values[name] if new[x] == max(new.values(), default=0)]
                row |= {name: rng.choice(best)}
        left = [pair for pair in left if not pair.items() <= row.items()]
        yield row


@pytest.mark.parametrize("flow", EACH)
def test_a_secret_without_new_options_is_unchanged(flow: str) -> None:
    """What `connect` stores of a vendor that has no options."""
    document = registry.kind(flow).demo_secret(LOOPBACK)
    assert with_options(every()[flow], document, {}) == document


def document_of(world: World, flow: str, row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the document of an operator who knows what *row* says."""
    document = world.secret(flow)
    if flow == "vntana":
        account = world.vntana.accounts[0]
        if row["login"] == "password":
            del document["personal_access_token"]
            document |= {"email": account.email, "password": account.password}
        if row["place"] == "named":
            place = account.organizations[1].workspaces[0]
            named = place.uuid if row["workspaces"] == "forbidden" else place.slug
            document |= {"organization": "studio", "workspace": named}
    return document


def tokens(world: World, flow: str) -> set[str]:
    """Return everything that the vendor ever handed out."""
    of_vendorlink = world.vendorlink.tokens
    return {
        "vntana": set(world.vntana.sessions.by_token),
        "vendorlink": {*of_vendorlink.access, *of_vendorlink.renewals},
        "editor": set(world.editor.openings),
    }[flow]


def check_budget(fake: Any, budget: Budget) -> None:
    """Assert that no more was sent than was told, and that at most two sessions were opened."""
    asked = [entry for entry in fake.log if entry.step != "logout"]
    assert len(asked) <= budget.requests
    opened = [one for one in asked if one.step in ("login", "generate") and one.status == 200]
    assert len(opened) <= 2
    assert fake.log.breaches == []


def goes_on(world: World, flow: str, name: str) -> None:
    """Assert that the next token is one that lives too, and is made as the vendor means it."""
    fake = getattr(world, flow)
    fake.log.clear()
    first = world.call(flow, name)
    assert is_live(world, flow, first)
    world.advance(2 * 3600 + 60)
    second = world.call(flow, name, **({} if flow == "vendorlink" else {"force": True}))
    assert is_live(world, flow, second)
    assert second["headers"] != first["headers"]
    if flow == "vendorlink":
        assert fake.log.steps == ["login", "extend"]
    if flow == "editor":
        token = second["headers"]["x-api-token"]
        assert world.call(flow, name, action="verify", token=token)["valid"]


@pytest.mark.slow
@pytest.mark.parametrize("flow", FLOWS)
def test_connect_finds_the_options_for_each_mode_of_a_vendor(
    world: World, flow: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Within the budget, with no breach; and a token is handed out, and renewed, afterwards."""
    monkeypatch.setattr(Context, "client", lambda _, service: client(service))  # made once
    world.stands_at = None  # as the command's clock and the vendors' run, too
    fake = getattr(world, flow)
    budget = prober_of(every()[flow]).budget
    at = ["--stage", STAGE, "--url", "http://127.0.0.1:9", "--region", REGION]
    for number, row in enumerate(sets(flow, fake)):
        fake.modes.reset()
        fake.modes.update({name: row[name] for name in row if name not in KNOWN[flow]})
        fake.log.clear()
        fake.clock.offset = world.ahead = 0
        document = document_of(world, flow, row)
        name = f"set-{number}"
        words = ["connect", flow, name, "--file", "-", *at]
        result = CliRunner().invoke(app, words, input=json.dumps(document))
        assert result.exit_code == 0, f"{row} {result.output}"
        check_budget(fake, budget)
        credentials = {"personal_access_token", "password", "api_key"} & document.keys()
        told = [*tokens(world, flow), *(document[key] for key in credentials)]
        assert not [one for one in told if one in result.output]
        try:
            goes_on(world, flow, name)
        except Exception as error:
            raise AssertionError(row) from error
        assert fake.log.breaches == []


def test_each_unsuited_value_is_a_mode() -> None:
    """The list does not outlive what it names."""
    for fake in (FakeVntana(), FakeVendorlink(), FakeEditor()):
        known = choices(type(fake.modes))
        for name, values in UNSUITED[fake.vendor].items():
            assert values < set(known[name])


@pytest.mark.parametrize(
    ("flow", "modes", "options"),
    [
        ("vntana", {"refresh_method": "GET"}, {"refresh_method": "GET"}),
        ("vendorlink", {"extend_renewal": "null_spent"}, {"null_renewal": "drop"}),
        ("editor", {"verify_header": "x-api-key"}, {"verify_header": "x-api-key"}),
    ],
)
def test_probe_writes_the_options_that_it_found(
    operator: Operator, flow: str, modes: dict[str, Any], options: dict[str, Any]
) -> None:
    """So does `connect`; with --as-modes it writes nothing, but tells the modes."""
    name, other, new = next(NAMES), next(NAMES), next(NAMES)
    changes = {"organization": "studio", "workspace": "chairs"} if flow == "vntana" else {}
    document = secret(operator, flow, **changes)
    for one in (name, other):
        operator.says("connect", flow, one, "--file", "-", "--no-check", stdin=document)
    operator.switches(flow, "PATCH", {"modes": modes})
    try:
        report = operator.told("probe", flow, name, "--yes")
        assert (report["options"], report["written"]) == (options, True)
        result = operator.says("connect", flow, new, "--file", "-", stdin=document)
        assert f"✓ option {next(iter(options))} " in result.stderr
        told = operator.told("connect", flow, next(NAMES), "--file", "-", stdin=document)
        assert (told["done"], told["tried"], told["options"]) == ("created", True, options)
        for one in (name, new):
            found = secrets_manager(operator).get_secret_value(SecretId=secret_name(flow, one))
            assert json.loads(found["SecretString"])["options"] == options
        printed = operator.says("probe", flow, other, "--yes", "--as-modes")
        assert json.loads(printed.stdout)["modes"].items() >= modes.items(), printed.stderr
    finally:
        operator.switches(flow, "PUT", {})


FOUND = {"null_renewal": "drop"}
OPTIONS = {"extend_key": "both"}
KEPT = {"username": "a", "password": "b", "host": "h", "options": OPTIONS}
MODES = {"modes": {"extend_renewal": "null_spent"}}
WORKS: dict[str, Any] = {
    "works": True,
    "problem": None,
    "findings": [
        {"question": "null_renewal", "asks": "A?", "documents": "b", "seen": "c", "option": FOUND},
        {"question": "other", "asks": "D?", "documents": "e", "seen": None, "option": None},
    ],
    "options": FOUND,
    **MODES,
    "sent": {"requests": 4, "logins": 1},
}
PROBLEM = {"code": "upstream_unavailable", "detail": "login: no answer"}
FAILS = WORKS | {"works": False, "problem": {**PROBLEM, "upstream_message": "Go away"}}
SAID = "upstream_unavailable: login: no answer\nthe vendor's words: Go away\n"
SENT = "sent: 4 requests, 1 of them with the credentials\n"
LINES = 'A?\tb\tc\tnull_renewal "drop"\nD?\te\tnot asked\t\n'


@pytest.fixture
def probed(visitor: Visitor) -> Visitor:
    """Return an operator whose broker finds an option that the secret has not."""
    visitor.account.actions["POST", "probe"] = WORKS
    visitor.account.add("vendorlink/acme", secret=json.dumps(KEPT))
    return visitor


@pytest.mark.parametrize("report", [WORKS, FAILS], ids=["works", "fails"])
@pytest.mark.parametrize(
    "form", ["", "--no-write", "--as-modes", "--as-modes --no-write", "--json", "--json --no-write"]
)
def test_a_probe_reports_its_findings_and_writes_what_follows(
    probed: Visitor, form: str, report: dict[str, Any]
) -> None:
    """Also if there is no token: that is for the exit code. It writes beside what is there."""
    probed.account.actions["POST", "probe"] = report
    result = probed.says("probe", "vendorlink", "acme", "--yes", *form.split())
    is_written = form in ("", "--json")
    said = "" if report["works"] else SAID
    host = probed.account.url.removeprefix("http://")
    where = f"(stage test, {host})"
    _, _, err = result.stderr.partition(f"its token is replaced {where}\n")
    if "--json" in form:
        target = {"stage": "test", "host": host}
        assert Visitor.document(result.stdout) == report | {"written": is_written} | target
        assert result.stderr == ""
    elif "--as-modes" in form:
        assert (Visitor.document(result.stdout), err) == (MODES, said)
    else:
        made = 'null_renewal "drop"; the broker makes its tokens anew' if is_written else "nothing"
        assert (result.stdout, err) == (LINES, f"{SENT}{said}written: {made} {where}\n")
    assert result.exit_code == (not report["works"])
    stored = json.loads(probed.account.secrets[SECRET])
    assert stored["options"] == OPTIONS | (FOUND if is_written else {})


TABLE = """\
Question  Documents  Seen       Option

A?        b          c          null_renewal "drop"

D?        e          not asked
"""
BELOW = 'A?\nb\nc\nnull_renewal "drop"\n\nD?\ne\nnot asked\n\n'


@pytest.mark.parametrize(("columns", "shown"), [(72, TABLE), (71, BELOW)])
def test_the_findings_of_a_probe_are_a_table_from_72_columns_on(
    probed: Visitor, columns: int, shown: str
) -> None:
    probed.account.actions["POST", "probe"] = FAILS
    words = ("probe", "vendorlink", "acme", "--yes", "--no-write")
    seen = re.sub(" +\n", "\n", probed.shows(*words, columns=columns))
    assert f"\n{shown}{SENT}{SAID}" in seen


def test_a_derived_option_is_shown_with_its_finding() -> None:
    assert [*follows(WORKS)] == ['option null_renewal "drop": A? c']


def test_a_probe_does_not_write_into_another_account(probed: Visitor) -> None:
    """The secret that the broker read is not the one that would be changed."""
    probed.account.elsewhere = {SECRET: "{}"}
    result = probed.says("probe", "vendorlink", "acme", "--yes")
    assert (result.exit_code, "in this AWS account is not what" in result.stderr) == (2, True)
    assert json.loads(probed.account.secrets[SECRET]) == KEPT


@pytest.mark.parametrize("form", [[], ["--json"]], ids=["words", "json"])
@pytest.mark.parametrize(("typed", "code"), [("y", 0), ("n", 1)])
def test_writing_options_needs_a_second_confirmation(
    probed: Visitor, typed: str, code: int, form: list[str]
) -> None:
    """A probe alone changes no secret."""
    found, seen = probed.watches("probe", "vendorlink", "acme", *form, answers=["y", typed])
    stored = json.loads(probed.account.secrets[SECRET])["options"]
    assert (found, stored == OPTIONS) == (code, typed == "n"), seen
    assert 'Write null_renewal "drop" into the secret, as a new version? [y/N]: ' in seen


@pytest.mark.parametrize(
    ("read", "theirs", "said"),
    [(1, None, "was deleted meanwhile"), (2, None, "conflict: "), (2, "{}", "conflict: ")],
)
def test_probe_reports_a_concurrent_change(
    probed: Visitor, read: int, theirs: str | None, said: str
) -> None:
    """And it stays."""
    secrets = probed.account.secrets

    def meddle() -> None:
        if probed.account.asked["GetSecretValue"] == read:
            secrets.clear()
            secrets.update({SECRET: theirs} if theirs else {})

    probed.account.first["GetSecretValue"] = meddle
    result = probed.says("probe", "vendorlink", "acme", "--yes")
    assert (result.exit_code, said in result.stderr) == (1, True), result.stderr
    assert secrets.get(SECRET) == theirs


@pytest.mark.parametrize(
    ("given", "changes", "options"),
    [
        ({}, {"lifetime": 600}, {"lifetime": 600}),
        ({"lifetime": 600}, {"lifetime": DEFAULT}, {}),
        ({"lifetime": DEFAULT}, {}, {"lifetime": DEFAULT}),
        (
            {"lifetime": DEFAULT},
            {"refresh_method": "GET"},
            {"lifetime": DEFAULT, "refresh_method": "GET"},
        ),
        ({"lifetime": 600}, {"refresh_method": "GET"}, {"lifetime": 600, "refresh_method": "GET"}),
    ],
)
def test_an_option_that_equals_its_default_is_not_written(
    given: dict[str, Any], changes: dict[str, Any], options: dict[str, Any]
) -> None:
    """What the operator wrote stays, even where it says the default."""
    document = {"personal_access_token": "x", "organization": "y"}
    made = with_options(every()["vntana"], document | {"options": given}, changes)
    assert made == document | ({"options": options} if options else {})
