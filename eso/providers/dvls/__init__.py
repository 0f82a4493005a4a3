"""Devolutions Server: REST on our own connections, credential entries of vaults."""
