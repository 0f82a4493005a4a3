"""The schema of `spec.provider.passbolt`."""

from __future__ import annotations

from eso.api.crds.providers.parts import certificate_authorities
from eso.api.crds.schema import Schema, obj, secret_key, text


def schema() -> Schema:
    keys = {
        "passwordSecretRef": secret_key("Passphrase of the private key."),
        "privateKeySecretRef": secret_key("Armored private key of the user."),
    }
    auth = obj("Key and its passphrase.", keys, required=tuple(keys))
    host = text("Address of the server; https.")
    return obj("Passbolt.", {"auth": auth, **certificate_authorities(), "host": host}, required=("auth", "host"))
