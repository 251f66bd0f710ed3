"""Planted defects: each removes one control from the shipped code, and its tests must fail.

Those of the protocol are in `tests/protocol/simulation/bugs.py`, those of the template in
`tests/template/faults.py`, and leaks in `tests/functions/leaks.py`.
"""

import hmac
import json
import logging
import re
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
import requests

from token_broker import events, item_codec, look, maintenance, tokens
from token_broker.aws import clients, errors, fast_client, http1
from token_broker.cache import TokenCache
from token_broker.document import Document
from token_broker.errors import BrokerError
from token_broker.exchange import Request, Response
from token_broker.flows.editor import credentials as editor_credentials
from token_broker.flows.vendorlink import credentials as vendorlink_credentials
from token_broker.flows.vendorlink import flow as vendorlink
from token_broker.flows.vntana import api
from token_broker.flows.vntana import credentials as vntana_credentials
from token_broker.item import Item
from token_broker.records import Record
from token_broker.refresh import refresher, requirement
from token_broker.refresh.credential_gate import CredentialGate
from token_broker.refresh.resolver import Resolver
from token_broker.refresh.secret_in_use import SecretInUse
from token_broker.sealing import Sealer
from token_broker.telemetry import Telemetry
from token_broker.tokens import Token
from token_broker.transport import client as bodies
from token_broker.transport import client as transport
from token_broker.transport import sockets
from token_broker.transport.deadline import Deadline, current_deadline
from token_broker.transport.urls import split_host
from token_broker_client import origins
from token_broker_local import signatures
from token_broker_operations import vulnerabilities

Plant = Callable[[pytest.MonkeyPatch, Any], object]
"""Removes the control; gets the module of the tests, for defects in files that they read."""


@dataclass(frozen=True)
class Defect:
    """A removed control, its threat, and the tests that must fail."""

    name: str
    threat: str
    tests: tuple[str, ...]
    plant: Plant


def put(owner: object, name: str, value: object) -> Plant:
    """Return a plant that replaces a function, a constant or a method by *value*."""
    return lambda patch, _: patch.setattr(owner, name, value)


def both(*plants: Plant) -> Plant:
    """Return a plant of several defects at once, for controls that back each other."""

    def plant(patch: pytest.MonkeyPatch, module: Any) -> None:
        for each in plants:
            each(patch, module)

    return plant


def yes(*_: object, **__: object) -> bool:
    """Return True for any arguments."""
    return True


def nothing(*_: object, **__: object) -> None:
    """Do nothing."""


# By callers


def told(self: Telemetry, error: Exception, request_id: str) -> None:
    del request_id
    self._log().error("defect", kind=type(error).__name__, message=str(error))


def quoting(self: Request) -> None:
    for name, value in self.headers.items():
        if not value.isprintable():
            raise ValueError(f"{self.step}: header {name!r} cannot be {value!r}")


# By readers and writers


def shown(self: Document, name: str, reason: str) -> BrokerError:
    members = getattr(self, "_members", {})
    return self._error(f"{name}: {reason}; it says {members}")


def placeless(self: Sealer, item: Item, generation: int) -> dict[str, str]:
    del item, generation
    return {"table": self._table}


def unrepeated(self: Sealer, item: Item) -> Token | None:
    """Open a token without the comparison with its clear attributes."""
    clear = self._open(item)
    if not clear:
        return None
    known = {name: clear[name] for name in ("value", "headers", "base_url", "issued_at", "url")}
    context = json.loads(item.context or "{}")
    return Token(**known, expires_at=item.expires_at, context=context, renewal=clear["renewal"])


# By vendors


def looked_up_again(host: str, port: int) -> socket.socket:
    """Check one DNS answer, and connect to the address of another."""
    current_deadline.get().addresses(host)
    sock = sockets._Socket(socket.AF_INET)
    sock.connect((current_deadline.get().resolve(host)[0], port))
    return sock


