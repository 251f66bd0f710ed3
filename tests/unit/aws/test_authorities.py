"""Of the system's authorities, those that sign AWS's endpoints are loaded, and no other."""

import ssl
from pathlib import Path

import pytest
from botocore.httpsession import DEFAULT_CA_BUNDLE

from tests.certificates import certificate
from token_broker.aws import http1

BUNDLE = Path(DEFAULT_CA_BUNDLE)
"""What boto3 trusts: among all the others Amazon's."""


def names(context: ssl.SSLContext) -> set[str]:
    """Return the common names of what *context* trusts."""
    subjects = [dict(part for parts in ca["subject"] for part in parts) for ca in found(context)]
    return {subject.get("commonName", "") for subject in subjects}


def found(context: ssl.SSLContext) -> list[dict[str, tuple[tuple[tuple[str, str], ...], ...]]]:
    return context.get_ca_certs()  # type: ignore[return-value]  # each has at least a subject


def test_only_amazons_are_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(BUNDLE))
    assert names(http1.context()) == {
        "Amazon Root CA 1",
        "Amazon Root CA 2",
        "Amazon Root CA 3",
        "Amazon Root CA 4",
        "Starfield Services Root Certificate Authority - G2",
    }


def test_servers_are_verified_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trust is narrowed, and nothing else is."""
    monkeypatch.setenv("SSL_CERT_FILE", str(BUNDLE))
    context, usual = http1.context(), ssl.create_default_context()
    assert context.check_hostname
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert (context.options, context.verify_flags) == (usual.options, usual.verify_flags)


def test_without_amazons_all_are_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bundle of one's own is trusted as it is: it may hold a proxy's authority."""
    pem, _ = certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(pem))
    assert http1.context().cert_store_stats()["x509"] == 1


def test_a_bundle_that_cannot_be_read_is_left_to_openssl(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "broken.pem"
    broken.write_text("-----BEGIN CERTIFICATE-----\nA\n-----END CERTIFICATE-----\n")
    for path in (tmp_path / "missing.pem", broken):
        monkeypatch.setenv("SSL_CERT_FILE", str(path))
        assert http1.context().verify_mode is ssl.CERT_REQUIRED
