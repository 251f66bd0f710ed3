"""The checks of `doctor`, from the operator to the secrets, and their findings."""

import math
import os
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from enum import StrEnum

from token_broker.errors import BrokerError
from token_broker.flows import every
from token_broker_cli.context import Context, concurrently
from token_broker_cli.errors import command_error
from token_broker_cli.secrets import Secrets
from token_broker_cli.settings import FLOWS


class Level(StrEnum):
    """The level of a finding."""

    OK = "ok"
    WARNING = "warning"
    FAILURE = "failure"


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check."""

    check: str
    level: Level
    says: str
    do: str = ""


Check = Callable[[], Iterable[Finding]]


def ok(check: str, says: str) -> Finding:
    """Return the finding of a check that succeeded."""
    return Finding(check, Level.OK, says)


def warning(check: str, says: str, do: str) -> Finding:
    """Return a finding that needs attention."""
    return Finding(check, Level.WARNING, says, do)


def failure(check: str, says: str, do: str) -> Finding:
    """Return a finding that stops the broker from working."""
    return Finding(check, Level.FAILURE, says, do)


def remedy(code: str, advice: str) -> str:
    """Return the advice for an error *code*; *advice* is the command's usual one."""
    return {
        "access_denied": "Check keys and region; your role needs the Operate policy.",
        "unreachable": "Check address and network; the local system is started by `make run`.",
        "store_unavailable": "See what else is found; the function's log names the operation.",
    }.get(code, advice)


def findings(name: str, check: Check) -> Iterator[Finding]:
    """Yield the findings of *check*; an error in the check is a finding, too."""
    try:
        yield from check()
    except Exception as error:  # noqa: BLE001 (one check that fails must not hide the others)
        cause = command_error(error)
        yield failure(name, f"{cause.code}: {cause.detail}", remedy(cause.code, cause.advice))


def unseen(name: str, check: Check, permission: str) -> Iterator[Finding]:
    """Yield the findings of *check*; a missing *permission* is only a warning."""
    for finding in findings(name, check):
        if finding.level is Level.FAILURE and finding.says.startswith("access_denied:"):
            yield warning(
                name, "you are not allowed to look", f"Have {permission} granted, or ask who is."
            )
        else:
            yield finding


PROBE = "token-broker-doctor"
"""A connection that does not exist: the broker's own error shows that calls reach it."""

TOLERATED = 30
"""Seconds that the clocks of two of the broker's functions may differ by."""

SIGNABLE = 300
"""Seconds by which AWS lets a signature's time be wrong."""


def settings(context: Context) -> Iterator[Finding]:
    """Show the broker's stage and address."""
    where = "the local system" if context.settings.local else f"stage {context.settings.stage}"
    yield ok("settings", f"{where}, {context.gateway.url}")


def region(context: Context) -> Iterator[Finding]:
    """Show the region of the broker, and a different one of the shell."""
    shell = os.environ.get("AWS_REGION")
    other = (
        f" (AWS_REGION is {shell}: not meant)"
        if shell not in (None, context.gateway.region)
        else ""
    )
    yield ok("region", f"{context.gateway.region}{other}")


def identity(context: Context) -> Iterator[Finding]:
    """Show the caller's identity."""
    answer = context.client("sts").get_caller_identity()
    yield ok("identity", f"{answer['Arn']}")


def reach(context: Context) -> Iterator[Finding]:
    """Call the API without a signature: it must respond with a refusal."""
    import requests  # noqa: PLC0415 (slow, and `--help` does without)

    from token_broker_client.identity import setting  # noqa: PLC0415 (same)
    from token_broker_client.transport import hint  # noqa: PLC0415 (same)

    address = f"{context.gateway.url}/v1/vntana/{PROBE}"
    trusted = setting(context.session, "ca_bundle")
    begun = time.time()
    try:
        response = requests.get(
            address,
            auth=lambda request: request,  # without an `auth`, requests reads ~/.netrc
            timeout=10,
            allow_redirects=False,
            verify=trusted,
        )
    except OSError as error:  # as all of requests' are
        do = "Start `make run`." if context.settings.local else "Check the address and the network."
        why = hint("CERTIFICATE_VERIFY_FAILED" in str(error), trusted)
        yield failure("api", f"it does not answer ({type(error).__name__}){why}", do)
        return
    if response.status_code in (401, 403):
        yield ok("api", "it answers, and refuses calls that are not signed")
    else:
        do = "It must refuse unsigned calls with 403. Is that the broker's address?"
        yield failure("api", f"unsigned, it answers {response.status_code}", do)
    yield clock(response.headers.get("Date"), begun, time.time())