def following(patch: pytest.MonkeyPatch, _: object) -> None:
    original = requests.Session.request

    def request(self: requests.Session, *arguments: Any, **options: Any) -> requests.Response:
        return original(self, *arguments, **options | {"allow_redirects": True})

    patch.setattr(transport._Session, "request", request, raising=False)
    patch.setattr(transport._Session, "get_redirect_target", requests.Session.get_redirect_target)


def unverified(ca_file: str) -> ssl.SSLContext:
    del ca_file
    context = ssl._create_unverified_context()  # noqa: S323 (that is the defect)
    context.sslsocket_class = sockets._TlsSocket
    return context


def unverified_quickly(*_: object) -> ssl.SSLContext:
    return ssl._create_unverified_context()  # noqa: S323 (same)


def session_with(name: str, value: object) -> Plant:
    """Return a plant that makes each session with a wrong attribute."""

    def plant(patch: pytest.MonkeyPatch, _: object) -> None:
        original = transport._Session.__init__

        def init(self: requests.Session, ca_file: str) -> None:
            original(self, ca_file)  # type: ignore[arg-type]  # it is one
            setattr(self, name, value)

        patch.setattr(transport._Session, "__init__", init)

    return plant


def allowing(self: vendorlink_credentials.Credentials, host: str) -> bool:
    return any(allowed in host for allowed in self.allowed_hosts) or bool(split_host(host))


def indexing(response: Response) -> list[str]:
    body = response.json() or {}
    return [error["code"] for error in body["errors"]] if isinstance(body, dict) else []


def talkative(patch: pytest.MonkeyPatch, _: object) -> None:
    logger = logging.getLogger("urllib3.connection")
    patch.setattr(logger, "filters", [])


# By the build


def unhashed(patch: pytest.MonkeyPatch, module: Any) -> None:
    patch.setattr(module, "LOCK", re.sub(r" \\\n    --hash=\S+", "", module.LOCK, count=1))


def unlocked(patch: pytest.MonkeyPatch, module: Any) -> None:
    patch.setattr(module, "PINS", dict(list(module.PINS.items())[:1]))


def unpinned(patch: pytest.MonkeyPatch, module: Any) -> None:
    patch.setattr(module, "steps", lambda _: iter([{"uses": "actions/checkout@v5"}]))


def named_by_kind(variant: tokens.Variant, kind: str, inputs: Any = None) -> None:
    Record.__init__(variant, kind, inputs or {}, tokens.canonical_hash([kind]))


UNIT, FUNCTIONS = "tests/unit", "tests/functions"
SIGNATURES = "tests/local/test_signatures.py"
HANDLER = f"{UNIT}/test_handler.py"
TRANSPORT, REACH = f"{UNIT}/transport/test_client.py", f"{UNIT}/transport/test_reach.py"
FAILURES, TAMPERING = f"{FUNCTIONS}/test_failures.py", f"{FUNCTIONS}/test_tampering.py"
REPLACED = f"{TAMPERING}::test_a_changed_item_is_replaced_by_one_exchange"
PINNED = f"{FUNCTIONS}/test_pinned.py"
TOKENS, VENDORLINK = f"{FUNCTIONS}/test_tokens.py", f"{UNIT}/flows/vendorlink/test_flow.py"

ANSWERED = "test_any_response_causes_a_documented_error_without_secrets"
QUOTED = "test_any_secret_is_read_or_raises_not_configured_without_a_quote"

