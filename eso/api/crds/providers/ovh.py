"""The schema of `spec.provider.ovh`."""

from __future__ import annotations

from eso.api.crds.providers.parts import certificate_authorities
from eso.api.crds.schema import Schema, boolean, integer, obj, secret_key, text


def schema() -> Schema:
    mtls = {
        **certificate_authorities(),
        "certSecretRef": secret_key("The client certificate, PEM."),
        "keySecretRef": secret_key("Its key, PEM."),
    }
    token = {"tokenSecretRef": secret_key("The token.")}
    auth = {
        "mtls": obj("With a client certificate.", mtls, required=("certSecretRef", "keySecretRef")),
        "token": obj("With a token.", token, required=("tokenSecretRef",)),
    }
    return obj(
        "OVHcloud Secret Manager.",
        {
            "auth": obj("How to log in: one of mtls, token.", auth),
            "casRequired": boolean("Name the version that a push replaces."),
            "okmsTimeout": integer("Seconds that a request may take.", bits=32, minimum=1, default=30),
            "okmsid": text("Id of the OKMS domain."),
            "server": text("Address of the region's server, such as https://eu-west-rbx.okms.ovh.net."),
        },
        required=("auth", "okmsid", "server"),
    )
