"""Infisical: REST on our own connections; ten ways to log in as a machine identity."""
