"""The schema of `spec.provider.conjur`."""

from __future__ import annotations

from eso.api.crds.schema import Schema, ca_provider, obj, one_of, secret_key, service_account, text


def schema() -> Schema:
    api_key = {"account": text(), "apiKeyRef": secret_key(), "userRef": secret_key()}
    jwt = {
        "account": text(),
        "hostId": text(),
        "secretRef": secret_key(),
        "serviceAccountRef": service_account(),
        "serviceID": text(),
    }
    cert = {
        "account": text(),
        "clientCertRef": secret_key(),
        "clientKeyRef": secret_key(),
        "hostId": text(),
        "serviceID": text(),
    }
    auth = {
        "apikey": obj("", api_key, required=("account", "apiKeyRef", "userRef")),
        "cert": obj("", cert, required=("account", "clientCertRef", "clientKeyRef", "serviceID")),
        "jwt": obj("", jwt, required=("account", "serviceID")),
    }
    return obj(
        "CyberArk Conjur.",
        {
            "auth": one_of("How to log in.", auth),
            "caBundle": text("Certificate authorities in PEM, plain or base64."),
            "caProvider": ca_provider(),
            "url": text("Address."),
        },
        required=("auth", "url"),
    )
