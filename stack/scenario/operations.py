"""Operators: hold, lift, check and probe, over HTTPS and directly, and each policy's routes."""

from functools import partial
from typing import Any

from stack.account import Identity
from stack.report import Report
from stack.scenario.updates import invoke
from stack.settings import FLOWS
from stack.system import BODIES, Response, System

REASON = {"reason": "drill"}
ROUTES = {
    "token": ("POST", "/token"),
    "status": ("GET", ""),
    "forget": ("DELETE", "/token"),
    "check": ("POST", "/check"),
    "probe": ("POST", "/probe"),
    "hold": ("PUT", "/hold"),
    "lift": ("DELETE", "/hold"),
}
"""Method and end of the path of each action. `lift` comes after `hold`."""

PERMITTED = {
    "CallVendorlink": {"token"},
    "CallVendorlinkConnection": {"token"},
    "Operate": {"status", "forget", "check"},
    "Hold": {"hold", "lift"},
    "Connect": set[str](),
    "Probe": {"probe"},
}
"""The actions that each policy permits."""

DENIED = 403


def run(system: System, report: Report) -> None:
    """Take each action with a connection of each flow, and try each under each policy."""
    policies = ("Operate", "Hold", "Probe", *(f"Call{flow.capitalize()}" for flow in FLOWS))
    identities = {
        name: system.account.session(f"operator-{name}", system.arn(name)) for name in policies
    }
    for flow in FLOWS:
        check_hold(system, report, identities, flow)
        check_direct(system, report, flow)
        check_probe(system, report, identities, flow)
    with report.check("rejected credentials: the check says so") as check:
        system.connect("vendorlink", "unchecked", password="not-this-one")
        response = call(system, identities["Operate"], "vendorlink", "unchecked", "check")
        check.equals(str(response), "502 credential_rejected")
    check_routes(system, report)
    with report.check("Hold and Probe: no direct invocation") as check:
        for name in ("Hold", "Probe"):
            check.equals(
                invoke(system, identities[name], "vntana", "live"), "AccessDeniedException"
            )


def call(
    system: System, identity: Identity, flow: str, connection: str, action: str, **body: Any
) -> Response:
    """Call a route of a connection, with the body that the flow requires."""
    method, rest = ROUTES[action]
    required = BODIES.get(flow, {}) if action in {"token", "check", "probe"} else {}
    content = {**required, **body} or None
    return system.call(identity, method, f"/v1/{flow}/{connection}{rest}", body=content)


def check_hold(system: System, report: Report, identities: dict[str, Identity], flow: str) -> None:
    """Hold a connection that has a token: none is handed out until the hold is lifted."""
    system.connect(flow, "held")
    operator, holder, prober, caller = (
        identities[name] for name in ("Operate", "Hold", "Probe", f"Call{flow.capitalize()}")
    )
    call_held = partial(call, system, flow=flow, connection="held")
    with report.check(f"{flow}: held: the status has its author and reason") as check:
        check.equals(str(call_held(caller, action="token")), "200 exchange")
        response = call_held(holder, action="hold", **REASON)
        check.equals(response.status, 200)
        arn = system.account.client("sts", holder).get_caller_identity()["Arn"]
        hold = call_held(operator, action="status").body["held"]
        check.equals((hold["by"] == arn, hold["reason"]), (True, REASON["reason"]))
    before = system.requests(flow)
    with report.check(f"{flow}: held: no token is handed out") as check:
        bodies: tuple[dict[str, Any], ...] = ({"force": True}, {})
        for body in bodies:
            check.equals(str(call_held(caller, action="token", **body)), "409 connection_held")
        check.equals(system.direct(flow, "held", qualifier="$LATEST"), "ConnectionHeld")
    with report.check(f"{flow}: held: no request to the vendor") as check:
        check.equals(str(call_held(operator, action="check")), "409 connection_held")
        check.equals(str(call_held(prober, action="probe")), "409 connection_held")
        if flow == "editor":
            path, token = "/v1/editor/held/verify", {"token": "x"}
            check.equals(str(system.call(caller, "POST", path, body=token)), "409 connection_held")
        check.equals(system.requests(flow) - before, 0)
    with report.check(f"{flow}: lifted: the kept token is handed out") as check:
        check.equals(call_held(holder, action="lift").status, 200)
        check.equals(call_held(caller, action="token").status, 200)
        check.equals(system.requests(flow) - before, 0)


def check_direct(system: System, report: Report, flow: str) -> None:
    """Hold, lift, check and probe by direct invocation."""
    system.connect(flow, "direct")

    def direct(action: str, **body: Any) -> Any:
        required = BODIES.get(flow, {}) if action in {"check", "probe"} else {}
        payload = {"connection": "direct", "action": action, **required, **body}
        return system.invoke(flow, payload)

    with report.check(f"{flow}: invoked directly: checked, probed, held, lifted") as check:
        check.equals(direct("check").get("ok"), True)
        check.equals(direct("probe").get("errorType", "works"), "works")
        check.equals(
            direct("hold", **REASON).get("held", {}).get("by"), "direct invocation of live"
        )
        # Only one call that raises: each costs the emulator a new process.
        check.equals(direct("check").get("errorType"), "ConnectionHeld")
        check.equals(direct("lift").get("held", "absent"), None)
        check.equals(direct("check").get("ok"), True)


def check_probe(system: System, report: Report, identities: dict[str, Identity], flow: str) -> None:
    """Probe a vendor within the budget; the probe's report has no token."""
    system.connect(flow, "probed")
    with report.check(f"{flow}: probed within its budget, and no token in its report") as check:
        response = call(system, identities["Probe"], flow, "probed", "probe")
        check.equals((response.status, response.body.get("works")), (200, True))
        sent, budget = response.body["sent"], response.body["budget"]
        check.equals(all(sent[name] <= budget[name] for name in budget), True)
        check.equals(response.body["options"], {})
        token = call(system, identities[f"Call{flow.capitalize()}"], flow, "probed", "token")
        check.equals(token.status, 200)
        secrets = [value.removeprefix("Bearer ") for value in token.body["headers"].values()]
        check.equals([secret for secret in secrets if secret in str(response.body)], [])
    with report.check(f"{flow}: probed again at once: refused") as check:
        response = call(system, identities["Probe"], flow, "probed", "probe")
        check.equals(str(response), "429 too_many_requests")


def check_routes(system: System, report: Report) -> None:
    """Call every route under every policy."""
    system.connect("vendorlink", "routes")
    for name, permitted in PERMITTED.items():
        tags = {"token-broker-vendorlink": "routes"}
        identity = system.account.session(f"routes-{name}", system.arn(name), tags=tags)
        with report.check(
            f"{name}: {' and '.join(sorted(permitted)) or 'no route'}, and no other"
        ) as check:
            actions = permitted_actions(system, identity)
            check.equals(", ".join(sorted(actions)), ", ".join(sorted(permitted)))


def permitted_actions(system: System, identity: Identity) -> set[str]:
    """Return the actions whose routes *identity* may call."""
    bodies = {"hold": REASON}
    return {
        action
        for action in ROUTES
        if call(system, identity, "vendorlink", "routes", action, **bodies.get(action, {})).status
        != DENIED
    }
