"""What several provider schemas share: selectors with values, logins to clouds and clusters, rules between members."""

from __future__ import annotations

from eso.api.crds.schema import (
    Schema,
    ca_bundle,
    ca_provider,
    integer,
    key,
    name,
    namespace,
    obj,
    one_of,
    secret_key,
    service_account,
    text,
)


def certificate_authorities() -> dict[str, Schema]:
    return {"caBundle": ca_bundle(), "caProvider": ca_provider()}


def value_or_secret(description: str = "") -> Schema:
    return obj(description, {"secretRef": secret_key(), "value": text("The value itself.")})


def at_most_one(*members: str) -> tuple[str, str]:
    return counted(members, "<= 1"), f"at most one of the fields in [{' '.join(members)}] may be set"


def exactly_one(*members: str) -> tuple[str, str]:
    return counted(members, "== 1"), f"exactly one of the fields in [{' '.join(members)}] must be set"


def counted(members: tuple[str, ...], condition: str) -> str:
    return f"[{','.join(f'has(self.{m})' for m in members)}].filter(x,x==true).size() {condition}"


def either(first: str, second: str) -> str:
    return f"(has(self.{first}) && !has(self.{second})) || (!has(self.{first}) && has(self.{second}))"


def aws_keys() -> Schema:
    return obj(
        "Access keys in Secrets.",
        {
            "accessKeyIDSecretRef": secret_key("Access key id."),
            "secretAccessKeySecretRef": secret_key("Secret access key."),
            "sessionTokenSecretRef": secret_key("Session token."),
        },
    )


def aws_auth() -> Schema:
    auth = {
        "jwt": obj("Web identity of a ServiceAccount.", {"serviceAccountRef": service_account()}),
        "secretRef": aws_keys(),
    }
    return obj("How to log in; with the identity of the surroundings when absent.", auth)


def retry_settings() -> Schema:
    parts = {
        "maxRetries": integer("How often.", bits=32),
        "retryInterval": text("Time between two tries, as a Go duration."),
    }
    return obj("How failed calls to the backend are retried.", parts)


def kubernetes_auth() -> Schema:
    cert = {"clientCert": secret_key("Certificate in PEM."), "clientKey": secret_key("Private key in PEM.")}
    parts = {
        "cert": obj("TLS client certificate.", cert, required=("clientCert", "clientKey")),
        "serviceAccount": service_account(),
        "token": obj("Token in a Secret.", {"bearerToken": secret_key("The token.")}, required=("bearerToken",)),
    }
    return one_of("How to log in.", parts)


def kubernetes_server() -> Schema:
    return obj(
        "The API server.", {**certificate_authorities(), "url": text("Address or host.", default="kubernetes.default")}
    )


def gcp_workload_identity(*needed: str) -> Schema:
    """`needed` are the members that must be given beside the ServiceAccount."""
    parts = {
        "clusterLocation": text("Location of the cluster; asked of the metadata server when absent."),
        "clusterName": text("Name of the cluster; asked of the metadata server when absent."),
        "clusterProjectID": text("Project of the cluster; asked of the metadata server when absent."),
        "serviceAccountRef": service_account(),
    }
    return obj("Workload identity of GKE.", parts, required=(*needed, "serviceAccountRef"))


def gcp_federation() -> Schema:
    credentials = obj(
        "A Secret with the keys aws_access_key_id, aws_secret_access_key and perhaps aws_session_token.",
        {"name": name(), "namespace": namespace()},
        required=("name",),
    )
    aws = {
        "awsCredentialsSecretRef": credentials,
        "region": text("AWS region.", minLength=1, maxLength=50, pattern="^[a-z0-9-]+$"),
    }
    return obj(
        "Workload identity federation.",
        {
            "audience": text("Audience of the workload identity pool; wins over that of the JSON."),
            "awsSecurityCredentials": obj("AWS identity.", aws, required=("awsCredentialsSecretRef", "region")),
            "credConfig": obj(
                "A ConfigMap with an external_account JSON.",
                {"key": key(), "name": name(), "namespace": namespace()},
                required=("key", "name"),
            ),
            "externalTokenEndpoint": text("Must equal credential_source.url of the JSON."),
            "gcpServiceAccountEmail": text(
                "Google service account to impersonate.", minLength=1, pattern=r"^.*@.*\.iam\.gserviceaccount\.com$"
            ),
            "serviceAccountRef": service_account(),
        },
    )


def yandex(description: str) -> Schema:
    by_name = obj("They are names in one folder.", {"folderID": text("Id of the folder.")}, required=("folderID",))
    parts = {
        "apiEndpoint": text("Host and port of the API; api.cloud.yandex.net:443 when absent."),
        "auth": obj(
            "How to log in; without a key, as the machine.",
            {"authorizedKeySecretRef": secret_key("Authorized key of a service account, JSON.")},
        ),
        "caProvider": obj("Whom to trust.", {"certSecretRef": secret_key("Authorities, PEM.")}),
        "fetching": one_of("What keys are; ids when absent.", {"byID": obj("They are ids."), "byName": by_name}),
    }
    return obj(description, parts, required=("auth",))
