"""Who may call: by signature, by policy, by the tag of a role, by key."""

from stack.account import Identity
from stack.places import FLOWS
from stack.system import System
from stack.table import Table

UNKNOWN = Identity("AKIAUNKNOWNUNKNOWN00", "unknown")


def play(system: System, table: Table) -> None:
    """Call as each kind of caller, for what it may and for what it may not."""
    account = system.account
    for flow in FLOWS:
        system.connect(flow, "globex")
    unsigned(system, table)
    name = "CallVntana"
    one = account.session("one-flow", system.arn(name))
    with table.row(f"{name}: its flow, every connection, tokens only") as row:
        row.sees(system.token(one, "vntana").status, 200)
        row.sees(system.token(one, "vntana", "globex").status, 200)
        row.sees(system.token(one, "vendorlink").status, 403)
        row.sees(system.call(one, "GET", "/v1/vntana/acme").status, 403)
        row.sees(system.call(one, "DELETE", "/v1/vntana/acme/token").status, 403)
    for flow in FLOWS:
        name = f"Call{flow.capitalize()}Connection"
        tags = {f"token-broker-{flow}": "acme"}
        tagged = account.session(f"tagged-{flow}", system.arn(name), tags=tags)
        with table.row(f"{name}: the connection that the role is tagged with") as row:
            row.sees(system.token(tagged, flow).status, 200)
            row.sees(system.token(tagged, flow, "globex").status, 403)
    untagged = account.session("untagged", system.arn("CallVntanaConnection"))
    with table.row("CallVntanaConnection: nothing without the tag") as row:
        row.sees(system.token(untagged, "vntana").status, 403)


def unsigned(system: System, table: Table) -> None:
    """Call without a signature that API Gateway could take."""
    stranger = system.account.user("stranger")
    forger = Identity(stranger.access_key, "not-the-secret")
    for name, identity in {
        "unsigned": None,
        "signed with a key that there is not": UNKNOWN,
        "signed with another secret": forger,
        "signed by somebody without a policy": stranger,
    }.items():
        with table.row(f"{name}: refused") as row:
            row.sees(system.token(identity, "vntana").status, 403)
            row.sees(system.call(identity, "GET", "/v1/editor/acme").status, 403)
