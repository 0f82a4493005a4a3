"""The schema of `spec.provider.doppler`."""

from __future__ import annotations

from eso.api.crds.providers.parts import either
from eso.api.crds.schema import Schema, choice, integer, obj, ruled, secret_key, service_account, text


def schema() -> Schema:
    oidc = {
        "expirationSeconds": integer("Lifetime of the requested token in seconds.", default=600),
        "identity": text("Id of the Service Account Identity."),
        "serviceAccountRef": service_account(),
    }
    token = {"dopplerToken": secret_key("Token; key dopplerToken when absent.")}
    auth = obj(
        "How to log in.",
        {
            "oidcConfig": obj("OIDC token of a ServiceAccount.", oidc, required=("identity", "serviceAccountRef")),
            "secretRef": obj("Token in a Secret.", token, required=("dopplerToken",)),
        },
    )
    transformers = ("upper-camel", "camel", "lower-snake", "tf-var", "dotnet-env", "lower-kebab")
    message = "Exactly one of 'secretRef' or 'oidcConfig' must be specified"
    return obj(
        "Doppler.",
        {
            "auth": ruled(auth, (either("secretRef", "oidcConfig"), message)),
            "config": text("Config, when the token is not of a single one."),
            "format": choice("Download all secrets as one file.", "json", "dotnet-json", "env", "yaml", "docker"),
            "nameTransformer": choice("How names are rewritten.", *transformers),
            "project": text("Project, when the token is not of a single one."),
        },
        required=("auth",),
    )
