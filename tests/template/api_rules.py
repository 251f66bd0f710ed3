"""Rules about API, events and schedules. Each returns its findings in a stack."""

import json
from collections.abc import Iterator, Mapping
from itertools import product
from typing import Any

from moto.events.models import EventPattern

from tests.template.documents import Template
from tests.template.stacks import ACCOUNT
from tests.template.subjects import FLOWS, holder, of_type, others, secret, text
from tests.template.translation import REGION
from token_broker.events import ROUTES, Action
from token_broker_operations import flows

SECRETS, INVOKE = "aws.secretsmanager", "execute-api:Invoke"
LOGGED = {
    "time": "requestTimeEpoch",
    "request_id": "requestId",
    "caller": "identity.userArn",
    "account": "identity.accountId",
    "key": "identity.apiKeyId",
    "source_ip": "identity.sourceIp",
    "vpc_endpoint": "identity.vpceId",
    "method": "httpMethod",
    "path": "path",
    "status": "status",
    "milliseconds": "responseLatency",
    "refused": "error.responseType",
}
"""What of a request is logged, by API Gateway's variables: neither a header nor a query or body."""


def expected_routes() -> set[tuple[str, str]]:
    """Return method and path of each route that the code answers."""
    missing = {flow.name: flows.OPTIONAL - flow.abilities for flow in flows.FLOWS}
    return {
        (method.lower(), f"/v1/{flow}/{{connection}}" + (f"/{rest}" if rest else ""))
        for flow in FLOWS
        for (method, rest), action in ROUTES.items()
        if action not in missing.get(flow, flows.OPTIONAL)
    }


def operations(stack: Template) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield method, path and definition of each of the API's routes."""
    paths = stack["TokenBrokerApi"]["Properties"]["Body"]["paths"]
    for path, methods in paths.items():
        yield from ((method, path, operation) for method, operation in methods.items())


def routes_equal_the_code(stack: Template) -> Iterator[str]:
    """The API has the routes that the code answers, each led to its flow's function."""
    found = {(method, path): operation for method, path, operation in operations(stack)}
    for route in found.keys() ^ expected_routes():
        yield f"{route} is in the API or in the code only"
    for (_, path), operation in found.items():
        function = f"<{path.split('/')[2].capitalize()}FunctionAliaslive>"
        if function not in operation["x-amazon-apigateway-integration"]["uri"]:
            yield f"{path} does not invoke {function}"


def routes_require_a_signature(stack: Template) -> Iterator[str]:
    """Every route has IAM auth, and none hands the caller's credentials on."""
    schemes = stack["TokenBrokerApi"]["Properties"]["Body"].get("components", {})
    kinds = {
        name: scheme.get("x-amazon-apigateway-authtype")
        for name, scheme in schemes.get("securitySchemes", {}).items()
    }
    for method, path, operation in operations(stack):
        # API Gateway asks for all of these, a team's key too; OpenAPI would have it be one of them.
        named = {name for each in operation.get("security", []) for name in each}
        if "awsSigv4" not in map(kinds.get, named) or not named <= {"AWS_IAM", "api_key"}:
            yield f"{method} {path} requires no signature"
        if "credentials" in operation["x-amazon-apigateway-integration"]:
            yield f"{method} {path} invokes with the caller's credentials"


def the_api_policy_allows_no_caller(stack: Template) -> Iterator[str]:
    """The API's resource policy delegates to accounts, and allows no principal by itself."""
    policy = stack["TokenBrokerApi"]["Properties"]["Body"]["x-amazon-apigateway-policy"]
    for statement in policy["Statement"]:
        named = text(statement["Principal"])
        if statement["Effect"] == "Allow" and (":root" not in named or "*" in named):
            yield f"the API's policy allows {named}"


def request_data_is_not_logged(stack: Template) -> Iterator[str]:
    """No log of the API has headers, queries or bodies, and nothing is cached."""
    for stage in of_type(stack, "ApiGateway::Stage").values():
        settings = stage["MethodSettings"]
        if any(s["DataTraceEnabled"] or s["LoggingLevel"] != "OFF" for s in settings):
            yield "API Gateway logs bodies"
        if any(s["CachingEnabled"] for s in settings):
            yield "API Gateway caches responses"
        if not all(s.get("ThrottlingRateLimit") for s in settings):
            yield "callers are not throttled"
        form = json.loads(stage.get("AccessLogSetting", {}).get("Format", "{}"))
        if form != {name: f"$context.{variable}" for name, variable in LOGGED.items()}:
            yield f"access logs have {form}"


