"""`make audit`: known vulnerabilities of the layers' packages, by pip-audit."""

import json
import subprocess
import sys
from typing import Any


def found(packages: list[dict[str, Any]]) -> list[str]:
    """Return a line for each known vulnerability of *packages*."""
    return [
        f"{package['name']} {package['version']}: {known['id']}, mended in "
        f"{', '.join(known['fix_versions']) or 'no version yet'}"
        for package in packages
        for known in package.get("vulns", [])
    ]


def unknown(packages: list[dict[str, Any]]) -> list[str]:
    """Return the names of the packages that could not be audited."""
    return [package["name"] for package in packages if "skip_reason" in package]


def resolved(command: list[str], lock: str) -> list[dict[str, Any]] | None:
    """Return pip-audit's result for each package in *lock*; None if it failed."""
    options = ["--disable-pip", "--require-hashes", "--format", "json", "--progress-spinner", "off"]
    result = subprocess.run(  # noqa: S603 (make says what)
        [*command, *options, "--timeout", "10", "-r", lock],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        check=False,
    )
    try:
        packages: list[dict[str, Any]] = json.loads(result.stdout)["dependencies"]
    except (ValueError, KeyError):
        return None
    return packages


def main(lock: str, *command: str) -> str | None:
    """Print the result; return the vulnerabilities as a message for `sys.exit`, or None."""
    packages = resolved(list(command), lock)
    if packages is None or (packages and len(unknown(packages)) == len(packages)):
        print("Not audited: nothing could be asked about the packages. Try again with a network.")
        return None
    for name in unknown(packages):
        print(f"Not audited: {name}")
    if known := found(packages):
        return "\n".join(known)
    print(f"Nothing is known against {len(packages) - len(unknown(packages))} packages.")
    return None


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
