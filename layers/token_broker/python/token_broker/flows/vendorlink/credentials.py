"""The secret of a Vendorlink connection, and the hosts that may receive it."""

from dataclasses import dataclass, field

from token_broker.document import Document
from token_broker.errors import NotConfigured
from token_broker.exchange import sendable
from token_broker.flows.vendor import pinned
from token_broker.transport import urls

ALLOWED_HOSTS = (".vendorlink.nl",)
CONTENT_TYPE = "application/json; charset=utf-8"
"""The value that the vendor's clients send. The documentation has two others, one with a typo."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """A user, a host, and an option for each contradiction in Vendorlink's documentation."""

    username: str = field(repr=False)
    password: str = field(repr=False)
    host: str
    scheme: str = "https"
    allowed_hosts: tuple[str, ...] = ALLOWED_HOSTS
    extend_key: str = "both"
    null_renewal: str = "keep"
    content_type: str = CONTENT_TYPE

    @classmethod
    def parse(cls, secret: object) -> "Credentials":
        """Read a secret. Raises `NotConfigured`, which names the wrong key."""
        members = Document(secret, NotConfigured)
        options = members.document("options")
        credentials = cls(
            username=members.text("username"),
            password=members.text("password"),
            host=_host(members),
            scheme=members.choice("scheme", "https", "http"),
            allowed_hosts=_allowed_hosts(members),
            extend_key=options.choice("extend_key", "both", "rToken", "RenewalToken"),
            null_renewal=options.choice("null_renewal", "keep", "drop"),
            content_type=options.text("content_type", CONTENT_TYPE),
        )
        pinned(members, {}, "callers of Vendorlink choose nothing that could be pinned")
        options.finish()
        members.finish()
        if not sendable(credentials.content_type):
            raise options.wrong("content_type", "must be printable ASCII")
        if credentials.scheme == "http" and not _is_loopback(credentials.host):
            raise members.wrong("scheme", "http is for loopback hosts only")
        return credentials

    def base_url(self, host: str) -> str:
        """Return the API's URL at *host*. Only a loopback host is called without TLS."""
        scheme = self.scheme if _is_loopback(host) else "https"
        return f"{scheme}://{host}/API"

    def allows(self, host: str) -> bool:
        """Say whether credentials may be sent to *host*, as `normalized` returns it."""
        return host == self.host or any(
            host.endswith(allowed) if allowed.startswith(".") else host == allowed
            for allowed in self.allowed_hosts
        )


def normalized(text: str) -> str:
    """Return ``host[:port]`` in its canonical form. Raises `ValueError`."""
    return urls.join_host(*urls.split_host(text.strip()))


def _is_loopback(host: str) -> bool:
    return urls.is_loopback_host(urls.split_host(host)[0])


def _host(members: Document) -> str:
    try:
        return normalized(members.text("host"))
    except ValueError:
        raise members.wrong("host", "must be a host name, with a port if need be") from None


def _allowed_hosts(members: Document) -> tuple[str, ...]:
    try:
        return tuple(map(_allowed, members.texts("allowed_hosts", ALLOWED_HOSTS)))
    except ValueError:
        raise members.wrong("allowed_hosts", "must be host names or .suffixes") from None


def _allowed(text: str) -> str:
    """Return a host, or a suffix: a dot and the end of a host name, without a port."""
    if not text.startswith("."):
        return normalized(text)
    name, port = urls.split_host(text[1:])
    if port is not None or ":" in name:
        raise ValueError("has a port, or is no name")
    return f".{name}"
