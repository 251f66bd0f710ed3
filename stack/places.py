"""The addresses, paths and names of one run."""

import socket
from dataclasses import dataclass, field
from pathlib import Path

from token_broker_descriptors import every

FLOWS = tuple(every())
HOST = "127.0.0.1"
REGION = "eu-west-1"
ACCOUNT = "000000000000"
"""The emulator's account."""

STAGE = "stack"
NAME = f"token-broker-{STAGE}"
"""The name of the stack and the table, and the prefix of the functions' names."""

ROOT = Path(__file__).parents[1]
"""The repository."""


def free_port() -> int:
    """Return a port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass(frozen=True)
class Places:
    """The addresses of one run, and its temporary *folder*."""

    folder: Path
    https_port: int = field(default_factory=free_port)
    http_port: int = field(default_factory=free_port)

    @property
    def https(self) -> str:
        """The emulator's URL with TLS."""
        return f"https://{HOST}:{self.https_port}"

    @property
    def http(self) -> str:
        """The URL of the same without TLS."""
        return f"http://{HOST}:{self.http_port}"

    @property
    def authorities(self) -> Path:
        """The file of certificates by which to trust the emulator."""
        return self.folder / "tmp/ministack-tls/server.crt"

    @property
    def bundle(self) -> Path:
        """The same, with the machine's own certificates."""
        return self.authorities.with_name("ca-bundle.pem")
