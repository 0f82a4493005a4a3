"""The schema of `spec.provider.nebiusmysterybox`."""

from __future__ import annotations

from eso.api.crds.schema import Schema, obj, ruled, secret_key, text


def schema() -> Schema:
    auth = obj("How to log in.", {"serviceAccountCredsSecretRef": secret_key(), "tokenSecretRef": secret_key()})
    present = (
        "has(self.serviceAccountCredsSecretRef) || has(self.tokenSecretRef)",
        "either serviceAccountCredsSecretRef or tokenSecretRef must be set",
    )
    parts = {"apiDomain": text(), "auth": ruled(auth, present), "caProvider": obj("", {"certSecretRef": secret_key()})}
    return obj("Nebius MysteryBox.", parts, required=("apiDomain", "auth"))
