"""The schema of `spec.provider.previder`."""

from __future__ import annotations

from eso.api.crds.schema import Schema, obj, secret_key, text


def schema() -> Schema:
    secret = obj("", {"accessToken": secret_key()}, required=("accessToken",))
    return obj("Previder Vault.", {"auth": obj("", {"secretRef": secret}), "baseUri": text()}, required=("auth",))
