"""`python -m stack.emulator`: run the adapted emulator until a signal."""

import importlib
import pkgutil

from stack import emulator


def main() -> None:
    """Import every adapter, then run."""
    emulator.refuse_another_version()
    for module in pkgutil.iter_modules(emulator.__path__, f"{emulator.__name__}."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    from ministack import app  # noqa: PLC0415 (after the adapters)

    app.main()


if __name__ == "__main__":
    main()
