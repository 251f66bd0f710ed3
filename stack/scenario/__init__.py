"""What is asked of the deployed broker: a module a subject."""
