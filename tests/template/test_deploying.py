"""The deployment page, the workflows and the template agree."""

import re
from itertools import zip_longest

import pytest

from tests.subjects import CHECKED, FLOWS
from tests.template.documents import ROOT, Template, load, template
from tests.template.resource_rules import VARIABLES

WORKFLOWS = sorted(f".github/workflows/{path.name}" for path in ROOT.glob(".github/workflows/*"))
TARGETS = set(re.findall(r"(?m)^([a-z-]+):", (ROOT / "Makefile").read_text()))


def steps(name: str) -> list[dict[str, str]]:
    """Return every step of a workflow."""
    return [step for job in load(name)["jobs"].values() for step in job.get("steps", [])]


def test_every_parameter_is_documented() -> None:
    """In docs/deploying.md with default and bounds, and in the console's groups."""
    explained = (ROOT / "docs/deploying.md").read_text()
    rows = re.findall(r"(?m)^\| (`[A-Z].*?) \| (.*?) \|", explained.partition("## Parameters")[2])
    table = {
        name: default.strip("`")
        for names, defaults in rows
        for name, default in zip_longest(
            re.findall(r"`([\w<>]+)`", names), defaults.split(", "), fillvalue=defaults
        )
    }
    parameters = template()["Parameters"]
    for name in [name for name in table if "<Flow>" in name]:
        default = table.pop(name)
        those = CHECKED if name.startswith("Check") else FLOWS
        table |= {name.replace("<Flow>", flow.capitalize()): default for flow in those}
    assert table == {name: shown(each) for name, each in parameters.items()}
    interface = template()["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
    grouped = {name for group in interface for name in group["Parameters"]}
    assert parameters.keys() == grouped


def shown(parameter: Template) -> str:
    """Return the default and the bounds of a parameter as the table shows them."""
    if parameter["Default"] == "":
        return "none"
    bounds = (
        f" ({parameter['MinValue']} to {parameter['MaxValue']})" if "MaxValue" in parameter else ""
    )
    return f"{parameter['Default']}{bounds}"


@pytest.mark.parametrize("workflow", WORKFLOWS)
def test_workflows_use_the_targets_of_the_makefile(workflow: str) -> None:
    """Except `gh release`."""
    commands = [step["run"] for step in steps(workflow) if "run" in step]
    rest = [line for line in commands if not line.startswith("make ")]
    assert {line.split()[1] for line in commands if line.startswith("make ")} <= TARGETS
    assert all(line.startswith("gh release ") for line in rest)


@pytest.mark.parametrize("workflow", WORKFLOWS)
def test_actions_are_pinned(workflow: str) -> None:
    """By commit hash; the default permissions are none."""
    for step in steps(workflow):
        assert re.search(r"@[0-9a-f]{40}$", step.get("uses", "@" + "0" * 40))
    assert load(workflow)["permissions"] == {}


def test_the_template_sets_exactly_the_variables_that_are_read() -> None:
    """Except those of Powertools."""
    source = ROOT / "layers/token_broker/python/token_broker/app.py"
    read = set(
        re.findall(r'(?:text|number|get)\("([A-Z_]+)"|self\.text\(\'(\w+)\'', source.read_text())
    )
    named = {name for pair in read for name in pair if name}
    assert named == {name for name in VARIABLES if not name.startswith("POWERTOOLS_")}
