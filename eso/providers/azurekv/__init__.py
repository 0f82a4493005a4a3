"""Azure Key Vault: secrets, keys and certificates by REST on our own connections."""
