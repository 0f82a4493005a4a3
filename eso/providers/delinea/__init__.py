"""Delinea DevOps Secrets Vault: REST on our own connections; it is read only."""
