"""The schema of `spec.provider.ibm`."""

from __future__ import annotations

from eso.api.crds.schema import Schema, obj, one_of, secret_key, text


def schema() -> Schema:
    container = {
        "iamEndpoint": text("Token server; https://iam.cloud.ibm.com when absent."),
        "profile": text("Trusted profile that the operator's pod may use."),
        "tokenLocation": text("File with the pod's token."),
    }
    secret = {"iamEndpoint": container["iamEndpoint"], "secretApiKeySecretRef": secret_key()}
    auth = {
        "containerAuth": obj("By the token of the operator's own pod.", container, required=("profile",)),
        "secretRef": obj("By an API key.", secret),
    }
    return obj(
        "IBM Cloud Secrets Manager.",
        {"auth": one_of("How to log in.", auth), "serviceUrl": text("Address of the instance.")},
        required=("auth",),
    )
