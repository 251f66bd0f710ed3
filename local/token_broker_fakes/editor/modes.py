"""The modes for contradictions in the editor's documents, and their requirements for requests.

The first value of a mode is its default.
"""

from dataclasses import dataclass
from typing import Literal

from token_broker_fakes.modes import Modes
from token_broker_fakes.wire import Call

HEADERS = {
    "x-api-token": ("x-api-token",),
    "x-api-key": ("x-api-key",),
    "either": ("x-api-token", "x-api-key"),
}


@dataclass(slots=True)
class EditorModes(Modes):
    """The switches of `FakeEditor`; ``docs/upstreams/editor.md`` says where each comes from."""

    expiration_time: Literal[
        "seconds", "milliseconds", "float", "text", "words", "past", "zero", "null", "missing"
    ] = "seconds"
    auth: Literal["optional", "required", "refused"] = "optional"
    """Whether the parameters of generate may have ``auth``."""
    verify_auth: Literal["added", "left_out"] = "added"
    """Whether verify returns the application's id as ``auth``."""
    user_id: Literal["mandatory", "optional"] = "mandatory"
    file: Literal["optional", "mandatory"] = "optional"
    """Whether one of ``file`` and ``fileUrl`` must be there."""
    missing_parameter: Literal["400", "403", "422"] = "400"
    verify_header: Literal["x-api-token", "x-api-key", "either"] = "x-api-token"
    verify_content_type: Literal["any", "required"] = "any"
    """``required``: verify wants the content type that its samples send, though it has no body."""
    query_name: Literal["apitoken", "auth"] = "apitoken"
    """The parameter of the editor's address that holds the token."""
    header_case: Literal["any", "lower"] = "any"
    """``lower``: the header of verify is only seen in lower case, as one backend has it."""
    refusal_type: Literal["json", "text", "none"] = "json"
    """The content type of the 403, whose text is not JSON."""
    success_type: Literal["json", "text", "none"] = "json"
    extra: Literal["none", "fields"] = "none"
    """``fields``: answers hold members that no document names."""
    verify: Literal["keeps", "consumes"] = "keeps"
    """Whether verify, or opening the editor, uses a token up."""
    lifetime: int = 3600
    """Seconds that tokens live; documented nowhere."""


def required(modes: EditorModes) -> list[tuple[str, ...]]:
    """Return groups of parameters, of which each request needs one."""
    wanted: dict[tuple[str, ...], bool] = {
        ("userId",): modes.user_id == "mandatory",
        ("file", "fileUrl"): modes.file == "mandatory",
        ("auth",): modes.auth == "required",
    }
    return [names for names, is_wanted in wanted.items() if is_wanted]


def sent(modes: EditorModes, call: Call) -> str:
    """Return the token of a verification, in the header that the modes accept."""
    headers = call.headers.items() if modes.header_case == "any" else call.raw
    return next((value for name, value in headers if name in HEADERS[modes.verify_header]), "")
