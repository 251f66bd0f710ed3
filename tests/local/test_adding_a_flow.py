"""`docs/adding-a-flow.md`, followed in a copy of the repository with an invented vendor."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.local.callers import answer_to, signed
from tests.ports import free_ports
from token_broker_descriptors import every as descriptors
from token_broker_operations import skeleton
from token_broker_operations.__main__ import NESTED, WRITTEN
from token_broker_operations.parts import MADE

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/adding-a-flow.md").read_text()
NAME = "ledger"
BLOCK = re.compile(r"```python\n# (?P<path>\S+\.py)\n(?P<code>.*?)```", re.DOTALL)
NOT_COPIED = (".*", "node_modules", "dist", "build", "found")
"""Bytecode is copied: what the copy runs need not be compiled again."""
TESTS = (
    *("tests/unit/flows/test_flows.py", f"tests/unit/flows/{NAME}"),
    *("tests/unit/flows/test_every_flow.py", "tests/unit/flows/test_marked_answers.py"),
    "tests/template/test_rules.py",
    *("tests/unit/flows/test_probes.py", "tests/unit/test_check.py"),
    *("tests/unit/fakes", "tests/functions", "tests/cli/test_leaks.py"),
    *("tests/template/test_deploying.py", "tests/template/test_openapi.py"),
    *("tests/cli/test_probe.py", "tests/unit/test_probe.py", "tests/local/test_dashboard.py"),
)
CHOSEN = f"{NAME} or same_in_all or unique_position or template_satisfies or every_parameter"
SIMULATED = f"""
from itertools import count, islice
from tests.protocol.simulation.planning import plan_of
from tests.protocol.simulation.verdict import judged

plans = (plan for plan in map(plan_of, count()) if plan.flow == "{NAME}")
judges = [judged(plan) for plan in islice(plans, 100)]
print([(one.plan.seed, one.violations) for one in judges if one.violations])
print(sum(len(one.made) for one in judges), "tokens")
"""
FOLDERS = ("layers/token_broker/python", "layers/token_broker_client/python", "local", "tools", ".")


def environment(copy: Path) -> dict[str, str]:
    """Return the variables with which Python finds the packages of *copy* before the installed."""
    path = os.pathsep.join(str(copy / folder) for folder in FOLDERS)
    return dict(os.environ) | {"PYTHONPATH": path}


def ran(copy: Path, *arguments: str) -> str:
    """Run Python in *copy*, assert that it succeeds, and return its output."""
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=copy,
        env=environment(copy),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the repository in which the page was followed."""
    folder = tmp_path_factory.mktemp("adding") / "copy"
    shutil.copytree(ROOT, folder, ignore=shutil.ignore_patterns(*NOT_COPIED))
    shutil.copytree(ROOT / ".github", folder / ".github")
    wrote = ran(folder, "-m", "token_broker_operations.skeleton", NAME)
    blocks, free = list(BLOCK.finditer(PAGE)), f"position={len(descriptors())},"
    assert len(blocks) == 6
    for block in blocks:
        assert f"wrote {block['path']}\n" in wrote, "the page fills in what was written"
        (folder / block["path"]).write_text(block["code"].replace("position=3,", free))
    ran(folder, "-m", "token_broker_operations")
    return folder


@pytest.mark.parametrize(
    ("name", "why"),
    [
        *(("", "must match"), ("a", "must match"), ("Ledger", "must match"), ("lambda", "no word")),
        *(("editor", "there is a flow"), ("vendor", "is taken"), ("control", "is taken")),
        ("forget", "is taken"),  # the client has such a method
    ],
)
def test_a_name_that_is_invalid_or_taken_is_refused(name: str, why: str, tmp_path: Path) -> None:
    """Before anything is written."""
    with pytest.raises(skeleton.Refused, match=why):
        skeleton.main(name, tmp_path)
    assert not [*tmp_path.iterdir()]


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    """Not even where one of the files is there."""
    shutil.copytree(ROOT / "events", tmp_path / "events")
    mine = tmp_path / "docs/upstreams" / f"{NAME}.md"
    mine.parent.mkdir(parents=True)
    mine.write_text("mine")
    before = files(tmp_path)
    with pytest.raises(skeleton.Refused, match="is there already"):
        skeleton.main(NAME, tmp_path)
    assert files(tmp_path) == before


