"""The miss path: at most one exchange of a variant is in flight."""
