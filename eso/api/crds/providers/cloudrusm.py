"""The schema of `spec.provider.cloudrusm`."""

from __future__ import annotations

from eso.api.crds.schema import Schema, obj, secret_key, text


def schema() -> Schema:
    members = ("accessKeyIDSecretRef", "accessKeySecretSecretRef")
    parts = dict(zip(members, (secret_key("Its id."), secret_key("Its secret.")), strict=True))
    secret = obj("Access key of a service account.", parts, required=members)
    auth = obj("How to log in.", {"secretRef": secret})
    return obj("Cloud.ru Secret Manager.", {"auth": auth, "projectID": text("Id of the project.")}, required=("auth",))
