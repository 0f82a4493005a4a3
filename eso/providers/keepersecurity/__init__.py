"""Keeper Secrets Manager: its REST protocol on our own connections; everything is encrypted and decrypted here."""
