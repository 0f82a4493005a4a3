"""The schema of `spec.provider.crd`."""

from __future__ import annotations

from eso.api.crds.providers.parts import at_most_one, kubernetes_auth, kubernetes_server
from eso.api.crds.schema import Schema, array, obj, ruled, secret_key, strings, text


def schema() -> Schema:
    whitelist = {
        "name": text("RE2 expression for the name of the object."),
        "namespace": text("RE2 expression for the namespace of the object."),
        "properties": strings("RE2 expressions for the properties that may be read."),
    }
    resource = {
        "group": text("API group; empty means the core group."),
        "kind": text("Kind.", minLength=1),
        "version": text("API version.", minLength=1),
    }
    parts = {
        "auth": kubernetes_auth(),
        "authRef": secret_key("A kubeconfig."),
        "resource": obj("The kind that is read.", resource, required=("group", "kind", "version")),
        "server": kubernetes_server(),
        "whitelist": obj(
            "What may be read; everything when absent.",
            {"rules": array("Rules; an object that meets any of them may be read.", obj("", whitelist))},
        ),
    }
    present = ("has(self.auth) || has(self.authRef)", "one of auth or authRef is required")
    return ruled(
        obj("Objects of any kind in a Kubernetes cluster.", parts, required=("resource",)),
        present,
        at_most_one("auth", "authRef"),
    )
