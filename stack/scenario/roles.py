"""Roles: what a function may do, and that another function with its role may not."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from stack.report import Report
from stack.scenario.packages import zipped
from stack.settings import NAME, STAGE
from stack.system import System

PROGRAM = """
import boto3
from botocore.exceptions import ClientError

def handler(attempts, context):
    return [outcome(*attempt) for attempt in attempts]

def outcome(service, operation, arguments):
    try:
        response = getattr(boto3.client(service), operation)(**arguments)
    except ClientError as error:
        return error.response["Error"]["Code"]
    return str(response.get("Entries", [{}])[0].get("ErrorCode", "done"))
"""
"""A function that makes calls to AWS and returns the outcome of each."""

DENIED = {"AccessDeniedException", "AccessDenied"}
"""Older services use the shorter code."""


class Attempt(NamedTuple):
    """A call to AWS, and whether the function may make it. Another function may make none."""

    name: str
    service: str
    operation: str
    arguments: Mapping[str, Any]
    permitted: bool = False


def run(system: System, report: Report) -> None:
    """Have both functions make each call."""
    system.connect("vntana", "acme")
    system.connect("editor", "acme")
    attempts = list(attempts_of_role(system))
    lambdas = system.account.client("lambda")
    name = f"{NAME}-vntana"
    lambdas.create_function(
        FunctionName="other",
        Runtime="python3.13",
        Handler="app.handler",
        Role=system.role("vntana"),
        Code={"ZipFile": zipped(PROGRAM)},
        Timeout=20,
    )
    compare(report, "another function with the role", attempts, system, "other")
    # The versions behind the aliases keep their code.
    code = (system.deployment.built / "VntanaFunction/app.py").read_text()
    lambdas.update_function_code(FunctionName=name, ZipFile=zipped(PROGRAM))
    compare(report, "the function itself", attempts, system, name)
    lambdas.update_function_code(FunctionName=name, ZipFile=zipped(code))
    lambdas.delete_function(FunctionName="other")


def compare(
    report: Report, title: str, attempts: list[Attempt], system: System, function: str
) -> None:
    """Have *function* make each call, and report the outcomes."""
    calls = json.dumps([[a.service, a.operation, a.arguments] for a in attempts])
    lambdas = system.account.client("lambda")
    response = lambdas.invoke(FunctionName=function, Payload=calls)
    outcomes = json.load(response["Payload"])
    is_own = function.startswith(NAME)
    for attempt, outcome in zip(attempts, outcomes, strict=True):
        may = attempt.permitted and is_own
        with report.check(f"{title} {'may' if may else 'may not'}: {attempt.name}") as check:
            check.equals("denied" if outcome in DENIED else outcome, "done" if may else "denied")


def attempts_of_role(system: System) -> Iterator[Attempt]:
    """Yield calls that vntana's role permits, and others that are close to them."""
    yield from items()
    yield from tokens(system.outputs["KeyArn"])
    yield from secrets()
    for flow, may in {"vntana": True, "editor": False}.items():
        arguments = {"FunctionName": f"{NAME}-{flow}:live", "InvocationType": "DryRun"}
        yield Attempt(f"invoke {flow}", "lambda", "invoke", arguments, may)
    for source, may in {"token-broker": True, "another-source": False}.items():
        entry = {"EventBusName": NAME, "Source": source, "DetailType": "test", "Detail": "{}"}
        entries = {"Entries": [entry]}
        yield Attempt(f"put an event of {source}", "events", "put_events", entries, may)
    yield Attempt("list roles", "iam", "list_roles", {})
    yield Attempt("list buckets", "s3", "list_buckets", {})


def items() -> Iterator[Attempt]:
    """Yield calls to the table."""
    for connection, may in {"vntana#attempt": True, "editor#attempt": False}.items():
        key = {"connection": {"S": connection}, "variant": {"S": "attempt"}}
        where: dict[str, Any] = {"TableName": NAME}
        update = where | {
            "Key": key,
            "UpdateExpression": "SET attempt = :x",
            "ExpressionAttributeValues": {":x": {"S": "x"}},
        }
        query = where | {
            "KeyConditionExpression": "#c = :c",
            "ExpressionAttributeNames": {"#c": "connection"},
            "ExpressionAttributeValues": {":c": {"S": connection}},
        }
        batch = {"RequestItems": {NAME: {"Keys": [key]}}}
        yield Attempt(f"read {connection}", "dynamodb", "get_item", where | {"Key": key}, may)
        yield Attempt(f"read several of {connection}", "dynamodb", "batch_get_item", batch, may)
        yield Attempt(f"query {connection}", "dynamodb", "query", query, may)
        yield Attempt(f"write {connection}", "dynamodb", "update_item", update, may)
        delete = where | {"Key": key}
        yield Attempt(f"delete {connection}", "dynamodb", "delete_item", delete)
        yield Attempt(f"put {connection}", "dynamodb", "put_item", where | {"Item": key})
    yield Attempt("scan the table", "dynamodb", "scan", {"TableName": NAME})


def tokens(key: str) -> Iterator[Attempt]:
    """Yield calls to the key."""
    own = {"table": NAME, "connection": "vntana#acme", "variant": "-", "generation": "1"}
    contexts = {
        "its own context": own,
        "another flow's": own | {"connection": "editor#acme"},
        "another table's": own | {"table": "token-broker-prod"},
        "half a context": {"table": NAME, "connection": "vntana#acme"},
        "no context": {},
    }
    for name, context in contexts.items():
        arguments = {"KeyId": key, "Plaintext": "x", "EncryptionContext": context}
        may = context is own
        yield Attempt(f"encrypt under {name}", "kms", "encrypt", arguments, may)
    yield Attempt("disable the key", "kms", "disable_key", {"KeyId": key})


def secrets() -> Iterator[Attempt]:
    """Yield calls to secrets."""
    for flow, may in {"vntana": True, "editor": False}.items():
        name = {"SecretId": f"token-broker/{STAGE}/{flow}/acme"}
        yield Attempt(f"read {flow}'s secret", "secretsmanager", "get_secret_value", name, may)
        yield Attempt(f"describe {flow}'s secret", "secretsmanager", "describe_secret", name, may)
        value = name | {"SecretString": "{}"}
        yield Attempt(f"change {flow}'s secret", "secretsmanager", "put_secret_value", value)
