"""An API server with one namespaced kind of objects, Widget, and one cluster-scoped kind, Gadget, as the provider
`crd` asks it."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from tests.fakes.backend import Asked, Backend
from tests.fakes.kubernetes import status

TOKEN = "planted-cluster-token"
GROUP = "shop.example.com"
API = f"{GROUP}/v1"
Json = dict[str, Any]
RESOURCES = [
    {"name": "widgets", "kind": "Widget", "namespaced": True, "verbs": ["get", "list"]},
    {"name": "widgets/status", "kind": "Widget", "namespaced": True, "verbs": ["get"]},
    {"name": "gadgets", "kind": "Gadget", "namespaced": False, "verbs": ["get", "list"]},
]


class FakeKinds(Backend):
    """`objects`: by (plural, namespace, name). `refused`: verbs that a review does not allow. `page`: objects per page
    of a list."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(tls)
        self.objects: dict[tuple[str, str, str], Json] = {}
        self.refused: set[str] = set()
        self.tokens = {TOKEN}
        self.page = 2
        self.down = False

    def put(self, name: str, members: Mapping[str, Any], namespace: str = "team-a") -> None:
        plural, kind = ("widgets", "Widget") if namespace else ("gadgets", "Gadget")
        meta = {"name": name} | ({"namespace": namespace} if namespace else {})
        self.objects[plural, namespace, name] = {"apiVersion": API, "kind": kind, "metadata": meta, **members}

    async def answer(self, asked: Asked) -> web.StreamResponse:
        if self.down:
            return status(503, "ServiceUnavailable", "busy")
        if asked.headers.get("Authorization", "").removeprefix("Bearer ") not in self.tokens:
            return status(401, "Unauthorized", "Unauthorized")
        match asked.path.strip("/").split("/"):
            case ["apis", "authorization.k8s.io", "v1", "selfsubjectaccessreviews"]:
                verb = asked.body["spec"]["resourceAttributes"]["verb"]
                return web.json_response({"status": {"allowed": verb not in self.refused}}, status=201)
            case ["apis", "shop.example.com", "v1"]:
                return web.json_response({"kind": "APIResourceList", "groupVersion": API, "resources": RESOURCES})
            case ["apis", "shop.example.com", "v1", "namespaces", namespace, plural]:
                return self._list(plural, namespace, asked.query)
            case ["apis", "shop.example.com", "v1", plural]:
                return self._list(plural, "", asked.query)
            case ["apis", "shop.example.com", "v1", "namespaces", namespace, plural, name]:
                return self._one(plural, namespace, name)
            case ["apis", "shop.example.com", "v1", plural, name]:
                return self._one(plural, "", name)
        return status(404, "NotFound", "the server could not find the requested resource")

    def _one(self, plural: str, namespace: str, name: str) -> web.Response:
        live = self.objects.get((plural, namespace, name))
        if live is None:
            return status(404, "NotFound", f'{plural}.{GROUP} "{name}" not found', name)
        return web.json_response(live)

    def _list(self, plural: str, namespace: str, query: Mapping[str, str]) -> web.Response:
        found = [
            body
            for (kind, where, _), body in sorted(self.objects.items())
            if kind == plural and namespace in ("", where)
        ]
        start = int(query.get("continue") or 0)
        end = start + self.page
        meta = {"resourceVersion": "1"} | ({"continue": str(end)} if end < len(found) else {})
        return web.json_response({"kind": "List", "apiVersion": API, "metadata": meta, "items": found[start:end]})
