"""`python -m benchmarks [name]`: run one benchmark, or all of them."""

import importlib
import sys

NAMES = (
    "cold-start", "hit-path", "exchange", "peers", "lifetime", "growth", "workers", "load",
    "plot",
)  # fmt: skip


def main(names: list[str]) -> None:
    """Run the benchmarks called *names*, or all."""
    for name in names or NAMES:
        if name not in NAMES:
            sys.exit(f"there is no benchmark {name}; there are {', '.join(NAMES)}")
        importlib.import_module(f"benchmarks.{name.replace('-', '_')}").main()


if __name__ == "__main__":
    main(sys.argv[1:])
