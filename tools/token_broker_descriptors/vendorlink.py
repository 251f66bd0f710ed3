"""Vendorlink, for everything outside the broker."""

from token_broker_descriptors import Descriptor, Question, answer

DESCRIPTOR = Descriptor(
    name="vendorlink",
    position=1,
    title="Vendorlink",
    vendor="Vendorlink",
    description="Live Vendorlink tokens",
    questions=(
        Question("username", "User name"),
        Question("password", "Password", is_secret=True),
        Question(
            "host",
            "Host",
            "app.vendorlink.nl",
            local="{address}",
            at_loopback={"scheme": "http"},
        ),
    ),
    answer=answer(
        "Authorization",
        {"type": "object", "required": ["user_id", "display_name", "hostname"]},
    ),
    token_names={"display_name": "{}"},
)
