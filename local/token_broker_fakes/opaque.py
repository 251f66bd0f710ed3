"""Random values without meaning: tokens and UUIDs."""

import base64
from random import Random

SLASH, PLUS = 7, 11
"""Positions in a token of characters that a client may wrongly escape."""


def opaque(rng: Random, size: int) -> str:
    """Return *size* random bytes in base64, with a slash and a plus sign among them."""
    text = base64.b64encode(rng.randbytes(size)).decode()
    return f"{text[:SLASH]}/{text[SLASH + 1 : PLUS]}+{text[PLUS + 1 :]}"


def unpadded(content: bytes) -> str:
    """Return *content* in the base64 of URLs, as a JWT has it."""
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def uuid(rng: Random) -> str:
    """Return a text of the form of a random UUID."""
    digits = f"{rng.getrandbits(128):032x}"
    variant = "89ab"[rng.getrandbits(2)]
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"
