"""The schemas of ExternalSecret and ClusterExternalSecret.

Neighbours: ../externalsecret.py and ../clusterexternalsecret.py are the records for the same members; kinds.py
wraps the schemas.
"""

from __future__ import annotations

from eso.api.crds.schema import (
    Schema,
    array,
    boolean,
    choice,
    integer,
    key,
    label_selector,
    name,
    namespace,
    obj,
    one_of,
    string_map,
    strings,
    text,
    time,
)
from eso.api.wellknown import GENERATORS_API_VERSION

SCHEDULE_PATTERN = r"^(@(annually|yearly|monthly|weekly|daily|midnight|hourly)|@every [^\s]+.*|[^\s]+( [^\s]+){4})$"
GENERATORS = (
    "ACRAccessToken",
    "BeyondtrustWorkloadCredentialsDynamicSecret",
    "ClusterGenerator",
    "CloudsmithAccessToken",
    "ECRAuthorizationToken",
    "Fake",
    "GCRAccessToken",
    "GithubAccessToken",
    "GitlabDeployToken",
    "QuayAccessToken",
    "Password",
    "SSHKey",
    "STSSessionToken",
    "UUID",
    "VaultDynamicSecret",
    "Webhook",
    "Grafana",
    "MFA",
)


def store_ref(description: str) -> Schema:
    return obj(
        description,
        {
            "kind": choice(
                "SecretStore (the default, in the same namespace) or ClusterSecretStore.",
                "SecretStore",
                "ClusterSecretStore",
            ),
            "name": name("Name of the store."),
        },
    )


def generator_ref(description: str) -> Schema:
    return obj(
        description,
        {
            "apiVersion": text("Group and version of the generator.", default=GENERATORS_API_VERSION),
            "kind": choice("Kind of the generator.", *GENERATORS),
            "name": name("Name of the generator."),
        },
        required=("kind", "name"),
    )


def source_ref(generator: str) -> Schema:
    parts = {
        "generatorRef": generator_ref(generator),
        "storeRef": store_ref("Read from this store instead of spec.secretStoreRef."),
    }
    return one_of("Where this entry is read from.", parts)


def strategies() -> dict[str, Schema]:
    """How keys and values of an answer are treated. An absent member means its first choice."""
    return {
        "conversionStrategy": choice(
            "How characters that a Secret key cannot hold are replaced: "
            "by _ (Default) or by their code point (Unicode).",
            "Default",
            "Unicode",
        ),
        "decodingStrategy": choice(
            "How values are decoded; None leaves them as they are.", "Auto", "Base64", "Base64URL", "None"
        ),
        "nullBytePolicy": choice(
            "Whether a value with a NUL byte is accepted (Ignore) or an error (Fail).", "Ignore", "Fail"
        ),
    }


def remote_ref(description: str) -> Schema:
    parts = {
        "key": text("Name of the secret in the backend."),
        "metadataPolicy": choice("Fetch reads the secret's tags or labels in the place of its value.", "None", "Fetch"),
        "property": text("Part of the secret, in the syntax of the backend."),
        "version": text("Version of the secret, in the syntax of the backend."),
    }
    return obj(description, dict(sorted((parts | strategies()).items())), required=("key",))


def find() -> Schema:
    parts = {
        "name": obj("Match by name.", {"regexp": text("RE2 expression; matches anywhere in the name.")}),
        "path": text("Where the search begins, in the syntax of the backend."),
        "tags": string_map("Tags that a secret must have."),
    }
    return obj("Read all secrets that match.", dict(sorted((parts | strategies()).items())))


