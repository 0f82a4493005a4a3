"""The objects tests, demos and benchmarks apply, as plain dictionaries.

Neighbours: cluster.py sends them. Names default to what a single-store namespace needs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from e2e.harness.cluster import Cluster, Json
from e2e.harness.openbao import OpenBao

GROUP = "external-secrets.io"


def thing(
    kind: str, name: str, namespace: str = "", *, spec: Json | None = None, api: str = f"{GROUP}/v1", **more: Any
) -> Json:
    """Any object; `more` goes beside `spec` (data, type, …)."""
    metadata = {"name": name, **({"namespace": namespace} if namespace else {})}
    return {
        "apiVersion": api,
        "kind": kind,
        "metadata": metadata,
        **({"spec": spec} if spec is not None else {}),
        **more,
    }


def vault_provider(
    openbao: OpenBao, *, role: str, account: str, path: str = "secret", account_namespace: str = ""
) -> Json:
    """`spec.provider` of a store that logs in with a ServiceAccount. A ClusterSecretStore needs the account's
    namespace."""
    ref = {"name": account, **({"namespace": account_namespace} if account_namespace else {})}
    vault: Json = {
        "server": openbao.address,
        "path": path,
        "version": "v2",
        "auth": {"kubernetes": {"mountPath": "kubernetes", "role": role, "serviceAccountRef": ref}},
    }
    return {"vault": vault}


def fake_provider(values: Mapping[str, str]) -> Json:
    """`spec.provider` of a store whose values stand in its spec."""
    return {"fake": {"data": [{"key": key, "value": value, "version": ""} for key, value in values.items()]}}


def secret_store(namespace: str, provider: Json, name: str = "store", **spec: Any) -> Json:
    return thing("SecretStore", name, namespace, spec={"provider": provider, **spec})


def cluster_secret_store(name: str, provider: Json, **spec: Any) -> Json:
    return thing("ClusterSecretStore", name, spec={"provider": provider, **spec})


def external_secret(
    namespace: str,
    name: str,
    refs: Mapping[str, str | tuple[str, str]],
    *,
    store: str = "store",
    store_kind: str = "SecretStore",
    interval: str = "1h",
    target: Json | None = None,
    **spec: Any,
) -> Json:
    """`refs`: Secret key → remote key, or (remote key, property)."""
    data: list[Json] = []
    for secret_key, ref in refs.items():
        key, prop = ref if isinstance(ref, tuple) else (ref, "")
        data.append({"secretKey": secret_key, "remoteRef": {"key": key, **({"property": prop} if prop else {})}})
    body: Json = {
        "refreshInterval": interval,
        "secretStoreRef": {"name": store, "kind": store_kind},
        "target": {"name": name, **(target or {})},
        "data": data,
    }
    return thing("ExternalSecret", name, namespace, spec=body | spec)


def push_secret(
    namespace: str,
    name: str,
    entries: Mapping[str, str],
    *,
    source: str,
    stores: Sequence[Mapping[str, Any]] = ({"name": "store"},),
    interval: str = "1h",
    **spec: Any,
) -> Json:
    """`entries`: key of the source → key in the backend; `stores` are secretStoreRefs."""
    body = {
        "refreshInterval": interval,
        "secretStoreRefs": [dict(store) for store in stores],
        "selector": {"secret": {"name": source}},
        "data": [{"match": {"secretKey": key, "remoteRef": {"remoteKey": to}}} for key, to in entries.items()],
        **spec,
    }
    return thing("PushSecret", name, namespace, api=f"{GROUP}/v1alpha1", spec=body)


def allow_namespace(
    cluster: Cluster, openbao: OpenBao, namespace: str, account: str = "default", paths: Sequence[str] = ()
) -> str:
    """Lets that ServiceAccount read `secret/<namespace>/*` (or `paths`) of the mount `secret`; returns the role, named
    as the namespace."""
    readable = paths or [f"{namespace}/*"]
    openbao.policy(
        namespace,
        {f"secret/data/{path}": ["read"] for path in readable}
        | {f"secret/metadata/{path}": ["read", "list"] for path in readable},
    )
    openbao.kubernetes_role(namespace, [namespace], [account], [namespace])
    return namespace
