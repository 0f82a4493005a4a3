"""The schemas below `spec.provider`: one per provider key of the reference.

Neighbours: secretstore.py puts them together. A provider that is not in BUILT only has its schema for CEL rules and
`kubectl explain`: members that are missing here are kept and nothing is required, so that no existing store loses a
member or becomes invalid.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from eso.api.crds.schema import (
    Schema,
    array,
    boolean,
    ca_bundle,
    ca_provider,
    choice,
    integer,
    key,
    loose,
    name,
    namespace,
    obj,
    one_of,
    ruled,
    secret_key,
    service_account,
    string_map,
    strings,
    text,
)

BUILT: Final = frozenset(("fake", "openBao", "vault"))


def provider_schemas() -> dict[str, Schema]:
    """Provider key → schema, sorted."""
    made = {provider: make() for provider, make in sorted(PROVIDERS.items(), key=lambda entry: entry[0].lower())}
    return {provider: schema if provider in BUILT else loose(schema) for provider, schema in made.items()}


def certificate_authorities() -> dict[str, Schema]:
    return {"caBundle": ca_bundle(), "caProvider": ca_provider()}


def value_or_secret(description: str = "") -> Schema:
    return obj(description, {"secretRef": secret_key(), "value": text()})


def at_most_one(*members: str) -> tuple[str, str]:
    return counted(members, "<= 1"), f"at most one of the fields in [{' '.join(members)}] may be set"


def exactly_one(*members: str) -> tuple[str, str]:
    return counted(members, "== 1"), f"exactly one of the fields in [{' '.join(members)}] must be set"


def counted(members: tuple[str, ...], condition: str) -> str:
    return f"[{','.join(f'has(self.{m})' for m in members)}].filter(x,x==true).size() {condition}"


def either(first: str, second: str) -> str:
    return f"(has(self.{first}) && !has(self.{second})) || (!has(self.{first}) && has(self.{second}))"


# -- built ------------------------------------------------------------------------------------------------------------


def fake() -> Schema:
    entry = {"key": text("Name of the secret."), "value": text("Its value."), "version": text("Its version.")}
    return obj(
        "Fixed values, for tests and demonstrations.",
        {
            "data": array("The secrets.", obj("", entry, required=("key", "value"))),
            "validationResult": integer("What validation answers: 0 ready, 1 unknown, 2 error.", bits=64),
        },
        required=("data",),
    )


def vault() -> Schema:
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
        "projectID": text("Google Cloud project."),
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
                {"path": text("Mount of the method.", default="ldap"), **password, "username": text()},
                required=("path", "username"),
            ),
            "namespace": text("Namespace of the server for the login, when it differs."),
            "tokenSecretRef": secret_key("A token, used as it is."),
            "userPass": obj(
                "User name and password.",
                {"path": text("Mount of the method.", default="userpass"), **password, "username": text()},
                required=("path", "username"),
            ),
        },
    )


def open_bao() -> Schema:
    app_role = {
        "path": text("Mount of the method.", default="approle"),
        "roleId": text("Role id.", minLength=1),
        "roleRef": secret_key("Role id in a Secret."),
        "secretRef": secret_key("Secret id."),
    }
    user_pass = {
        "path": text("Mount of the method.", default="userpass"),
        "secretRef": secret_key("Password."),
        "username": text(),
    }
    auth = obj(
        "How to log in.",
        {
            "appRole": ruled(
                obj("Role id and secret id.", app_role, required=("path", "secretRef")),
                exactly_one("roleId", "roleRef"),
            ),
            "namespace": text("Namespace of the server for the login; empty means the root."),
            "tokenSecretRef": secret_key("A token, used as it is."),
            "userPass": obj("User name and password.", user_pass, required=("path", "username")),
        },
    )
    parts = {
        "auth": ruled(auth, exactly_one("appRole", "tokenSecretRef", "userPass")),
        **certificate_authorities(),
        "namespace": text("Namespace of the server in which secrets are read."),
        "path": text("Path of the KV mount; kv when absent."),
        "server": text("Address, for example https://openbao.example.com:8200."),
        "version": choice("Version of the KV engine.", "v1", "v2", default="v2"),
    }
    return ruled(
        obj("OpenBao: the KV secrets engine, read only.", parts, required=("server",)),
        at_most_one("caBundle", "caProvider"),
    )


# -- not built yet ----------------------------------------------------------------------------------------------------


def akeyless() -> Schema:
    secret = {"accessID": secret_key(), "accessType": secret_key(), "accessTypeParam": secret_key()}
    kubernetes = {
        "accessID": text(),
        "k8sConfName": text(),
        "secretRef": secret_key(),
        "serviceAccountRef": service_account(),
    }
    auth = {
        "kubernetesAuth": obj("", kubernetes, required=("accessID", "k8sConfName")),
        "secretRef": obj("", secret),
        "serviceAccountRef": service_account(),
    }
    return obj(
        "Akeyless.",
        {
            "akeylessGWApiURL": text("Address of the gateway or the service."),
            "authSecretRef": obj("How to log in.", auth),
            **certificate_authorities(),
            "ignoreCache": boolean("Ask the gateway not to answer from its cache."),
        },
        required=("akeylessGWApiURL", "authSecretRef"),
    )


def aws() -> Schema:
    reserved = ("esoNamespace", "esoStoreName", "esoStoreKind")
    free = " && ".join(f"!('{tag}' in self)" for tag in reserved)
    auth = {
        "jwt": obj("Web identity of a ServiceAccount.", {"serviceAccountRef": service_account()}),
        "secretRef": aws_keys(),
    }
    deletion = {"forceDeleteWithoutRecovery": boolean(), "recoveryWindowInDays": integer("7 to 30.")}
    tag = obj("", {"key": text(), "value": text()}, required=("key", "value"))
    return obj(
        "Amazon Web Services.",
        {
            "additionalRoles": strings("Role ARNs assumed one after the other before `role`."),
            "auth": obj("How to log in; the surroundings' credentials when absent.", auth),
            "customSessionTags": ruled(
                string_map("Session tags for policy Custom."),
                (free, f"customSessionTags cannot contain automatically injected reserved keys: {', '.join(reserved)}"),
            ),
            "externalID": text("External id for assuming `role`."),
            "prefix": text("Put before every key."),
            "region": text("AWS region."),
            "role": text("Role ARN assumed last."),
            "secretsManager": obj("How Secrets Manager deletes.", deletion),
            "service": choice("The service.", "SecretsManager", "ParameterStore", "CertificateManager"),
            "sessionTags": array("Session tags for `role`.", tag),
            "sessionTagsPolicy": choice("Which session tags are set automatically.", "None", "Simple", "Custom"),
            "transitiveTagKeys": strings("Session tags that survive further role changes."),
        },
        required=("region", "service"),
    )


def aws_keys() -> Schema:
    members = ("accessKeyIDSecretRef", "secretAccessKeySecretRef", "sessionTokenSecretRef")
    return obj("Access keys in Secrets.", {member: secret_key() for member in members})


def azure() -> Schema:
    cloud = {
        "activeDirectoryEndpoint": text(),
        "keyVaultDNSSuffix": text(),
        "keyVaultEndpoint": text(),
        "resourceManagerEndpoint": text(),
    }
    clouds = ("PublicCloud", "USGovernmentCloud", "ChinaCloud", "GermanCloud", "AzureStackCloud")
    types = ("ServicePrincipal", "ManagedIdentity", "WorkloadIdentity")
    refs = ("clientCertificate", "clientId", "clientSecret", "tenantId")
    return obj(
        "Azure Key Vault.",
        {
            "authSecretRef": obj("Credentials in Secrets.", {ref: secret_key() for ref in refs}),
            "authType": choice("How to log in.", *types, default="ServicePrincipal"),
            "customCloudConfig": obj("Endpoints of AzureStackCloud.", cloud, required=("activeDirectoryEndpoint",)),
            "environmentType": choice("The cloud.", *clouds, default="PublicCloud"),
            "identityId": text("Client id of a managed identity."),
            "serviceAccountRef": service_account(),
            "tenantId": text("Tenant."),
            "useAzureSDK": boolean("Use the newer API."),
            "vaultUrl": text("Address of the vault."),
        },
        required=("vaultUrl",),
    )


def barbican() -> Schema:
    auth = {
        "password": obj("", {"secretRef": secret_key()}, required=("secretRef",)),
        "username": one_of("", {"secretRef": secret_key(), "value": text()}),
    }
    return obj(
        "OpenStack Barbican.",
        {
            "auth": obj("User and password.", auth, required=("password", "username")),
            "authURL": text("Address of Keystone."),
            "domainName": text("Domain of the user and the project."),
            "region": text("Region of the endpoint."),
            "tenantName": text("Project."),
        },
        required=("auth",),
    )


def beyondtrust() -> Schema:
    members = ("apiKey", "certificate", "certificateKey", "clientId", "clientSecret")
    server = {
        "apiUrl": text(),
        "apiVersion": text(),
        "clientTimeOutSeconds": integer(),
        "decrypt": boolean(default=True),
        "retrievalType": text(),
        "separator": text(),
        "verifyCA": boolean(),
    }
    parts = {
        "auth": obj("How to log in.", {member: value_or_secret() for member in members}),
        "server": obj("The server.", server, required=("apiUrl", "verifyCA")),
    }
    return obj("BeyondTrust Password Safe.", parts, required=("auth", "server"))


def beyondtrust_workload() -> Schema:
    api_key = obj("", {"token": secret_key()}, required=("token",))
    parts = {
        "auth": obj("How to log in.", {"apikey": api_key}, required=("apikey",)),
        **certificate_authorities(),
        "folderPath": text("The folder that names are looked up in."),
        "server": obj("The server.", {"apiUrl": text(), "siteId": text()}, required=("apiUrl", "siteId")),
    }
    return obj("BeyondTrust Workload Credentials.", parts, required=("auth", "server"))


def bitwarden() -> Schema:
    credentials = obj("", {"credentials": secret_key()}, required=("credentials",))
    return obj(
        "Bitwarden Secrets Manager.",
        {
            "apiURL": text(),
            "auth": obj("Access token of a machine account.", {"secretRef": credentials}, required=("secretRef",)),
            "bitwardenServerSDKURL": text("Address of the companion server."),
            "caBundle": text("Certificate authorities in PEM, plain or base64."),
            "caProvider": ca_provider(),
            "identityURL": text(),
            "organizationID": text(),
            "projectID": text(),
        },
        required=("auth", "organizationID", "projectID"),
    )


def chef() -> Schema:
    secret = obj("", {"privateKeySecretRef": secret_key()}, required=("privateKeySecretRef",))
    parts = {
        "auth": obj("Private key of the user.", {"secretRef": secret}, required=("secretRef",)),
        "serverUrl": text("Address with the organisation; ends with a slash."),
        "username": text("User or client."),
    }
    return obj("Chef data bags.", parts, required=("auth", "serverUrl", "username"))


def cloudru() -> Schema:
    members = ("accessKeyIDSecretRef", "accessKeySecretSecretRef")
    secret = obj("", {member: secret_key() for member in members}, required=members)
    return obj(
        "Cloud.ru Secret Manager.", {"auth": obj("", {"secretRef": secret}), "projectID": text()}, required=("auth",)
    )


def conjur() -> Schema:
    api_key = {"account": text(), "apiKeyRef": secret_key(), "userRef": secret_key()}
    jwt = {
        "account": text(),
        "hostId": text(),
        "secretRef": secret_key(),
        "serviceAccountRef": service_account(),
        "serviceID": text(),
    }
    cert = {
        "account": text(),
        "clientCertRef": secret_key(),
        "clientKeyRef": secret_key(),
        "hostId": text(),
        "serviceID": text(),
    }
    auth = {
        "apikey": obj("", api_key, required=("account", "apiKeyRef", "userRef")),
        "cert": obj("", cert, required=("account", "clientCertRef", "clientKeyRef", "serviceID")),
        "jwt": obj("", jwt, required=("account", "serviceID")),
    }
    return obj(
        "CyberArk Conjur.",
        {
            "auth": one_of("How to log in.", auth),
            "caBundle": text("Certificate authorities in PEM, plain or base64."),
            "caProvider": ca_provider(),
            "url": text("Address."),
        },
        required=("auth", "url"),
    )


def kubernetes_auth() -> Schema:
    cert = {"clientCert": secret_key(), "clientKey": secret_key()}
    parts = {
        "cert": obj("", cert),
        "serviceAccount": service_account(),
        "token": obj("", {"bearerToken": secret_key()}),
    }
    return one_of("How to log in.", parts)


def kubernetes_server() -> Schema:
    return obj("The API server.", {**certificate_authorities(), "url": text(default="kubernetes.default")})


def crd() -> Schema:
    whitelist = {"name": text(), "namespace": text(), "properties": strings()}
    resource = {"group": text(), "kind": text(minLength=1), "version": text(minLength=1)}
    parts = {
        "auth": kubernetes_auth(),
        "authRef": secret_key("A kubeconfig."),
        "resource": obj("The kind that is read.", resource, required=("group", "kind", "version")),
        "server": kubernetes_server(),
        "whitelist": obj("What may be read.", {"rules": array("", obj("", whitelist))}),
    }
    present = ("has(self.auth) || has(self.authRef)", "one of auth or authRef is required")
    return ruled(
        obj("Objects of any kind in a Kubernetes cluster.", parts, required=("resource",)),
        present,
        at_most_one("auth", "authRef"),
    )


def delinea() -> Schema:
    parts = {
        "clientId": value_or_secret(),
        "clientSecret": value_or_secret(),
        "tenant": text(),
        "tld": text(),
        "urlTemplate": text(),
    }
    return obj("Delinea DevOps Secrets Vault.", parts, required=("clientId", "clientSecret", "tenant"))


def doppler() -> Schema:
    oidc = {"expirationSeconds": integer(), "identity": text(), "serviceAccountRef": service_account()}
    auth = obj(
        "How to log in.",
        {
            "oidcConfig": obj("", oidc, required=("identity", "serviceAccountRef")),
            "secretRef": obj("", {"dopplerToken": secret_key()}, required=("dopplerToken",)),
        },
    )
    message = "Exactly one of 'secretRef' or 'oidcConfig' must be specified"
    return obj(
        "Doppler.",
        {
            "auth": ruled(auth, (either("secretRef", "oidcConfig"), message)),
            "config": text(),
            "format": choice("Download all secrets as one file.", "json", "dotnet-json", "env", "yaml", "docker"),
            "nameTransformer": choice(
                "How names are rewritten.", "upper-camel", "camel", "lower-snake", "tf-var", "dotnet-env", "lower-kebab"
            ),
            "project": text(),
        },
        required=("auth",),
    )


def dvls() -> Schema:
    secret = obj("", {"appId": secret_key(), "appSecret": secret_key()}, required=("appId", "appSecret"))
    parts = {
        "auth": obj("Application credentials.", {"secretRef": secret}, required=("secretRef",)),
        "insecure": boolean("Allow http."),
        "serverUrl": text(),
        "vault": text("Name or id."),
    }
    return obj("Devolutions Server.", parts, required=("auth", "serverUrl"))


def fortanix() -> Schema:
    return obj("Fortanix DSM.", {"apiKey": obj("", {"secretRef": secret_key()}), "apiUrl": text()})


def gcp() -> Schema:
    return obj(
        "Google Cloud Secret Manager.",
        {
            "auth": obj(
                "How to log in; the surroundings' credentials when absent.",
                {
                    "secretRef": obj("Key of a service account.", {"secretAccessKeySecretRef": secret_key()}),
                    "workloadIdentity": gcp_workload_identity(),
                    "workloadIdentityFederation": gcp_federation(),
                },
            ),
            "location": text("Read regional secrets of this location."),
            "projectID": text("Project that owns the secrets."),
            "secretVersionSelectionPolicy": text("LatestOrFail, or LatestOrFetch.", default="LatestOrFail"),
        },
    )


def gcp_workload_identity() -> Schema:
    parts = {
        "clusterLocation": text(),
        "clusterName": text(),
        "clusterProjectID": text(),
        "serviceAccountRef": service_account(),
    }
    return obj("Workload identity of GKE.", parts, required=("serviceAccountRef",))


def gcp_federation() -> Schema:
    credentials = obj("", {"name": name(), "namespace": namespace()}, required=("name",))
    aws = {"awsCredentialsSecretRef": credentials, "region": text(minLength=1, maxLength=50, pattern="^[a-z0-9-]+$")}
    return obj(
        "Workload identity federation.",
        {
            "audience": text(),
            "awsSecurityCredentials": obj("", aws, required=("awsCredentialsSecretRef", "region")),
            "credConfig": obj("", {"key": key(), "name": name(), "namespace": namespace()}),
            "externalTokenEndpoint": text(),
            "gcpServiceAccountEmail": text(pattern=r"^.*@.*\.iam\.gserviceaccount\.com$"),
            "serviceAccountRef": service_account(),
        },
    )


def github() -> Schema:
    return obj(
        "GitHub Actions secrets, write only.",
        {
            "appID": integer(),
            "auth": obj("Private key of the GitHub App.", {"privateKey": secret_key()}, required=("privateKey",)),
            "environment": text(),
            "installationID": integer(),
            "orgSecretVisibility": choice("", "all", "private"),
            "organization": text(),
            "repository": text(),
            "uploadURL": text(),
            "url": text(default="https://github.com/"),
        },
        required=("appID", "auth", "installationID", "organization"),
    )


def gitlab() -> Schema:
    secret = obj("", {"accessToken": secret_key()})
    return obj(
        "GitLab CI/CD variables.",
        {
            "auth": obj("Access token.", {"SecretRef": secret}, required=("SecretRef",)),
            **certificate_authorities(),
            "environment": text(),
            "groupIDs": strings(),
            "inheritFromGroups": boolean(),
            "projectID": text(),
            "url": text(),
        },
        required=("auth",),
    )


def ibm() -> Schema:
    container = {"iamEndpoint": text(), "profile": text(), "tokenLocation": text()}
    secret = {"iamEndpoint": text(), "secretApiKeySecretRef": secret_key()}
    auth = {"containerAuth": obj("", container, required=("profile",)), "secretRef": obj("", secret)}
    return obj(
        "IBM Cloud Secrets Manager.", {"auth": one_of("How to log in.", auth), "serviceUrl": text()}, required=("auth",)
    )


def infisical() -> Schema:
    methods = {
        "awsAuthCredentials": ("identityId",),
        "azureAuthCredentials": ("identityId", "resource"),
        "gcpIamAuthCredentials": ("identityId", "serviceAccountKeyFilePath"),
        "gcpIdTokenAuthCredentials": ("identityId",),
        "jwtAuthCredentials": ("identityId", "jwt"),
        "kubernetesAuthCredentials": ("identityId", "serviceAccountTokenPath"),
        "ldapAuthCredentials": ("identityId", "ldapPassword", "ldapUsername"),
        "ociAuthCredentials": (
            "fingerprint",
            "identityId",
            "privateKey",
            "privateKeyPassphrase",
            "region",
            "tenancyId",
            "userId",
        ),
        "tokenAuthCredentials": ("accessToken",),
        "universalAuthCredentials": ("clientId", "clientSecret"),
    }
    scope = {
        "environmentSlug": text(),
        "expandSecretReferences": boolean(default=True),
        "organizationSlug": text(),
        "projectSlug": text(),
        "recursive": boolean(),
        "secretsPath": text(default="/"),
    }
    return obj(
        "Infisical.",
        {
            "auth": obj(
                "How to log in.",
                {method: obj("", {member: secret_key() for member in members}) for method, members in methods.items()},
            ),
            **certificate_authorities(),
            "hostAPI": text("Address.", default="https://app.infisical.com/api"),
            "secretsScope": obj("What is read.", scope, required=("environmentSlug", "projectSlug")),
        },
        required=("auth", "secretsScope"),
    )


def keeper() -> Schema:
    parts = {
        "authRef": secret_key("Configuration of the application."),
        "folderID": text(),
        "getByTitleFallback": boolean(),
    }
    return obj("Keeper Secrets Manager.", parts, required=("authRef", "folderID"))


def kubernetes() -> Schema:
    parts = {
        "auth": kubernetes_auth(),
        "authRef": secret_key("A kubeconfig."),
        "remoteNamespace": namespace("Namespace that is read.") | {"default": "default"},
        "server": kubernetes_server(),
    }
    return obj("Secrets of a Kubernetes cluster.", parts)


def nebius() -> Schema:
    auth = obj("How to log in.", {"serviceAccountCredsSecretRef": secret_key(), "tokenSecretRef": secret_key()})
    present = (
        "has(self.serviceAccountCredsSecretRef) || has(self.tokenSecretRef)",
        "either serviceAccountCredsSecretRef or tokenSecretRef must be set",
    )
    parts = {"apiDomain": text(), "auth": ruled(auth, present), "caProvider": obj("", {"certSecretRef": secret_key()})}
    return obj("Nebius MysteryBox.", parts, required=("apiDomain", "auth"))


def ngrok() -> Schema:
    parts = {
        "apiUrl": text(default="https://api.ngrok.com"),
        "auth": one_of("How to log in.", {"apiKey": obj("", {"secretRef": secret_key()})}),
        "vault": obj("", {"name": text()}, required=("name",)),
    }
    return obj("ngrok vaults, write only.", parts, required=("auth", "vault"))


def onboardbase() -> Schema:
    parts = {
        "apiHost": text(default="https://public.onboardbase.com/api/v1/"),
        "auth": obj(
            "", {"apiKeyRef": secret_key(), "passcodeRef": secret_key()}, required=("apiKeyRef", "passcodeRef")
        ),
        "environment": text(default="development"),
        "project": text(default="development"),
    }
    return obj("Onboardbase.", parts, required=tuple(parts))


def onepassword() -> Schema:
    secret = obj("", {"connectTokenSecretRef": secret_key()}, required=("connectTokenSecretRef",))
    parts = {
        "auth": obj("Access token.", {"secretRef": secret}, required=("secretRef",)),
        "connectHost": text("Address of the Connect server."),
        "vaults": {
            "description": "Vault → its place in the search order.",
            "type": "object",
            "additionalProperties": {"type": "integer"},
        },
    }
    return obj("1Password Connect.", parts, required=tuple(parts))


def onepassword_sdk() -> Schema:
    parts = {
        "auth": obj("", {"serviceAccountSecretRef": secret_key()}, required=("serviceAccountSecretRef",)),
        "cache": obj("", {"maxSize": {"type": "integer", "minimum": 1, "default": 100}, "ttl": text(default="5m")}),
        "environment": text(),
        "integrationInfo": obj("", {"name": text(default="1Password SDK"), "version": text(default="v1.0.0")}),
        "vault": text("Title or id."),
    }
    return ruled(
        obj("1Password with a service account.", parts, required=("auth",)), at_most_one("vault", "environment")
    )


def oracle() -> Schema:
    secret = obj("", {"fingerprint": secret_key(), "privatekey": secret_key()}, required=("fingerprint", "privatekey"))
    return obj(
        "Oracle Cloud Infrastructure Vault.",
        {
            "auth": obj(
                "", {"secretRef": secret, "tenancy": text(), "user": text()}, required=("secretRef", "tenancy", "user")
            ),
            "compartment": text(),
            "encryptionKey": text(),
            "principalType": choice("", "", "UserPrincipal", "InstancePrincipal", "Workload"),
            "region": text(),
            "serviceAccountRef": service_account(),
            "vault": text("OCID of the vault."),
        },
        required=("region", "vault"),
    )


def ovh() -> Schema:
    mtls = {**certificate_authorities(), "certSecretRef": secret_key(), "keySecretRef": secret_key()}
    auth = {"mtls": obj("", mtls), "token": obj("", {"tokenSecretRef": secret_key()})}
    return obj(
        "OVHcloud Secret Manager.",
        {
            "auth": obj("How to log in.", auth),
            "casRequired": boolean(),
            "okmsTimeout": integer("Seconds.", bits=32, minimum=1, default=30),
            "okmsid": text(),
            "server": text(),
        },
        required=("auth", "okmsid", "server"),
    )


def passbolt() -> Schema:
    members = ("passwordSecretRef", "privateKeySecretRef")
    auth = obj("Key and its passphrase.", {member: secret_key() for member in members}, required=members)
    return obj("Passbolt.", {"auth": auth, **certificate_authorities(), "host": text()}, required=("auth", "host"))


def password_depot() -> Schema:
    auth = obj("", {"secretRef": obj("", {"credentials": secret_key()})}, required=("secretRef",))
    parts = {"auth": auth, "database": text(), "host": text()}
    return obj("Password Depot.", parts, required=tuple(parts))


def previder() -> Schema:
    secret = obj("", {"accessToken": secret_key()}, required=("accessToken",))
    return obj("Previder Vault.", {"auth": obj("", {"secretRef": secret}), "baseUri": text()}, required=("auth",))


def pulumi() -> Schema:
    token = obj("", {"secretRef": secret_key()})
    oidc = {"expirationSeconds": integer(minimum=600), "organization": text(), "serviceAccountRef": service_account()}
    auth = obj(
        "How to log in.",
        {"accessToken": token, "oidcConfig": obj("", oidc, required=("organization", "serviceAccountRef"))},
    )
    parts = {
        "accessToken": token | {"description": "Deprecated: use auth."},
        "apiUrl": text(default="https://api.pulumi.com/api/esc"),
        "auth": ruled(
            auth,
            (either("accessToken", "oidcConfig"), "Exactly one of 'accessToken' or 'oidcConfig' must be specified"),
        ),
        "environment": text(),
        "organization": text(),
        "project": text(),
    }
    return ruled(
        obj("Pulumi ESC.", parts, required=("environment", "organization", "project")),
        (either("auth", "accessToken"), "Exactly one of 'auth' or deprecated 'accessToken' must be specified"),
    )


def scaleway() -> Schema:
    parts = {
        "accessKey": value_or_secret(),
        "apiUrl": text(),
        "projectId": text(),
        "region": text(),
        "secretKey": value_or_secret(),
    }
    return obj("Scaleway Secret Manager.", parts, required=("accessKey", "projectId", "region", "secretKey"))


def secret_server() -> Schema:
    def credential() -> Schema:
        parts = {"secretRef": secret_key(), "value": text(minLength=1)}
        return ruled(
            obj("", parts), ("has(self.value) != has(self.secretRef)", "exactly one of value or secretRef must be set")
        )

    parts = {
        **certificate_authorities(),
        "domain": text(),
        "password": credential(),
        "serverURL": text(),
        "token": credential(),
        "username": credential(),
    }
    present = "has(self.token) || (has(self.username) && has(self.password))"
    return ruled(
        obj("Delinea Secret Server.", parts, required=("serverURL",)),
        (present, "either token, or both username and password, must be set"),
    )


def senhasegura() -> Schema:
    auth = obj(
        "", {"clientId": text(), "clientSecretSecretRef": secret_key()}, required=("clientId", "clientSecretSecretRef")
    )
    parts = {"auth": auth, "ignoreSslCertificate": boolean(), "module": text(), "url": text()}
    return obj("senhasegura DSM.", parts, required=("auth", "module", "url"))


def volcengine() -> Schema:
    members = ("accessKeyID", "secretAccessKey")
    secret = obj("", {member: secret_key() for member in (*members, "token")}, required=members)
    return obj("Volcengine KMS.", {"auth": obj("", {"secretRef": secret}), "region": text()}, required=("region",))


def webhook() -> Schema:
    ntlm = {"passwordSecret": secret_key(), "usernameSecret": secret_key()}
    secret = obj(
        "", {"name": text("Name in the templates."), "secretRef": secret_key()}, required=("name", "secretRef")
    )
    return obj(
        "Any HTTP service.",
        {
            "auth": one_of("How to log in.", {"ntlm": obj("", ntlm, required=("passwordSecret", "usernameSecret"))}),
            "body": text("Template."),
            **certificate_authorities(),
            "headers": string_map("Templates."),
            "method": text("GET when absent, POST for pushes."),
            "result": obj("", {"jsonPath": text("What is taken from the answer.")}),
            "secrets": array("Secrets that the templates may use.", secret),
            "timeout": text("A Go duration."),
            "url": text("Template."),
        },
        required=("url",),
    )


def yandex(description: str) -> Callable[[], Schema]:
    def schema() -> Schema:
        by_name = obj("", {"folderID": text()}, required=("folderID",))
        parts = {
            "apiEndpoint": text(),
            "auth": obj("", {"authorizedKeySecretRef": secret_key()}),
            "caProvider": obj("", {"certSecretRef": secret_key()}),
            "fetching": one_of("What keys are.", {"byID": obj(), "byName": by_name}),
        }
        return obj(description, parts)

    return schema


PROVIDERS: Final[dict[str, Callable[[], Schema]]] = {
    "akeyless": akeyless,
    "aws": aws,
    "azurekv": azure,
    "barbican": barbican,
    "beyondtrust": beyondtrust,
    "beyondtrustworkloadcredentials": beyondtrust_workload,
    "bitwardensecretsmanager": bitwarden,
    "chef": chef,
    "cloudrusm": cloudru,
    "conjur": conjur,
    "crd": crd,
    "delinea": delinea,
    "doppler": doppler,
    "dvls": dvls,
    "fake": fake,
    "fortanix": fortanix,
    "gcpsm": gcp,
    "github": github,
    "gitlab": gitlab,
    "ibm": ibm,
    "infisical": infisical,
    "keepersecurity": keeper,
    "kubernetes": kubernetes,
    "nebiusmysterybox": nebius,
    "ngrok": ngrok,
    "onboardbase": onboardbase,
    "onepassword": onepassword,
    "onepasswordSDK": onepassword_sdk,
    "openBao": open_bao,
    "oracle": oracle,
    "ovh": ovh,
    "passbolt": passbolt,
    "passworddepot": password_depot,
    "previder": previder,
    "pulumi": pulumi,
    "scaleway": scaleway,
    "secretserver": secret_server,
    "senhasegura": senhasegura,
    "vault": vault,
    "volcengine": volcengine,
    "webhook": webhook,
    "yandexcertificatemanager": yandex("Yandex Certificate Manager."),
    "yandexlockbox": yandex("Yandex Lockbox."),
}
