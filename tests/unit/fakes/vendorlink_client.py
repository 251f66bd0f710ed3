"""A client of Vendorlink that can send invalid requests, too."""

import base64
import json
from dataclasses import dataclass
from typing import Any

from tests.unit.fakes.entrances import Ask
from token_broker.exchange import Request, Response
from token_broker_fakes import FakeVendorlink, User, VendorlinkModes

HOST = "app.vendorlink.nl"
NOW = 1_790_000_000


@dataclass
class Client:
    """Talks to a fake of Vendorlink."""

    fake: FakeVendorlink
    ask: Ask

    def call(
        self, method: str, path: str, body: object = None, host: str = HOST, **headers: str
    ) -> Response:
        """Send a request."""
        url = f"https://{host}/API/{path}"
        return self.ask(self.fake, Request(method, url, "test", headers, body))

    def login(self, host: str = HOST, **headers: str) -> Response:
        """Log in with the right password."""
        body = {"u": "user", "p": 'pässword"\\'}
        return self.call("POST", "auth/login", body, host, **headers)

    def wrong_login(self) -> Response:
        """Log in with a wrong password."""
        return self.call("POST", "auth/login", {"u": "user", "p": "wrong"})

    def extend(self, pair: dict[str, Any], key: str = "rToken", **headers: str) -> Response:
        """Trade a pair of tokens for the next."""
        headers = {"authorization": f"Bearer {pair['accessToken']}", **headers}
        return self.call("POST", "auth/extendtoken", {key: pair["renewalToken"]}, **headers)

    def pair(self) -> dict[str, Any]:
        """Return the tokens of a login."""
        tokens: dict[str, Any] = self.login().json()
        return tokens

    def data(self, pair: dict[str, Any], host: str = HOST) -> Response:
        """Use an access token."""
        authorization = f"Bearer {pair['accessToken']}"
        return self.call("GET", "Queries/List", host=host, authorization=authorization)


def claims(token: str) -> dict[str, Any]:
    """Return the claims of an access token. Raises an error if it cannot be read."""
    payload = token.split(".")[1]
    if " " in payload:
        raise ValueError(payload)
    found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(payload + "=="))
    return found


def client(ask: Ask, **modes: Any) -> Client:
    """Return a client of a fake with one user, whose clock stands still."""
    users = [User("user", 'pässword"\\', 7, "Ä. User")]
    return Client(FakeVendorlink(users, VendorlinkModes(**modes), clock=lambda: NOW), ask)
