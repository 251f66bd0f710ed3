"""What the versions of a secret say, as far as a run tells them apart."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Setting:
    """Who logs in, with what, where, and what callers get who name nothing."""

    user: int = 0
    """Which of a vendor's two users, or applications."""
    password: str = ""
    host: int = 0
    """The vendor's address: each number stands for one of its own."""
    is_other: bool = False
    """Whether it has other defaults."""
    is_pinned: bool = False
    """Whether callers may not choose the organization, or the editor's user."""
    is_shared: bool = True
    """Whether callers share a token: the editor's option ``reuse``."""

    @property
    def credential(self) -> str:
        """What the vendor sees of it."""
        return f"{self.user}/{self.password}"
