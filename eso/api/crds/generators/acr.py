"""The schema of `ACRAccessToken.spec`."""

from __future__ import annotations

from eso.api.crds.schema import Schema, choice, obj, secret_key, service_account, text


def schema() -> Schema:
    clouds = ("PublicCloud", "USGovernmentCloud", "ChinaCloud", "GermanCloud", "AzureStackCloud")
    principal = {"clientId": secret_key("Client id."), "clientSecret": secret_key("Client secret.")}
    auth = {
        "managedIdentity": obj("Managed identity.", {"identityId": text("Client id of a user-assigned identity.")}),
        "servicePrincipal": obj(
            "Service principal.", {"secretRef": obj("Credentials in Secrets.", principal)}, required=("secretRef",)
        ),
        "workloadIdentity": obj("Workload identity.", {"serviceAccountRef": service_account()}),
    }
    return obj(
        "A token for an Azure Container Registry.",
        {
            "auth": obj("How to log in.", auth),
            "environmentType": choice("The cloud.", *clouds, default="PublicCloud"),
            "registry": text("Host name of the registry, without a scheme."),
            "scope": text("What the token allows, for example repository:foo:pull,push; everything when absent."),
            "tenantId": text("Tenant; a service principal needs it."),
        },
        required=("auth", "registry"),
    )
