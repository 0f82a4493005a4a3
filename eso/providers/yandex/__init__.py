"""Yandex Lockbox and Certificate Manager: gRPC over our own connections, one login for both."""
