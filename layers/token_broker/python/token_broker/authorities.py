"""The authorities that sign AWS's own endpoints, out of all that the system trusts.

To load them all, some 140, takes OpenSSL 3 longer than all else of a function's start together.
Trust is only ever narrowed: a certificate that these did not sign is for boto3 to judge.
https://www.amazontrust.com/repository/
"""

import ssl
from binascii import a2b_base64

NAMES = (b"Amazon Root CA ", b"Starfield Services Root Certificate Authority")
_BEGIN, _END = b"-----BEGIN CERTIFICATE-----", b"-----END CERTIFICATE-----"


def amazons(bundle: bytes) -> bytes:
    """Return the certificates in *bundle*, in PEM, that are of Amazon's authorities, in DER."""
    encoded = [part.partition(_END)[0] for part in bundle.split(_BEGIN)[1:]]
    certificates = [a2b_base64(part) for part in encoded]
    return b"".join(each for each in certificates if any(name in each for name in NAMES))


def context() -> ssl.SSLContext:
    """Return what verifies AWS's endpoints; by all authorities, where Amazon's are not found."""
    try:
        with open(ssl.get_default_verify_paths().cafile or "", "rb") as bundle:  # noqa: PTH123 (pathlib takes a while to load)
            found = amazons(bundle.read())
    except (OSError, ValueError):
        found = b""
    return ssl.create_default_context(cadata=found or None)
