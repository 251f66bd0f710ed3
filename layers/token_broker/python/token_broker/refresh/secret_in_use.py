"""The version of the connection's secret that one invocation works with."""

from typing import Any

from token_broker.decisions import SECRET_RECHECK_SECONDS
from token_broker.dependencies import Dependencies
from token_broker.errors import BrokerError
from token_broker.secrets_manager import Secret

ROTATION_WINDOW = 86_400
"""Seconds after a version's creation in which the secret's previous version is worth a try."""


class SecretInUse:
    """The secret of *connection*, read once. The current version is in use until it is rejected.

    An event named *noticed_version*, which a replica of Secrets Manager may not have yet.
    """

    def __init__(self, deps: Dependencies, connection: str, noticed_version: str | None) -> None:
        self._deps = deps
        self._connection = connection
        self._noticed_version = noticed_version
        self._current: Secret | None = None
        self._previous: Secret | None = None
        """The previous version, if that is used because the current one was rejected."""
        self._parsed: tuple[str, Any] | None = None
        """A version of the secret, and the vendor's credentials in it."""
        self._was_rechecked = False

    @property
    def is_previous(self) -> bool:
        """Say whether the previous version is used."""
        return self._previous is not None

    def current(self) -> Secret:
        """Return the current version, as it was read last."""
        return self._current or self.reread()

    def in_use(self) -> Secret:
        """Return the version in use."""
        return self._previous or self.current()

    def version(self) -> str:
        """Return the name of the version in use."""
        return self.in_use().version

    def reread(self) -> Secret:
        """Read the current version again: the secret may have another one now."""
        self._current = self._deps.secrets.current(self._connection, self._noticed_version)
        seen = self._deps.clock.now(), self._current.version
        self._deps.versions_seen[self._connection] = seen
        return self._current

    def has_changed(self) -> bool:
        """Read the secret again, at most once; say whether it has another version now.

        The previous version is used until the end of the invocation.
        """
        if self.is_previous or self._was_rechecked:
            return False
        self._was_rechecked = True
        return self.current().version != self.reread().version

    def previous(self) -> Secret | None:
        """Return the previous version, for a try after the current one is rejected.

        None if it is in use already, the current one is old, or it cannot be read or parsed.
        """
        current = self.current()
        if self.is_previous or self._deps.clock.now() - current.created_at > ROTATION_WINDOW:
            return None
        try:
            previous = self._deps.secrets.previous(self._connection)
            if not previous or previous.version == current.version:
                return None
            self._deps.flow.vendor.parse(previous.content)
        except BrokerError:
            return None
        return previous

    def use(self, previous: Secret) -> None:
        """Use the previous version until the end of the invocation."""
        self._previous = previous

    def credentials(self) -> Any:
        """Return the vendor's credentials in the secret, parsed once for each version.

        Raises `NotConfigured`, which names the key that is wrong.
        """
        secret = self.in_use()
        if self._parsed is None or self._parsed[0] != secret.version:
            self._parsed = secret.version, self._deps.flow.vendor.parse(secret.content)
        return self._parsed[1]

    def is_shared(self) -> bool:
        """Say whether callers share tokens. In some flows an option of the secret decides."""
        is_shared = self._deps.flow.vendor.is_shared
        return is_shared is None or is_shared(self.credentials())

    def recent_version(self) -> str:
        """Return the version in use, as this process read it `SECRET_RECHECK_SECONDS` ago at most.

        That is fresh enough to check a latch, and saves a read of the secret.
        """
        seen_at, version = self._deps.versions_seen.get(self._connection, (0, ""))
        is_recent = 0 <= self._deps.clock.now() - seen_at < SECRET_RECHECK_SECONDS
        return version if is_recent and not self.is_previous else self.version()