def rewrite() -> Schema:
    merge = {
        "conflictPolicy": choice("What to do when two secrets have the same key.", "Ignore", "Error", default="Error"),
        "into": text("The key that receives the merged object; needed for strategy JSON.", default=""),
        "priority": strings("Keys that are merged last, in this order; the last one wins."),
        "priorityPolicy": choice(
            "Whether a key in `priority` must exist.", "IgnoreNotFound", "Strict", default="Strict"
        ),
        "strategy": choice(
            "Extract replaces all keys by the members of the merged object, JSON adds the object under one key.",
            "Extract",
            "JSON",
            default="Extract",
        ),
    }
    regexp = {"source": text("RE2 expression."), "target": text("Replacement; $1 and ${name} insert groups.")}
    step = one_of(
        "",
        {
            "merge": obj("Merge the values, which are JSON objects, into one.", merge),
            "regexp": obj("Replace every match in each key.", regexp, required=("source", "target")),
            "transform": obj(
                "Compute each key.", {"template": text("Template; .value is the key.")}, required=("template",)
            ),
        },
    )
    return array("Changes to the keys, one after the other.", step)


def template_source(kind: str) -> Schema:
    item = obj(
        "",
        {
            "key": key(f"Key of the {kind}."),
            "templateAs": choice(
                "Values: the content is the template of one value. KeysAndValues: it renders to a YAML map.",
                "Values",
                "KeysAndValues",
                default="Values",
            ),
        },
        required=("key",),
    )
    parts = {
        "items": array("The keys that hold templates.", item),
        "name": name(f"Name of the {kind}, in the same namespace."),
    }
    return obj(f"Templates in a {kind}.", parts, required=("items", "name"))


def template() -> Schema:
    metadata = {
        "annotations": string_map("Annotations; the values are templates."),
        "finalizers": strings("Finalizers to add; they are never removed again."),
        "labels": string_map("Labels; the values are templates."),
    }
    source = {
        "configMap": template_source("ConfigMap"),
        "literal": text("A template that renders to a YAML map."),
        "secret": template_source("Secret"),
        "target": text(
            "What the result becomes: Data, Labels or Annotations; for other kinds also a path such as spec.",
            default="Data",
        ),
        "valuesDecodingStrategy": choice("How each rendered value is decoded.", "Auto", "Base64", "Base64URL", "None"),
    }
    parts = {
        "data": string_map("One template per key."),
        "engineVersion": choice(
            "v2 is the Go template language; jinja2 is Jinja2 in a sandbox.", "v2", "jinja2", default="v2"
        ),
        "mergePolicy": choice(
            "Whether values that no template mentions are kept beside the rendered ones (Merge).",
            "Replace",
            "Merge",
            default="Replace",
        ),
        "metadata": obj(
            "Metadata of the target, in the place of the ExternalSecret's own labels and annotations.", metadata
        ),
        "templateFrom": array("Further templates, in order; the later wins.", obj("", source)),
        "type": text("Type of the Secret."),
    }
    return obj("How the target is rendered from the values that were read.", parts)


def target() -> Schema:
    manifest = {"apiVersion": text("For example v1.", minLength=1), "kind": text("For example ConfigMap.", minLength=1)}
    parts = {
        "creationPolicy": choice(
            "Who creates and owns the target: Owner creates and owns it, Orphan creates it, "
            "Merge only adds keys to an existing one, CreateOrMerge does either, None writes nothing.",
            "Owner",
            "Orphan",
            "Merge",
            "None",
            "CreateOrMerge",
            default="Owner",
        ),
        "deletionPolicy": choice(
            "When the backend no longer has the secret: "
            "Delete the target, remove its keys (Merge), or leave it as it is (Retain).",
            "Delete",
            "Merge",
            "Retain",
            default="Retain",
        ),
        "immediate": boolean("Whether changes that concern this target go before all others."),
        "immutable": boolean("Create the Secret immutable; its data is never written again."),
        "manifest": obj(
            "Write an object of this kind in the place of a Secret.", manifest, required=("apiVersion", "kind")
        ),
        "name": name("Name of the target; the name of the ExternalSecret when absent."),
        "template": template(),
    }
    return obj("What is written.", parts, default={"creationPolicy": "Owner", "deletionPolicy": "Retain"})


def sync_windows() -> Schema:
    window = {
        "duration": text("How long the window stays open, as a Go duration."),
        "schedule": text(
            "When the window opens: five cron fields in UTC, or a shorthand such as @daily.",
            minLength=1,
            pattern=SCHEDULE_PATTERN,
        ),
    }
    parts = {
        "kind": choice("allow refreshes only inside the windows, deny only outside.", "allow", "deny"),
        "windows": array("The windows.", obj("", window, required=("duration", "schedule")), minItems=1),
    }
    return obj(
        "When periodic refreshes may happen; first reads and changes are not held back.",
        parts,
        required=("kind", "windows"),
    )


