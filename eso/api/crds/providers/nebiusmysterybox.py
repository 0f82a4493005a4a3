"""The schema of `spec.provider.nebiusmysterybox`."""

from __future__ import annotations

from eso.api.crds.schema import Schema, obj, ruled, secret_key, text


def schema() -> Schema:
    auth = obj(
        "How to log in.",
        {
            "serviceAccountCredsSecretRef": secret_key("Key of a service account, JSON."),
            "tokenSecretRef": secret_key("An IAM token."),
        },
    )
    present = (
        "has(self.serviceAccountCredsSecretRef) || has(self.tokenSecretRef)",
        "either serviceAccountCredsSecretRef or tokenSecretRef must be set",
    )
    parts = {
        "apiDomain": text("Domain of the API, with its port where that is not 443, such as api.nebius.cloud:443."),
        "auth": ruled(auth, present),
        "caProvider": obj("Whom to trust.", {"certSecretRef": secret_key("Authorities, PEM.")}),
    }
    return obj("Nebius MysteryBox.", parts, required=("apiDomain", "auth"))
