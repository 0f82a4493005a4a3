"""OCI Vault: REST on our own connections, requests signed with RSA keys."""
