"""What operators do: hold, lift, check and probe, over HTTPS and directly, and who may not."""

from functools import partial
from typing import Any

from stack.account import Identity
from stack.places import FLOWS
from stack.scenario.updates import invoked
from stack.system import BODIES, Reply, System
from stack.table import Row, Table

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
"""Method and end of the path of each action. What lifts comes after what holds."""

MAY = {
    "CallVendorlink": {"token"},
    "CallVendorlinkConnection": {"token"},
    "Operate": {"status", "forget", "check"},
    "Hold": {"hold", "lift"},
    "Connect": set[str](),
    "Probe": {"probe"},
}
"""What each policy is for."""

DENIED = 403


def play(system: System, table: Table) -> None:
    """Do each of them with a connection of each flow, and try each under each policy."""
    policies = ("Operate", "Hold", "Probe", *(f"Call{flow.capitalize()}" for flow in FLOWS))
    people = {name: system.account.session(f"one-{name}", system.arn(name)) for name in policies}
    for flow in FLOWS:
        held(system, table, people, flow)
        directly(system, table, flow)
        probed(system, table, people, flow)
    with table.row("credentials that the vendor rejects: the check says so") as row:
        system.connect("vendorlink", "unchecked", password="not-this-one")
        reply = call(system, people["Operate"], "vendorlink", "unchecked", "check")
        row.sees(str(reply), "502 credential_rejected")
    reached(system, table)
    with table.row("Hold and Probe: no function is invoked directly") as row:
        for name in ("Hold", "Probe"):
            row.sees(invoked(system, people[name], "vntana", "live"), "AccessDeniedException")


def call(
    system: System, who: Identity, flow: str, connection: str, action: str, **body: Any
) -> Reply:
    """Call a route of a connection, with what the flow's requests have to say."""
    method, rest = ROUTES[action]
    needed = BODIES.get(flow, {}) if action in {"token", "check", "probe"} else {}
    said = {**needed, **body} or None
    return system.call(who, method, f"/v1/{flow}/{connection}{rest}", body=said)


def asked(system: System, flow: str) -> int:
    """Return how many requests of any kind a vendor had."""
    return sum(system.fakes[flow].log.counts.values())


def held(system: System, table: Table, people: dict[str, Identity], flow: str) -> None:
    """Hold a connection that has a token, and see that it is as good as gone until it is lifted."""
    system.connect(flow, "held")
    operator, holder, prober, caller = (
        people[name] for name in ("Operate", "Hold", "Probe", f"Call{flow.capitalize()}")
    )
    reach = partial(call, system, flow=flow, connection="held")
    with table.row(f"{flow}: held, and by whom and why") as row:
        row.sees(str(reach(caller, action="token")), "200 exchange")
        reply = reach(holder, action="hold", **REASON)
        row.sees(reply.status, 200)
        mine = system.account.client("sts", holder).get_caller_identity()["Arn"]
        known = reach(operator, action="status").body["held"]
        row.sees((known["by"] == mine, known["reason"]), (True, REASON["reason"]))
    before = asked(system, flow)
    with table.row(f"{flow}: held: nothing is given") as row:
        bodies: tuple[dict[str, Any], ...] = ({"force": True}, {})
        for body in bodies:
            row.sees(str(reach(caller, action="token", **body)), "409 connection_held")
        row.sees(system.direct(flow, "held", qualifier="$LATEST"), "ConnectionHeld")
    with table.row(f"{flow}: held: nothing is asked of the vendor") as row:
        row.sees(str(reach(operator, action="check")), "409 connection_held")
        row.sees(str(reach(prober, action="probe")), "409 connection_held")
        if flow == "editor":
            path, token = "/v1/editor/held/verify", {"token": "x"}
            row.sees(str(system.call(caller, "POST", path, body=token)), "409 connection_held")
        row.sees(asked(system, flow) - before, 0)
    with table.row(f"{flow}: lifted: the token that was kept is given") as row:
        row.sees(reach(holder, action="lift").status, 200)
        row.sees(reach(caller, action="token").status, 200)
        row.sees(asked(system, flow) - before, 0)


def directly(system: System, table: Table, flow: str) -> None:
    """Do the same by invoking the function."""
    system.connect(flow, "direct")

    def act(action: str, **body: Any) -> Any:
        needed = BODIES.get(flow, {}) if action in {"check", "probe"} else {}
        said = {"connection": "direct", "action": action, **needed, **body}
        return system.invoke(flow, said)

    with table.row(f"{flow}: invoked directly: checked, probed, held, lifted") as row:
        row.sees(act("check").get("ok"), True)
        row.sees(act("probe").get("errorType", "works"), "works")
        row.sees(act("hold", **REASON).get("held", {}).get("by"), "direct invocation of live")
        # Once: a function that raises costs the emulator a new process.
        row.sees(act("check").get("errorType"), "ConnectionHeld")
        row.sees(act("lift").get("held", "nothing"), None)
        row.sees(act("check").get("ok"), True)


def probed(system: System, table: Table, people: dict[str, Identity], flow: str) -> None:
    """Probe a vendor, within what is told before; the report has no token."""
    system.connect(flow, "probed")
    with table.row(f"{flow}: probed, within its budget, and no token in the report") as row:
        reply = call(system, people["Probe"], flow, "probed", "probe")
        row.sees((reply.status, reply.body.get("works")), (200, True))
        sent, budget = reply.body["sent"], reply.body["budget"]
        row.sees(all(sent[name] <= budget[name] for name in budget), True)
        row.sees(reply.body["options"], {})
        token = call(system, people[f"Call{flow.capitalize()}"], flow, "probed", "token")
        row.sees(token.status, 200)
        secrets = [value.removeprefix("Bearer ") for value in token.body["headers"].values()]
        row.sees([one for one in secrets if one in str(reply.body)], [])
    with table.row(f"{flow}: probed again at once: too many") as row:
        reply = call(system, people["Probe"], flow, "probed", "probe")
        row.sees(str(reply), "429 too_many_requests")


def reached(system: System, table: Table) -> None:
    """Try every route under every policy."""
    system.connect("vendorlink", "reached")
    for name, may in MAY.items():
        tags = {"token-broker-vendorlink": "reached"}
        who = system.account.session(f"reaching-{name}", system.arn(name), tags=tags)
        with table.row(f"{name}: {' and '.join(sorted(may)) or 'no route'}, and no other") as row:
            sees_routes(system, row, who, may)


def sees_routes(system: System, row: Row, who: Identity, may: set[str]) -> None:
    """See that *who* may call the routes of *may* alone."""
    open_to = {
        action
        for action in ROUTES
        if call(
            system,
            who,
            "vendorlink",
            "reached",
            action,
            **(REASON if action == "hold" else {}),
        ).status
        != DENIED
    }
    row.sees(", ".join(sorted(open_to)), ", ".join(sorted(may)))
