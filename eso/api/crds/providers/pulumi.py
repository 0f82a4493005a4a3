"""The schema of `spec.provider.pulumi`."""

from __future__ import annotations

from eso.api.crds.providers.parts import either
from eso.api.crds.schema import Schema, integer, obj, ruled, secret_key, service_account, text


def schema() -> Schema:
    token = obj("", {"secretRef": secret_key()})
    oidc = {
        "expirationSeconds": integer(minimum=600, default=600),
        "organization": text(),
        "serviceAccountRef": service_account(),
    }
    auth = obj(
        "How to log in.",
        {"accessToken": token, "oidcConfig": obj("", oidc, required=("organization", "serviceAccountRef"))},
    )
    parts = {
        "accessToken": token | {"description": "Deprecated: use auth."},
        "apiUrl": text(default="https://api.pulumi.com/api/esc"),
        "auth": ruled(
            auth,
            (either("accessToken", "oidcConfig"), "Exactly one of 'accessToken' or 'oidcConfig' must be specified"),
        ),
        "environment": text(),
        "organization": text(),
        "project": text(),
    }
    return ruled(
        obj("Pulumi ESC.", parts, required=("environment", "organization", "project")),
        (either("auth", "accessToken"), "Exactly one of 'auth' or deprecated 'accessToken' must be specified"),
    )