def external_secret_spec(description: str = "What is read and what is written.") -> Schema:
    entry = obj(
        "",
        {
            "remoteRef": remote_ref("What is read."),
            "secretKey": key("The key that the value is stored under."),
            "sourceRef": source_ref("Deprecated and without effect here."),
        },
        required=("remoteRef", "secretKey"),
    )
    bulk = obj(
        "",
        {
            "extract": remote_ref("Read one secret that holds many keys."),
            "find": find(),
            "rewrite": rewrite(),
            "sourceRef": source_ref("Take the values from this generator."),
        },
    )
    return obj(
        description,
        {
            "data": array("Single values; they win over dataFrom.", entry),
            "dataFrom": array("Many values at once; later entries win.", bulk),
            "refreshInterval": text("Time between two reads, as a Go duration; 0 reads once.", default="1h0m0s"),
            "refreshPolicy": choice(
                "Periodic reads every refreshInterval, OnChange when the ExternalSecret changes, "
                "CreatedOnce a single time.",
                "CreatedOnce",
                "Periodic",
                "OnChange",
            ),
            "secretStoreRef": store_ref("The store that entries without their own sourceRef are read from."),
            "syncWindows": sync_windows(),
            "target": target(),
        },
    )


def external_secret_status() -> Schema:
    condition = {
        "lastTransitionTime": time("When `status` last changed."),
        "message": text(),
        "observedGeneration": integer("The generation that this condition is about."),
        "reason": text(),
        "status": text("True, False or Unknown."),
        "type": choice("", "Ready", "Deleted"),
    }
    binding = obj(
        "The Secret that was written, for tools that bind services.", {"name": text("Name of the Secret.", default="")}
    )
    parts = {
        "binding": binding | {"x-kubernetes-map-type": "atomic"},
        "conditions": array("Whether the target is in step.", obj("", condition, required=("status", "type"))),
        "observedGeneration": integer("The generation that this status is about."),
        "refreshTime": time("When the values were last read; may lag behind while nothing changes.", nullable=True),
        "syncedResourceVersion": text("Stands for the spec, labels and annotations of the last success."),
    }
    return obj("What was found and done.", parts)


def cluster_external_secret_spec() -> Schema:
    metadata = {
        "annotations": string_map("All annotations of the ExternalSecrets."),
        "labels": string_map("All labels of the ExternalSecrets."),
    }
    return obj(
        "The ExternalSecret and the namespaces that get it.",
        {
            "externalSecretMetadata": obj("Metadata of the ExternalSecrets.", metadata),
            "externalSecretName": name("Name of the ExternalSecrets; the name of this object when absent."),
            "externalSecretSpec": external_secret_spec("Spec of the ExternalSecrets."),
            "namespaceSelector": label_selector("Deprecated: use namespaceSelectors."),
            "namespaceSelectors": array("Namespaces that match any of these.", label_selector("")),
            "namespaces": array("Deprecated: namespaces by name; use namespaceSelectors.", namespace()),
            "refreshTime": text("Time between two checks of the namespaces, as a Go duration; 1h when absent."),
        },
        required=("externalSecretSpec",),
    )


def cluster_external_secret_status() -> Schema:
    condition = {"message": text(), "status": text("True, False or Unknown."), "type": text()}
    failure = {"namespace": text("Name of the namespace."), "reason": text("What went wrong.")}
    parts = {
        "conditions": array("Whether all namespaces are provisioned.", obj("", condition, required=("status", "type"))),
        "externalSecretName": text("The name that the ExternalSecrets have now."),
        "failedNamespaces": array(
            "Namespaces without their ExternalSecret.", obj("", failure, required=("namespace",))
        ),
        "provisionedNamespaces": strings("Namespaces with their ExternalSecret."),
    }
    return obj("What was found and done.", parts)