DEFECTS = (
    Defect(
        "the local gateway takes any signature",
        "T1",
        (f"{SIGNATURES}::test_a_signature_with_another_secret_is_refused",),
        put(hmac, "compare_digest", yes),
    ),
    Defect(
        "a signature lives for a day",
        "T2",
        (f"{SIGNATURES}::test_a_signature_older_than_fifteen_minutes_is_refused",),
        put(signatures, "WINDOW", timedelta(hours=23)),
    ),
    Defect(
        "a signature is good everywhere",
        "T2",
        (f"{SIGNATURES}::test_a_signature_for_another_scope_is_refused",),
        put(signatures, "scope_faults", lambda *_: iter(())),
    ),
    Defect(
        "the body is not part of what is signed",
        "T2",
        (f"{SIGNATURES}::test_a_request_changed_after_signing_is_refused",),
        put(signatures.Signer, "payload", lambda *_: "UNSIGNED-PAYLOAD"),
    ),
    Defect(
        "connection names are not validated",
        "T4",
        (f"{UNIT}/test_events.py::test_an_invalid_connection_name_is_refused",),
        put(events, "CONNECTION", re.compile(".*", re.DOTALL)),
    ),
    Defect(
        "lengths are left out of a variant's name",
        "T5",
        (f"{UNIT}/test_tokens.py::test_different_values_never_share_an_encoding",),
        put(tokens, "framed", lambda _, content: content),
    ),
    Defect(
        "a variant is named by its kind alone",
        "T5",
        (f"{TOKENS}::test_only_equal_parameters_share_a_token",),
        put(tokens.Variant, "__init__", named_by_kind),
    ),
    Defect(
        "a hold is stored, but not checked",
        "T37",
        (
            f"{FUNCTIONS}/test_hold.py::test_a_held_connection_hands_out_no_token_and_calls_no_vendor",
        ),
        put(look, "refuse_held", nothing),
    ),
    Defect(
        "a team's own alias passes events of the API",
        "T36",
        (f"{HANDLER}::test_by_an_alias_other_than_live_every_event_is_a_direct_invocation",),
        put(events, "FOR_SERVICES", re.compile(".*")),
    ),
    Defect(
        "pins are read, but not enforced",
        "T38",
        (f"{PINNED}::test_a_pinned_field_accepts_only_the_value_of_the_secret",),
        both(
            put(vntana_credentials.Credentials, "pins", {}),
            put(editor_credentials.Credentials, "pins", {}),
        ),
    ),
    Defect(
        "a rotation with pins refreshes forbidden variants",
        "T38",
        (f"{PINNED}::test_a_rotation_to_a_pinning_secret_drops_tokens_of_other_values",),
        put(maintenance, "_may_be_pinned_away", nothing),
    ),
    Defect(
        "a refused call falls back to the token from before the pin",
        "T38",
        (f"{PINNED}::test_without_the_rotation_event_an_exchange_drops_tokens_of_other_values",),
        put(Resolver, "_drop_older", nothing),
    ),
    Defect(
        "a body that is not JSON is a defect",
        "T6",
        (
            f"{FUNCTIONS}/test_fuzz.py::test_any_http_event_gets_a_response_without_an_internal_error",
        ),
        put(events, "_body", lambda event: json.loads(event.get("body") or "{}")),
    ),
    Defect(
        "a defect is logged with its message",
        "T6",
        (f"{FAILURES}::test_an_unexpected_exception_is_logged_without_its_message",),
        put(Telemetry, "defect", told),
    ),
    Defect(
        "force is not limited",
        "T7",
        (f"{TOKENS}::test_a_forced_exchange_is_made_once_in_ten_seconds",),
        put(requirement, "may_force", yes),
    ),
    Defect(
        "reports are not limited",
        "T7",
        (f"{TOKENS}::test_reports_of_rejected_tokens_are_limited_per_minute",),
        put(refresher, "MAX_REPORTS", 100),
    ),
    Defect(
        "a password that was rejected is tried again",
        "T7",
        (f"{FAILURES}::test_a_wrong_password_is_tried_once[vendorlink]",),
        put(CredentialGate, "check", nothing),
    ),
    Defect(
        "header values are not validated",
        "T8",
        (f"{UNIT}/test_exchange.py::test_a_request_with_an_invalid_header_is_refused",),
        put(Request, "__post_init__", nothing),
    ),
    Defect(
        "a header that cannot be sent is quoted",
        "T8",
        (f"{UNIT}/test_exchange.py::test_a_request_with_an_invalid_header_is_refused",),
        put(Request, "__post_init__", quoting),
    ),
    Defect(
        "the client accepts an address that only contains its base",
        "T9",
        ("tests/client/test_origins.py::test_a_url_of_another_origin_is_refused",),
        put(origins, "is_home", lambda url, base: base.removesuffix("/API") in url),
    ),
    Defect(
        "urllib3 may log a header that it cannot parse",
        "T11",
        (f"{TRANSPORT}::test_no_header_is_logged",),
        talkative,
    ),
    Defect(
        "an error quotes an invalid value of a secret",
        "T13",
        (f"{UNIT}/flows/test_credentials.py::{QUOTED}",),
        put(Document, "wrong", shown),
    ),
    Defect(
        "a seal is bound to the table only",
        "T16",
        (f"{REPLACED}[sealed for another connection]",),
        put(Sealer, "_place", placeless),
    ),
    Defect(
        "a seal is not bound to the generation and clear attributes",
        "T17",
        (f"{TAMPERING}::test_a_restored_older_generation_is_never_handed_out",),
        both(put(Sealer, "_place", placeless), put(Sealer, "open_token", unrepeated)),
    ),
    Defect(
        "clear attributes are trusted",
        "T17",
        (f"{REPLACED}[another context]",),
        put(Sealer, "open_token", unrepeated),
    ),
    Defect(
        "an incomplete item is served",
        "T18",
        (f"{REPLACED}[no kind]",),
        put(item_codec, "_whole", lambda _: frozenset()),
    ),
    Defect(
        "types are not checked",
        "T18",
        (f"{REPLACED}[failure of a wrong type]",),
        put(item_codec, "decoded", lambda value, kind: value.get(kind)),
    ),
    Defect(
        "addresses are not checked",
        "T19",
        (
            f"{REACH}::test_an_internal_address_in_the_url_is_refused",
            f"{REACH}::test_a_name_that_resolves_to_an_internal_address_is_refused[https://app.vendorlink.nl-['10.0.0.1']]",
        ),
        put(Deadline, "_may_reach", yes),
    ),
    Defect(
        "ambiguous addresses are accepted",
        "T19",
        (f"{REACH}::test_an_ambiguous_url_is_refused",),
        put(transport, "split_url", lambda text: text.partition("://")),
    ),
    Defect(
        "the previous version is not tried",
        "T20",
        (
            f"{FAILURES}::test_a_rotation_to_a_wrong_password_falls_back_to_the_previous_version_once",
        ),
        put(SecretInUse, "previous", nothing),
    ),
    Defect(
        "the list of allowed hosts is ignored",
        "T22",
        (f"{VENDORLINK}::test_nothing_is_sent_to_a_host_that_is_not_allowed",),
        put(vendorlink_credentials.Credentials, "allows", allowing),
    ),
    Defect(
        "login redirects are not bounded",
        "T22",
        (f"{VENDORLINK}::test_a_fourth_host_or_a_loop_of_hosts_is_an_error",),
        put(vendorlink, "MOST_HOPS", 9),
    ),
    Defect(
        "redirects are followed",
        "T23",
        (
            f"{TRANSPORT}::test_any_status_is_returned",
            f"{TRANSPORT}::test_an_invalid_location_of_a_redirect_is_ignored",
        ),
        following,
    ),
    Defect(
        "the checked address is not the connected one",
        "T23",
        (f"{REACH}::test_the_checked_address_is_the_one_that_is_connected_to",),
        put(sockets, "_connected", looked_up_again),
    ),
    Defect(
        "certificates are not verified",
        "T24",
        (f"{REACH}::test_nothing_is_sent_to_a_server_without_a_valid_certificate",),
        both(put(transport, "tls", unverified), session_with("verify", False)),
    ),
    Defect(
        "a host over http may name other hosts over http",
        "T24",
        (f"{VENDORLINK}::test_only_loopback_is_called_over_http",),
        put(
            vendorlink_credentials.Credentials,
            "base_url",
            lambda self, host: f"{self.scheme}://{host}/API",
        ),
    ),
    Defect(
        "each byte restarts the deadline",
        "T25",
        (f"{TRANSPORT}::test_a_server_that_sends_slowly_does_not_exceed_the_deadline[body]",),
        put(sockets._Socket, "recv_into", socket.socket.recv_into),
    ),
    Defect(
        "the size of a body is not bounded",
        "T25",
        (
            f"{TRANSPORT}::test_a_larger_body_is_refused[one byte more]",
            f"{TRANSPORT}::test_a_larger_body_is_refused[bomb]",
        ),
        put(bodies, "LARGEST_BODY", 1 << 26),
    ),
    Defect(
        "an answer is JSON, or the exchange fails",
        "T26",
        tuple(
            f"{UNIT}/flows/test_every_flow.py::{ANSWERED}[{flow}]"
            for flow in ("vntana", "vendorlink", "editor")
        ),
        put(Response, "json", lambda self: json.loads(self.content)),
    ),
    Defect(
        "errors have codes, or the exchange fails",
        "T26",
        (f"{UNIT}/flows/test_every_flow.py::{ANSWERED}",),
        put(api, "codes_of", indexing),
    ),
    Defect(
        "token values are not validated",
        "T27",
        (f"{UNIT}/flows/vntana/test_api.py::test_an_invalid_token_is_an_error",),
        put(api, "sendable", lambda value: isinstance(value, str)),
    ),
    Defect(
        "proxies and ~/.netrc are used",
        "T28",
        (f"{TRANSPORT}::test_proxy_and_netrc_of_the_environment_are_ignored",),
        session_with("trust_env", True),
    ),
    Defect(
        "the fast read does not verify certificates",
        "T29",
        (f"{UNIT}/aws/test_fast_client.py::test_tls_is_verified",),
        put(fast_client, "_tls", unverified_quickly),
    ),
    Defect(
        "Amazon's authorities alone are trusted, by any name",
        "T29",
        (f"{UNIT}/aws/test_authorities.py::test_certificates_and_host_names_are_verified",),
        put(http1, "context", unverified_quickly),
    ),
    Defect(
        "boto3's errors are not mapped",
        "T30",
        (
            (
                f"{FAILURES}::test_an_aws_error_is_an_outage_or_a_wrong_setting"
                "[GetItem-400 Bad-AccessDenied"
            ),
        ),
        put(errors, "WRONG_SETTINGS", frozenset()),
    ),
    Defect(
        "the cache is not a fallback",
        "T30",
        (
            f"{UNIT}/test_broker.py::test_a_live_cached_token_is_handed_out_while_the_table_is_unavailable",
        ),
        put(TokenCache, "recall", nothing),
    ),
    Defect(
        "AWS timeouts do not shrink with the remaining time",
        "T30",
        (f"{UNIT}/aws/test_clients.py::test_timeouts_shrink_with_the_remaining_time",),
        put(clients, "_timeouts", lambda _: clients.USUAL),
    ),
    Defect(
        "a package has no hash",
        "T32",
        (f"{UNIT}/test_lock.py::test_every_package_has_hashes",),
        unhashed,
    ),
    Defect(
        "a package is not in the lock",
        "T32",
        (f"{UNIT}/test_lock.py::test_each_requirement_of_a_layer_is_locked_with_a_listed_licence",),
        unlocked,
    ),
    Defect(
        "known vulnerabilities are not reported",
        "T33",
        (f"{UNIT}/test_vulnerabilities.py::test_a_known_vulnerability_fails_the_audit",),
        put(
            vulnerabilities,
            "found",
            lambda packages: [one["name"] for one in packages if one.get("vulns") is None],
        ),
    ),
    Defect(
        "an action is named by its tag",
        "T34",
        ("tests/template/test_deploying.py::test_actions_are_pinned",),
        unpinned,
    ),
)
