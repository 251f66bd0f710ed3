"""The settings of a stage in `samconfig.toml`: its region, and the chosen parameters."""

import json
import re
import shlex
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

CONFIG = Path("samconfig.toml")
TEMPLATE = Path("template.yaml")
OURS = ("region", "parameter_overrides")
"""The options that `make deploy` keeps; all others are the user's own."""
COMMENT = r"[ \t]*(?:#[^\n]*)?"
"""What may follow a header in its line."""
PIECE = r""""(?:\\.|[^"\\\n])*"|'[^'\n]*'|#[^\n]*"""
"""A text on one line, or a comment."""
OPTION = re.compile(
    rf"""(?m)^[ \t]*(?:{"|".join(OURS)})[ \t]*=[ \t]*(?:\[(?:[^]"'#]|{PIECE})*\])?"""
    rf"""(?:[^"'#\n]|{PIECE})*\n?"""
)
"""One of `OURS` with its value, which may be a list over several lines."""


class Settings(NamedTuple):
    """A stage's region, None if unknown, and its parameters that differ from the template."""

    region: str | None
    parameters: Mapping[str, str]


def kept(text: str, stage: str) -> Settings:
    """Return the settings of *stage* in *text*, a `samconfig.toml`."""
    section = section_of(text, stage)
    overrides = section.get("parameter_overrides", "")
    if isinstance(overrides, dict):
        return Settings(section.get("region"), {k: str(value) for k, value in overrides.items()})
    pairs = overrides if isinstance(overrides, list) else shlex.split(overrides)
    return Settings(section.get("region"), pairs_of(pairs))


def written(text: str, stage: str, settings: Settings) -> str:
    """Return *text* with *settings* in the section of *stage*, otherwise unchanged.

    Every comment stays. Ends the program with a message if *text* has a form in which more would
    change.
    """
    section_of(text, stage)  # there may be no such section, but no other thing
    lines = []
    if settings.region:
        lines.append(f"region = {toml(settings.region)}")
    if settings.parameters:
        pairs = (f"  {toml(f'{name}={value}')},\n" for name, value in settings.parameters.items())
        lines.append(f"parameter_overrides = [\n{''.join(pairs)}]")
    header = f"[{stage}.deploy.parameters]"
    ours = "".join(f"{line}\n" for line in lines)
    old = re.compile(
        rf"(?ms)^({re.escape(header)}{COMMENT})(?:\n|\Z)(.*?)(?=^\[[^\n\]]+\]{COMMENT}$|\Z)"
    )
    result, found = old.subn(
        lambda section: f"{section[1]}\n{ours}{OPTION.sub(comments, section[2])}", text, count=1
    )
    if not found:
        result = f"{text.rstrip()}\n\n{header}\n{ours}"
    if not is_otherwise_equal(text, result, stage):
        raise SystemExit(f"{CONFIG}: write the section {header} by hand: its form is not known")
    return result


def comments(option: re.Match[str]) -> str:
    """Return the comments within an *option*, each in a line."""
    found = (token for token in re.findall(PIECE, option[0]) if token.startswith("#"))
    return "".join(f"{comment}\n" for comment in found)


def is_otherwise_equal(before: str, after: str, stage: str) -> bool:
    """Say whether two files are equal but for `OURS` in the section of *stage*."""
    try:
        both = [tomllib.loads(text) for text in (before, after)]
    except tomllib.TOMLDecodeError:
        return False
    for config in both:
        section = config.setdefault(stage, {}).setdefault("deploy", {}).setdefault("parameters", {})
        for name in OURS:
            section.pop(name, None)
    return both[0] == both[1]


def section_of(text: str, stage: str) -> dict[str, Any]:
    """Return the options of `sam deploy` for *stage*; end the program if it is no table."""
    section: dict[str, Any] = tomllib.loads(text)
    for name in (stage, "deploy", "parameters"):
        section = section.get(name, {})
        if not isinstance(section, dict):
            raise SystemExit(f"{CONFIG}: {name} is no table, so there is no stage {stage}")
    return section


def toml(text: str) -> str:
    """Return *text* as TOML. The escapes of JSON are TOML's, but for pairs of surrogates."""
    return json.dumps(text, ensure_ascii=False)


def pairs_of(pairs: Iterable[str]) -> dict[str, str]:
    """Return names and values of texts like ``Team1=orders``, or ``Team1="orders"``."""
    split = (pair.partition("=") for pair in pairs)
    return {name: value.removeprefix('"').removesuffix('"') for name, _, value in split}


def unknown(names: Iterable[str], template: str) -> list[str]:
    """Return the *names* that are no parameter of *template*: SAM would ignore them."""
    declared = re.search(r"(?ms)^Parameters:\n(.*?)^\S", template)
    there = re.findall(r"(?m)^  (\w+):$", declared[1] if declared else "")
    return sorted(set(names) - set(there))
