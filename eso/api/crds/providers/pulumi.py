"""The schema of `spec.provider.pulumi`."""

from __future__ import annotations

from eso.api.crds.providers.parts import either
from eso.api.crds.schema import Schema, integer, obj, ruled, secret_key, service_account, text


def schema() -> Schema:
    token = obj("With an access token.", {"secretRef": secret_key("The access token.")})
    oidc = {
        "expirationSeconds": integer("Seconds that the exchanged token lasts.", minimum=600, default=600),
        "organization": text("Organization that trusts the ServiceAccount."),
        "serviceAccountRef": service_account(),
    }
    auth = obj(
        "How to log in.",
        {
            "accessToken": token,
            "oidcConfig": obj(
                "With a ServiceAccount's token, which Pulumi exchanges.",
                oidc,
                required=("organization", "serviceAccountRef"),
            ),
        },
    )
    parts = {
        "accessToken": token | {"description": "Deprecated: use auth."},
        "apiUrl": text("Address of the API.", default="https://api.pulumi.com/api/esc"),
        "auth": ruled(
            auth,
            (either("accessToken", "oidcConfig"), "Exactly one of 'accessToken' or 'oidcConfig' must be specified"),
        ),
        "environment": text("Name of the environment."),
        "organization": text("Organization that the environment belongs to."),
        "project": text("Project that the environment belongs to."),
    }
    return ruled(
        obj("Pulumi ESC.", parts, required=("environment", "organization", "project")),
        (either("auth", "accessToken"), "Exactly one of 'auth' or deprecated 'accessToken' must be specified"),
    )
