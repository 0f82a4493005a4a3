"""A cluster as tests and scripts see it: kubectl, JSON requests, kubeconfigs per ServiceAccount. Where it comes from
does not matter.

Neighbours: controlplane.py and kind.py are the two kinds of cluster; operator.py and openbao.py use one.
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import requests
import yaml

from e2e.harness.audit import AuditLog
from e2e.harness.waiting import PATIENCE, eventually

Json = dict[str, Any]

REPO = Path(__file__).resolve().parents[2]
MANIFESTS = REPO / "manifests"

# plural → prefix of the URL path; what tests touch most
GROUPS = {
    "secrets": "/api/v1",
    "configmaps": "/api/v1",
    "events": "/api/v1",
    "namespaces": "/api/v1",
    "serviceaccounts": "/api/v1",
    "leases": "/apis/coordination.k8s.io/v1",
    "clusterroles": "/apis/rbac.authorization.k8s.io/v1",
    "clusterrolebindings": "/apis/rbac.authorization.k8s.io/v1",
    "roles": "/apis/rbac.authorization.k8s.io/v1",
    "customresourcedefinitions": "/apis/apiextensions.k8s.io/v1",
    "externalsecrets": "/apis/external-secrets.io/v1",
    "secretstores": "/apis/external-secrets.io/v1",
    "clustersecretstores": "/apis/external-secrets.io/v1",
    "clusterexternalsecrets": "/apis/external-secrets.io/v1",
    "pushsecrets": "/apis/external-secrets.io/v1alpha1",
    "clusterpushsecrets": "/apis/external-secrets.io/v1alpha1",
    "changesources": "/apis/extensions.external-secrets.io/v1alpha1",
    **dict.fromkeys(
        (
            "clustergenerators",
            "fakes",
            "generatorstates",
            "gitlabdeploytokens",
            "mfas",
            "passwords",
            "sshkeys",
            "uuids",
        ),
        "/apis/generators.external-secrets.io/v1alpha1",
    ),
}

MERGE_PATCH = "application/merge-patch+json"


class ApiRefused(RuntimeError):
    """The API server said no. `code` is the HTTP status, the message is the server's."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code


