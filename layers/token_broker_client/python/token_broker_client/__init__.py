"""The caller's side of Token Broker: ask for a token, and sign requests with it."""
