"""Chef Infra Server: REST on our own connections, requests signed with an RSA key."""
