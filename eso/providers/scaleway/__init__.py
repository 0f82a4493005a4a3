"""Scaleway Secret Manager: REST on our own connections."""
