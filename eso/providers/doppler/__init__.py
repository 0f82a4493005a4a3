"""Doppler: REST on our own connections; a token from a Secret, or one exchanged for a ServiceAccount's token."""
