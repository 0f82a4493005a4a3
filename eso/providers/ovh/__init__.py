"""OVHcloud Secret Manager on an OKMS domain: REST on our own connections."""
