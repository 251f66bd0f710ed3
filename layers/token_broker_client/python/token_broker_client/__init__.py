"""The client of Token Broker: it gets a token, and signs requests with it.

```python
broker = Broker.from_url("https://abc123.execute-api.eu-west-1.amazonaws.com/prod")
answer = broker.vntana("acme", workspace="chairs")  # headers, base_url, expires_at, …

session = requests.Session()
session.auth = answer.auth()  # signs each request with the token that is live then
```

See `docs/calling.md`. Importing this loads neither `requests` nor `boto3`.
"""

from token_broker_client.answers import Answer, Headers
from token_broker_client.broker import Access, Broker
from token_broker_client.errors import (
    AccessDenied,
    BrokerError,
    ConnectionHeld,
    CredentialLatched,
    CredentialRejected,
    Internal,
    InvalidRequest,
    NotConfigured,
    RefreshInProgress,
    StoreUnavailable,
    TooManyRequests,
    UnknownConnection,
    Unreachable,
    UpstreamContractChanged,
    UpstreamError,
    UpstreamRefused,
    UpstreamUnavailable,
    WrongDestination,
)

__all__ = [
    "Access",
    "AccessDenied",
    "Answer",
    "Broker",
    "BrokerError",
    "ConnectionHeld",
    "CredentialLatched",
    "CredentialRejected",
    "Headers",
    "Internal",
    "InvalidRequest",
    "NotConfigured",
    "RefreshInProgress",
    "StoreUnavailable",
    "TooManyRequests",
    "UnknownConnection",
    "Unreachable",
    "UpstreamContractChanged",
    "UpstreamError",
    "UpstreamRefused",
    "UpstreamUnavailable",
    "WrongDestination",
]
