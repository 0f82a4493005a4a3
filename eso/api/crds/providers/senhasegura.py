"""The schema of `spec.provider.senhasegura`."""

from __future__ import annotations

from eso.api.crds.schema import Schema, boolean, obj, secret_key, text


def schema() -> Schema:
    auth = obj(
        "", {"clientId": text(), "clientSecretSecretRef": secret_key()}, required=("clientId", "clientSecretSecretRef")
    )
    parts = {"auth": auth, "ignoreSslCertificate": boolean(default=False), "module": text(), "url": text()}
    return obj("senhasegura DSM.", parts, required=("auth", "module", "url"))
