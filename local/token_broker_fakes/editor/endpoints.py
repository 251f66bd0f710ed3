"""The endpoints of the token service, and of the editor."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from token_broker_fakes.editor.modes import EditorModes, required, sent
from token_broker_fakes.editor.responses import answered, expiration, page, unfit, wrong
from token_broker_fakes.opaque import uuid
from token_broker_fakes.wire import Answer, Call

if TYPE_CHECKING:
    from token_broker_fakes.editor.fake import FakeEditor


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


def generate(editor: "FakeEditor", call: Call) -> Answer:
    """Make a token for the parameters in the body."""
    application = editor.keys.get(call.headers.get("x-api-key", ""))
    if application is None:
        raise wrong(editor.modes)
    made = opening(editor, parameters_of(editor.modes, call), application)
    told = expiration(editor.modes.expiration_time, made.expires_at, editor.now)
    return answered(editor.modes, {"token": made.token} | told, f"token for {application}")


def opening(editor: "FakeEditor", parameters: dict[str, Any], application: str) -> Opening:
    """Make a token for *parameters*."""
    token, expires_at = uuid(editor.rng), int(editor.now) + editor.modes.lifetime
    made = editor.openings[token] = Opening(token, parameters, application, expires_at)
    return made


def verify(editor: "FakeEditor", call: Call) -> Answer:
    """Return the parameters of the token in the header."""
    if editor.modes.verify_content_type == "required" and not call.is_json:
        raise unfit(editor.modes, "no content type")
    found = opened(editor, sent(editor.modes, call))
    added = {"auth": found.application} if editor.modes.verify_auth == "added" else {}
    return answered(editor.modes, found.parameters | added, f"verified for {found.application}")


def edit(editor: "FakeEditor", call: Call) -> Answer:
    """Return a page instead of the editor, for the token in the query."""
    found = opened(editor, call.parameter(editor.modes.query_name))
    return page(found.parameters, f"opened for {found.application}")


def opened(editor: "FakeEditor", token: str) -> Opening:
    """Return the parameters of *token*, and consume it if the mode says so."""
    found = editor.openings.get(token)
    if found is None or found.is_dead(editor.now):
        raise wrong(editor.modes)
    if editor.modes.verify == "consumes":
        found.end = "used"
    return found


def parameters_of(modes: EditorModes, call: Call) -> dict[str, Any]:
    """Return the parameters in the body, if they are valid under the modes."""
    parameters = call.json() if call.is_json else None
    if not isinstance(parameters, dict):
        raise unfit(modes, "the body is not a JSON object")
    for names in required(modes):
        if not any(parameters.get(name) for name in names):
            raise unfit(modes, f"{names[0]} is missing")
    if modes.auth == "refused" and "auth" in parameters:
        raise unfit(modes, "auth is added by the key")
    return parameters
