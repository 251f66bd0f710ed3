"""The fixtures that a user of the broker gets by installing it."""

import subprocess
import sys
import urllib.request
from random import Random
from typing import Any

import pytest

from tests.waiting import PATIENCE_SECONDS
from token_broker_fakes import FakeEditor, FakeVendorlink, FakeVntana

LATE = "token_broker.exchange, token_broker_fakes.fake, http.server"


def test_the_plugin_imports_neither_fakes_nor_broker_at_load() -> None:
    """It is part of every pytest run of its user; coverage starts after plugins."""
    code = "import sys, token_broker_fakes.pytest_plugin as _; print(sorted(sys.modules))"
    ended = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True
    )
    for name in LATE.split(", "):
        assert f"'{name}'" not in ended.stdout


def test_public_names_can_be_imported() -> None:
    import token_broker_fakes  # noqa: PLC0415 (the module itself is meant)

    with pytest.raises(AttributeError, match="has no attribute 'FakeVentana'"):
        _ = token_broker_fakes.FakeVentana
    for name in token_broker_fakes.__all__:
        assert getattr(token_broker_fakes, name).__name__ == name
    assert sorted(token_broker_fakes.HOMES) == sorted(token_broker_fakes.__all__)


def test_equal_seeds_give_equal_tokens() -> None:
    """So a simulation can be repeated."""

    def tokens(seed: int) -> list[object]:
        kinds: list[type[Any]] = [FakeVntana, FakeVendorlink, FakeEditor]
        return [kind(rng=Random(seed), clock=lambda: 0).issue()["headers"] for kind in kinds]

    assert tokens(1) == tokens(1)
    assert all(one != other for one, other in zip(tokens(1), tokens(2), strict=True))


def test_issue_returns_a_token_that_the_vendor_accepts(
    fake_vntana: FakeVntana, fake_vendorlink: FakeVendorlink, fake_editor: FakeEditor
) -> None:
    """With headers and base URL, as the broker returns them."""
    vntana = fake_vntana.issue(organization="studio", workspace="tables")
    fake_vntana.data["GET", "/v1/products"] = []
    vendorlink = fake_vendorlink.issue()
    fake_editor.modes.query_name = "auth"
    editor = fake_editor.issue(userId="1")
    for url, headers in [
        (f"{vntana['base_url']}/v1/products", vntana["headers"]),
        (f"{vendorlink['base_url']}/Queries/List", vendorlink["headers"]),
        (editor["url"], {}),
        (editor["base_url"].replace("editor", "verify"), editor["headers"]),
    ]:
        request = urllib.request.Request(url, headers=headers)  # noqa: S310 (loopback)
        with urllib.request.urlopen(request, timeout=PATIENCE_SECONDS) as answer:  # noqa: S310 (loopback)
            assert answer.status == 200
    assert fake_vntana.log[-1].led_to == "used: workspace token of tables"


def test_issue_revokes_the_previous_token_and_refuses_an_unknown_slug(
    fake_vntana: FakeVntana,
) -> None:
    """By default a token of the first organization."""
    first = fake_vntana.issue()["headers"]["X-AUTH-TOKEN"].split()[1]
    fake_vntana.issue()
    session = fake_vntana.session(first)
    assert session is not None
    assert (session.named, session.end) == ("organization token of acme", "revoked")
    with pytest.raises(LookupError, match="there is no 'acm'; there are acme, studio"):
        fake_vntana.issue("acm")
    with pytest.raises(LookupError, match="there is no 'x'; there are chairs, tables"):
        fake_vntana.issue("studio", "x")


@pytest.mark.parametrize("seconds", [float("inf"), float("nan"), -1e10, 10**400])
def test_a_clock_is_moved_by_a_century_at_most(fake_editor: FakeEditor, seconds: float) -> None:
    with pytest.raises(ValueError, match="a century at most"):
        fake_editor.advance(seconds)
    with pytest.raises(ValueError, match="a century at most"):
        fake_editor.clock.offset = seconds
    assert fake_editor.clock.offset == 0


@pytest.mark.parametrize("value", [{1, 2}, object(), float("nan"), b"bytes"])
def test_data_that_is_not_json_is_refused_on_assignment(
    fake_vntana: FakeVntana, fake_vendorlink: FakeVendorlink, value: object
) -> None:
    """With a message; a later response would be broken."""
    place = ("GET", "/v1/x")
    for data in (fake_vntana.data, fake_vendorlink.data):
        for method, arguments in (
            (data.__setitem__, (place, value)),
            (data.update, ({place: value},)),
            (data.setdefault, (place, value)),
            (data.__ior__, ({place: value},)),
        ):
            with pytest.raises(TypeError, match="data for GET /v1/x cannot be written as JSON"):
                method(*arguments)
        assert place not in data
        with pytest.raises(TypeError, match="a method and a path"):
            data["/v1/x"] = {}  # type: ignore[index]  # that is the test
