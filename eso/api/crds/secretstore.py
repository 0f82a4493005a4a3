"""The schema that SecretStore and ClusterSecretStore share.

Neighbours: ../secretstore.py is the record for the same members; providers/ has the provider blocks; kinds.py wraps
the schema.
"""

from __future__ import annotations

from eso.api.crds.providers import provider_schemas
from eso.api.crds.providers.parts import retry_settings
from eso.api.crds.schema import Schema, array, integer, label_selector, namespace, obj, one_of, strings, text, time


def secret_store_spec() -> Schema:
    condition = {
        "namespaceRegexes": strings("RE2 expressions; each matches anywhere in the name."),
        "namespaceSelector": label_selector("Namespaces by label."),
        "namespaces": array("Namespaces by name.", namespace()),
    }
    return obj(
        "The backend and who may use it.",
        {
            "conditions": array(
                "Namespaces that may use a ClusterSecretStore; any match is enough. All when absent.",
                obj("", condition),
            ),
            "controller": text("The controller class that this store belongs to; every controller's when empty."),
            "provider": one_of("The backend; exactly one member.", provider_schemas()),
            "refreshInterval": {
                "description": "Time between two validations: seconds, or a Go duration.",
                "x-kubernetes-int-or-string": True,
                "anyOf": [{"type": "integer"}, {"type": "string"}],
            },
            "retrySettings": retry_settings(),
        },
        required=("provider",),
    )


def secret_store_status() -> Schema:
    condition = {
        "lastTransitionTime": time("When `status` last changed."),
        "message": text(),
        "observedGeneration": integer("The generation that this condition is about."),
        "reason": text(),
        "status": text("True, False or Unknown."),
        "type": text(),
    }
    parts = {
        "capabilities": text("ReadOnly, WriteOnly or ReadWrite."),
        "conditions": array("Whether the store can be used.", obj("", condition, required=("status", "type"))),
    }
    return obj("What validation found.", parts)
