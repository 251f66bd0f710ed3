"""What `doctor` looks at between the operator and the broker: who, where, signature, clock."""

import math
import os
import time
from collections.abc import Iterator
from email.utils import parsedate_to_datetime

from token_broker_cli.desk import Desk
from token_broker_cli.findings import Finding, fine, odd, remedy, wrong
from token_broker_cli.settings import FLOWS
from token_broker_cli.troubles import trouble

PROBE = "token-broker-doctor"
"""A connection that nobody has: that the broker says so shows that the way to it is open."""

TOLERATED = 30
"""Seconds that the clocks of two of the broker's functions may differ by."""

SIGNABLE = 300
"""Seconds by which AWS lets a signature's time be wrong."""


def settings(desk: Desk) -> Iterator[Finding]:
    """Say what is meant."""
    where = "the local system" if desk.settings.local else f"stage {desk.settings.stage}"
    yield fine("settings", f"{where}, {desk.gateway.url}")


def region(desk: Desk) -> Iterator[Finding]:
    """Say where requests go and AWS is asked: where the address says, else the shell."""
    shell = os.environ.get("AWS_REGION")
    other = (
        f" (AWS_REGION is {shell}: not meant)" if shell not in (None, desk.gateway.region) else ""
    )
    yield fine("region", f"{desk.gateway.region}{other}")


def identity(desk: Desk) -> Iterator[Finding]:
    """Ask AWS who is calling."""
    answer = desk.client("sts").get_caller_identity()
    yield fine("identity", f"{answer['Arn']}")


def reach(desk: Desk) -> Iterator[Finding]:
    """Call the API with no signature: it must answer, and refuse."""
    import requests  # noqa: PLC0415 (slow, and `--help` does without)

    address = f"{desk.gateway.url}/v1/vntana/{PROBE}"
    begun = time.time()
    try:
        response = requests.get(address, timeout=10, allow_redirects=False)
    except requests.RequestException as error:
        do = "Start `make run`." if desk.settings.local else "Check the address and the network."
        yield wrong("api", f"it does not answer ({type(error).__name__})", do)
        return
    if response.status_code in (401, 403):
        yield fine("api", "it answers, and refuses calls that are not signed")
    else:
        do = "It must refuse unsigned calls with 403. Is that the broker's address?"
        yield wrong("api", f"unsigned, it answers {response.status_code}", do)
    yield clock(response.headers.get("Date"), begun, time.time())


def clock(date: str | None, begun: float, ended: float) -> Finding:
    """Compare the clock here with the API's, which said *date* between *begun* and *ended*."""
    try:
        there = parsedate_to_datetime(date or "").timestamp()
    except ValueError:
        return odd("clock", "the API does not say what time it is", "Compare the clocks yourself.")
    # It tells whole seconds: what was said is true for all of the next one.
    apart = math.ceil(max(0.0, begun - there - 1) - max(0.0, there - ended))
    told = f"{abs(apart)} s {'ahead of' if apart > 0 else 'behind'} the API's"
    do = "Set this machine's clock: switch time synchronisation (NTP) on."
    if abs(apart) >= SIGNABLE:
        return wrong("clock", f"{told}: AWS refuses signatures", do)
    if abs(apart) > TOLERATED:
        return odd("clock", told, do)
    return fine("clock", "right, to the second" if not apart else told)


def signature(desk: Desk) -> Iterator[Finding]:
    """Ask each function for a connection that nobody has."""
    for flow in FLOWS:
        yield answered(desk, flow)


def answered(desk: Desk, flow: str) -> Finding:
    """Return what comes of a signed call."""
    try:
        desk.call(flow, PROBE, "status")
    except Exception as error:  # noqa: BLE001 (each function is a finding of its own)
        known = trouble(error)
        if known.code != "unknown_connection":
            return wrong(flow, f"{known.code}: {known.detail}", remedy(known.code, known.advice))
    return fine(flow, "the function answers signed calls")
