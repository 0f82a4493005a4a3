"""Previder Vault: REST on our own connections."""
