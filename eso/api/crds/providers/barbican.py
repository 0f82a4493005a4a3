"""The schema of `spec.provider.barbican`."""

from __future__ import annotations

from eso.api.crds.schema import Schema, obj, one_of, secret_key, text


def schema() -> Schema:
    auth = {
        "password": obj("", {"secretRef": secret_key()}, required=("secretRef",)),
        "username": one_of("", {"secretRef": secret_key(), "value": text()}),
    }
    return obj(
        "OpenStack Barbican.",
        {
            "auth": obj("User and password.", auth, required=("password", "username")),
            "authURL": text("Address of Keystone."),
            "domainName": text("Domain of the user and the project."),
            "region": text("Region of the endpoint."),
            "tenantName": text("Project."),
        },
        required=("auth",),
    )
