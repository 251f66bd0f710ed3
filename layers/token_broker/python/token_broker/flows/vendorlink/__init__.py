"""Vendorlink (ISPnext)."""
