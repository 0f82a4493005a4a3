"""Akeyless: static, rotated and dynamic secrets and certificates of the service or a gateway, by JSON over HTTP."""
