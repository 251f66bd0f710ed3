"""`make flow NAME=acme`: write the files of a flow for a simple vendor, to be completed."""

import keyword
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

import jinja2

from token_broker_client import Broker
from token_broker_descriptors import every

NAME = re.compile(r"[a-z][a-z0-9]{1,19}")
LAYER = "layers/token_broker/python/token_broker/flows"
FILES: Mapping[str, str] = {
    f"{LAYER}/{{name}}/__init__.py": "init.py",
    f"{LAYER}/{{name}}/credentials.py": "credentials.py",
    f"{LAYER}/{{name}}/flow.py": "flow.py",
    "tools/token_broker_descriptors/{name}.py": "descriptor.py",
    "local/token_broker_fakes/{name}/fake.py": "fake.py",
    "local/token_broker_fakes/{name}/modes.py": "modes.py",
    "local/token_broker_fakes/{name}/__init__.py": "fake_init.py",
    "functions/{name}/app.py": "app.py",
    "docs/upstreams/{name}.md": "page.md",
    "tests/unit/flows/{name}/test_flow.py": "test_flow.py",
}
"""The written files, and the file of `skeletons` for each."""

WIRING = ("functions/{name}/app.py", "local/token_broker_fakes/{name}/__init__.py")
"""Those that need no change."""

EVENTS = ("api-token", "direct-token", "secret-changed", "secret-label-updated")
MODEL = "vendorlink"
"""The flow whose events are copied: its calls have no fields of their own."""

OMITTED_FIELDS = (r"{\"min_ttl\": 300}", ',\n  "min_ttl": 300')
"""Members that are left out of them: tokens of another vendor may live shorter."""

CORPUS = 't200\ncontent-type: application/json\n\n{"token": "abc", "expires_in": 3600}'
NEXT = """\
They work for a vendor that gives a token for a key. Fill in, as docs/adding-a-flow.md shows:
{files}
Then: make format operations test"""


class Refused(ValueError):
    """The name of the flow is invalid. The message has the reason."""


def checked(name: str) -> str:
    """Return *name* if it is valid for a flow. Raises `Refused`."""
    if not NAME.fullmatch(name) or keyword.iskeyword(name):
        raise Refused(f"NAME must match {NAME.pattern}, and be no word of Python's")
    if name in every():
        raise Refused(f"there is a flow called {name}")
    packages = ("token_broker.flows", "token_broker_fakes", "token_broker_descriptors")
    if hasattr(Broker, name) or any(find_spec(f"{package}.{name}") for package in packages):
        raise Refused(f"{name} is taken by something else")
    return name


def skeletons(name: str, root: Path) -> Mapping[Path, str]:
    """Return the files of a flow called *name*, under *root*, by their paths."""
    environment = jinja2.Environment(  # noqa: S701 (Python and Markdown; nothing is from outside)
        loader=jinja2.FileSystemLoader(Path(__file__).with_name("skeletons")),
        keep_trailing_newline=True,
        undefined=jinja2.StrictUndefined,
    )
    position = 1 + max(one.position for one in every().values())
    facts = {"name": name, "title": name.capitalize(), "position": position}
    made = {
        root / path.format(name=name): environment.get_template(f"{template}.j2").render(facts)
        for path, template in FILES.items()
    }
    for event in EVENTS:
        text = (root / f"events/{MODEL}-{event}.json").read_text()
        request = text.replace(OMITTED_FIELDS[0], "{}").replace(OMITTED_FIELDS[1], "")
        made[root / f"events/{name}-{event}.json"] = request.replace(MODEL, name)
    made[root / f"fuzz/corpus/{name}/answer"] = CORPUS
    return made


def tidy(paths: list[Path]) -> None:
    """Sort and format what is written: the order of imports depends on the flow's name."""
    for words in ("check --fix-only --no-cache --quiet", "format --no-cache --quiet"):
        command = [sys.executable, "-m", "ruff", *words.split(), *map(str, paths)]
        subprocess.run(command, check=True)  # noqa: S603 (make says what)


def main(name: str, root: Path | None = None) -> None:
    """Write the files, all or none, unless one of them exists, and print the next steps."""
    made = skeletons(checked(name), root or Path())
    there = [path for path in made if path.exists()]
    if there:
        raise Refused(f"{there[0]} is there already")
    new = {path.parent for path in made if not path.parent.exists()}
    try:
        for path, text in made.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        tidy([path for path in made if path.suffix == ".py"])
    except BaseException:
        for path in made:
            path.unlink(missing_ok=True)
        for folder in new:  # an empty one would be a package that has the name
            shutil.rmtree(folder, ignore_errors=True)
        raise
    for path in made:
        print(f"wrote {path}")
    own = [f"  {path.format(name=name)}" for path in FILES if path not in WIRING]
    print(NEXT.format(files="\n".join(own)))


if __name__ == "__main__":
    try:
        main("".join(sys.argv[1:2]))
    except Refused as error:
        sys.exit(f"{error}. Like this: make flow NAME=acme")
