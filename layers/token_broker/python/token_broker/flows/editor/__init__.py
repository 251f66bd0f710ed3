"""The ARES Kudo editor."""
