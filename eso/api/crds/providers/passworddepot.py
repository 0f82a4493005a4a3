"""The schema of `spec.provider.passworddepot`."""

from __future__ import annotations

from eso.api.crds.schema import Schema, obj, secret_key, text


def schema() -> Schema:
    auth = obj("", {"secretRef": obj("", {"credentials": secret_key()})}, required=("secretRef",))
    parts = {"auth": auth, "database": text(), "host": text()}
    return obj("Password Depot.", parts, required=tuple(parts))
