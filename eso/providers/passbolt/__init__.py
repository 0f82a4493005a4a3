"""Passbolt: its REST API on our own connections; OpenPGP on our side. It is read only."""
