"""The way to the vendors' hosts."""
