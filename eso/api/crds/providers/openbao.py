"""The schema of `spec.provider.openBao`."""

from __future__ import annotations

from eso.api.crds.providers.parts import at_most_one, certificate_authorities, exactly_one
from eso.api.crds.schema import Schema, choice, obj, ruled, secret_key, text


def schema() -> Schema:
    app_role = {
        "path": text("Mount of the method.", default="approle"),
        "roleId": text("Role id.", minLength=1),
        "roleRef": secret_key("Role id in a Secret."),
        "secretRef": secret_key("Secret id."),
    }
    user_pass = {
        "path": text("Mount of the method.", default="userpass"),
        "secretRef": secret_key("Password."),
        "username": text("User name."),
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
