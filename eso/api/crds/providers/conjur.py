"""The schema of `spec.provider.conjur`."""

from __future__ import annotations

from eso.api.crds.schema import Schema, ca_provider, obj, one_of, secret_key, service_account, text


def schema() -> Schema:
    owner = text("Account of the server.")
    api_key = {
        "account": owner,
        "apiKeyRef": secret_key("API key."),
        "userRef": secret_key("Name of the user or host."),
    }
    jwt = {
        "account": owner,
        "hostId": text("The host, where the authenticator does not find it by itself."),
        "secretRef": secret_key(),
        "serviceAccountRef": service_account(),
        "serviceID": text("Id of the authenticator."),
    }
    cert = {
        "account": owner,
        "clientCertRef": secret_key("Certificate in PEM."),
        "clientKeyRef": secret_key("Private key in PEM."),
        "hostId": text("The host, where the authenticator does not find it by itself."),
        "serviceID": text("Id of the authenticator."),
    }
    auth = {
        "apikey": obj("API key.", api_key, required=("account", "apiKeyRef", "userRef")),
        "cert": obj(
            "TLS client certificate.", cert, required=("account", "clientCertRef", "clientKeyRef", "serviceID")
        ),
        "jwt": obj("JWT of a ServiceAccount, or in a Secret.", jwt, required=("account", "serviceID")),
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
