"""What a function's own role may do, and what a stranger's function may that has the same role."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from stack.places import NAME, STAGE
from stack.scenario.packages import zipped
from stack.system import System
from stack.table import Table

TRYING = """
import boto3
from botocore.exceptions import ClientError

def handler(attempts, context):
    return [tried(**attempt) for attempt in attempts]

def tried(service, operation, arguments):
    try:
        answer = getattr(boto3.client(service), operation)(**arguments)
    except ClientError as error:
        return error.response["Error"]["Code"]
    return str(answer.get("Entries", [{}])[0].get("ErrorCode", "done"))
"""
"""A function that says how it fares with each attempt."""

DENIED = {"AccessDeniedException", "AccessDenied"}
"""The older services leave the ending out."""


class Attempt(NamedTuple):
    """A call to AWS, and whether the function itself may make it. A stranger's may make none."""

    name: str
    service: str
    operation: str
    arguments: Mapping[str, Any]
    own: bool = False

    @property
    def event(self) -> Mapping[str, Any]:
        """What the trying function is told."""
        return {
            "service": self.service,
            "operation": self.operation,
            "arguments": self.arguments,
        }


def play(system: System, table: Table) -> None:
    """Have both functions try everything."""
    system.connect("vntana", "acme")
    system.connect("editor", "acme")
    attempts = list(attempted(system))
    lambdas = system.account.client("lambda")
    name = f"{NAME}-vntana"
    role = lambdas.get_function_configuration(FunctionName=name)["Role"]
    lambdas.create_function(
        FunctionName="stranger",
        Runtime="python3.13",
        Handler="app.handler",
        Role=role,
        Code={"ZipFile": zipped(TRYING)},
        Timeout=20,
    )
    compare(table, "a stranger's function with the role", attempts, system, "stranger")
    # The code at work, as the versions behind the aliases are untouched by what $LATEST is.
    own = (system.deployment.built / "VntanaFunction/app.py").read_text()
    lambdas.update_function_code(FunctionName=name, ZipFile=zipped(TRYING))
    compare(table, "the function itself", attempts, system, name)
    lambdas.update_function_code(FunctionName=name, ZipFile=zipped(own))
    lambdas.delete_function(FunctionName="stranger")


def compare(table: Table, who: str, attempts: list[Attempt], system: System, function: str) -> None:
    """Have *function* try, and write down each thing that it may or may not."""
    events = json.dumps([attempt.event for attempt in attempts])
    lambdas = system.account.client("lambda")
    answer = lambdas.invoke(FunctionName=function, Payload=events)["Payload"]
    outcomes = json.load(answer)
    is_own = function.startswith(NAME)
    for attempt, outcome in zip(attempts, outcomes, strict=True):
        may = attempt.own and is_own
        with table.row(f"{who} {'may' if may else 'may not'}: {attempt.name}") as row:
            row.sees("denied" if outcome in DENIED else outcome, "done" if may else "denied")


def attempted(system: System) -> Iterator[Attempt]:
    """Yield what vntana's role is for, and what is beside that."""
    yield from items()
    yield from tokens(system.outputs["KeyArn"])
    yield from secrets()
    for flow, may in {"vntana": True, "editor": False}.items():
        arguments = {"FunctionName": f"{NAME}-{flow}:live", "InvocationType": "DryRun"}
        yield Attempt(f"invoke {flow}", "lambda", "invoke", arguments, may)
    for source, may in {"token-broker": True, "somebody-else": False}.items():
        entry = {"EventBusName": NAME, "Source": source, "DetailType": "test", "Detail": "{}"}
        entries = {"Entries": [entry]}
        yield Attempt(f"say something as {source}", "events", "put_events", entries, may)
    yield Attempt("list roles", "iam", "list_roles", {})
    yield Attempt("list buckets", "s3", "list_buckets", {})


def items() -> Iterator[Attempt]:
    """Yield what is tried with the table."""
    for connection, may in {"vntana#tried": True, "editor#tried": False}.items():
        key = {"connection": {"S": connection}, "variant": {"S": "tried"}}
        where: dict[str, Any] = {"TableName": NAME}
        update = where | {
            "Key": key,
            "UpdateExpression": "SET tried = :x",
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
    """Yield what is tried with the key."""
    right = {"table": NAME, "connection": "vntana#acme", "variant": "-", "generation": "1"}
    contexts = {
        "its own context": right,
        "another flow's": right | {"connection": "editor#acme"},
        "another table's": right | {"table": "token-broker-prod"},
        "half a context": {"table": NAME, "connection": "vntana#acme"},
        "no context": {},
    }
    for name, context in contexts.items():
        arguments = {"KeyId": key, "Plaintext": "x", "EncryptionContext": context}
        may = context is right
        yield Attempt(f"encrypt under {name}", "kms", "encrypt", arguments, may)
    yield Attempt("disable the key", "kms", "disable_key", {"KeyId": key})


def secrets() -> Iterator[Attempt]:
    """Yield what is tried with secrets."""
    for flow, may in {"vntana": True, "editor": False}.items():
        name = {"SecretId": f"token-broker/{STAGE}/{flow}/acme"}
        yield Attempt(f"read a secret of {flow}", "secretsmanager", "get_secret_value", name, may)
        yield Attempt(f"describe one of {flow}", "secretsmanager", "describe_secret", name, may)
        value = name | {"SecretString": "{}"}
        yield Attempt(f"change one of {flow}", "secretsmanager", "put_secret_value", value)
