"""The schema of `spec.provider.delinea`."""

from __future__ import annotations

from eso.api.crds.providers.parts import value_or_secret
from eso.api.crds.schema import Schema, obj, text


def schema() -> Schema:
    parts = {
        "clientId": value_or_secret("Id of the client."),
        "clientSecret": value_or_secret("Secret of the client."),
        "tenant": text("Tenant; a part of the address."),
        "tld": text("Top-level domain of the address; com when absent."),
        "urlTemplate": text("Address with %s for tenant, domain, resource and path."),
    }
    return obj("Delinea DevOps Secrets Vault.", parts, required=("clientId", "clientSecret", "tenant"))
