"""The schema of `spec.provider.beyondtrustworkloadcredentials`."""

from __future__ import annotations

from eso.api.crds.providers.parts import certificate_authorities
from eso.api.crds.schema import Schema, obj, secret_key, text


def schema() -> Schema:
    api_key = obj("API token in a Secret.", {"token": secret_key("The token.")}, required=("token",))
    server = {
        "apiUrl": text("Address of the API, https."),
        "siteId": text("Id of the site, a UUID of version 4."),
    }
    parts = {
        "auth": obj("How to log in.", {"apikey": api_key}, required=("apikey",)),
        **certificate_authorities(),
        "folderPath": text("The folder that names are looked up in; the root when absent."),
        "server": obj("The server.", server, required=tuple(server)),
    }
    return obj("BeyondTrust Workload Credentials.", parts, required=("auth", "server"))
