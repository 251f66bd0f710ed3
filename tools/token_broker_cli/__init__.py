"""The operator's command, `token-broker`. Nothing of it is shipped to Lambda."""
