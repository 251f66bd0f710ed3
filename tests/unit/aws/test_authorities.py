"""Only those certificate authorities are loaded that sign AWS's endpoints."""

import ssl
from pathlib import Path

import pytest
from botocore.httpsession import DEFAULT_CA_BUNDLE

from tests.certificates import certificate
from token_broker.aws import http1

BUNDLE = Path(DEFAULT_CA_BUNDLE)
"""What boto3 trusts: among all the others Amazon's."""


def names(context: ssl.SSLContext) -> set[str]:
    """Return the common names of the authorities in *context*."""
    subjects = [dict(part for parts in ca["subject"] for part in parts) for ca in found(context)]
    return {subject.get("commonName", "") for subject in subjects}


def found(context: ssl.SSLContext) -> list[dict[str, tuple[tuple[tuple[str, str], ...], ...]]]:
    return context.get_ca_certs()  # type: ignore[return-value]  # each has at least a subject


def test_only_authorities_of_amazon_are_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(BUNDLE))
    assert names(http1.context()) == {
        "Amazon Root CA 1",
        "Amazon Root CA 2",
        "Amazon Root CA 3",
        "Amazon Root CA 4",
        "Starfield Services Root Certificate Authority - G2",
    }


def test_certificates_and_host_names_are_verified(monkeypatch: pytest.MonkeyPatch) -> None:
    """All other settings are those of Python's default context."""
    monkeypatch.setenv("SSL_CERT_FILE", str(BUNDLE))
    context, usual = http1.context(), ssl.create_default_context()
    assert context.check_hostname
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert (context.options, context.verify_flags) == (usual.options, usual.verify_flags)


def test_a_bundle_without_authorities_of_amazon_is_loaded_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may hold the authority of a proxy."""
    pem, _ = certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(pem))
    assert http1.context().cert_store_stats()["x509"] == 1


def test_an_unreadable_bundle_falls_back_to_the_default_of_openssl(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "broken.pem"
    broken.write_text("-----BEGIN CERTIFICATE-----\nA\n-----END CERTIFICATE-----\n")
    for path in (tmp_path / "missing.pem", broken):
        monkeypatch.setenv("SSL_CERT_FILE", str(path))
        assert http1.context().verify_mode is ssl.CERT_REQUIRED
