"""The ports, paths and names of one run."""

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
class Settings:
    """The emulator's ports, and the temporary *folder* of one run."""

    folder: Path
    https_port: int = field(default_factory=free_port)
    http_port: int = field(default_factory=free_port)

    @property
    def https_url(self) -> str:
        """The emulator's URL with TLS."""
        return f"https://{HOST}:{self.https_port}"

    @property
    def http_url(self) -> str:
        """The emulator's URL without TLS."""
        return f"http://{HOST}:{self.http_port}"

    @property
    def ca_file(self) -> Path:
        """The emulator's certificate, to verify its TLS with."""
        return self.folder / "tmp/ministack-tls/server.crt"
