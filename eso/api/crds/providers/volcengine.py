"""The schema of `spec.provider.volcengine`."""

from __future__ import annotations

from eso.api.crds.schema import Schema, obj, secret_key, text


def schema() -> Schema:
    members = ("accessKeyID", "secretAccessKey")
    secret = obj("", {member: secret_key() for member in (*members, "token")}, required=members)
    return obj("Volcengine KMS.", {"auth": obj("", {"secretRef": secret}), "region": text()}, required=("region",))
