"""Volcengine KMS: REST on our own connections, requests signed by a chain of HMACs."""
