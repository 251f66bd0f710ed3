"""The packages of the layers are pinned, hashed, and redistributable."""

import re
from importlib.metadata import metadata
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LOCK = (ROOT / "layers/requirements.lock").read_text()
PINS = dict(re.findall(r"^([a-z0-9-]+)==([\w.]+) \\$", LOCK, re.MULTILINE))
WANTED = [
    re.match(r"[\w-]+", line)
    for path in ROOT.glob("layers/*/python/requirements.txt")
    for line in path.read_text().splitlines()
]
LICENCES = dict(
    re.findall(
        r"^\| `([\w-]+)` \| ([\w.-]+) \|",
        (ROOT / "docs/decisions/0012-what-is-in-the-layers.md").read_text(),
        re.MULTILINE,
    )
)


def test_each_requirement_of_a_layer_is_locked_with_a_listed_licence() -> None:
    """A person checks the licence of each new package before it is shipped."""
    assert PINS.keys() >= {name.group() for name in WANTED if name}
    assert LICENCES.keys() == PINS.keys()


def test_every_package_has_hashes() -> None:
    """Each pin is followed by its hashes; there are no other lines."""
    packages = re.split(r"^(?=[a-z])", LOCK, flags=re.MULTILINE)[1:]
    assert len(packages) == len(PINS)
    hashes = r"(    --hash=sha256:[0-9a-f]{64}( \\)?\n)+"
    assert all(re.fullmatch(rf"\S+==\S+ \\\n{hashes}", package) for package in packages)


@pytest.mark.parametrize(("name", "licence"), LICENCES.items())
def test_the_licence_of_a_package_is_the_listed_one(name: str, licence: str) -> None:
    package = metadata(name)
    licences = {"MIT": "MIT License", "Apache-2.0": "Apache Software", "MPL-2.0": "MPL 2.0"}
    fields = ("License-Expression", "License", "Classifier")
    texts = " ".join(text for field in fields for text in package.get_all(field) or [])
    assert licence in texts or licences.get(licence, licence) in texts
