"""The settings of a stage in `samconfig.toml`: read, written, and otherwise unchanged."""

import re
import tomllib

import pytest

from tests.template.documents import ROOT, template
from token_broker_operations import settings
from token_broker_operations.settings import Settings

CONFIG = (ROOT / "samconfig.toml").read_text()
DESCRIBED = """
[dev.deploy.parameters] # here
# Who pays for it.
tags = ["team=a#1 😀"]   # a team
region = "eu-west-1"     # by law
parameter_overrides = [  # of docs/deploying.md
  # More is too much.
  "MemorySize=512",      # MB
  'InternalHosts=a]#b',
  "WarmVntana=[{\\"connection\\": \\"acme\\"}]",
]
[anything.deploy.parameters]	# nothing yet

# The real one.
[prod.deploy.parameters]  # in use
region = 'us-east-1'
parameter_overrides = "LogLevel=DEBUG"  # for now
image_repositories = { Function = "here" }
tags = [
[1]
]
[[more]]
region = "of another table"
[dev.global.parameters] # [of dev]
profile = "someone"
"""


@pytest.mark.parametrize(
    "overrides",
    [
        '"Stage=\\"dev\\" WarmRate=\\"rate(5 minutes)\\" Tracing=enabled"',
        '["Stage=dev", "WarmRate=rate(5 minutes)", "Tracing=enabled"]',
        '{ Stage = "dev", WarmRate = "rate(5 minutes)", Tracing = "enabled" }',
    ],
)
def test_parameters_are_read_from_samconfig(overrides: str) -> None:
    """In each format that SAM or a person may write."""
    config = f"[dev.deploy.parameters]\nparameter_overrides = {overrides}"
    expected = {"Stage": "dev", "WarmRate": "rate(5 minutes)", "Tracing": "enabled"}
    assert settings.kept(config, "dev") == Settings(None, expected)
    assert settings.kept(config, "prod") == Settings(None, {})


@pytest.mark.parametrize(
    "text", [CONFIG, DESCRIBED, DESCRIBED.rstrip(), "[prod.deploy.parameters]  # at the end"]
)
@pytest.mark.parametrize("stage", ["dev", "prod", "anything", "new"])
def test_written_settings_are_read_back(text: str, stage: str) -> None:
    """Also JSON; other parts of the file stay as they are."""
    options = Settings("eu-north-1", {"WarmEditor": '[{"connection": "x"}]', "AlarmTopicArn": ""})
    once = settings.written(text, stage, options)
    assert settings.kept(once, stage) == options
    assert settings.written(once, stage, options) == once
    before, after = (tomllib.loads(each) for each in (text, once))
    for parsed in (before, after):
        section = parsed.setdefault(stage, {}).setdefault("deploy", {}).setdefault("parameters", {})
        for name in ("region", "parameter_overrides"):
            section.pop(name, None)
    assert after == before
    for comment in re.findall("# .*", text):
        assert once.count(comment) == 1


@pytest.mark.parametrize(
    ("text", "stage"),
    [
        ("version = 0.1", "version"),
        ("[dev.deploy]\nparameters = 1", "dev"),
        ('["dev".deploy.parameters]\nregion = "x"', "dev"),
        ('[dev.deploy.parameters]\n"region" = "x"', "dev"),
        ("[dev.deploy.parameters]\ntags = [\n[1]\n]\nparameter_overrides = []", "dev"),
        ("[dev.deploy.parameters]\n[[more]]\nregion = 1", "dev"),
    ],
)
def test_settings_that_cannot_be_stored_change_nothing(text: str, stage: str) -> None:
    """A stage that is no table, or a file in a form that would lose another section."""
    with pytest.raises(SystemExit, match="samconfig"):
        settings.written(text, stage, Settings("eu-north-1", {"LogLevel": "DEBUG"}))


def test_an_unknown_parameter_is_reported() -> None:
    """SAM ignores it without a message."""
    text = (ROOT / "template.yaml").read_text()
    assert settings.unknown(template()["Parameters"], text) == []
    assert settings.unknown(["Team1", "Teem2", "Type"], text) == ["Teem2", "Type"]
