"""Graebert's token service for the ARES Kudo editor, for everything outside the broker."""

from token_broker_descriptors import Descriptor, Field, Question, answer

DESCRIPTOR = Descriptor(
    name="editor",
    position=2,
    title="the editor",
    vendor="Graebert's token service for the ARES Kudo editor",
    description="Live tokens and addresses of the ARES Kudo editor",
    questions=(
        Question("api_key", "API key", is_secret=True),
        Question("editor_url", "Address of the editor", is_login=False, local="{url}/editor"),
        Question(
            "token_url",
            "Address of the token service",
            "https://tokens.kudo.graebert.com",
            is_implied=True,
            local="{url}",
        ),
    ),
    fields=(
        Field(
            "parameters",
            "an object",
            {
                "type": "object",
                "description": "Passed to the vendor as they are, over the secret's defaults",
                "example": {"userId": "jane"},
            },
        ),
    ),
    answer=answer(
        "x-api-token",
        {},
        url={
            "type": "string",
            "format": "uri",
            "description": "The editor's address with the token in it",
        },
    ),
    demo={"parameters": {"userId": "42"}},
)