class KubectlFailed(RuntimeError):
    """kubectl exited with an error; the message carries what it printed."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """How to reach an API server: CA as PEM bytes, and either a client certificate (PEM bytes) or a bearer token."""

    server: str
    ca: bytes
    cert: bytes = b""
    key: bytes = b""
    token: str = ""

    @staticmethod
    def from_kubeconfig(path: Path) -> Credentials:
        """The current context of a kubeconfig with inline data. Raises KeyError for exec plugins and files."""
        config = yaml.safe_load(path.read_text())
        context = next(c["context"] for c in config["contexts"] if c["name"] == config["current-context"])
        cluster = next(c["cluster"] for c in config["clusters"] if c["name"] == context["cluster"])
        user = next(u["user"] for u in config["users"] if u["name"] == context["user"])
        ca = base64.b64decode(cluster["certificate-authority-data"])
        if "token" in user:
            return Credentials(cluster["server"], ca, token=user["token"])
        return Credentials(
            cluster["server"],
            ca,
            base64.b64decode(user["client-certificate-data"]),
            base64.b64decode(user["client-key-data"]),
        )

    def kubeconfig(self, path: Path, user: str, namespace: str = "default") -> Path:
        """Writes a kubeconfig with everything inline, readable only by us. One that is being read stays whole."""
        login: Json = {"token": self.token}
        if self.cert:
            login = {
                "client-certificate-data": base64.b64encode(self.cert).decode(),
                "client-key-data": base64.b64encode(self.key).decode(),
            }
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "it",
            "clusters": [
                {
                    "name": "it",
                    "cluster": {
                        "server": self.server,
                        "certificate-authority-data": base64.b64encode(self.ca).decode(),
                    },
                }
            ],
            "users": [{"name": user, "user": login}],
            "contexts": [{"name": "it", "context": {"cluster": "it", "user": user, "namespace": namespace}}],
        }
        handle, made = tempfile.mkstemp(dir=path.parent)  # mode 0600
        with os.fdopen(handle, "w") as file:
            yaml.safe_dump(document, file)
        return Path(made).replace(path)


class Api:
    """JSON requests with one identity. Safe to use from several threads: a connection pool per thread."""

    def __init__(self, credentials: Credentials, folder: Path, name: str) -> None:
        self.credentials = credentials
        self._ca = folder / f"{name}-ca.crt"
        self._ca.write_bytes(credentials.ca)
        self._pair: tuple[str, str] | None = None
        if credentials.cert:
            cert, key = folder / f"{name}-client.crt", folder / f"{name}-client.key"
            cert.write_bytes(credentials.cert)
            key.touch(mode=0o600)
            key.write_bytes(credentials.key)
            self._pair = (str(cert), str(key))
        self._local = threading.local()

    @property
    def session(self) -> requests.Session:
        known: requests.Session | None = getattr(self._local, "session", None)
        if known is None:
            known = self._local.session = requests.Session()
            known.trust_env = False
            known.verify = str(self._ca)
            known.cert = self._pair
            if self.credentials.token:
                known.headers["Authorization"] = f"Bearer {self.credentials.token}"
        return known

    def request(
        self,
        verb: str,
        path: str,
        body: Any = None,
        *,
        content_type: str = "application/json",
        timeout: float = PATIENCE,
    ) -> Json:
        """Any path. Raises ApiRefused, or requests' errors when nobody answers."""
        headers = {"Content-Type": content_type} if body is not None else {}
        # as UTF-8: an apply patch is read as YAML, which knows no escaped surrogate pairs
        data = json.dumps(body, ensure_ascii=False).encode() if body is not None else None
        reply = self.session.request(verb, self.credentials.server + path, data=data, headers=headers, timeout=timeout)
        if reply.status_code >= 400:
            try:
                message = str(reply.json().get("message", reply.text))
            except ValueError:
                message = reply.text
            raise ApiRefused(reply.status_code, message[:2000])
        answer: Json = reply.json() if "json" in reply.headers.get("Content-Type", "") else {"text": reply.text}
        return answer

    @staticmethod
    def path(plural: str, namespace: str = "", name: str = "", subresource: str = "") -> str:
        parts = [GROUPS[plural]]
        if namespace:
            parts += ["namespaces", namespace]
        parts += [part for part in (plural, name, subresource) if part]
        return "/".join(parts)

    def get(self, plural: str, namespace: str, name: str) -> Json | None:
        """The object, None when it is not there."""
        try:
            return self.request("GET", self.path(plural, namespace, name))
        except ApiRefused as refused:
            if refused.code == 404:
                return None
            raise

    def list(self, plural: str, namespace: str = "", **query: str) -> list[Json]:
        """All items; `query` as in the API: labelSelector, fieldSelector, limit."""
        path = self.path(plural, namespace) + (f"?{urlencode(query)}" if query else "")
        items: list[Json] = self.request("GET", path)["items"]
        return items

    def create(self, plural: str, namespace: str, body: Json, *, name: str = "", subresource: str = "") -> Json:
        return self.request("POST", self.path(plural, namespace, name, subresource), body)

    def patch(
        self,
        plural: str,
        namespace: str,
        name: str,
        body: Any,
        *,
        subresource: str = "",
        content_type: str = MERGE_PATCH,
    ) -> Json:
        return self.request("PATCH", self.path(plural, namespace, name, subresource), body, content_type=content_type)

    def replace(self, plural: str, namespace: str, name: str, body: Json, *, subresource: str = "") -> Json:
        return self.request("PUT", self.path(plural, namespace, name, subresource), body)

    def delete(self, plural: str, namespace: str, name: str) -> None:
        """Also when it is gone already."""
        try:
            self.request("DELETE", self.path(plural, namespace, name))
        except ApiRefused as refused:
            if refused.code != 404:
                raise


