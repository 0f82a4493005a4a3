"""Bitwarden Secrets Manager by its companion server, which does the cryptography: REST on our own connections."""
