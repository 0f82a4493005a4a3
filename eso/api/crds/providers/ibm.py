"""The schema of `spec.provider.ibm`."""

from __future__ import annotations

from eso.api.crds.schema import Schema, obj, one_of, secret_key, text


def schema() -> Schema:
    container = {"iamEndpoint": text(), "profile": text(), "tokenLocation": text()}
    secret = {"iamEndpoint": text(), "secretApiKeySecretRef": secret_key()}
    auth = {"containerAuth": obj("", container, required=("profile",)), "secretRef": obj("", secret)}
    return obj(
        "IBM Cloud Secrets Manager.", {"auth": one_of("How to log in.", auth), "serviceUrl": text()}, required=("auth",)
    )