class Cluster:
    """`folder` holds everything written for this cluster. `binaries` is the folder of kubectl; "" takes the one on
    PATH.

    `audit` is None where the API server's audit log cannot be read. `host_address` is where pods or processes of the
    cluster reach servers that we start next to it.
    """

    host_address = "127.0.0.1"
    audit: AuditLog | None = None

    def __init__(self, folder: Path, binaries: Path | None) -> None:
        self.folder, self.binaries = folder, binaries
        self.admin_kubeconfig = folder / "admin.kubeconfig"
        self._api: Api | None = None

    # -- asking -------------------------------------------------------------------------------------------------------

    @property
    def credentials(self) -> Credentials:
        return Credentials.from_kubeconfig(self.admin_kubeconfig)

    @property
    def api(self) -> Api:
        """Requests as cluster administrator."""
        if self._api is None:
            self._api = Api(self.credentials, self.folder, "admin")
        return self._api

    def api_as(self, namespace: str, name: str) -> Api:
        """Requests as that ServiceAccount."""
        return Api(self._as_serviceaccount(namespace, name, ()), self.folder, f"{namespace}-{name}")

    def kubectl(
        self, *args: str, input: str | None = None, kubeconfig: Path | None = None, timeout: float = 300.0
    ) -> str:
        """Standard output of kubectl. Raises KubectlFailed with its standard error."""
        program = str(self.binaries / "kubectl") if self.binaries else "kubectl"
        env = {
            "PATH": os.environ.get("PATH", ""),
            "HOME": str(self.folder),
            "KUBECONFIG": str(kubeconfig or self.admin_kubeconfig),
        }
        done = subprocess.run(
            [program, *args],
            input=input,
            capture_output=True,
            text=True,
            env=env,
            cwd=self.folder,
            timeout=timeout,
            check=False,
        )
        if done.returncode != 0:
            raise KubectlFailed(
                f"kubectl {' '.join(args)}: exit code "
                f"{done.returncode}\n{done.stderr.strip()}\n{done.stdout.strip()[-2000:]}"
            )
        return done.stdout

    def apply(self, documents: str | Sequence[Mapping[str, Any]]) -> str:
        """Server-side apply of YAML text or objects, as the field manager `kubectl`."""
        text = documents if isinstance(documents, str) else yaml.safe_dump_all(list(documents))
        return self.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", input=text)

    # -- identities ---------------------------------------------------------------------------------------------------

    def token(self, namespace: str, name: str, *, audiences: Sequence[str] = (), seconds: int = 24 * 3600) -> str:
        """A token of that ServiceAccount through TokenRequest. Waits for the ServiceAccount to exist."""
        spec: Json = {"expirationSeconds": seconds}
        if audiences:
            spec["audiences"] = list(audiences)
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}

        def ask() -> Json:
            return self.api.create("serviceaccounts", namespace, body, name=name, subresource="token")

        reply = eventually(ask, 15, what=f"a token for {namespace}/{name}")
        token: str = reply["status"]["token"]
        return token

    def _as_serviceaccount(self, namespace: str, name: str, audiences: Sequence[str]) -> Credentials:
        admin = self.credentials
        return Credentials(admin.server, admin.ca, token=self.token(namespace, name, audiences=audiences))

    def kubeconfig_for_serviceaccount(self, namespace: str, name: str) -> Path:
        """A kubeconfig with a day's token of that ServiceAccount; its context's namespace is the ServiceAccount's."""
        path = self.folder / f"{namespace}-{name}.kubeconfig"
        return self._as_serviceaccount(namespace, name, ()).kubeconfig(path, name, namespace)

    # -- preparing ----------------------------------------------------------------------------------------------------

    def apply_manifests(self, folder: Path = MANIFESTS, *, within_seconds: float = PATIENCE) -> None:
        """`kubectl apply --server-side -k` as a user does it; returns when every CRD of it is served."""
        self.kubectl("apply", "--server-side", "--force-conflicts", "-k", str(folder))
        names = [
            document["metadata"]["name"]
            for document in self.rendered(folder)
            if document["kind"] == "CustomResourceDefinition"
        ]
        self.kubectl(
            "wait",
            "--for=condition=Established",
            f"--timeout={within_seconds:.0f}s",
            *(f"crd/{name}" for name in names),
        )

    def rendered(self, folder: Path = MANIFESTS) -> list[Json]:
        """The objects of a kustomization."""
        text = self.kubectl("kustomize", str(folder))
        return [document for document in yaml.load_all(text, yaml.CSafeLoader) if document]

    def create_namespace(self, name: str, labels: Mapping[str, str] | None = None) -> str:
        """Returns when its default ServiceAccount is there, as a user's workloads would need it."""
        self.api.create(
            "namespaces",
            "",
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": dict(labels or {})}},
        )
        eventually(
            lambda: self.api.get("serviceaccounts", name, "default"), 15, what=f"the default ServiceAccount of {name}"
        )
        return name

    def delete_namespace(self, name: str) -> None:
        """Does not wait."""
        self.api.delete("namespaces", "", name)

    # -- reading ------------------------------------------------------------------------------------------------------

    def secret(self, namespace: str, name: str) -> dict[str, str] | None:
        """Decoded data of a Secret, None when it is not there."""
        found = self.api.get("secrets", namespace, name)
        if found is None:
            return None
        return {
            key: base64.b64decode(value).decode(errors="replace") for key, value in (found.get("data") or {}).items()
        }

    def condition(self, plural: str, namespace: str, name: str, type: str = "Ready") -> Json:
        """The condition of that type; {} while there is none."""
        found = self.api.get(plural, namespace, name) or {}
        conditions = found.get("status", {}).get("conditions", [])
        return next((c for c in conditions if c["type"] == type), {})

    def wait_ready(
        self, plural: str, namespace: str, name: str, within_seconds: float = 30.0, status: str = "True"
    ) -> Json:
        """Waits for the Ready condition to have that status; returns the condition."""
        seen: Json = {}

        def ready() -> Json | None:
            nonlocal seen
            seen = self.condition(plural, namespace, name)
            assert seen.get("status") == status, f"{plural} {namespace}/{name}: {seen or 'no condition'}"
            return seen

        return eventually(ready, within_seconds, what=f"{plural} {namespace}/{name} Ready={status}")

    def events(self, namespace: str, name: str) -> Iterator[Json]:
        """Events about the object of that name."""
        yield from self.api.list("events", namespace, fieldSelector=f"involvedObject.name={name}")
