"""The lists in the documents agree with the code."""

import re
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import yaml

from token_broker import item_codec
from token_broker.errors import NotConfigured
from token_broker.flows import every
from token_broker_fakes import registry

ROOT = Path(__file__).parents[2]
PAGES = sorted((*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")))
LINK = re.compile(r"\]\((?!https?:|mailto:)([^)#\s]*)(#[^)\s]*)?\)")


def table(page: str, head: str) -> Iterator[list[str]]:
    """Yield the rows of the page's table with this *head*, a list of cells each."""
    _, _, rest = (ROOT / page).read_text().partition(f"\n| {head} |\n")
    assert rest, f"{page} has no table {head}"
    for line in rest.splitlines()[1:]:
        if not line.startswith("|"):
            return
        yield [cell.strip() for cell in line.strip("|").split(" | ")]


def codes(text: str) -> set[str]:
    """Return the texts in backticks in *text*."""
    return set(re.findall(r"`([^`]+)`", text))


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    text = re.sub(r"(?ms)^```.*?^```$", "", page.read_text())
    headings = re.findall(r"(?m)^#+ (.*)$", text)
    return {"#" + re.sub(r"[^\w\- ]", "", one.lower()).replace(" ", "-") for one in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_and_names_lead_to_existing_files_and_headings(page: Path) -> None:
    """Links within the repository, and paths in backticks that begin with one of its folders."""
    text = page.read_text()
    for path, anchor in LINK.findall(text):
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), path
        assert not anchor or target.suffix != ".md" or anchor in anchors(target), path + anchor
    if page.name != "adding-a-flow.md":  # its example is followed by a test of its own
        folders = "|".join(path.name for path in ROOT.iterdir() if path.is_dir())
        named = re.findall(rf"(?<![\w./-])(?:{folders})/[\w./-]+\.\w+", commands(text))
        assert [path for path in named if not (ROOT / path).is_file()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_targets_of_make_and_modules_that_are_run_exist(page: Path) -> None:
    text = commands(page.read_text())
    rules = set(re.findall(r"(?m)^([a-z-]+):", (ROOT / "Makefile").read_text()))
    assert set(re.findall(r"\bmake ([a-z-]+)", text)) <= rules
    for module in re.findall(r"\bpython3? -m ([a-z_.]+)", text):
        assert find_spec(module), module


def commands(text: str) -> str:
    """Return what a page has in backticks, and its blocks of code."""
    blocks = re.findall(r"(?ms)^```\w*$.*?^```$", text)
    return "\n".join([*blocks, *re.findall(r"`([^`\n]+)`", text)])


SECRETS = [
    (flow.strip("`"), needed, optional)
    for flow, needed, optional in table("README.md", "flow | the secret must have | and may have")
]


@pytest.mark.parametrize(("flow", "needed", "optional"), SECRETS)
def test_keys_of_a_secret_are_listed(flow: str, needed: str, optional: str) -> None:
    """In README.md: those that the code reads, and no others."""
    plain, _, options = optional.partition("`options`")
    secret = registry.kind(flow).demo_secret("http://127.0.0.1:1")
    parse = every()[flow].vendor.parse
    folder = ROOT / "layers/token_broker/python/token_broker/flows" / flow
    source = (folder / "credentials.py").read_text()
    read = set(re.findall(r'(?:members|options)\.\w+\(\s*"(\w+)"', source))

    for key in codes(needed) | codes(plain):
        assert "is not known" not in refusal(parse, secret | {key: object()})
    for key in codes(options):
        assert "is not known" not in refusal(parse, secret | {"options": {key: object()}})
    assert read <= codes(needed) | codes(optional)


def refusal(parse: Callable[[object], Any], secret: object) -> str:
    """Return the error of *parse* for *secret*, or an empty text."""
    try:
        parse(secret)
    except NotConfigured as error:
        return error.detail
    return ""


def test_attributes_of_the_item_are_listed() -> None:
    """In docs/protocol.md: all attributes, and no others."""
    listed = {
        name for row in table("docs/protocol.md", "attribute | meaning") for name in codes(row[0])
    }
    assert listed == {*item_codec.OF_ITEM, "ttl"}


def test_routes_are_listed() -> None:
    """In README.md: each method of each path in openapi.yaml, for the flows that README.md has.

    `<flow>` stands for those that have the route: only some have a probe.
    """
    flows = [flow for flow, *_ in SECRETS]
    paths = yaml.safe_load((ROOT / "openapi.yaml").read_text())["paths"]
    methods = {"get", "put", "post", "delete"}
    known = {
        (method, path)
        for path, members in paths.items()
        for method in methods & {*members}
        if path.split("/")[2] in flows
    }
    listed: set[tuple[str, str]] = set()
    for row in table("README.md", "route | does"):
        verbs = [method.lower() for method in re.findall(r"\b[A-Z]+\b", row[0])]
        _, _, path = row[0].strip("`").rpartition(" ")
        named = {path.replace("<flow>", flow) for flow in flows}
        meant = {(method, path) for method in verbs for path in named}
        assert {method for method, _ in meant & known} == {*verbs}, f"README.md: {row[0]}"
        listed |= meant & known

    assert known - listed == set(), "README.md's table of routes lacks these of openapi.yaml"


@pytest.mark.parametrize(
    "page", sorted(ROOT.glob("docs/decisions/*.md")), ids=lambda page: page.stem
)
def test_the_title_of_a_decision_has_the_number_of_its_file(page: Path) -> None:
    """Without leading zeros."""
    assert page.read_text().startswith(f"# {int(page.name[:4])}. ")
