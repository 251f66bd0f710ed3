"""Calls to AWS: through boto3, and for a hit without it."""
