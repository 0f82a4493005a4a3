"""The schema of `Webhook.spec`."""

from __future__ import annotations

from eso.api.crds.providers import webhook
from eso.api.crds.schema import Schema, array, local_secret_key, obj, text


def schema() -> Schema:
    """That of the provider, except that the Secrets are of the same namespace and a result is asked for."""
    shape = webhook.schema()
    secret = {
        "name": text("Name in the templates."),
        "secretRef": local_secret_key("The Secret; the templates get all its keys."),
    }
    shape["description"] = "The answer of any HTTP service."
    shape["properties"] |= {
        "method": text("Method of the request; GET when absent."),
        "result": obj("What is taken from the answer.", {"jsonPath": text("JSONPath of the value; all when absent.")}),
        "secrets": array("Secrets that the templates may use.", obj("", secret, required=tuple(secret))),
    }
    shape["required"] = ["result", "url"]
    return shape
