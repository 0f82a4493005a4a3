"""The schema of `spec.provider.oracle`."""

from __future__ import annotations

from eso.api.crds.schema import Schema, choice, obj, secret_key, service_account, text


def schema() -> Schema:
    secret = obj(
        "Key that the user signs with.",
        {
            "fingerprint": secret_key("Fingerprint of the key."),
            "privatekey": secret_key("RSA key in PEM, without a passphrase."),
        },
        required=("fingerprint", "privatekey"),
    )
    user = {"secretRef": secret, "tenancy": text("OCID of the tenancy."), "user": text("OCID of the user.")}
    return obj(
        "Oracle Cloud Infrastructure Vault.",
        {
            "auth": obj("User that signs the requests.", user, required=("secretRef", "tenancy", "user")),
            "compartment": text("OCID of the compartment, for find and push."),
            "encryptionKey": text("OCID of the master key that new secrets are encrypted with."),
            "principalType": choice(
                "Who the operator is; InstancePrincipal where it is empty and there is no auth.",
                "",
                "UserPrincipal",
                "InstancePrincipal",
                "Workload",
            ),
            "region": text("Region, such as eu-frankfurt-1."),
            "serviceAccountRef": service_account(
                "ServiceAccount of principalType Workload; the operator's when absent."
            ),
            "vault": text("OCID of the vault."),
        },
        required=("region", "vault"),
    )
