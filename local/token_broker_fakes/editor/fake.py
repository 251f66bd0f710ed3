"""Graebert's token service for the ARES Kudo editor, and a page instead of the editor.

    POST /generate   x-api-key, and the editor's parameters   -> token, expiration_time
    GET  /verify     x-api-token                              -> the parameters, and auth
    GET  /editor     ?apitoken=<token>                        -> a page

https://graebert.atlassian.net/wiki/x/U4CJRg
https://graebert.atlassian.net/wiki/spaces/KUDOPARTNER/pages/1180008643/Editor+parameters
"""

from collections.abc import Mapping
from functools import partial
from typing import Any, ClassVar, Unpack

from token_broker_fakes.editor import endpoints
from token_broker_fakes.editor.endpoints import Opening
from token_broker_fakes.editor.modes import EditorModes
from token_broker_fakes.fake import SHOWN, Clockwork, Fake, Handler
from token_broker_fakes.wire import Answer, Call

DEMO_KEY = "demo-access-key"
DEMO_APPLICATION = "demo-application"


ROUTES = {
    ("POST", "/generate"): ("generate", endpoints.generate),
    ("GET", "/verify"): ("verify", endpoints.verify),
    ("GET", "/editor"): ("edit", endpoints.edit),
}


class FakeEditor(Fake[EditorModes]):
    """The token service with the keys of some applications."""

    vendor = "editor"
    home = "https://tokens.kudo.graebert.com"
    steps: ClassVar[frozenset[str]] = frozenset({"generate", "verify", "edit"})
    exchanges: ClassVar[frozenset[str]] = frozenset({"generate"})
    secrets: ClassVar[frozenset[str]] = frozenset({"x-api-key"})
    token_members: ClassVar[frozenset[str]] = frozenset({"token"})

    def __init__(
        self,
        keys: Mapping[str, str] | None = None,
        modes: EditorModes | None = None,
        **clockwork: Unpack[Clockwork],
    ) -> None:
        super().__init__(modes or EditorModes(), **clockwork)
        self.keys = {DEMO_KEY: DEMO_APPLICATION} if keys is None else dict(keys)
        """The application's id by its access key."""
        self.openings: dict[str, Opening] = {}
        """Each token's parameters."""

    def accept(self, secret: Mapping[str, Any]) -> None:
        """Add an application with the key of *secret*."""
        self.keys[secret["api_key"]] = f"application-{len(self.keys)}"

    @staticmethod
    def demo_secret(token_url: str, /) -> dict[str, Any]:
        """Return the secret of a connection to the demo's application at *token_url*."""
        return {
            "api_key": DEMO_KEY,
            "token_url": token_url,
            "editor_url": f"{token_url}/editor?locale=en#drawing",
            "parameters": {"userId": "demo-user", "file": "demo.dwg"},
        }

    def issue(self, **parameters: Any) -> dict[str, Any]:
        """Make a live token for *parameters*, and return its part of the broker's response.

        For the first application.
        """
        with self.lock:
            opening = endpoints.opening(self, parameters, next(iter(self.keys.values())))
        base_url = f"{self.base}/editor"
        return {
            "headers": {"x-api-token": opening.token},
            "base_url": base_url,
            "url": f"{base_url}?{self.modes.query_name}={opening.token}",
        }

    def route(self, call: Call) -> tuple[str, Handler] | None:
        """Return the step of *call*, and the function that answers it."""
        if place := ROUTES.get((call.method, call.path)):
            step, handler = place
            return step, partial(handler, self)
        return None

    def lost_way(self, call: Call) -> Answer:
        """Return 405 if the path has another method, else 404."""
        is_known = any(path == call.path for _, path in ROUTES)
        return Answer(405 if is_known else 404, {}, b"", "no such route")

    def live(self) -> list[Opening]:
        """Return the live tokens, oldest first."""
        return [opening for opening in self.openings.values() if not opening.is_dead(self.now)]

    def revoke(self, token: str | None = None) -> int:
        """Revoke *token*, or all tokens; return how many of them were live."""
        with self.lock:
            lived = [one for one in self.live() if token in (None, one.token)]
            for opening in lived:
                opening.end = "revoked"
            return len(lived)

    def describe(self) -> dict[str, Any]:
        """Return the applications and the live tokens."""
        return {
            "applications": sorted(self.keys.values()),
            "tokens": [
                {"token": one.token, "parameters": one.parameters, "expires_at": one.expires_at}
                for one in self.live()[SHOWN:]
            ],
        }
