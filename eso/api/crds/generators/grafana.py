"""The schema of `Grafana.spec`."""

from __future__ import annotations

from eso.api.crds.schema import Schema, integer, local_secret_key, obj, text


def schema() -> Schema:
    basic = {"password": local_secret_key("Password."), "username": text("User name.")}
    account = {
        "name": text("Name of the service account."),
        "role": text("Role of the service account."),
        "secondsToLive": integer("Lifetime of the token in seconds; it does not end when absent.", minimum=1),
    }
    auth = {
        "basic": obj("User name and password.", basic, required=tuple(basic)),
        "token": local_secret_key("Token of a service account; wins over basic."),
    }
    parts = {
        "auth": obj("How to log in.", auth),
        "serviceAccount": obj("Service account that gets a token.", account, required=("name", "role")),
        "url": text("Address."),
    }
    return obj("A token of a Grafana service account.", parts, required=tuple(parts))
