"""The schema of `spec.provider.delinea`."""

from __future__ import annotations

from eso.api.crds.providers.parts import value_or_secret
from eso.api.crds.schema import Schema, obj, text


def schema() -> Schema:
    parts = {
        "clientId": value_or_secret(),
        "clientSecret": value_or_secret(),
        "tenant": text(),
        "tld": text(),
        "urlTemplate": text(),
    }
    return obj("Delinea DevOps Secrets Vault.", parts, required=("clientId", "clientSecret", "tenant"))
