"""The schema of `spec.provider.ovh`."""

from __future__ import annotations

from eso.api.crds.providers.parts import certificate_authorities
from eso.api.crds.schema import Schema, boolean, integer, obj, secret_key, text


def schema() -> Schema:
    mtls = {**certificate_authorities(), "certSecretRef": secret_key(), "keySecretRef": secret_key()}
    auth = {
        "mtls": obj("", mtls, required=("certSecretRef", "keySecretRef")),
        "token": obj("", {"tokenSecretRef": secret_key()}, required=("tokenSecretRef",)),
    }
    return obj(
        "OVHcloud Secret Manager.",
        {
            "auth": obj("How to log in.", auth),
            "casRequired": boolean(),
            "okmsTimeout": integer("Seconds.", bits=32, minimum=1, default=30),
            "okmsid": text(),
            "server": text(),
        },
        required=("auth", "okmsid", "server"),
    )