def test_nothing_stays_if_a_file_cannot_be_formatted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As without the formatter: the next run would refuse what is there."""
    shutil.copytree(ROOT / "events", tmp_path / "events")
    monkeypatch.setattr(sys, "executable", str(tmp_path / "no-python"))
    before = files(tmp_path)
    with pytest.raises(FileNotFoundError):
        skeleton.main(NAME, tmp_path)
    assert files(tmp_path) == before
    assert not [*tmp_path.rglob(NAME)]


def files(root: Path) -> dict[str, bytes]:
    """Return the contents of the files under *root*, but for bytecode, by their paths."""
    found = (Path(folder) / name for folder, _, names in os.walk(root) for name in names)
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in found
        if path.parent.name != "__pycache__"
    }


def test_shared_files_change_only_in_their_generated_parts(copy: Path) -> None:
    """Besides, only the flow's own files are new."""
    after = files(copy)
    changed = {p for p in after if not (ROOT / p).exists() or (ROOT / p).read_bytes() != after[p]}
    shared = {path for path in changed if NAME not in path}
    assert shared == {*WRITTEN, NESTED}
    for path in WRITTEN:
        by_hand = [MADE.sub("", (root / path).read_text()) for root in (ROOT, copy)]
        assert by_hand[0] == by_hand[1], path
    assert not any((ROOT / path).exists() for path in changed - shared)


def test_code_of_the_page_and_generated_code_pass_the_linter(copy: Path) -> None:
    """By the rules of this repository."""
    own = [*(path for path in files(copy) if NAME in path and path.endswith(".py"))]
    made = [path for path in WRITTEN if path.endswith(".py")]
    ran(copy, "-m", "ruff", "check", "--no-cache", "--quiet", *own, *made)
    ran(copy, "-m", "ruff", "format", "--no-cache", "--check", "--quiet", *own, *made)


@pytest.mark.parametrize(
    ("module", "why"),
    [
        ("time", "clock"),
        ("datetime.datetime.now", "clock"),
        ("logging", "logs"),
        ("requests", "I/O"),
    ],
)
def test_the_linter_refuses_a_flow_that_does_more_than_converse(module: str, why: str) -> None:
    """It reads no clock, logs nothing and does no I/O; other modules may."""
    package, _, name = module.rpartition(".")
    code = f"from {package} import {name}\n" if package else f"import {name}\n"
    command = [sys.executable, "-m", "ruff", "check", "--no-cache", "--select=TID251", "-"]
    for folder, status in ((f"{skeleton.LAYER}/{NAME}", 1), ("local", 0)):
        checked = subprocess.run(
            [*command, f"--stdin-filename={folder}/flow.py"],
            cwd=ROOT,
            input=code,
            capture_output=True,
            text=True,
            check=False,
        )
        assert checked.returncode == status, checked.stdout
        assert (why in checked.stdout) is bool(status)


@pytest.mark.parametrize("name", ["aa", "z" * 20])
def test_a_skeleton_passes_the_linter_under_any_name(tmp_path: Path, name: str) -> None:
    """The order of imports and the length of lines depend on it."""
    shutil.copytree(ROOT / "events", tmp_path / "events")
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    skeleton.main(name, tmp_path)
    descriptor = (tmp_path / f"tools/token_broker_descriptors/{name}.py").read_text()
    assert f"position={len(descriptors())}," in descriptor, "the next one"
    ran(tmp_path, "-m", "ruff", "check", "--no-cache", "--quiet", "--ignore=INP001", ".")
    ran(tmp_path, "-m", "ruff", "format", "--no-cache", "--check", "--quiet", ".")


@pytest.mark.slow
def test_the_new_flow_passes_its_tests_and_the_template_rules(copy: Path) -> None:
    """Its function, role, routes, policies and aliases satisfy the rules."""
    output = ran(copy, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", CHOSEN, *TESTS)
    assert re.search(r"\n\d\d+ passed", output), output


@pytest.mark.slow
def test_no_seed_of_the_simulation_breaks_an_invariant_with_the_new_flow(copy: Path) -> None:
    """With deaths, lost responses, rotations, DELETE and holds."""
    found, made = ran(copy, "-c", SIMULATED).splitlines()
    assert found == "[]"
    assert int(made.partition(" ")[0]) > 100


@pytest.fixture
def broker(copy: Path) -> Iterator[int]:
    """Return the port of the local system of *copy*."""
    addresses = free_ports()
    with subprocess.Popen(
        [sys.executable, "-m", "token_broker_local"],
        cwd=copy,
        env=environment(copy) | {"PORT": str(addresses.port)},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        try:
            assert any(line.startswith("ready") for line in process.stdout)
            yield addresses.port
        finally:
            process.kill()


@pytest.mark.slow
def test_the_local_system_hands_out_tokens_of_the_new_flow(broker: int) -> None:
    """Over HTTP, to a signing caller: a token for each scope, or the vendor's refusal."""
    bodies = [json.dumps({"scope": scope}).encode() for scope in ("read", "write", "other")]
    calls = [signed("POST", f"/v1/{NAME}/demo/token", body) for body in bodies]
    statuses, (read, write, other) = zip(*[answer_to(broker, call) for call in calls], strict=True)
    assert statuses[:2] == (200, 200), read
    assert read["flow"] == NAME
    assert read["headers"]["Authorization"].startswith("Bearer ")
    assert read["context"] == {"scope": "read"}
    assert read["fingerprint"] != write["fingerprint"]
    assert (other["code"], other["upstream_status"]) == ("upstream_refused", 400)
