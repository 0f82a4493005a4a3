"""Nebius MysteryBox: gRPC over our own connections."""
