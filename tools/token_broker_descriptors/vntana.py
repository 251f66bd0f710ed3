"""VNTANA, for everything outside the broker."""

from token_broker_descriptors import Descriptor, Field, Question, answer, choice

LOGIN = (Question("email", "E-mail"), Question("password", "Password", is_secret=True))

DESCRIPTOR = Descriptor(
    name="vntana",
    position=0,
    title="VNTANA",
    vendor="VNTANA",
    description="Live VNTANA tokens",
    questions=(
        Question(
            "personal_access_token",
            "Personal access token (empty: log in by e-mail)",
            is_secret=True,
            instead=LOGIN,
        ),
        Question("organization", "Organization, uuid or slug", is_optional=True, is_login=False),
        Question("workspace", "Workspace, uuid or slug", is_optional=True, is_login=False),
        Question(
            "base_url",
            "Address",
            "https://api-platform.vntana.com",
            is_implied=True,
            local="{url}",
        ),
    ),
    fields=(
        Field(
            "organization",
            "uuid or slug",
            choice("Uuid or slug. The secret's unless said, or the account's only one"),
        ),
        Field(
            "workspace",
            "uuid or slug",
            choice("Uuid or slug. The secret's unless said, or the only one"),
        ),
    ),
    answer=answer(
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
    refusal_codes={
        "BAD_CREDENTIALS": False,
        "FORBIDDEN": True,
        "TOKEN_NOT_FOUND": False,
        "UNAUTHORIZED": False,
    },
    token_names={"workspace": "workspace {:.8}", "organization": "organization {:.8}"},
)
