"""Fuzzing from outside: schemathesis against the whole system."""
