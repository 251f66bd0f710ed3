"""ARES Kudo editor: a session token for one exact set of editor parameters.

    POST /generate  x-api-key, the parameters  -> token, expiration_time (seconds since the epoch)
    GET  /verify    x-api-token                -> the parameters, and auth

Documented at https://graebert.atlassian.net/wiki/x/U4CJRg ("Process to request token") and
https://graebert.atlassian.net/wiki/x/iYARcw; the query's name, ``apitoken``, at
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
"""Bytes, in clear and compressed, of what is kept beside a shared token: its parameters and the
editor's address. KMS encrypts 4,096 at once, and at most 65,536 are decompressed."""

CERTAIN = 401
REFUSALS = frozenset({CERTAIN, 403})
"""Statuses of a wrong key. The documented one is 403, but it is also the answer to wrong
parameters. Its text looks like JSON and is not JSON."""

MILLISECONDS = 10**12
"""An expiration beyond this is counted in milliseconds: in seconds it is the year 33658."""

LATEST = 253_402_300_799
"""The last second of the year 9999: beyond it there are no dates to write."""

PLACEHOLDER = "token-broker-probe"
"""Stands for a parameter that every call has to bring, and that a probe does not know."""

NUMBER = re.compile(r"[0-9]{1,15}(\.[0-9]{1,9})?")


def resolve(credentials: Credentials, variant: Variant) -> Variant:
    """Return *variant* with the secret's defaults for the parameters it does not name."""
    named = variant.inputs["parameters"]
    _refuse_pinned(credentials, named)
    parameters = dict(credentials.parameters) | dict(named)
    if missing := _missing(credentials, parameters):
        raise InvalidRequest(f"parameters.{missing[0]}: is missing")
    if credentials.reuse and not _can_be_kept(credentials, parameters):
        raise InvalidRequest("parameters: are too large to share a token for")
    return Variant("parameters", {"parameters": parameters})


def complete(credentials: Credentials, variant: Variant) -> Variant:
    """Return *variant* with the required parameters that neither it nor the secret has."""
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
    """Return the parameters of *token*; None where the vendor does not know it, or it expired."""
    if not sendable(token):
        raise InvalidRequest("token: must be printable ASCII")
    response: Response = yield verification(credentials, token)
    if response.status in REFUSALS and not response.is_html:
        return None
    return _checked(response, "verify").object("verify")


def generation(credentials: Credentials, parameters: Mapping[str, Any]) -> Request:
    """Return the request for a token that stands for *parameters*."""
    return Request(
        "POST",
        f"{credentials.token_url}/generate",
        "generate",
        headers={"content-type": "application/json", "x-api-key": credentials.api_key},
        json=parameters,
        proves_credentials=True,
    )


def verification(credentials: Credentials, token: str) -> Request:
    """Return the request that asks what *token* stands for."""
    return Request(
        "GET",
        f"{credentials.token_url}/verify",
        "verify",
        headers={"content-type": "application/json", credentials.verify_header: token},
    )


def check(credentials: Credentials, token: Token) -> Conversation[bool]:
    """Say whether the vendor knows *token*.

    That this uses a token up is documented nowhere. Where it does, so does opening the editor, and
    then a connection needs ``reuse: false``: a check has a token of its own there.
    """
    return (yield from verify(credentials, token.value)) is not None


def _missing(credentials: Credentials, parameters: Mapping[str, Any]) -> list[str]:
    return [name for name in credentials.required if is_blank(parameters.get(name))]


def _can_be_kept(credentials: Credentials, parameters: dict[str, Any]) -> bool:
    clear = json.dumps([parameters, credentials.base_url, credentials.editor_url]).encode()
    return len(clear) <= LARGEST_CLEAR and len(zlib.compress(clear, 9)) <= LARGEST_PACKED


def _refuse_pinned(credentials: Credentials, named: Mapping[str, Any]) -> None:
    """Refuse a pinned parameter with another value than the secret's, of whichever JSON type.

    In another case as well: whether the editor tells them apart is not documented.
    """
    for pin, value in credentials.pins.items():
        for name in named:
            if name.casefold() != pin.casefold():
                continue
            if name != pin or encode(named[name]) != encode(value):
                raise InvalidRequest(f"parameters.{pin}: is pinned, so a call may not choose it")


def _checked(response: Response, step: str) -> Response:
    """Return *response* if it is a success."""
    status = response.reached(step).readable(step).status
    if status in REFUSALS:
        raise CredentialRejected(
            f"{step}: the key was refused, or the parameters",
            is_certain=status == CERTAIN,
            upstream_status=status,
        )
    if 400 <= status < 500:  # noqa: PLR2004 (the class of statuses that means "refused")
        raise UpstreamRefused(f"{step}: refused with {status}", upstream_status=status)
    if not response.is_success:
        raise UpstreamContractChanged(f"{step}: unexpected status {status}", upstream_status=status)
    return response


def _expiry(value: object, now: int) -> int:
    """Return the second at which a token ends: a number, in a text if need be, in the future."""
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
