"""The schema of `spec.provider.secretserver`."""

from __future__ import annotations

from eso.api.crds.providers.parts import certificate_authorities
from eso.api.crds.schema import Schema, obj, ruled, secret_key, text


def schema() -> Schema:
    def credential(description: str) -> Schema:
        parts = {"secretRef": secret_key(), "value": text("The value itself.", minLength=1)}
        return ruled(
            obj(description, parts),
            ("has(self.value) != has(self.secretRef)", "exactly one of value or secretRef must be set"),
        )

    parts = {
        **certificate_authorities(),
        "domain": text("Domain of the user."),
        "password": credential("Password of the user."),
        "serverURL": text("Address of Secret Server, or of the Delinea Platform."),
        "token": credential("Token, used as it is; it counts before a user."),
        "username": credential("Name of the user."),
    }
    present = "has(self.token) || (has(self.username) && has(self.password))"
    return ruled(
        obj("Delinea Secret Server.", parts, required=("serverURL",)),
        (present, "either token, or both username and password, must be set"),
    )
