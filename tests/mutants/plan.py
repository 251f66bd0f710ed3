"""The mutated modules, the tests of a mutant, and the data of a mutant."""

import hashlib
import subprocess
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / ".mutants"
"""The folder of results between runs."""

CONFIG = Path(__file__).parent / "config.toml"


@dataclass(frozen=True, slots=True)
class Mutant:
    """A module with one fault planted."""

    path: str
    operator: str
    within: str
    first: int
    last: int
    was: str
    becomes: str
    source: str

    @property
    def key(self) -> str:
        """A key that is stable while the module is unchanged."""
        return hashlib.sha256(f"{self.path}\0{self.source}".encode()).hexdigest()[:16]

    @property
    def shown(self) -> str:
        """The readable description."""
        return f"{self.path}:{self.first} {self.within}\n    - {self.was}\n    + {self.becomes}"


@dataclass(frozen=True, slots=True)
class Trying:
    """A stage's choice of runs: tests of the module, tests that reach the line, or seeds."""

    own: bool = False
    tests: Sequence[str] = ()
    seeds: int = 0
    confirm: bool = False
    seconds: float = float("inf")


@dataclass(frozen=True, slots=True)
class Plan:
    """The contents of `config.toml`."""

    roots: tuple[str, ...]
    mutate: tuple[str, ...]
    leave_out: tuple[str, ...]
    stages: tuple[Trying, ...]

    simulate: tuple[str, ...]
    own: Mapping[str, Mapping[str, Sequence[str]]]
    """By package and module: its test files besides the one with its name."""
    about_all: tuple[str, ...]
    """Test files for every module of the program."""

    def modules(self, name: str = "") -> list[str]:
        """Return the paths to mutate: all, or those whose file or folder is called *name*.

        Raises `ValueError` if none is.
        """
        paths = set(_matched(self.mutate)) - set(_matched(self.leave_out))
        chosen = f"/{name.strip('/').removesuffix('.py')}/" if name else "/"
        found = sorted(path for path in paths if chosen in f"/{path.removesuffix('.py')}/")
        if not found:
            raise ValueError(f"no module or folder is called {name!r}")
        return found

    def is_simulated(self, path: str) -> bool:
        """Return whether the simulation runs the module *path*."""
        return path in set(_matched(self.simulate))

    def own_tests(self, path: str) -> tuple[str, ...]:
        """Return the test files of the module *path*.

        These are the file with its name, if it exists, and the configured ones.
        """
        package, _, module = self.imported_as(path).partition(".")
        folder = "tests/unit" if path.startswith(self.roots[0]) else "tests/client"
        own = Path(folder, *module.split(".")[:-1], f"test_{module.rpartition('.')[2]}.py")
        found = [str(own)] if (ROOT / own).is_file() else []
        about_all = self.about_all if folder == "tests/unit" else ()
        about = [*found, *self.own.get(package, {}).get(module, ())]
        return tuple(dict.fromkeys([*about, *about_all])) if about else ()

    def imported_as(self, path: str) -> str:
        """Return the module name of *path*."""
        root = next(root for root in self.roots if path.startswith(root + "/"))
        parts = Path(path).relative_to(root).with_suffix("").parts
        return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def read_plan() -> Plan:
    """Read `config.toml`."""
    read: dict[str, Any] = tomllib.loads(CONFIG.read_text())
    stages = tuple(Trying(**stage) for stage in read.pop("stages"))
    own = read.pop("own")
    return Plan(stages=stages, own=own, **{name: tuple(value) for name, value in read.items()})


def _matched(globs: Sequence[str]) -> Iterator[str]:
    for glob in globs:
        for path in ROOT.glob(glob):
            yield str(path.relative_to(ROOT))


def changed_lines(ref: str) -> dict[str, set[int]]:
    """Return the lines of each file that were added or changed since the branch left *ref*."""
    options = ["--unified=0", "--no-color", "--no-ext-diff", "--merge-base"]
    git = ["git", "diff", *options, ref, "--", "*.py"]
    difference = subprocess.check_output(git, cwd=ROOT, text=True)
    lines: dict[str, set[int]] = {}
    path = ""
    for line in difference.splitlines():
        if line.startswith("+++ "):
            path = line.removeprefix("+++ ").removeprefix("b/")
        elif line.startswith("@@ "):
            start, _, count = line.split(" ")[2].removeprefix("+").partition(",")
            lines.setdefault(path, set()).update(range(int(start), int(start) + int(count or 1)))
    return lines
