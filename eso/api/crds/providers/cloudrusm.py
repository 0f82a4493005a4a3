"""The schema of `spec.provider.cloudrusm`."""

from __future__ import annotations

from eso.api.crds.schema import Schema, obj, secret_key, text


def schema() -> Schema:
    members = ("accessKeyIDSecretRef", "accessKeySecretSecretRef")
    secret = obj("", {member: secret_key() for member in members}, required=members)
    return obj(
        "Cloud.ru Secret Manager.", {"auth": obj("", {"secretRef": secret}), "projectID": text()}, required=("auth",)
    )
