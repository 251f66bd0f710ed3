"""Content of a secret, as it is read: a change of it would change nothing that the broker reads."""

from copy import deepcopy
from typing import Any, NoReturn


class Frozen(dict[str, Any]):
    """A dict that refuses changes, which would be lost. ``|`` makes one that can be changed."""

    def _refuse(self, *_: object, **__: object) -> NoReturn:
        raise TypeError(
            "a secret is changed as a whole: fake_secrets[flow, name] = fake_secrets[flow, name] | "
            "{…}"
        )

    __setitem__ = __delitem__ = _refuse
    clear = pop = popitem = setdefault = update = _refuse

    def __ior__(self, others: Any) -> Any:  # type: ignore[misc]  # it may be another type
        """Return a dict with *others*: ``fake_secrets[flow, name] |= {…}`` sets it."""
        return self | others

    def __deepcopy__(self, memo: Any) -> dict[str, Any]:
        """Return a dict that can be changed."""
        return deepcopy(dict(self), memo)


def frozen(content: object) -> Any:
    """Return a copy of *content*: a `Frozen` for a dict, whose own parts are the caller's."""
    copy = deepcopy(content)
    return Frozen(copy) if isinstance(copy, dict) else copy  # a copy of a `Frozen` is a dict
