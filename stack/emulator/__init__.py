"""The emulator, `ministack`, with features of AWS that it lacks.

Each module patches one thing when it is imported, and names AWS's page about it. They use private
functions of the emulator, so they are for one version of it.
"""

from importlib.metadata import version

VERSION = "1.5.33"


def refuse_another_version() -> None:
    """Exit unless the emulator has the version that the adapters were written for."""
    installed = version("ministack")
    if installed != VERSION:
        raise SystemExit(
            f"ministack is {installed}, and stack/emulator is written for {VERSION}: read each of "
            "its modules beside the new version, delete what is obsolete, then change VERSION"
        )
