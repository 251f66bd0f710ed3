"""Scenes: the modes of a fake, an action under them, and its result."""

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import pytest

from token_broker_fakes.modes import Modes, choices

Scene: TypeAlias = tuple[dict[str, Any], Callable[[Any], object], object]
"""Modes, an act of a client, and its outcome, which is another one by default."""


def each(scenes: Sequence[Scene]) -> pytest.MarkDecorator:
    """Run a test once for each scene."""
    ids = [f"{modes}-{act.__name__}" for modes, act, _ in scenes]
    return pytest.mark.parametrize("scene", scenes, ids=ids)


def play(client: Callable[..., object], scene: Scene) -> None:
    """Assert that an act has its outcome under the modes, and without them another."""
    modes, act, outcome = scene
    assert act(client(**modes)) == outcome
    assert act(client()) != outcome, "the mode changes nothing"


def not_played(kind: type[Modes], scenes: Sequence[Scene]) -> set[str]:
    """Return the modes that no scene plays, with each value that is not the default."""
    played = {switch for modes, _, _ in scenes for switch in modes.items()}
    defaults = kind().values()
    there_are = {
        (mode, value) for mode, allowed in choices(kind).items() for value in allowed
    } - set(defaults.items())
    left = {f"{mode}={value}" for mode, value in there_are - played}
    return left | (defaults.keys() - {mode for mode, _ in played})
