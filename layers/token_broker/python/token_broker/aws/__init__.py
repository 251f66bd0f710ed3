"""AWS: its services as they are asked here, without boto3 where that is quicker."""
