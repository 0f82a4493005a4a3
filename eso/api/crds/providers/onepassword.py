"""The schema of `spec.provider.onepassword`."""

from __future__ import annotations

from eso.api.crds.schema import Schema, described, obj, secret_key, text


def schema() -> Schema:
    secret = obj(
        "Token in a Secret.",
        {"connectTokenSecretRef": secret_key("Access token of the Connect server.")},
        required=("connectTokenSecretRef",),
    )
    parts = {
        "auth": obj("How to log in.", {"secretRef": secret}, required=("secretRef",)),
        "connectHost": text("Address of the Connect server."),
        "vaults": described(
            "Vault by name or id → its place in the search order; the places are unique.",
            {"type": "object", "additionalProperties": {"type": "integer"}},
        ),
    }
    return obj("1Password Connect.", parts, required=tuple(parts))
