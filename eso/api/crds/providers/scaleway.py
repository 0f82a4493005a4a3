"""The schema of `spec.provider.scaleway`."""

from __future__ import annotations

from eso.api.crds.providers.parts import value_or_secret
from eso.api.crds.schema import Schema, obj, text


def schema() -> Schema:
    parts = {
        "accessKey": value_or_secret(),
        "apiUrl": text(),
        "projectId": text(),
        "region": text(),
        "secretKey": value_or_secret(),
    }
    return obj("Scaleway Secret Manager.", parts, required=("accessKey", "projectId", "region", "secretKey"))
