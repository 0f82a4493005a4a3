"""The schema of `spec.provider.gitlab`."""

from __future__ import annotations

from eso.api.crds.providers.parts import certificate_authorities
from eso.api.crds.schema import Schema, boolean, obj, secret_key, strings, text


def schema() -> Schema:
    secret = obj("Token in a Secret.", {"accessToken": secret_key("Personal, project or group access token.")})
    return obj(
        "GitLab CI/CD variables.",
        {
            "auth": obj("How to log in.", {"SecretRef": secret}, required=("SecretRef",)),
            **certificate_authorities(),
            "environment": text("Environment scope of the variables."),
            "groupIDs": strings("Groups to read from; the last one is asked first."),
            "inheritFromGroups": boolean("Also read from the groups above the project."),
            "projectID": text("Project to read from, by number or path."),
            "url": text("Address; https://gitlab.com/ when absent."),
        },
        required=("auth",),
    )
