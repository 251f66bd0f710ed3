"""`make fuzz`: atheris mutates the corpus, and keeps inputs that reach new code.

    python -m fuzz.coverage SECONDS [TARGET …]

Each target runs in a separate process, for its share of the time. An input that breaks a property
is written to `fuzz/found/`: fix the code, and add the input to the target's corpus, so that the
tests run it as well.
"""

import subprocess
import sys
from importlib import import_module
from pathlib import Path

HERE = Path(__file__).parent
FOUND = HERE / "found"
MAX_INPUT_BYTES = 4096
"""The maximum size of an input in bytes."""


def fuzz(name: str, arguments: list[str]) -> None:
    """Fuzz one target in this process; libFuzzer ends it."""
    import atheris  # noqa: PLC0415 (installed in its own environment only)

    with atheris.instrument_imports(include=["token_broker"]):
        targets = import_module("fuzz.targets")
    atheris.Setup([sys.argv[0], *arguments], targets.TARGETS[name])
    atheris.Fuzz()


def run(name: str, seconds: int) -> int:
    """Fuzz one target for *seconds* in a separate process; return its exit code."""
    corpus = HERE / "corpus" / name
    fresh = FOUND / f"{name}-fresh"
    for folder in (corpus, fresh):
        folder.mkdir(parents=True, exist_ok=True)
    options = {
        "max_total_time": seconds,
        "max_len": MAX_INPUT_BYTES,
        "timeout": 10,
        "rss_limit_mb": 1024,
        "artifact_prefix": f"{FOUND}/{name}-",
        "print_final_stats": 1,
        "verbosity": 1,
    }
    arguments = [f"-{option}={value}" for option, value in options.items()]
    sys.stderr.write(f"Fuzzing {name} for {seconds} s\n")
    command = [sys.executable, "-m", "fuzz.coverage", "--target", name, *arguments]
    return subprocess.call([*command, str(fresh), str(corpus)])  # noqa: S603 (our own arguments)


def main(seconds: str, *names: str) -> int:
    """Fuzz all targets, or the named ones; return the exit code."""
    chosen = names or tuple(sorted(path.name for path in (HERE / "corpus").iterdir()))
    share = max(1, int(seconds) // len(chosen))
    broken = [name for name in chosen if run(name, share)]
    if broken:
        sys.stderr.write(f"Broken properties: {', '.join(broken)}; the inputs are in {FOUND}\n")
    return len(broken)


if __name__ == "__main__":
    if sys.argv[1] == "--target":
        fuzz(sys.argv[2], sys.argv[3:])
    else:
        sys.exit(main(*sys.argv[1:]))
