"""The schema of `spec.provider.bitwardensecretsmanager`."""

from __future__ import annotations

from eso.api.crds.schema import Schema, ca_provider, obj, secret_key, text


def schema() -> Schema:
    credentials = obj("", {"credentials": secret_key()}, required=("credentials",))
    return obj(
        "Bitwarden Secrets Manager.",
        {
            "apiURL": text(),
            "auth": obj("Access token of a machine account.", {"secretRef": credentials}, required=("secretRef",)),
            "bitwardenServerSDKURL": text("Address of the companion server."),
            "caBundle": text("Certificate authorities in PEM, plain or base64."),
            "caProvider": ca_provider(),
            "identityURL": text(),
            "organizationID": text(),
            "projectID": text(),
        },
        required=("auth", "organizationID", "projectID"),
    )
