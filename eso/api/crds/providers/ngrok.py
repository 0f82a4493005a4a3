"""The schema of `spec.provider.ngrok`."""

from __future__ import annotations

from eso.api.crds.schema import Schema, obj, one_of, secret_key, text


def schema() -> Schema:
    parts = {
        "apiUrl": text("Address of the API.", default="https://api.ngrok.com"),
        "auth": one_of(
            "How to log in.", {"apiKey": obj("With an API key.", {"secretRef": secret_key("The API key.")})}
        ),
        "vault": obj("The vault that is written to.", {"name": text("Its name.")}, required=("name",)),
    }
    return obj("ngrok vaults, write only.", parts, required=("auth", "vault"))
