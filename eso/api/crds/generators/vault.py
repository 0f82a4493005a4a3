"""The schema of `VaultDynamicSecret.spec`."""

from __future__ import annotations

from eso.api.crds.providers import vault
from eso.api.crds.providers.parts import retry_settings
from eso.api.crds.schema import Schema, anything, boolean, choice, controller_class, described, obj, strings, text


def schema() -> Schema:
    return obj(
        "A dynamic secret of HashiCorp Vault or of another server that speaks its API.",
        {
            "allowEmptyResponse": boolean("Whether an answer without data is accepted.", default=False),
            "controller": controller_class(),
            "getParameters": described(
                "Query of a GET request.", {"type": "object", "additionalProperties": strings()}
            ),
            "method": text("Method of the request; GET when absent."),
            "parameters": anything("Body of a writing request."),
            "path": text("Path of the secret."),
            "provider": vault.schema(),
            "resultType": choice(
                "What is taken from the answer: its data, its auth block, or all of it.",
                "Data",
                "Auth",
                "Raw",
                default="Data",
            ),
            "retrySettings": retry_settings(),
        },
        required=("path", "provider"),
    )
