"""HashiCorp Vault and OpenBao: two provider keys, `vault` and `openBao`, over one client."""
