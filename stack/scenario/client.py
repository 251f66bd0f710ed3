"""The client layer in a caller's function: `docs/examples/organization.py`, as it stands there."""

import json

from stack.account import FOR_LAMBDA
from stack.places import ROOT
from stack.scenario.packages import zipped
from stack.system import System
from stack.table import Table


def play(system: System, table: Table) -> None:
    """Deploy the example with a role that may, and with one that may not, and invoke both."""
    system.connect("vntana", "acme")
    with table.row("its role may call: it reads from the vendor") as row:
        answer = invoked(system, "orders", system.arn("CallVntana"))
        row.sees(answer.get("name"), "acme")
    with table.row("its role may not: the client says so") as row:
        answer = invoked(system, "others", system.arn("CallEditor"))
        row.sees(answer.get("errorType"), "AccessDenied")


def invoked(system: System, name: str, policy: str) -> dict[str, str]:
    """Return what a function called *name* answers that has the client layer and a *policy*."""
    lambdas = system.account.client("lambda")
    lambdas.create_function(
        FunctionName=name,
        Runtime="python3.13",
        Handler="app.handler",
        Role=system.account.role(name, policy, trusts=FOR_LAMBDA),
        Layers=[system.outputs["ClientLayerArn"]],
        Code={"ZipFile": zipped((ROOT / "docs/examples/organization.py").read_text())},
        Environment={"Variables": {"TOKEN_BROKER_URL": system.url(), "CONNECTION": "acme"}},
        Timeout=30,
    )
    answer: dict[str, str] = json.load(lambdas.invoke(FunctionName=name)["Payload"])
    return answer
