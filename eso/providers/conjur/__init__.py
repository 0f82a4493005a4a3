"""CyberArk Conjur and Secrets Manager SaaS: REST on our own connections; it is read only."""
