"""The operator's command, `token-broker`."""
