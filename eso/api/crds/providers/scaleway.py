"""The schema of `spec.provider.scaleway`."""

from __future__ import annotations

from eso.api.crds.providers.parts import value_or_secret
from eso.api.crds.schema import Schema, obj, text


def schema() -> Schema:
    parts = {
        "accessKey": value_or_secret("Access key of an API key."),
        "apiUrl": text("Address of the API; https://api.scaleway.com when absent."),
        "projectId": text("Id of the project."),
        "region": text("Region, such as fr-par."),
        "secretKey": value_or_secret("Secret key of the API key."),
    }
    return obj("Scaleway Secret Manager.", parts, required=("accessKey", "projectId", "region", "secretKey"))
