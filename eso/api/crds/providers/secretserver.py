"""The schema of `spec.provider.secretserver`."""

from __future__ import annotations

from eso.api.crds.providers.parts import certificate_authorities
from eso.api.crds.schema import Schema, obj, ruled, secret_key, text


def schema() -> Schema:
    def credential() -> Schema:
        parts = {"secretRef": secret_key(), "value": text(minLength=1)}
        return ruled(
            obj("", parts), ("has(self.value) != has(self.secretRef)", "exactly one of value or secretRef must be set")
        )

    parts = {
        **certificate_authorities(),
        "domain": text(),
        "password": credential(),
        "serverURL": text(),
        "token": credential(),
        "username": credential(),
    }
    present = "has(self.token) || (has(self.username) && has(self.password))"
    return ruled(
        obj("Delinea Secret Server.", parts, required=("serverURL",)),
        (present, "either token, or both username and password, must be set"),
    )
