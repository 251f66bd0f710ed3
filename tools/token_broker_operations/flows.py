"""What the templates and the OpenAPI document need to know of a flow."""

from collections.abc import Mapping
from typing import Any, NamedTuple


class Flow(NamedTuple):
    """A flow, as its parts of the templates and of the OpenAPI document are made from it."""

    name: str
    """As in routes, secrets and the names of functions."""

    title: str
    """As in a sentence: live tokens for …"""

    description: str
    """Of its function, for those that look at it in AWS."""

    request: Mapping[str, Any] = {}
    """The schemas of the fields that its requests have besides those of every flow."""

    answer: Mapping[str, Any] = {}
    """The schema of what its answers have besides."""

    verifies: bool = False
    """Whether the vendor tells what a token stands for: one more route."""

    probes: bool = False
    """Whether what the vendor's documents leave open can be found out: one more route."""

    @property
    def logical(self) -> str:
        """The name as part of a resource's."""
        return self.name.capitalize()


def choice(description: str) -> Mapping[str, Any]:
    """Return the schema of a text that may be left out."""
    return {"type": "string", "nullable": True, "minLength": 1, "description": description}


def answer(
    header: str, context: Mapping[str, Any], **besides: Mapping[str, Any]
) -> Mapping[str, Any]:
    """Return the schema of an answer: the vendor's header, its context, and what is beside them."""
    headers = {"type": "object", "required": [header]}
    properties = {"headers": headers, **({"context": context} if context else {}), **besides}
    return {**({"required": list(besides)} if besides else {}), "properties": properties}


FLOWS = (
    Flow(
        "vntana",
        "VNTANA",
        "Live VNTANA tokens",
        {
            "organization": choice(
                "Uuid or slug. The secret's unless said, or the account's only one"
            ),
            "workspace": choice("Uuid or slug. The secret's unless said, or the only one"),
        },
        answer(
            "X-AUTH-TOKEN",
            {
                "type": "object",
                "required": ["organization", "workspace", "role"],
                "properties": {
                    "organization": {"type": "string"},
                    "workspace": {"type": "string", "nullable": True},
                    "role": {"type": "string", "nullable": True},
                },
            },
        ),
        probes=True,
    ),
    Flow(
        "vendorlink",
        "Vendorlink",
        "Live Vendorlink tokens",
        answer=answer(
            "Authorization",
            {"type": "object", "required": ["user_id", "display_name", "hostname"]},
        ),
        probes=True,
    ),
    Flow(
        "editor",
        "the editor",
        "Live tokens and addresses of the ARES Kudo editor",
        {
            "parameters": {
                "type": "object",
                "description": "Passed to the vendor as they are, over the secret's defaults",
                "example": {"userId": "jane"},
            }
        },
        answer(
            "x-api-token",
            {},
            url={
                "type": "string",
                "format": "uri",
                "description": "The editor's address with the token in it",
            },
        ),
        verifies=True,
        probes=True,
    ),
)
