"""The schema of `spec.provider.chef`."""

from __future__ import annotations

from eso.api.crds.schema import Schema, obj, secret_key, text


def schema() -> Schema:
    secret = obj(
        "Where the key stands.",
        {"privateKeySecretRef": secret_key("RSA key in PEM.")},
        required=("privateKeySecretRef",),
    )
    parts = {
        "auth": obj("Private key of the user.", {"secretRef": secret}, required=("secretRef",)),
        "serverUrl": text("Address with the organisation; ends with a slash."),
        "username": text("User or client."),
    }
    return obj("Chef data bags.", parts, required=("auth", "serverUrl", "username"))
