"""Which modes of a fake its tests play, so that none goes unguarded."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from token_broker_fakes.modes import Modes, choices

Test = TypeVar("Test", bound=Callable[..., None])


@dataclass
class Played:
    """Notes the values that tests say they play, and knows which are left."""

    kind: type[Modes]
    values: set[tuple[str, str]] = field(default_factory=set)

    def __call__(self, mode: str, *values: str) -> Callable[[Test], Test]:
        """Say that the decorated test plays *mode* with *values*; none for a number."""

        def note(test: Test) -> Test:
            self.values.update((mode, value) for value in values or ("",))
            return test

        return note

    def left(self) -> set[tuple[str, str]]:
        """Return the modes and values that no test plays, beside the defaults."""
        defaults = self.kind().values()
        there_are = {
            (mode, value)
            for mode, allowed in choices(self.kind).items()
            for value in allowed or ("",)
            if value != defaults[mode]
        }
        return there_are ^ self.values
