"""The schema of `spec.provider.beyondtrust`."""

from __future__ import annotations

from eso.api.crds.providers.parts import value_or_secret
from eso.api.crds.schema import Schema, boolean, obj, text


def schema() -> Schema:
    members = ("apiKey", "certificate", "certificateKey", "clientId", "clientSecret")
    server = {
        "apiUrl": text(),
        "apiVersion": text(),
        "clientTimeOutSeconds": {"type": "integer"},
        "decrypt": boolean(default=True),
        "retrievalType": text(),
        "separator": text(),
        "verifyCA": boolean(),
    }
    parts = {
        "auth": obj("How to log in.", {member: value_or_secret() for member in members}),
        "server": obj("The server.", server, required=("apiUrl", "verifyCA")),
    }
    return obj("BeyondTrust Password Safe.", parts, required=("auth", "server"))
