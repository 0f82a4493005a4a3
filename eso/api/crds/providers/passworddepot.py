"""The schema of `spec.provider.passworddepot`."""

from __future__ import annotations

from eso.api.crds.schema import Schema, obj, secret_key, text


def schema() -> Schema:
    secret = obj("User of the server.", {"credentials": secret_key("Secret with username and password.")})
    parts = {
        "auth": obj("How to log in.", {"secretRef": secret}, required=("secretRef",)),
        "database": text("Name of the database, or a part of it."),
        "host": text("Name of the server, without scheme and port."),
    }
    return obj("Password Depot Enterprise Server.", parts, required=tuple(parts))
