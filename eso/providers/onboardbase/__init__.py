"""Onboardbase: REST on our own connections; values are decrypted here. It is read only."""
