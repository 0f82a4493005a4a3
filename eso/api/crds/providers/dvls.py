"""The schema of `spec.provider.dvls`."""

from __future__ import annotations

from eso.api.crds.schema import Schema, boolean, obj, secret_key, text


def schema() -> Schema:
    secret = obj("", {"appId": secret_key(), "appSecret": secret_key()}, required=("appId", "appSecret"))
    parts = {
        "auth": obj("Application credentials.", {"secretRef": secret}, required=("secretRef",)),
        "insecure": boolean("Allow http."),
        "serverUrl": text(),
        "vault": text("Name or id."),
    }
    return obj("Devolutions Server.", parts, required=("auth", "serverUrl"))
