"""The schema of `spec.provider.ngrok`."""

from __future__ import annotations

from eso.api.crds.schema import Schema, obj, one_of, secret_key, text


def schema() -> Schema:
    parts = {
        "apiUrl": text(default="https://api.ngrok.com"),
        "auth": one_of("How to log in.", {"apiKey": obj("", {"secretRef": secret_key()})}),
        "vault": obj("", {"name": text()}, required=("name",)),
    }
    return obj("ngrok vaults, write only.", parts, required=("auth", "vault"))
