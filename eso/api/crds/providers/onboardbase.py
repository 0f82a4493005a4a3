"""The schema of `spec.provider.onboardbase`."""

from __future__ import annotations

from eso.api.crds.schema import Schema, obj, secret_key, text


def schema() -> Schema:
    keys = {
        "apiKeyRef": secret_key("API key."),
        "passcodeRef": secret_key("Passcode of the API key; its key in the Secret of apiKeyRef."),
    }
    parts = {
        "apiHost": text("Has no effect.", default="https://public.onboardbase.com/api/v1/"),
        "auth": obj("API key and its passcode.", keys, required=tuple(keys)),
        "environment": text("Environment of the project.", default="development"),
        "project": text("Name of the project.", default="development"),
    }
    return obj("Onboardbase.", parts, required=tuple(parts))
