"""Pulumi ESC: REST on our own connections."""
