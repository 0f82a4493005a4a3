"""The schema of `spec.provider.volcengine`."""

from __future__ import annotations

from eso.api.crds.schema import Schema, obj, secret_key, text


def schema() -> Schema:
    parts = {
        "accessKeyID": secret_key("Access key."),
        "secretAccessKey": secret_key("Secret of the access key."),
        "token": secret_key("Session token of temporary keys."),
    }
    secret = obj("Static keys.", parts, required=("accessKeyID", "secretAccessKey"))
    return obj(
        "Volcengine KMS.",
        {
            "auth": obj("How to log in; the OIDC role of the operator's pod when absent.", {"secretRef": secret}),
            "region": text("Region, such as cn-beijing."),
        },
        required=("region",),
    )
