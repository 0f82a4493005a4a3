"""OpenStack Barbican: REST on our own connections, a password at Keystone."""
