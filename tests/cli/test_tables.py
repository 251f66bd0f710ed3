"""What people see of connections that fare badly, on 80 columns."""

from typing import Any

import pytest
from rich.console import Console, RenderableType

from tests.cli.tellings import NOW, at, failure, variant
from token_broker_cli.connections import Connection, details, table
from token_broker_cli.desk import Desk
from token_broker_cli.entrance_checks import region
from token_broker_cli.screen import Screen
from token_broker_cli.settings import Settings
from token_broker_cli.troubles import Trouble
from token_broker_cli.variants import Row


def seen(part: RenderableType) -> str:
    """Return what is seen of *part*."""
    console = Console(width=80, color_system=None)
    with console.capture() as capture:
        console.print(part)
    return "\n".join(line.rstrip() for line in capture.get().splitlines())


def test_a_connection_that_cannot_be_asked_does_not_hide_the_others() -> None:
    """Its error stands in its row, and in its document."""
    lost = Connection("editor", "lost", trouble=Trouble("access_denied", "no"))
    told = {"flow": "editor", "connection": "good", "variants": [variant(), variant("aging")]}
    shown = seen(table([lost, Connection("editor", "good", told)], NOW)).splitlines()
    assert shown[1].split() == ["editor/lost", "not", "known", "access_denied"]
    assert shown[2] == "editor/good"
    assert [line.split()[3] for line in shown[3:]] == ["fresh", "aging"]
    assert lost.document()["error"]["code"] == "access_denied"


def test_failures_are_counted() -> None:
    """Once is not worth a number."""
    once = Row(variant("stale", failure=failure(count=1)), NOW)
    often = Row(variant("stale", failure=failure(count=7), latched=True), NOW)
    assert once.trouble == "upstream_unavailable"
    assert often.trouble == "upstream_unavailable, 7 times, latched"


@pytest.mark.parametrize(
    ("changes", "lines"),
    [
        ({"failure": failure()}, ["upstream_unavailable, 2 times, 1 min ago", "in 40 s"]),
        ({"latched": True}, ["this version of the secret is not tried again"]),
        ({"renewing": True}, ["renewing"]),
        ({"expires_at": at(-90), "state": "dead"}, ["1 min ago"]),
    ],
)
def test_details_tell_what_is_wrong(changes: dict[str, Any], lines: list[str]) -> None:
    """Each thing on a line."""
    shown = seen(details(Row(variant(**changes), NOW)))
    for line in lines:
        assert line in shown


@pytest.mark.parametrize(
    ("mine", "level"), [("eu-west-1", "ok"), ("us-east-1", "failure"), (None, "failure")]
)
def test_regions_are_compared(
    mine: str | None, level: str, monkeypatch: pytest.MonkeyPatch, tmp_path: object
) -> None:
    """The API's is in its address."""
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", f"{tmp_path}/none")
    if mine:
        monkeypatch.setenv("AWS_REGION", mine)
    url = "https://abc.execute-api.eu-west-1.amazonaws.com/prod"
    (finding,) = region(Desk(Settings("prod", "token-broker-prod", url), Screen()))
    assert finding.level == level
    assert level == "ok" or "--region eu-west-1" in finding.do
