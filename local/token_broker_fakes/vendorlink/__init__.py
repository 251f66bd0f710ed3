"""A fake of Vendorlink (ISPnext): logins, renewals, and hosts that send you to other hosts."""

from token_broker_fakes.vendorlink.fake import FakeVendorlink
from token_broker_fakes.vendorlink.modes import VendorlinkModes
from token_broker_fakes.vendorlink.sessions import User

__all__ = ["FakeVendorlink", "User", "VendorlinkModes"]

FAKE = FakeVendorlink
