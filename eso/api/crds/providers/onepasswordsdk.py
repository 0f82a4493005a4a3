"""The schema of `spec.provider.onepasswordSDK`."""

from __future__ import annotations

from eso.api.crds.providers.parts import at_most_one
from eso.api.crds.schema import Schema, described, obj, ruled, secret_key, text


def schema() -> Schema:
    cache = {
        "maxSize": described("Most entries that are kept.", {"type": "integer", "minimum": 1, "default": 100}),
        "ttl": text("How long an entry is kept, as a Go duration.", default="5m"),
    }
    integration = {
        "name": text("Name told to 1Password.", default="1Password SDK"),
        "version": text("Version told to 1Password.", default="v1.0.0"),
    }
    parts = {
        "auth": obj(
            "How to log in.",
            {"serviceAccountSecretRef": secret_key("Token of a service account.")},
            required=("serviceAccountSecretRef",),
        ),
        "cache": obj("Keep values between reads; off when absent.", cache),
        "environment": text("Id of an Environment; read only."),
        "integrationInfo": obj("How this client names itself.", integration),
        "vault": text("Title or id of the vault, without op://."),
    }
    return ruled(
        obj("1Password with a service account.", parts, required=("auth",)), at_most_one("vault", "environment")
    )
