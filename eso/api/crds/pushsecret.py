"""The schemas of PushSecret and ClusterPushSecret.

Neighbours: externalsecret.py has what both directions share (templates, references to generators); kinds.py wraps the
schemas.
"""

from __future__ import annotations

from eso.api.crds.externalsecret import generator_ref, template
from eso.api.crds.schema import (
    Schema,
    anything,
    array,
    choice,
    described,
    label_selector,
    name,
    obj,
    one_of,
    ruled,
    string_map,
    strings,
    text,
    time,
)


def store_ref(description: str = "") -> Schema:
    parts = {
        "kind": choice("Kind of the store.", "SecretStore", "ClusterSecretStore", default="SecretStore"),
        "labelSelector": label_selector("Stores by label."),
        "name": name("Name of the store."),
    }
    return obj(description, parts)


def conversion() -> Schema:
    return choice(
        "Whether keys are turned back into what conversionStrategy Unicode of an ExternalSecret made of them.",
        "None",
        "ReverseUnicode",
        default="None",
    )


def entry(description: str = "") -> Schema:
    remote = {
        "property": text("Part of the secret, in the syntax of the backend."),
        "remoteKey": text("Name of the secret in the backend."),
    }
    match = {
        "remoteRef": obj("What is written.", remote, required=("remoteKey",)),
        "secretKey": text("Key of the source; all keys as one JSON object when absent."),
    }
    parts = {
        "conversionStrategy": conversion(),
        "match": obj("What is read and what is written.", match, required=("remoteRef",)),
        "metadata": anything("Options of the backend."),
    }
    return obj(description, parts, required=("match",))


def bulk() -> Schema:
    regexp = {"source": text("RE2 expression."), "target": text("Replacement; $1 and ${name} insert groups.")}
    step = ruled(
        obj(
            "",
            {
                "regexp": obj("Replace every match in each key.", regexp, required=("source", "target")),
                "transform": obj(
                    "Compute each key.", {"template": text("Template; .value is the key.")}, required=("template",)
                ),
            },
        ),
        (
            "(has(self.regexp) && !has(self.transform)) || (!has(self.regexp) && has(self.transform))",
            "exactly one of regexp or transform must be set",
        ),
    )
    parts = {
        "conversionStrategy": conversion(),
        "match": obj("The keys that are written.", {"regexp": text("RE2 expression; all keys when absent.")}),
        "metadata": anything("Options of the backend."),
        "remoteKey": text("Write all keys as one JSON object under this name."),
        "rewrite": array("Changes to the keys, one after the other.", step),
        "storeRef": store_ref("The stores that are written to, among those of secretStoreRefs."),
    }
    return ruled(
        obj("", parts),
        (
            "has(self.storeRef) && (has(self.storeRef.name) || has(self.storeRef.labelSelector))",
            "storeRef must specify either name or labelSelector",
        ),
        (
            "!has(self.remoteKey) || !has(self.rewrite) || size(self.rewrite) == 0",
            "remoteKey and rewrite are mutually exclusive: "
            "rewrite is only supported in per-key mode (without remoteKey)",
        ),
    )


def push_secret_spec(description: str = "What is read and what is written.") -> Schema:
    secret = {
        "name": name("Name of the Secret, in the same namespace."),
        "selector": label_selector("Secrets by label, in the same namespace."),
    }
    selector = {
        "generatorRef": generator_ref("Take the values from this generator."),
        "secret": obj("Take the values from Secrets.", secret),
    }
    return obj(
        description,
        {
            "data": array("Single values; they are written to every store.", entry()),
            "dataTo": array("Many values at once, for some of the stores.", bulk()),
            "deletionPolicy": choice(
                "Whether what was written is deleted in the backend once it is no longer wanted.",
                "Delete",
                "None",
                default="None",
            ),
            "refreshInterval": text(
                "Time between two writes, as a Go duration; 0 writes on changes only.", default="1h0m0s"
            ),
            "secretStoreRefs": array("The stores that are written to.", store_ref()),
            "selector": one_of("Where the values come from; exactly one member.", selector),
            "template": template(),
            "updatePolicy": choice(
                "Whether a secret that exists in the backend is replaced.", "Replace", "IfNotExists", default="Replace"
            ),
        },
        required=("secretStoreRefs", "selector"),
    )


def ready_conditions() -> Schema:
    condition = {
        "lastTransitionTime": time("When `status` last changed."),
        "message": text(),
        "reason": text(),
        "status": text("True, False or Unknown."),
        "type": text(),
    }
    return array("Whether the backends are in step.", obj("", condition, required=("status", "type")))


def push_secret_status() -> Schema:
    by_entry = {"type": "object", "additionalProperties": entry()}
    written = described(
        "What was written: store → name in the backend → entry.", {"type": "object", "additionalProperties": by_entry}
    )
    parts = {
        "conditions": ready_conditions(),
        "refreshTime": time("When the values were last written.", nullable=True),
        "syncedPushSecrets": written,
        "syncedResourceVersion": text("Stands for the spec, labels and annotations of the last success."),
    }
    return obj("What was found and done.", parts)


def cluster_push_secret_spec() -> Schema:
    metadata = {
        "annotations": string_map("All annotations of the PushSecrets."),
        "labels": string_map("All labels of the PushSecrets."),
    }
    return obj(
        "The PushSecret and the namespaces that get it.",
        {
            "namespaceSelectors": array("Namespaces that match any of these.", label_selector("")),
            "pushSecretMetadata": obj("Metadata of the PushSecrets.", metadata),
            "pushSecretName": name("Name of the PushSecrets; the name of this object when absent."),
            "pushSecretSpec": push_secret_spec("Spec of the PushSecrets."),
            "refreshTime": text("Time between two checks of the namespaces, as a Go duration; 1h when absent."),
        },
        required=("pushSecretSpec",),
    )


def cluster_push_secret_status() -> Schema:
    failure = {"namespace": text("Name of the namespace."), "reason": text("What went wrong.")}
    failed = obj("", failure, required=("namespace",))
    parts = {
        "conditions": ready_conditions(),
        "failedNamespaces": array("Namespaces without their PushSecret.", failed),
        "provisionedNamespaces": strings("Namespaces with their PushSecret."),
        "pushSecretName": text("The name that the PushSecrets have now."),
    }
    return obj("What was found and done.", parts)
