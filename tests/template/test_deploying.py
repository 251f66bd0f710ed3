"""The deployment page, the workflows and the template agree."""

import os
import re
import subprocess
from itertools import zip_longest
from pathlib import Path

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


STUB = """\
#!/bin/sh
echo "${0##*/} $*${PIP_NO_INDEX:+ from $PIP_FIND_LINKS alone}" >> log
test "$(wc -l < log)" -ne "$FAILS"
"""
"""A program that writes down how it is called, and fails if it is the call with this number."""

PROGRAMS = ["coverage", "lint-imports", "mypy", "pytest", "python", "python3.13", "ruff", "sam"]
READY = (".venv/.ready", *(f".tools/{name}/.ready" for name in ("sam", "dynalite", "aws4fetch")))
SET = ["BIN=.", "SAM=./sam", "PYTHON313=./python3.13", "BUILD=build", "WHOLE=w", "WORKERS=3"]


def made(folder: Path, target: str, fails: int = 0) -> tuple[bool, list[str]]:
    """Return whether `make` succeeds, and its calls of other programs, which are replaced."""
    (folder / "log").write_text("")
    for name in PROGRAMS:
        (folder / name).write_text(STUB)
        (folder / name).chmod(0o700)
    for name in ("ALayer", "BLayer", "CFunction", "DFunction"):
        (folder / f"build/{name}").mkdir(parents=True, exist_ok=True)
    ready = [word for name in READY for word in ("-o", name)]
    result = subprocess.run(
        ["make", "-f", ROOT / "Makefile", *ready, target, *SET],  # noqa: S607 (make is on PATH)
        cwd=folder,
        env={"PATH": os.environ["PATH"], "FAILS": str(fails)},
        check=False,
        capture_output=True,
    )
    calls = (folder / "log").read_text().replace(str(folder), "")
    return result.returncode == 0, calls.splitlines()


LOCKED = (
    "python3.13 -m pip download --quiet --disable-pip-version-check --require-hashes --no-deps "
    "--only-binary=:all: -r layers/requirements.lock --dest build-wheels"
)
COMPILED = (
    "python3.13 -m compileall -q --invalidation-mode unchecked-hash -s build/{} -p {} build/{}"
)
BUILT = "sam build --build-dir build --parameter-overrides Architecture=arm64"
STEPS = {
    "deploy": [
        "sam validate --lint",
        LOCKED,
        f"{LOCKED} --platform manylinux2014_aarch64",
        f"{BUILT} from /build-wheels alone",
        *(COMPILED.format(name, "/opt", name) for name in ("ALayer", "BLayer")),
        *(COMPILED.format(name, "/var/task", name) for name in ("CFunction", "DFunction")),
        "python -m token_broker_operations.deploy ./sam dev arm64 --guided",
    ],
    "destroy": ["python -m token_broker_operations.destroy dev --guided"],
    "test": [
        "ruff format --check .",
        "ruff check .",
        "mypy --num-workers auto",
        "lint-imports --no-cache --no-logo",
        "pytest -n auto --dist worksteal tests/unit --cov --cov-report=",
        "coverage report --include=w --fail-under=100",
        "pytest -n 3 --dist worksteal --ignore=tests/unit",
    ],
}


@pytest.mark.parametrize("target", STEPS)
def test_make_takes_each_step_and_ends_with_the_first_that_fails(
    target: str, tmp_path: Path
) -> None:
    """Packages come by their hashes, SAM takes no others; nothing is deployed that is not built."""
    assert made(tmp_path, target) == (True, STEPS[target])
    for number in range(1, len(STEPS[target]) + 1):
        assert made(tmp_path, target, number) == (False, STEPS[target][:number])
