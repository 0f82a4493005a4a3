"""BeyondTrust Password Safe and its Secrets Safe: REST on our own connections."""
