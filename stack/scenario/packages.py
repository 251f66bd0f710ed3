"""The package of a function that the scenario creates."""

import io
import zipfile


def zipped(code: str) -> bytes:
    """Return a function's package of one file."""
    package = io.BytesIO()
    with zipfile.ZipFile(package, "w") as file:
        file.writestr("app.py", code)
    return package.getvalue()
