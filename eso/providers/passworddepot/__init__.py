"""Password Depot Enterprise Server: REST on our own connections."""
