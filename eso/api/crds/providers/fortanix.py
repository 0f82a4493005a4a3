"""The schema of `spec.provider.fortanix`."""

from __future__ import annotations

from eso.api.crds.schema import Schema, obj, secret_key, text


def schema() -> Schema:
    return obj("Fortanix DSM.", {"apiKey": obj("", {"secretRef": secret_key()}), "apiUrl": text()})
