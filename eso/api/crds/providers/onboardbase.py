"""The schema of `spec.provider.onboardbase`."""

from __future__ import annotations

from eso.api.crds.schema import Schema, obj, secret_key, text


def schema() -> Schema:
    parts = {
        "apiHost": text(default="https://public.onboardbase.com/api/v1/"),
        "auth": obj(
            "", {"apiKeyRef": secret_key(), "passcodeRef": secret_key()}, required=("apiKeyRef", "passcodeRef")
        ),
        "environment": text(default="development"),
        "project": text(default="development"),
    }
    return obj("Onboardbase.", parts, required=tuple(parts))
