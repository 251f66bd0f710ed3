"""Which of VNTANA's organizations or workspaces is meant by a name, a uuid, or by neither."""

import re
from functools import partial

from token_broker import vntana_requests, vntana_variants
from token_broker.errors import InvalidRequest, NotConfigured
from token_broker.exchange import Conversation, Elsewhere, Exchange
from token_broker.variants import Variant
from token_broker.vntana_answers import checked
from token_broker.vntana_credentials import Credentials
from token_broker.vntana_grid import Grid, Row
from token_broker.vntana_variants import ORGANIZATION_LEVEL, listing_with, with_organization

UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


def find(credentials: Credentials, asked: Variant, now: int) -> Exchange:
    """Return the variant that is meant. A call's mistake is the caller's, else the secret's."""
    named = asked.inputs["organization"]
    wanted = named or credentials.organization
    listing = yield from listing_with(wanted, now)
    error = InvalidRequest if named else NotConfigured
    row = Grid.kept(listing.context).pick(wanted, "organization", error)
    if row.role in ORGANIZATION_LEVEL:
        return Elsewhere(vntana_variants.organization(row.uuid))
    workspace = yield from _find_workspace(credentials, row, asked.inputs["workspace"], now)
    return Elsewhere(vntana_variants.workspace(row.uuid, workspace))


def _find_workspace(
    credentials: Credentials, organization: Row, named: str | None, now: int
) -> Conversation[str]:
    """Return the uuid of the workspace that is meant: a uuid is taken at its word."""
    wanted = named or _default(credentials, organization)
    if wanted and UUID.fullmatch(wanted):
        return wanted
    request = partial(vntana_requests.list_workspaces, credentials)
    listed, _ = yield from with_organization(organization.uuid, request, now)
    grid = Grid.parse(checked(listed, "list workspaces"), "list workspaces")
    return grid.pick(wanted, "workspace", InvalidRequest if named else NotConfigured).uuid


def _default(credentials: Credentials, organization: Row) -> str | None:
    """Return the secret's workspace, unless it belongs to another organization of the secret's."""
    home = credentials.organization
    is_home = not home or Grid([organization], 1).only(home)
    return credentials.workspace if is_home else None
