"""The schema of `spec.provider.azurekv`."""

from __future__ import annotations

from eso.api.crds.schema import Schema, boolean, choice, obj, secret_key, service_account, text


def schema() -> Schema:
    cloud = {
        "activeDirectoryEndpoint": text("Authority that tokens are requested from."),
        "keyVaultDNSSuffix": text("Without effect."),
        "keyVaultEndpoint": text("Without effect."),
        "resourceManagerEndpoint": text("Endpoint of the resource manager."),
    }
    clouds = ("PublicCloud", "USGovernmentCloud", "ChinaCloud", "GermanCloud", "AzureStackCloud")
    types = ("ServicePrincipal", "ManagedIdentity", "WorkloadIdentity")
    refs = {
        "clientCertificate": secret_key("Certificate and private key in PEM or PKCS#12."),
        "clientId": secret_key("Client id."),
        "clientSecret": secret_key("Client secret."),
        "tenantId": secret_key("Tenant, for WorkloadIdentity."),
    }
    return obj(
        "Azure Key Vault.",
        {
            "authSecretRef": obj("Credentials in Secrets.", refs),
            "authType": choice("How to log in.", *types, default="ServicePrincipal"),
            "customCloudConfig": obj("Endpoints of AzureStackCloud.", cloud, required=("activeDirectoryEndpoint",)),
            "environmentType": choice("The cloud.", *clouds, default="PublicCloud"),
            "identityId": text("Client id of a managed identity."),
            "serviceAccountRef": service_account("ServiceAccount for WorkloadIdentity."),
            "tenantId": text("Tenant; ServicePrincipal needs it."),
            "useAzureSDK": boolean("Use the newer API.", default=False),
            "vaultUrl": text("Address of the vault, for example https://name.vault.azure.net."),
        },
        required=("vaultUrl",),
    )
