"""The schema of `spec.provider.aws`."""

from __future__ import annotations

from eso.api.crds.providers.parts import aws_auth
from eso.api.crds.schema import (
    Schema,
    array,
    boolean,
    choice,
    integer,
    obj,
    ruled,
    string_map,
    strings,
    text,
)


def schema() -> Schema:
    reserved = ("esoNamespace", "esoStoreName", "esoStoreKind")
    free = " && ".join(f"!('{tag}' in self)" for tag in reserved)
    deletion = {
        "forceDeleteWithoutRecovery": boolean("Delete at once."),
        "recoveryWindowInDays": integer("Days until a deleted secret is gone, 7 to 30."),
    }
    tag = obj("", {"key": text("Key of the tag."), "value": text("Value of the tag.")}, required=("key", "value"))
    return obj(
        "Amazon Web Services.",
        {
            "additionalRoles": strings("Role ARNs assumed one after the other before `role`."),
            "auth": aws_auth(),
            "customSessionTags": ruled(
                string_map("Session tags for policy Custom."),
                (free, f"customSessionTags cannot contain automatically injected reserved keys: {', '.join(reserved)}"),
            ),
            "externalID": text("External id for assuming `role`."),
            "prefix": text("Text before every key, without a separator."),
            "region": text("AWS region."),
            "role": text("Role ARN assumed last."),
            "secretsManager": obj("How Secrets Manager deletes.", deletion),
            "service": choice("The service.", "SecretsManager", "ParameterStore", "CertificateManager"),
            "sessionTags": array("Session tags for `role`.", tag),
            "sessionTagsPolicy": choice(
                "Which session tags are set automatically.", "None", "Simple", "Custom", default="None"
            ),
            "transitiveTagKeys": strings("Session tags that survive further role changes."),
        },
        required=("region", "service"),
    )
