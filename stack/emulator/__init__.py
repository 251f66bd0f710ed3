"""The emulator, `ministack`, with what AWS has and it has not.

Each module adapts one thing as it is imported, and names the page of AWS's that says so. They reach
into the emulator's private functions, so they are for one version of it.
"""

from importlib.metadata import version

VERSION = "1.5.33"


def refuse_another_version() -> None:
    """End the process unless the emulator is the version that the adapters were written for."""
    found = version("ministack")
    if found != VERSION:
        raise SystemExit(
            f"ministack is {found}, and stack/emulator is written for {VERSION}: read each of its "
            "modules beside the new version, drop what is no longer missing, then change VERSION"
        )
