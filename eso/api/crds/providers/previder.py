"""The schema of `spec.provider.previder`."""

from __future__ import annotations

from eso.api.crds.schema import Schema, obj, secret_key, text


def schema() -> Schema:
    token = secret_key("Secret with a ReadWrite or ReadOnly token.")
    secret = obj("Token of an environment.", {"accessToken": token}, required=("accessToken",))
    parts = {
        "auth": obj("How to log in.", {"secretRef": secret}),
        "baseUri": text("Address of the vault; https://vault.previder.io when absent."),
    }
    return obj("Previder Vault.", parts, required=("auth",))
