"""The schema of `spec.provider.senhasegura`."""

from __future__ import annotations

from eso.api.crds.schema import Schema, boolean, obj, secret_key, text


def schema() -> Schema:
    auth = {
        "clientId": text("Id of an OAuth client."),
        "clientSecretSecretRef": secret_key("Secret with the secret of the client."),
    }
    parts = {
        "auth": obj("How to log in.", auth, required=tuple(auth)),
        "ignoreSslCertificate": boolean("Trust any certificate.", default=False),
        "module": text("Module of senhasegura: DSM."),
        "url": text("Address of senhasegura, https."),
    }
    return obj("senhasegura DSM.", parts, required=("auth", "module", "url"))