OPERATORS: Mapping[str, set[Action]] = {
    "Operate": {"status", "check", "forget"},
    "Hold": {"hold", "lift"},
    "Probe": {"probe"},
    "Connect": set(),
}
"""What each policy of operators allows, in every flow."""

CALLERS: set[Action] = {"token", "verify"}
"""What the policies of callers allow, in their flow."""


def policies_allow_their_routes_only(stack: Template) -> Iterator[str]:
    """Call<Flow> is for that flow, Call<Flow>Connection for the connection in the caller's tag."""
    base = f"arn:aws:execute-api:{REGION}:{ACCOUNT}:<TokenBrokerApi>/prod"
    for (method, path), connection in product(sorted(expected_routes()), ("acme", "globex")):
        route = f"{base}/{method.upper()}{path.format(connection=connection)}"
        _, _, flow, _, *rest = path.split("/")
        action = ROUTES[method.upper(), "".join(rest)]
        for policy, actions in OPERATORS.items():
            yield from holder(stack, policy).deviations(INVOKE, {route: action in actions})
        for called in FLOWS:
            is_own = called == flow and action in CALLERS
            name, tag = f"Call{called.capitalize()}", f"aws:PrincipalTag/token-broker-{called}"
            tagged, own = holder(stack, f"{name}Connection"), {tag: "acme"}
            yield from holder(stack, name).deviations(INVOKE, {route: is_own})
            yield from tagged.deviations(INVOKE, {route: is_own and connection == "acme"}, **own)
            yield from tagged.deviations(INVOKE, {route: False})


NAMES = ("PutSecretValue", "UpdateSecret", "UpdateSecretVersionStage", "RotationSucceeded")
"""Calls that give a secret a new value, as CloudTrail records them."""


def call_of(flow: str, name: str = "PutSecretValue", stage: str = "prod") -> dict[str, Any]:
    """Return EventBridge's event of a CloudTrail record of a call on a secret."""
    path = f"token-broker/{stage}/{flow}/acme"
    is_rotation = name == "RotationSucceeded"
    rotation = {"additionalEventData": {"SecretId": secret(path)}} if is_rotation else {}
    request = {} if is_rotation else {"requestParameters": {"secretId": path}}
    detail = {"eventSource": "secretsmanager.amazonaws.com", "eventName": name} | rotation | request
    return {"source": SECRETS, "detail-type": "AWS API Call", "detail": detail}


def moved(flow: str, label: str = "AWSCURRENT", stage: str = "prod") -> dict[str, Any]:
    """Return Secrets Manager's event of a label that moved to another version.

    https://docs.aws.amazon.com/secretsmanager/latest/userguide/event-detail-secret-label-updated-secretsmanager.html
    """
    path = f"token-broker/{stage}/{flow}/acme"
    return {
        "source": SECRETS,
        "detail-type": "Secret Label Updated",
        "resources": [secret(path)],
        "detail": {"name": path, "labelUpdated": label, "versionId": "a1b2c3d4"},
    }


def is_invoked(stack: Template, flow: str, event: dict[str, Any]) -> bool:
    """Say whether a rule invokes the function of *flow* for *event*."""
    rules = of_type(stack, "Events::Rule").values()
    return any(
        EventPattern(None, rule["EventPattern"]).matches_event(event)  # type: ignore[arg-type]  # a plain event
        for rule in rules
        if "EventPattern" in rule
        and f"<{flow.capitalize()}FunctionAliaslive>" in text(rule["Targets"])
    )


def changed_secrets_invoke_the_function(stack: Template) -> Iterator[str]:
    """A function gets the events of its changed secrets, from Secrets Manager and CloudTrail."""
    for flow in FLOWS:
        other = others(flow)[0]
        own = [moved(flow), *(call_of(flow, name) for name in NAMES)]
        foreign = [
            moved(other),
            moved(flow, label="blue"),
            moved(flow, label="AWSPENDING"),
            moved(flow, stage="dev"),
            *(call_of(other, name) for name in NAMES),
            call_of(flow, "GetSecretValue"),
            call_of(flow, stage="dev"),
        ]
        for event in own + foreign:
            if is_invoked(stack, flow, event) is not (event in own):
                yield f"{flow} should{'' if event in own else ' not'} get {event['detail']}"
