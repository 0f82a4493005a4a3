"""Fortanix Data Security Manager: REST on our own connections."""
