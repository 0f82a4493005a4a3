"""The schema of `spec.provider.beyondtrust`."""

from __future__ import annotations

from eso.api.crds.providers.parts import value_or_secret
from eso.api.crds.schema import Schema, boolean, obj, text


def schema() -> Schema:
    members = {
        "apiKey": value_or_secret("API key; wins over the client."),
        "certificate": value_or_secret("Client certificate, PEM."),
        "certificateKey": value_or_secret("Key of the client certificate, PEM."),
        "clientId": value_or_secret("Id of an OAuth client."),
        "clientSecret": value_or_secret("Secret of the OAuth client."),
    }
    server = {
        "apiUrl": text("Address of the API: https://host/BeyondTrust/api/public/v3."),
        "apiVersion": text("Version of the API: 3.0, 3.1 or 3.2."),
        "clientTimeOutSeconds": {
            "type": "integer",
            "description": "Seconds that a request may take, 300 at most; 45 when absent.",
        },
        "decrypt": boolean("Whether secrets of Secrets Safe are decrypted.", default=True),
        "retrievalType": text("SECRET for Secrets Safe; anything else means managed accounts."),
        "separator": text("What separates the names in a key; / when absent."),
        "verifyCA": boolean("Whether the server's certificate is verified."),
    }
    parts = {
        "auth": obj("How to log in.", members),
        "server": obj("The server.", server, required=("apiUrl", "verifyCA")),
    }
    return obj("BeyondTrust Password Safe.", parts, required=("auth", "server"))
