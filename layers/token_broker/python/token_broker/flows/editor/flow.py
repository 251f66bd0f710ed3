"""ARES Kudo editor: a session token for one exact set of editor parameters.

    POST /generate  x-api-key, the parameters  -> token, expiration_time (seconds since the epoch)
    GET  /verify    x-api-token                -> the parameters, and auth

Documentation: https://graebert.atlassian.net/wiki/x/U4CJRg ("Process to request token") and
https://graebert.atlassian.net/wiki/x/iYARcw. The query parameter ``apitoken``:
https://graebert.atlassian.net/wiki/spaces/KUDOPARTNER/pages/1180008643/Editor+parameters.
"""

import json
import math
import re
import zlib
from collections.abc import Mapping
from typing import Any

from token_broker.errors import (
    CredentialRejected,
    InvalidRequest,
    UpstreamContractChanged,
    UpstreamRefused,
)
from token_broker.exchange import Conversation, Request, Response, sendable
from token_broker.flows.editor.credentials import Credentials
from token_broker.flows.vendor import Vendor, is_blank
from token_broker.tokens import Token, Variant, encode

LARGEST_CLEAR = 60_000
LARGEST_PACKED = 3_200
"""Most bytes of the parameters and the editor's URL, in clear and compressed, that are sealed with
a shared token. KMS encrypts at most 4,096 bytes, and `sealing` decompresses at most 65,536."""

UNAUTHORIZED = 401
REFUSALS = frozenset({UNAUTHORIZED, 403})
"""Statuses for a wrong key. 403 is documented, but wrong parameters have it too. The text of that
answer looks like JSON and is not JSON."""

MILLISECONDS = 10**12
"""A larger expiration counts milliseconds: in seconds, this is the year 33658."""

LATEST = 253_402_300_799
"""The last second of the year 9999. Later dates cannot be formatted."""

PLACEHOLDER = "token-broker-probe"
"""A probe's value for a required parameter that neither the call nor the secret has."""

NUMBER = re.compile(r"[0-9]{1,15}(\.[0-9]{1,9})?")


def resolve(credentials: Credentials, variant: Variant) -> Variant:
    """Return *variant* with the secret's defaults for the other parameters."""
    named = variant.inputs["parameters"]
    _refuse_pinned(credentials, named)
    parameters = dict(credentials.parameters) | dict(named)
    if missing := _missing(credentials, parameters):
        raise InvalidRequest(f"parameters.{missing[0]}: is missing")
    if credentials.reuse and not _can_be_kept(credentials, parameters):
        raise InvalidRequest("parameters: are too large to share a token for")
    return Variant("parameters", {"parameters": parameters})


def complete(credentials: Credentials, variant: Variant) -> Variant:
    """Return *variant* with a `PLACEHOLDER` for each required parameter that has no value."""
    named = variant.inputs["parameters"]
    missing = _missing(credentials, dict(credentials.parameters) | dict(named))
    made_up = dict.fromkeys(missing, PLACEHOLDER)
    return Variant("parameters", {"parameters": dict(named) | made_up})


def exchange(
    credentials: Credentials, variant: Variant, now: int, _kept: Token | None = None
) -> Conversation[Token]:
    """Generate a token for the parameters of *variant*. There is no renewal."""
    response: Response = yield generation(credentials, variant.inputs["parameters"])
    answer = _checked(response, "generate").object("generate")
    value = answer.get("token")
    if not sendable(value):
        raise UpstreamContractChanged("generate: the answer has no token that can be sent")
    return Token(
        value=value,
        headers={"x-api-token": value},
        base_url=credentials.base_url,
        issued_at=now,
        expires_at=_expiry(answer.get("expiration_time"), now),
        url=credentials.url(value),
    )


def verify(credentials: Credentials, token: str) -> Conversation[dict[str, Any] | None]:
    """Return the parameters of *token*. None if the vendor does not know it, or it has expired."""
    if not sendable(token):
        raise InvalidRequest("token: must be printable ASCII")
    response: Response = yield verification(credentials, token)
    if response.status in REFUSALS and not response.is_html:
        return None
    return _checked(response, "verify").object("verify")


def generation(credentials: Credentials, parameters: Mapping[str, Any]) -> Request:
    """Return the request for a token with *parameters*."""
    return Request(
        "POST",
        f"{credentials.token_url}/generate",
        "generate",
        headers={"content-type": "application/json", "x-api-key": credentials.api_key},
        json=parameters,
        proves_credentials=True,
    )


def verification(credentials: Credentials, token: str) -> Request:
    """Return the request for the parameters of *token*."""
    return Request(
        "GET",
        f"{credentials.token_url}/verify",
        "verify",
        headers={"content-type": "application/json", credentials.verify_header: token},
    )


def check(credentials: Credentials, token: Token) -> Conversation[bool]:
    """Say whether the vendor knows *token*.

    The documentation does not say whether this consumes a token. If it does, opening the editor
    does so too. Such a connection needs ``reuse: false``, and then a check makes its own token.
    """
    return (yield from verify(credentials, token.value)) is not None


def _missing(credentials: Credentials, parameters: Mapping[str, Any]) -> list[str]:
    return [name for name in credentials.required if is_blank(parameters.get(name))]


def _can_be_kept(credentials: Credentials, parameters: dict[str, Any]) -> bool:
    clear = json.dumps([parameters, credentials.base_url, credentials.editor_url]).encode()
    return len(clear) <= LARGEST_CLEAR and len(zlib.compress(clear, 9)) <= LARGEST_PACKED


def _refuse_pinned(credentials: Credentials, named: Mapping[str, Any]) -> None:
    """Refuse a pinned parameter with another value or JSON type than the secret's.

    A name in other letter case is refused too: the editor may ignore the case.
    """
    for pin, value in credentials.pins.items():
        for name in named:
            if name.casefold() != pin.casefold():
                continue
            if name != pin or encode(named[name]) != encode(value):
                raise InvalidRequest(f"parameters.{pin}: is pinned, so a call may not choose it")


def _checked(response: Response, step: str) -> Response:
    """Return *response* if it is a success; raise the error that it means otherwise."""
    status = response.reached(step).readable(step).status
    if status in REFUSALS:
        raise CredentialRejected(
            f"{step}: the key was refused, or the parameters",
            is_certain=status == UNAUTHORIZED,
            upstream_status=status,
        )
    if 400 <= status < 500:  # noqa: PLR2004 (the class of statuses that means "refused")
        raise UpstreamRefused(f"{step}: refused with {status}", upstream_status=status)
    if not response.is_success:
        raise UpstreamContractChanged(f"{step}: unexpected status {status}", upstream_status=status)
    return response


def _expiry(value: object, now: int) -> int:
    """Return the second at which a token ends. *value* is a number, or a text with a number."""
    text = str(value)
    seconds = float(text) if NUMBER.fullmatch(text) else math.inf
    if seconds > MILLISECONDS:
        seconds /= 1000
    if seconds > LATEST:
        raise UpstreamContractChanged("generate: expiration_time is not a number of seconds")
    expires_at = int(seconds)
    if expires_at <= now:
        raise UpstreamContractChanged("generate: expiration_time is past")
    return expires_at


VENDOR = Vendor(
    parse=Credentials.parse,
    exchange=exchange,
    token_kinds=("parameters",),
    resolve=resolve,
    complete=complete,
    pins=lambda credentials: credentials.pins,
    is_shared=lambda credentials: credentials.reuse,
    verify=verify,
    check=check,
    probe="token_broker.flows.editor.probe",
)
