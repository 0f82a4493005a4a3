"""The schema of `spec.provider.kubernetes`."""

from __future__ import annotations

from eso.api.crds.providers.parts import kubernetes_auth, kubernetes_server
from eso.api.crds.schema import Schema, namespace, obj, secret_key


def schema() -> Schema:
    parts = {
        "auth": kubernetes_auth(),
        "authRef": secret_key("A kubeconfig."),
        "remoteNamespace": namespace("Namespace of the secrets.", default="default"),
        "server": kubernetes_server(),
    }
    return obj("Secrets of a Kubernetes cluster.", parts)
