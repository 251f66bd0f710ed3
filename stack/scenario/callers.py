"""Callers: access by signature, by policy and by the tag of a role."""

from stack.account import Identity
from stack.report import Report
from stack.settings import FLOWS
from stack.system import System

UNKNOWN = Identity("AKIAUNKNOWNUNKNOWN00", "unknown")


def run(system: System, report: Report) -> None:
    """Call as each kind of caller, with and without permission."""
    account = system.account
    for flow in FLOWS:
        system.connect(flow, "globex")
    unsigned(system, report)
    name = "CallVntana"
    caller = account.session("one-flow", system.arn(name))
    with report.check(f"{name}: its flow, each connection, tokens only") as check:
        check.equals(system.token(caller, "vntana").status, 200)
        check.equals(system.token(caller, "vntana", "globex").status, 200)
        check.equals(system.token(caller, "vendorlink").status, 403)
        check.equals(system.call(caller, "GET", "/v1/vntana/acme").status, 403)
        check.equals(system.call(caller, "DELETE", "/v1/vntana/acme/token").status, 403)
    for flow in FLOWS:
        name = f"Call{flow.capitalize()}Connection"
        tags = {f"token-broker-{flow}": "acme"}
        tagged = account.session(f"tagged-{flow}", system.arn(name), tags=tags)
        with report.check(f"{name}: the connection that the role is tagged with") as check:
            check.equals(system.token(tagged, flow).status, 200)
            check.equals(system.token(tagged, flow, "globex").status, 403)
    untagged = account.session("untagged", system.arn("CallVntanaConnection"))
    with report.check("CallVntanaConnection: refused without the tag") as check:
        check.equals(system.token(untagged, "vntana").status, 403)


def unsigned(system: System, report: Report) -> None:
    """Call without a signature that API Gateway accepts."""
    stranger = system.account.create_user("stranger")
    forger = Identity(stranger.access_key, "not-the-secret")
    for name, identity in {
        "unsigned": None,
        "signed with an unknown key": UNKNOWN,
        "signed with a wrong secret": forger,
        "signed by a user without a policy": stranger,
    }.items():
        with report.check(f"{name}: refused") as check:
            check.equals(system.token(identity, "vntana").status, 403)
            check.equals(system.call(identity, "GET", "/v1/editor/acme").status, 403)
