"""BeyondTrust Workload Credentials: REST on our own connections."""
