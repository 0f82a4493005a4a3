"""The schema of `spec.provider.barbican`."""

from __future__ import annotations

from eso.api.crds.schema import Schema, obj, one_of, secret_key, text


def schema() -> Schema:
    username = {"secretRef": secret_key("Secret with the name."), "value": text("The name itself.")}
    password = {"secretRef": secret_key("Secret with the password.")}
    auth = {
        "password": obj("Password of the user.", password, required=("secretRef",)),
        "username": one_of("Name of the user.", username),
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
