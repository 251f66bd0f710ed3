"""A client of the token service that can send invalid requests, too."""

from dataclasses import dataclass
from typing import Any

from tests.unit.fakes.entrances import Ask
from token_broker.exchange import Request, Response
from token_broker_fakes import EditorModes, FakeEditor

BASE = "https://tokens.kudo.graebert.com"
NOW = 1_790_000_000


@dataclass
class Client:
    """Talks to a fake of the token service."""

    fake: FakeEditor
    ask: Ask

    def generate(self, parameters: object, key: str = "key", **headers: str) -> Response:
        """Ask for a token."""
        headers = {"x-api-key": key, **headers}
        return self.ask(self.fake, Request("POST", f"{BASE}/generate", "test", headers, parameters))

    def token(self, **parameters: Any) -> str:
        """Return a token."""
        token: str = self.generate({"userId": "1", **parameters}).json()["token"]
        return token

    def get(self, path: str, **headers: str) -> Response:
        """Send a request without a body."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.ask(self.fake, Request("GET", f"{BASE}/{path}", "test", named))

    def verify(self, token: str) -> Response:
        """Verify a token."""
        return self.get("verify", x_api_token=token)


def client(ask: Ask, **modes: Any) -> Client:
    """Return a client of a fake with one application, whose clock stands still."""
    fake = FakeEditor({"key": "application"}, EditorModes(**modes), clock=lambda: NOW)
    return Client(fake, ask)
