"""The client layer in a caller's function: `docs/examples/organization.py`, unchanged."""

import json

from stack.account import TRUST_LAMBDA
from stack.report import Report
from stack.scenario.packages import zipped
from stack.settings import ROOT
from stack.system import System


def run(system: System, report: Report) -> None:
    """Deploy the example with a role that may call, and with one that may not; invoke both."""
    system.connect("vntana", "acme")
    with report.check("its role may call: it reads from the vendor") as check:
        result = deploy_and_invoke(system, "orders", system.arn("CallVntana"))
        check.equals(result.get("name"), "acme")
    with report.check("its role may not call: the client raises `AccessDenied`") as check:
        result = deploy_and_invoke(system, "other-orders", system.arn("CallEditor"))
        check.equals(result.get("errorType"), "AccessDenied")


def deploy_and_invoke(system: System, name: str, policy: str) -> dict[str, str]:
    """Create the function *name* with the client layer and a *policy*; return its result."""
    lambdas = system.account.client("lambda")
    lambdas.create_function(
        FunctionName=name,
        Runtime="python3.13",
        Handler="app.handler",
        Role=system.account.create_role(name, policy, trust=TRUST_LAMBDA),
        Layers=[system.outputs["ClientLayerArn"]],
        Code={"ZipFile": zipped((ROOT / "docs/examples/organization.py").read_text())},
        Environment={"Variables": {"TOKEN_BROKER_URL": system.url(), "CONNECTION": "acme"}},
        Timeout=30,
    )
    result: dict[str, str] = json.load(lambdas.invoke(FunctionName=name)["Payload"])
    return result
