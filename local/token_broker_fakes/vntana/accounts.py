"""The accounts of the fake of VNTANA, and their organizations."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any, Literal, TypeVar

from token_broker_fakes.opaque import uuid

ORGANIZATION_LEVEL = frozenset({"ORGANIZATION_OWNER", "ORGANIZATION_ADMIN"})
"""Roles that use the organization's token for everything."""

REFUSALS = {
    "DISABLED": "CLIENT_BLOCKED",
    "SUSPENDED": "SUBSCRIPTION_SUSPENDED",
    "SUBSCRIPTION_CANCELED": "SUBSCRIPTION_NOT_FOUND",
}
"""The error code of entering, by an organization's status. The mapping is our interpretation."""

_names = Random(1)  # uuids of accounts: the same in each process, so that examples can be pasted

Status = Literal["ACTIVE", "DISABLED", "SUBSCRIPTION_CANCELED", "SUSPENDED"]


def _uuid() -> str:
    return uuid(_names)


@dataclass(slots=True)
class Workspace:
    """A workspace, which the API calls a client, and the account's role in it."""

    slug: str
    role: str = "CLIENT_ORGANIZATION_ADMIN"
    name: str = ""
    uuid: str = field(default_factory=_uuid)


@dataclass(slots=True)
class Organization:
    """An organization, and the account's role in it."""

    slug: str
    role: str = "ORGANIZATION_ADMIN"
    workspaces: list[Workspace] = field(default_factory=list)
    status: Status = "ACTIVE"
    name: str = ""
    uuid: str = field(default_factory=_uuid)

    @property
    def is_organization_level(self) -> bool:
        """Say whether this role gets the organization's token only."""
        return self.role in ORGANIZATION_LEVEL


@dataclass(slots=True)
class Account:
    """A user with a password and one key."""

    email: str = "demo@example.com"
    password: str = field(default="demo-password", repr=False)
    key: str = field(default="demo-key/with+signs==", repr=False)
    organizations: list[Organization] = field(default_factory=list)
    failures: int = 0
    """Wrong passwords in a row, which the mode ``lockout`` limits."""

    def organization(self, uuid: str) -> Organization | None:
        """Return the account's organization with this UUID, or None."""
        return next((one for one in self.organizations if one.uuid == uuid), None)

    def describe(self) -> dict[str, Any]:
        """Return this account's organizations, without its password and key."""
        return {
            "email": self.email,
            "organizations": [
                {
                    "slug": organization.slug,
                    "uuid": organization.uuid,
                    "role": organization.role,
                    "status": organization.status,
                    "workspaces": [
                        {"slug": one.slug, "uuid": one.uuid, "role": one.role}
                        for one in organization.workspaces
                    ],
                }
                for organization in self.organizations
            ],
        }


Row = TypeVar("Row", Organization, Workspace)


def found(rows: Sequence[Row], slug: str) -> Row:
    """Return the row with this slug. Raises `LookupError`."""
    for row in rows:
        if row.slug == slug:
            return row
    raise LookupError(f"there is no {slug!r}; there are {', '.join(row.slug for row in rows)}")


def demo_account() -> Account:
    """Return the account of the demo: it administers ``acme``, and is a guest of ``studio``."""
    studio = [Workspace("chairs", uuid="c4a125aa-0000-4000-8000-000000000001")]
    studio.append(Workspace("tables", uuid="7ab1e5aa-0000-4000-8000-000000000002"))
    acme = Organization("acme", uuid="ac3e0000-0000-4000-8000-00000000000a")
    guest = "ORGANIZATION_CLIENT_MEMBER"
    other = Organization("studio", guest, studio, uuid="57d10000-0000-4000-8000-00000000000b")
    return Account(organizations=[acme, other])
