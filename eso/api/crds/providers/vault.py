"""The schema of `spec.provider.vault`."""

from __future__ import annotations

from eso.api.crds.providers.parts import aws_keys, certificate_authorities, gcp_workload_identity
from eso.api.crds.schema import (
    Schema,
    boolean,
    choice,
    integer,
    obj,
    secret_key,
    service_account,
    string_map,
    strings,
    text,
)


def schema() -> Schema:
    tls = {
        "certSecretRef": secret_key("Client certificate in PEM; key tls.crt when absent."),
        "keySecretRef": secret_key("Private key in PEM; key tls.key when absent."),
    }
    return obj(
        "HashiCorp Vault, or another server that speaks its API: the KV secrets engine.",
        {
            "auth": vault_auth(),
            **certificate_authorities(),
            "checkAndSet": obj(
                "Check-and-Set for writes; KV version 2 only.",
                {"required": boolean("Send the version that a write is based on.")},
            ),
            "forwardInconsistent": boolean("Let the server forward reads that it could only answer with old data."),
            "headers": string_map("Headers added to every request."),
            "namespace": text("Namespace of the server in which secrets are read."),
            "path": text("Path of the KV mount, for example secret. When absent, keys begin with the mount."),
            "readYourWrites": boolean("Only accept answers at least as new as our own writes."),
            "server": text("Address, for example https://vault.example.com:8200."),
            "tls": obj("Client certificate for the connection; both or neither.", tls),
            "version": choice("Version of the KV engine.", "v1", "v2", default="v2"),
        },
        required=("server",),
    )


def vault_auth() -> Schema:
    password = {"secretRef": secret_key("Password.")}
    app_role = {
        "path": text("Mount of the method.", default="approle"),
        "roleId": text("Role id; wins over roleRef."),
        "roleRef": secret_key("Role id in a Secret."),
        "secretRef": secret_key("Secret id."),
    }
    kubernetes = {
        "mountPath": text("Mount of the method.", default="kubernetes"),
        "role": text("Role to log in as."),
        "secretRef": secret_key("Token in a Secret; key token when absent."),
        "serviceAccountRef": service_account(),
    }
    token = {
        "audiences": strings("Deprecated: use serviceAccountRef.audiences. vault when absent."),
        "expirationSeconds": integer("Deprecated: lifetime of the token in seconds, 600 when absent."),
        "serviceAccountRef": service_account(),
    }
    jwt = {
        "kubernetesServiceAccountToken": obj(
            "Request a token of a ServiceAccount.", token, required=("serviceAccountRef",)
        ),
        "path": text("Mount of the method.", default="jwt"),
        "role": text("Role to log in as."),
        "secretRef": secret_key("Token in a Secret; wins over a requested one."),
    }
    cert = {
        "clientCert": secret_key("Certificate in PEM."),
        "path": text("Mount of the method.", default="cert"),
        "secretRef": secret_key("Private key in PEM."),
        "vaultRole": text("Role to log in as."),
    }
    iam = {
        "externalID": text("External id for assuming the AWS role."),
        "jwt": obj("Web identity of a ServiceAccount.", {"serviceAccountRef": service_account()}),
        "path": text("Mount of the method; aws when absent."),
        "region": text("AWS region; us-east-1 when absent."),
        "role": text("ARN of an AWS role to assume before the login."),
        "secretRef": aws_keys(),
        "vaultAwsIamServerID": text("Value of the header X-Vault-AWS-IAM-Server-ID."),
        "vaultRole": text("Role to log in as."),
    }
    gcp = {
        "location": text("Without effect."),
        "path": text("Mount of the method.", default="gcp"),
        "projectID": text("Project of the cluster, where neither `workloadIdentity` nor the metadata server names it."),
        "role": text("Role to log in as."),
        "secretRef": obj("Key of a Google service account.", {"secretAccessKeySecretRef": secret_key()}),
        "serviceAccountRef": service_account(),
        "workloadIdentity": gcp_workload_identity(),
    }
    return obj(
        "How to log in. Without it requests carry no token.",
        {
            "appRole": obj("Role id and secret id.", app_role, required=("path", "secretRef")),
            "cert": obj("TLS client certificate.", cert),
            "gcp": obj("Google Cloud identity.", gcp, required=("role",)),
            "iam": obj("AWS identity.", iam, required=("vaultRole",)),
            "jwt": obj("JWT or OIDC token.", jwt, required=("path",)),
            "kubernetes": obj("ServiceAccount token.", kubernetes, required=("mountPath", "role")),
            "ldap": obj(
                "LDAP.",
                {"path": text("Mount of the method.", default="ldap"), **password, "username": text("User name.")},
                required=("path", "username"),
            ),
            "namespace": text("Namespace of the server for the login, when it differs."),
            "tokenSecretRef": secret_key("A token, used as it is."),
            "userPass": obj(
                "User name and password.",
                {"path": text("Mount of the method.", default="userpass"), **password, "username": text("User name.")},
                required=("path", "username"),
            ),
        },
    )
