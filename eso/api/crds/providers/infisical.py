"""The schema of `spec.provider.infisical`."""

from __future__ import annotations

from eso.api.crds.providers.parts import certificate_authorities
from eso.api.crds.schema import Schema, boolean, obj, secret_key, text

# auth method → description, the members that it needs, the members that it may have
METHODS = {
    "awsAuthCredentials": ("AWS identity.", ("identityId",), ()),
    "azureAuthCredentials": ("Azure managed identity.", ("identityId",), ("resource",)),
    "gcpIamAuthCredentials": (
        "Google Cloud identity, signed with a service account.",
        ("identityId", "serviceAccountKeyFilePath"),
        (),
    ),
    "gcpIdTokenAuthCredentials": ("Google Cloud identity of the metadata server.", ("identityId",), ()),
    "jwtAuthCredentials": ("JWT in a Secret.", ("identityId", "jwt"), ()),
    "kubernetesAuthCredentials": ("The operator's own token.", ("identityId",), ("serviceAccountTokenPath",)),
    "ldapAuthCredentials": ("LDAP.", ("identityId", "ldapPassword", "ldapUsername"), ()),
    "ociAuthCredentials": (
        "Oracle Cloud identity.",
        ("fingerprint", "identityId", "privateKey", "region", "tenancyId", "userId"),
        ("privateKeyPassphrase",),
    ),
    "tokenAuthCredentials": ("A token, used as it is.", ("accessToken",), ()),
    "universalAuthCredentials": ("Client id and client secret.", ("clientId", "clientSecret"), ()),
}


def schema() -> Schema:
    auth = {
        method: obj(about, {member: secret_key() for member in sorted(needed + optional)}, required=needed)
        for method, (about, needed, optional) in METHODS.items()
    }
    scope = {
        "environmentSlug": text("Environment."),
        "expandSecretReferences": boolean("Replace references inside values.", default=True),
        "organizationSlug": text("Sub-organization, told at the login."),
        "projectSlug": text("Project."),
        "recursive": boolean("Search the folders below too.", default=False),
        "secretsPath": text("Folder that secrets are read from.", default="/"),
    }
    return obj(
        "Infisical.",
        {
            "auth": obj("How to log in.", auth),
            **certificate_authorities(),
            "hostAPI": text("Address.", default="https://app.infisical.com/api"),
            "secretsScope": obj("What is read.", scope, required=("environmentSlug", "projectSlug")),
        },
        required=("auth", "secretsScope"),
    )
