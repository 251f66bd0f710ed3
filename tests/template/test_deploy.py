"""What `make deploy` tells SAM."""

import tomllib

import pytest

from tests.template.documents import ROOT, template
from token_broker_operations.deploy import arguments, kept, quoted

NOW = 1_700_000_000


@pytest.mark.parametrize(
    "overrides",
    [
        '"Stage=\\"dev\\" WarmRate=\\"rate(5 minutes)\\" Tracing=enabled"',
        '["Stage=dev", "WarmRate=rate(5 minutes)", "Tracing=enabled"]',
    ],
)
def test_what_was_answered_is_kept(overrides: str) -> None:
    """As `--guided` saves it, or as a person writes it."""
    config = tomllib.loads(f"[dev.deploy.parameters]\nparameter_overrides = {overrides}")
    assert kept(config, "dev") == {
        "Stage": "dev",
        "WarmRate": "rate(5 minutes)",
        "Tracing": "enabled",
    }
    assert kept(config, "prod") == {}


def test_a_deployment_says_stage_architecture_and_release() -> None:
    """Whatever was kept; the rest as it was."""
    config = {"prod": {"deploy": {"parameters": {"parameter_overrides": "Stage=x LogLevel=DEBUG"}}}}
    assert arguments(config, "prod", "x86_64", NOW) == [
        "--config-env",
        "prod",
        "--stack-name",
        "token-broker-prod",
        "--parameter-overrides",
        'Stage="prod"',
        'LogLevel="DEBUG"',
        'Architecture="x86_64"',
        'Release="1700000000"',
    ]


def test_json_survives() -> None:
    """The calls that keep a connection warm are JSON."""
    assert quoted("WarmVntana", '{"connection": "acme"}') == (
        'WarmVntana="{\\"connection\\": \\"acme\\"}"'
    )


def test_the_repository_s_own_config_names_parameters_that_there_are() -> None:
    """A parameter that is no more would fail at the account, late."""
    config = tomllib.loads((ROOT / "samconfig.toml").read_text())
    for stage in config.keys() - {"version"}:
        assert kept(config, stage).keys() <= template()["Parameters"].keys()
