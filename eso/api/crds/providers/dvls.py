"""The schema of `spec.provider.dvls`."""

from __future__ import annotations

from eso.api.crds.schema import Schema, boolean, obj, secret_key, text


def schema() -> Schema:
    secret = {
        "appId": secret_key("Secret with the id of an application."),
        "appSecret": secret_key("Secret with the secret of the application."),
    }
    credentials = obj("Application credentials.", secret, required=tuple(secret))
    parts = {
        "auth": obj("How to log in.", {"secretRef": credentials}, required=("secretRef",)),
        "insecure": boolean("Allow http."),
        "serverUrl": text("Address of the server."),
        "vault": text("Name or id of a vault; without one a key begins with the id of its vault."),
    }
    return obj("Devolutions Server.", parts, required=("auth", "serverUrl"))
