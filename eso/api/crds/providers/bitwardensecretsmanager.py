"""The schema of `spec.provider.bitwardensecretsmanager`."""

from __future__ import annotations

from eso.api.crds.schema import Schema, ca_provider, obj, secret_key, text


def schema() -> Schema:
    credentials = obj("Token in a Secret.", {"credentials": secret_key("The access token.")}, required=("credentials",))
    return obj(
        "Bitwarden Secrets Manager.",
        {
            "apiURL": text("Address of Bitwarden's API; its cloud when absent."),
            "auth": obj("Access token of a machine account.", {"secretRef": credentials}, required=("secretRef",)),
            "bitwardenServerSDKURL": text("Address of the companion server."),
            "caBundle": text("Certificate authorities in PEM, plain or base64."),
            "caProvider": ca_provider(),
            "identityURL": text("Address of Bitwarden's identity server; its cloud when absent."),
            "organizationID": text("Organization."),
            "projectID": text("Project that names are looked up in, and written to."),
        },
        required=("auth", "organizationID", "projectID"),
    )
