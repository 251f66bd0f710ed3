"""VNTANA."""
