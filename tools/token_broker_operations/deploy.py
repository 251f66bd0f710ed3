"""`make deploy`: `sam deploy` with the parameters of a stage, and a release to tell versions by."""

import os
import shlex
import sys
import time
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

CONFIG = Path("samconfig.toml")


def kept(config: Mapping[str, Any], stage: str) -> dict[str, str]:
    """Return the parameters of *stage* in *config*: what `--guided` saved, or a person wrote."""
    found = config.get(stage, {}).get("deploy", {}).get("parameters", {})
    overrides = found.get("parameter_overrides", "")
    pairs = overrides if isinstance(overrides, list) else shlex.split(overrides)
    return {name: value.strip('"') for name, _, value in (pair.partition("=") for pair in pairs)}


def arguments(config: Mapping[str, Any], stage: str, architecture: str, now: int) -> list[str]:
    """Return what to tell `sam deploy`.

    All of it: given some parameters on the command line, SAM reads none of *config*.
    """
    parameters = kept(config, stage) | {
        "Stage": stage,
        "Architecture": architecture,
        "Release": str(now),
    }
    named = ["--config-env", stage, "--stack-name", f"token-broker-{stage}"]
    return [*named, "--parameter-overrides", *(quoted(*pair) for pair in parameters.items())]


def quoted(name: str, value: str) -> str:
    """Return a parameter as SAM reads it, spaces and quotes included."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'{name}="{escaped}"'


def main() -> None:
    """Become SAM."""
    sam, stage, architecture, *more = sys.argv[1:]
    config = tomllib.loads(CONFIG.read_text())
    told = arguments(config, stage, architecture, int(time.time()))
    os.execv(sam, [sam, "deploy", *more, *told])  # noqa: S606 (no shell is wanted)


if __name__ == "__main__":
    main()
