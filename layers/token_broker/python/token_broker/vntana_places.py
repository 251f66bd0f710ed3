"""Which of VNTANA's organizations or workspaces is meant by a name, a uuid, or by neither."""

import re
from functools import partial

from token_broker import vntana_requests, vntana_variants
from token_broker.errors import BrokerError, InvalidRequest, NotConfigured
from token_broker.exchange import Elsewhere, Exchange, Response
from token_broker.variants import Variant
from token_broker.vntana_answers import checked, refusal
from token_broker.vntana_credentials import Credentials
from token_broker.vntana_grid import Grid, Row
from token_broker.vntana_variants import ORGANIZATION_LEVEL, listing_with, with_organization

UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


def find(credentials: Credentials, asked: Variant, now: int) -> Exchange:
    """Return the variant that is meant. A call's mistake is the caller's, else the secret's."""
    named = asked.inputs["organization"]
    listing = yield from listing_with(named or credentials.organization, now)
    error = InvalidRequest if named else NotConfigured
    organizations = Grid.kept(listing.context)
    row = organizations.pick(named or credentials.organization, "organization", error)
    is_needed = row.role not in ORGANIZATION_LEVEL
    wanted = asked.inputs["workspace"] or _default(credentials, row)
    if not wanted and not is_needed:
        return Elsewhere(vntana_variants.organization(row.uuid), {"role": row.role})
    error = InvalidRequest if asked.inputs["workspace"] else NotConfigured
    request = partial(vntana_requests.list_workspaces, credentials)
    listed, _ = yield from with_organization(row.uuid, request, now)
    workspace = _workspace(listed, wanted, error, is_needed=is_needed)
    if not is_needed:
        return Elsewhere(vntana_variants.organization(row.uuid), {"role": row.role})
    return Elsewhere(vntana_variants.workspace(row.uuid, workspace))


def _workspace(
    listed: Response, wanted: str | None, error: type[BrokerError], *, is_needed: bool
) -> str:
    """Return the uuid of the workspace that is meant.

    A uuid is taken at its word only where no list can tell whether it is there.
    """
    is_uuid = wanted and UUID.fullmatch(wanted)
    if wanted and is_uuid and is_needed and refusal(listed):
        return wanted
    grid = Grid.parse(checked(listed, "list workspaces"), "list workspaces")
    is_told = len(grid.rows) == grid.total and (grid.rows or not is_needed)
    if wanted and is_uuid and not is_told and not grid.only(wanted):
        return wanted
    return grid.pick(wanted, "workspace", error).uuid


def _default(credentials: Credentials, organization: Row) -> str | None:
    """Return the secret's workspace, unless it belongs to another organization of the secret's."""
    home = credentials.organization
    is_home = not home or Grid([organization], 1).only(home)
    return credentials.workspace if is_home else None
