"""What `doctor` looks at behind the broker: the table, the key, the secrets."""

from collections.abc import Iterator

from token_broker.errors import BrokerError
from token_broker.flows import every
from token_broker_cli.desk import Desk
from token_broker_cli.findings import Finding, fine, odd, wrong
from token_broker_cli.troubles import trouble
from token_broker_cli.vault import Vault

SCHEMA = {"HASH": ("connection", "S"), "RANGE": ("variant", "S")}
DEPLOY = "Deploy the template's table: make deploy."


def table(desk: Desk) -> Iterator[Finding]:
    """See whether the table is there and has the right keys."""
    name = desk.settings.table
    client = desk.client("dynamodb")
    try:
        found = client.describe_table(TableName=name)["Table"]
    except client.exceptions.ResourceNotFoundException:
        yield wrong("table", f"there is no table {name}", "Check stage and region, or deploy.")
        return
    types = {one["AttributeName"]: one["AttributeType"] for one in found["AttributeDefinitions"]}
    keys = {
        k["KeyType"]: (k["AttributeName"], types[k["AttributeName"]]) for k in found["KeySchema"]
    }
    if keys != SCHEMA:
        yield wrong("table", f"{name} has other keys than connection and variant", DEPLOY)
    elif found["TableStatus"] not in ("ACTIVE", "UPDATING"):
        yield wrong("table", f"{name} is {found['TableStatus']}", "Wait until it is ACTIVE.")
    else:
        yield fine("table", f"{name}, keys connection and variant")


def ttl(desk: Desk) -> Iterator[Finding]:
    """See whether old items are dropped."""
    client = desk.client("dynamodb")
    answer = client.describe_time_to_live(TableName=desk.settings.table)
    told = answer["TimeToLiveDescription"]
    if told["TimeToLiveStatus"] in ("ENABLED", "ENABLING") and told.get("AttributeName") == "ttl":
        yield fine("ttl", "on, by attribute ttl")
    else:
        yield odd("ttl", "off: items of connections that are gone stay for ever", DEPLOY)


def key(desk: Desk) -> Iterator[Finding]:
    """See whether the key that seals the tokens is there and in use."""
    client = desk.client("kms")
    alias = desk.settings.key
    try:
        found = client.describe_key(KeyId=alias)["KeyMetadata"]
    except client.exceptions.NotFoundException:
        yield wrong("key", f"there is no key {alias}", "Check stage and region, or deploy.")
        return
    if found["KeyState"] == "Enabled":
        yield fine("key", f"{alias}, enabled")
    else:
        do = "Enable it, or cancel its deletion, in KMS: no token can be kept or read."
        yield wrong("key", f"{alias} is {found['KeyState']}", do)


def secrets(desk: Desk) -> Iterator[Finding]:
    """Read every connection's secret as the function would."""
    vault = Vault(desk)
    names = vault.connections()
    if not names:
        yield odd("secrets", "there are none", "Add a connection: `token-broker connect`.")
    for flow, name in names:
        yield secret(vault, flow, name)


def secret(vault: Vault, flow: str, name: str) -> Finding:
    """Return whether one secret has the right form; what is wrong is named by its key."""
    label = f"{flow}/{name}"
    do = f"Correct it: token-broker connect {flow} {name}"
    try:
        every()[flow].vendor.parse(vault.read(flow, name))
    except BrokerError as error:
        return wrong(label, error.detail, do)
    except Exception as error:  # noqa: BLE001 (one that cannot be read must not hide the others)
        known = trouble(error)
        if known.code == "access_denied":
            do = "Have secretsmanager:GetSecretValue granted, or ask who has it."
            return odd(label, "you are not allowed to read the secret", do)
        return wrong(label, known.detail, do)
    return fine(label, "the secret has the right form")
