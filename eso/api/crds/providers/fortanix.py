"""The schema of `spec.provider.fortanix`."""

from __future__ import annotations

from eso.api.crds.schema import Schema, obj, secret_key, text


def schema() -> Schema:
    parts = {
        "apiKey": obj("API key of an app.", {"secretRef": secret_key("Secret with the API key.")}),
        "apiUrl": text("Address of the server; https://sdkms.fortanix.com when absent."),
    }
    return obj("Fortanix DSM.", parts)
