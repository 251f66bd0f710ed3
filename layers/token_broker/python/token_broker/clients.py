"""boto3's clients, each made when it is first asked for, and with it boto3 loaded."""

from threading import Lock
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_kms import KMSClient
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_secretsmanager import SecretsManagerClient

CONNECT_SECONDS, READ_SECONDS, ATTEMPTS = 1, 2, 2
"""So that what AWS does not answer is known within seven seconds, well inside a lease."""

_lock = Lock()
_made: dict[str, Any] = {}


def dynamodb() -> "DynamoDBClient":
    """Return the client of the table."""
    client: DynamoDBClient = _client("dynamodb")
    return client


def kms() -> "KMSClient":
    """Return the client of the key."""
    client: KMSClient = _client("kms")
    return client


def secrets_manager() -> "SecretsManagerClient":
    """Return the client of the secrets."""
    client: SecretsManagerClient = _client("secretsmanager")
    return client


def functions() -> "LambdaClient":
    """Return the client by which a function invokes itself."""
    client: LambdaClient = _client("lambda")
    return client


def events() -> "EventBridgeClient":
    """Return the client of the event bus."""
    client: EventBridgeClient = _client("events")
    return client


def forget() -> None:
    """Make new clients from now on, for an environment that has changed."""
    with _lock:
        for client in _made.values():
            client.close()
        _made.clear()


def _client(service: str) -> Any:
    # boto3 may not make two clients at once; a client that is made, all threads may use.
    with _lock:
        if service not in _made:
            _made[service] = _new(service)
        return _made[service]


def _new(service: str) -> Any:
    import boto3  # noqa: PLC0415 (most of a cold start; a token that is kept needs none of it)
    from botocore.config import Config  # noqa: PLC0415

    config = Config(
        connect_timeout=CONNECT_SECONDS,
        read_timeout=READ_SECONDS,
        retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
    )
    # A session of its own: the default one would keep the environment of the first call.
    session: Any = boto3.session.Session()
    return session.client(service, config=config)
