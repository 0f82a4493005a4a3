"""The schema of `spec.provider.oracle`."""

from __future__ import annotations

from eso.api.crds.schema import Schema, choice, obj, secret_key, service_account, text


def schema() -> Schema:
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