def clock(date: str | None, begun: float, ended: float) -> Finding:
    """Compare the clock here with the API's, which said *date* between *begun* and *ended*."""
    try:
        there = parsedate_to_datetime(date or "").timestamp()
    except ValueError:
        return warning(
            "clock", "the API does not say what time it is", "Compare the clocks yourself."
        )
    # It tells whole seconds: what was said is true for all of the next one.
    apart = math.ceil(max(0.0, begun - there - 1) - max(0.0, there - ended))
    offset = f"{abs(apart)} s {'ahead of' if apart > 0 else 'behind'} the API's"
    do = "Set this machine's clock: switch time synchronisation (NTP) on."
    if abs(apart) >= SIGNABLE:
        return failure("clock", f"{offset}: AWS refuses signatures", do)
    if abs(apart) > TOLERATED:
        return warning("clock", offset, do)
    return ok("clock", "right, to the second" if not apart else offset)


def signature(context: Context) -> Iterator[Finding]:
    """Ask each function for a connection that does not exist."""
    for flow in FLOWS:
        yield answered(context, flow)


def answered(context: Context, flow: str) -> Finding:
    """Return the finding of a signed call."""
    try:
        context.call(flow, PROBE, "status")
    except Exception as error:  # noqa: BLE001 (each function is a finding of its own)
        cause = command_error(error)
        if cause.code != "unknown_connection":
            return failure(flow, f"{cause.code}: {cause.detail}", remedy(cause.code, cause.advice))
    return ok(flow, "the function answers signed calls")


SCHEMA = {"HASH": ("connection", "S"), "RANGE": ("variant", "S")}
DEPLOY = "Deploy the template's table: make deploy."


def table(context: Context) -> Iterator[Finding]:
    """Check that the table exists and has the right keys."""
    name = context.settings.table
    client = context.client("dynamodb")
    try:
        found = client.describe_table(TableName=name)["Table"]
    except client.exceptions.ResourceNotFoundException:
        yield failure("table", f"there is no table {name}", "Check stage and region, or deploy.")
        return
    types = {one["AttributeName"]: one["AttributeType"] for one in found["AttributeDefinitions"]}
    keys = {
        k["KeyType"]: (k["AttributeName"], types[k["AttributeName"]]) for k in found["KeySchema"]
    }
    if keys != SCHEMA:
        yield failure("table", f"{name} has other keys than connection and variant", DEPLOY)
    elif found["TableStatus"] not in ("ACTIVE", "UPDATING"):
        yield failure("table", f"{name} is {found['TableStatus']}", "Wait until it is ACTIVE.")
    else:
        yield ok("table", f"{name}, keys connection and variant")


def ttl(context: Context) -> Iterator[Finding]:
    """Check that old items expire."""
    client = context.client("dynamodb")
    answer = client.describe_time_to_live(TableName=context.settings.table)
    description = answer["TimeToLiveDescription"]
    if (
        description["TimeToLiveStatus"] in ("ENABLED", "ENABLING")
        and description.get("AttributeName") == "ttl"
    ):
        yield ok("ttl", "on, by attribute ttl")
    else:
        yield warning("ttl", "off: items of connections that are gone stay for ever", DEPLOY)


def key(context: Context) -> Iterator[Finding]:
    """Check that the key that seals the tokens exists and is enabled."""
    client = context.client("kms")
    alias = context.settings.key
    try:
        found = client.describe_key(KeyId=alias)["KeyMetadata"]
    except client.exceptions.NotFoundException:
        yield failure("key", f"there is no key {alias}", "Check stage and region, or deploy.")
        return
    if found["KeyState"] == "Enabled":
        yield ok("key", f"{alias}, enabled")
    else:
        do = "Enable it, or cancel its deletion, in KMS: no token can be kept or read."
        yield failure("key", f"{alias} is {found['KeyState']}", do)


def secrets(context: Context) -> Iterator[Finding]:
    """Read every connection's secret as the function would."""
    secrets = Secrets(context)
    names = secrets.connections()
    if not names:
        yield warning("secrets", "there are none", "Add a connection: `token-broker connect`.")
    yield from concurrently(lambda one: secret(secrets, *one), names)


def secret(secrets: Secrets, flow: str, name: str) -> Finding:
    """Return whether one secret has the right form; what is wrong is named by its key."""
    label = f"{flow}/{name}"
    do = f"Correct it: token-broker connect {flow} {name}"
    try:
        stored = secrets.read(flow, name)
        every()[flow].vendor.parse(stored.document() if stored else None)
    except BrokerError as error:
        return failure(label, error.detail, do)
    except Exception as error:  # noqa: BLE001 (one that cannot be read must not hide the others)
        cause = command_error(error)
        if cause.code == "access_denied":
            do = "Have secretsmanager:GetSecretValue granted, or ask who has it."
            return warning(label, "you are not allowed to read the secret", do)
        return failure(label, cause.detail, do)
    return ok(label, "the secret has the right form")
