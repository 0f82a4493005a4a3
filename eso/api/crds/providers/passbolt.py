"""The schema of `spec.provider.passbolt`."""

from __future__ import annotations

from eso.api.crds.providers.parts import certificate_authorities
from eso.api.crds.schema import Schema, obj, secret_key, text


def schema() -> Schema:
    members = ("passwordSecretRef", "privateKeySecretRef")
    auth = obj("Key and its passphrase.", {member: secret_key() for member in members}, required=members)
    return obj("Passbolt.", {"auth": auth, **certificate_authorities(), "host": text()}, required=("auth", "host"))
