"""The few resources of another cluster's API server that the provider `kubernetes` asks for, with faults on demand."""

from __future__ import annotations

import base64
import json
import ssl
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from tests.fakes.backend import Asked, Backend

TOKEN = "planted-cluster-token"
AUTHORITY = {"type": "ConfigMap", "name": "authority", "key": "ca.crt"}  # whom stores of such a cluster trust
Json = dict[str, Any]


class FakeCluster(Backend):
    """`secrets`: by (namespace, name). `rules`, `allowed`: answers of the reviews. `page`: Secrets per page of a
    list.
    """

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(tls)
        self.secrets: dict[tuple[str, str], Json] = {}
        self.rules: list[Json] = [{"verbs": ["get"], "apiGroups": [""], "resources": ["secrets"]}]
        self.allowed = False
        self.tokens = {TOKEN}
        self.page = 2
        self.version = 0

    def put(self, name: str, data: Mapping[str, bytes], namespace: str = "default", **metadata: Any) -> None:
        encoded = {key: base64.b64encode(value).decode() for key, value in data.items()}
        meta = {"name": name, "namespace": namespace, "uid": f"uid-{name}", **metadata}
        self._store(
            namespace, name, {"apiVersion": "v1", "kind": "Secret", "metadata": meta, "data": encoded, "type": "Opaque"}
        )

    def data(self, name: str, namespace: str = "default") -> dict[str, bytes]:
        return {key: base64.b64decode(value) for key, value in self.secrets[namespace, name].get("data", {}).items()}

    def _store(self, namespace: str, name: str, body: Json) -> Json:
        self.version += 1
        body["metadata"]["resourceVersion"] = str(self.version)
        self.secrets[namespace, name] = body
        return body

    async def answer(self, asked: Asked) -> web.StreamResponse:
        if asked.headers.get("Authorization", "").removeprefix("Bearer ") not in self.tokens:
            return status(401, "Unauthorized", "Unauthorized")
        parts = asked.path.strip("/").split("/")
        match parts:
            case ["apis", "authorization.k8s.io", "v1", "selfsubjectrulesreviews"]:
                return web.json_response({"status": {"resourceRules": self.rules}}, status=201)
            case ["apis", "authorization.k8s.io", "v1", "selfsubjectaccessreviews"]:
                return web.json_response({"status": {"allowed": self.allowed}}, status=201)
            case ["api", "v1", "namespaces", namespace, "secrets"] if asked.method == "GET":
                return self._list(namespace, asked.query)
            case ["api", "v1", "namespaces", namespace, "secrets"]:
                body = asked.body
                name = body["metadata"]["name"]
                if (namespace, name) in self.secrets:
                    return status(409, "AlreadyExists", f'secrets "{name}" already exists')
                return web.json_response(self._store(namespace, name, body), status=201)
            case ["api", "v1", "namespaces", namespace, "secrets", name]:
                return self._one(asked, namespace, name)
        return status(404, "NotFound", "the server could not find the requested resource")

    def _one(self, asked: Asked, namespace: str, name: str) -> web.Response:
        live = self.secrets.get((namespace, name))
        if live is None:
            return status(404, "NotFound", f'secrets "{name}" not found', name)
        match asked.method:
            case "GET":
                return web.json_response(live)
            case "PUT":
                if asked.body["metadata"].get("resourceVersion") != live["metadata"]["resourceVersion"]:
                    return status(409, "Conflict", f'Operation cannot be fulfilled on secrets "{name}"')
                return web.json_response(self._store(namespace, name, asked.body))
        del self.secrets[namespace, name]
        return web.json_response({"kind": "Status", "status": "Success"})

    def _list(self, namespace: str, query: Mapping[str, str]) -> web.Response:
        wanted = dict(one.split("=", 1) for one in query.get("labelSelector", "").split(",") if one)
        found = [
            body
            for (where, _), body in sorted(self.secrets.items())
            if where == namespace and wanted.items() <= (body["metadata"].get("labels") or {}).items()
        ]
        start = int(query.get("continue") or 0)
        end = start + self.page
        meta = {"resourceVersion": str(self.version)} | ({"continue": str(end)} if end < len(found) else {})
        return web.json_response({"kind": "SecretList", "metadata": meta, "items": found[start:end]})


def status(code: int, reason: str, message: str, name: str = "") -> web.Response:
    body = {"kind": "Status", "status": "Failure", "reason": reason, "message": message, "code": code}
    return web.Response(
        status=code, text=json.dumps(body | {"details": {"name": name}}), content_type="application/json"
    )
