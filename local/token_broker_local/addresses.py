"""Addresses and names of the local system's parts."""

from collections.abc import Mapping
from dataclasses import dataclass

from token_broker_descriptors import every

FLOWS = tuple(every())
"""In the order of their ports."""

HOST = "127.0.0.1"
DEFAULT_PORT = 8080
REGION = "eu-west-1"
ACCOUNT = "123456789012"
"""moto's account: an ARN made here and one made there agree."""

ACCESS_KEY = "local"
SECRET_KEY = "local"
STAGE = "local"
TABLE = "token-broker-local"
EVENT_BUS = "default"
KEY_ALIAS = "alias/token-broker-local"

TIMEOUT = 20.0
"""Seconds after which Lambda ends a call, as in the template."""

MEMORY = 1024
"""Megabytes, in the functions' environment."""


@dataclass(frozen=True, slots=True)
class Addresses:
    """The addresses that follow from one port."""

    port: int = DEFAULT_PORT

    @property
    def ports(self) -> Mapping[str, int]:
        """Each server's port, by the server's name."""
        names = ("gateway", "services", *FLOWS)
        return {name: self.port + index for index, name in enumerate(names)}

    def url(self, name: str) -> str:
        """Return the base URL of *name*: `gateway`, `services`, or a flow for its vendor's fake."""
        return f"http://{HOST}:{self.ports[name]}"


def function_name(flow: str) -> str:
    """Return the name of the function of *flow*."""
    return f"token-broker-{flow}"


def function_arn(name: str) -> str:
    """Return the ARN of the function called *name*."""
    return f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{name}"


def secret_name(flow: str, connection: str) -> str:
    """Return the name of a connection's secret."""
    return f"token-broker/{STAGE}/{flow}/{connection}"
