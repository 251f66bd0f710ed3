"""`make audit`: the evaluation of pip-audit's results."""

import json
import sys
from typing import Any

import pytest

from token_broker_operations.vulnerabilities import main

SOUND = {"name": "idna", "version": "3.20", "vulns": []}
BAD = {
    "name": "urllib3",
    "version": "1.0",
    "vulns": [{"id": "CVE-1", "fix_versions": ["1.9", "2.0"]}, {"id": "CVE-2", "fix_versions": []}],
}
UNKNOWN = {"name": "certifi", "skip_reason": "nobody knows it"}


def audit(*packages: dict[str, Any]) -> str | None:
    """Return the result of the audit if pip-audit reports *packages*."""
    report = json.dumps({"dependencies": packages})
    return main("a.lock", sys.executable, "-c", f"print({report!r})")


def test_a_known_vulnerability_fails_the_audit() -> None:
    """With or without a fixed version."""
    assert audit(SOUND, BAD) == (
        "urllib3 1.0: CVE-1, mended in 1.9, 2.0\nurllib3 1.0: CVE-2, mended in no version yet"
    )


def test_no_known_vulnerability_passes_the_audit(capsys: pytest.CaptureFixture[str]) -> None:
    """A package that could not be audited is named."""
    assert audit(SOUND, UNKNOWN) is None
    assert capsys.readouterr().out == (
        "Not audited: certifi\nNothing is known against 1 packages.\n"
    )


@pytest.mark.parametrize("code", ["raise SystemExit('no network')", "print('{}')"])
def test_without_a_network_the_audit_asks_to_try_again(
    code: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main("a.lock", sys.executable, "-c", code) is None
    assert audit(UNKNOWN) is None
    assert capsys.readouterr().out.count("Try again with a network.") == 2
