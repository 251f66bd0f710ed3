"""The token service's rules: keys, parameters, and tokens for them."""

from dataclasses import dataclass, field
from random import Random
from typing import Any

from token_broker_fakes.clock import Clock
from token_broker_fakes.editor.modes import EditorModes, required, sent
from token_broker_fakes.editor.responses import answered, expiration, page, unfit, wrong
from token_broker_fakes.opaque import uuid
from token_broker_fakes.wire import Answer, Call


@dataclass(slots=True)
class Opening:
    """A token, its parameters, and the application that requested it."""

    token: str
    parameters: dict[str, Any]
    application: str
    expires_at: int
    end: str = ""
    """``used`` or ``revoked``, if it ended before it expired."""

    def is_dead(self, now: float) -> bool:
        """Say whether this token has expired, or ended before."""
        return bool(self.end) or now >= self.expires_at


@dataclass(slots=True)
class Service:
    """The applications' keys and their tokens, under the modes and the clock of the fake."""

    modes: EditorModes
    clock: Clock
    rng: Random
    keys: dict[str, str] = field(repr=False)
    openings: dict[str, Opening] = field(default_factory=dict)

    def generate(self, call: Call) -> Answer:
        """Make a token for the parameters in the body."""
        application = self.keys.get(call.headers.get("x-api-key", ""))
        if application is None:
            raise wrong(self.modes)
        made = self.opening(self.parameters(call), application)
        told = expiration(self.modes.expiration_time, made.expires_at, self.clock.now())
        return answered(self.modes, {"token": made.token} | told, f"token for {application}")

    def opening(self, parameters: dict[str, Any], application: str) -> Opening:
        """Make a token for *parameters*."""
        token, expires_at = uuid(self.rng), int(self.clock.now()) + self.modes.lifetime
        opening = self.openings[token] = Opening(token, parameters, application, expires_at)
        return opening

    def verify(self, call: Call) -> Answer:
        """Return the parameters of the token in the header."""
        if self.modes.verify_content_type == "required" and not call.is_json:
            raise unfit(self.modes, "no content type")
        opening = self.opened(sent(self.modes, call))
        added = {"auth": opening.application} if self.modes.verify_auth == "added" else {}
        return answered(
            self.modes, opening.parameters | added, f"verified for {opening.application}"
        )

    def edit(self, call: Call) -> Answer:
        """Return a page instead of the editor, for the token in the query."""
        opening = self.opened(call.parameter(self.modes.query_name))
        return page(opening.parameters, f"opened for {opening.application}")

    def opened(self, token: str) -> Opening:
        """Return the parameters of *token*, and consume it if the mode says so."""
        opening = self.openings.get(token)
        if opening is None or opening.is_dead(self.clock.now()):
            raise wrong(self.modes)
        if self.modes.verify == "consumes":
            opening.end = "used"
        return opening

    def parameters(self, call: Call) -> dict[str, Any]:
        """Return the parameters in the body, if they are valid under the modes."""
        parameters = call.json() if call.is_json else None
        if not isinstance(parameters, dict):
            raise unfit(self.modes, "the body is not a JSON object")
        for names in required(self.modes):
            if not any(parameters.get(name) for name in names):
                raise unfit(self.modes, f"{names[0]} is missing")
        if self.modes.auth == "refused" and "auth" in parameters:
            raise unfit(self.modes, "auth is added by the key")
        return parameters

    def live(self) -> list[Opening]:
        """Return the live tokens, oldest first."""
        now = self.clock.now()
        return [opening for opening in self.openings.values() if not opening.is_dead(now)]
