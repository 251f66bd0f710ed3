"""A fake of VNTANA's Admin API: logins, organizations, workspaces and their tokens."""

from token_broker_fakes.vntana.accounts import Account, Organization, Workspace
from token_broker_fakes.vntana.fake import FakeVntana
from token_broker_fakes.vntana.modes import VntanaModes

__all__ = ["Account", "FakeVntana", "Organization", "VntanaModes", "Workspace"]

FAKE = FakeVntana
