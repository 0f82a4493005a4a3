"""The schema of `spec.provider.akeyless`."""

from __future__ import annotations

from eso.api.crds.providers.parts import certificate_authorities
from eso.api.crds.schema import Schema, boolean, obj, secret_key, service_account, text


def schema() -> Schema:
    secret = {
        "accessID": secret_key("Access id."),
        "accessType": secret_key("Access type, for example api_key, azure_ad, aws_iam or gcp."),
        "accessTypeParam": secret_key("What the access type needs beside the id, for example the access key."),
    }
    kubernetes = {
        "accessID": text("Access id of the Kubernetes auth method."),
        "k8sConfName": text("Name of the Kubernetes auth configuration in the gateway."),
        "secretRef": secret_key("Token in a Secret; key token when absent."),
        "serviceAccountRef": service_account(),
    }
    auth = {
        "kubernetesAuth": obj("ServiceAccount token.", kubernetes, required=("accessID", "k8sConfName")),
        "secretRef": obj("Access id, access type and its parameter in Secrets.", secret),
        "serviceAccountRef": service_account("ServiceAccount for access type azure_ad."),
    }
    return obj(
        "Akeyless.",
        {
            "akeylessGWApiURL": text("Address of the gateway or the service; https://api.akeyless.io when empty."),
            "authSecretRef": obj("How to log in.", auth),
            **certificate_authorities(),
            "ignoreCache": boolean("Ask the gateway not to answer from its cache."),
        },
        required=("akeylessGWApiURL", "authSecretRef"),
    )
