"""Reviews as the API server sends them, and answers taken apart."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from eso.admission.review import Reviewer

Json = dict[str, Any]
GROUP = "external-secrets.io"
ENTRY = {"secretKey": "a", "remoteRef": {"key": "k"}}
STORE_REF = {"storeRef": {"name": "s"}}
GENERATOR_REF = {"generatorRef": {"kind": "UUID", "name": "u"}}


@dataclass(frozen=True)
class Answer:
    """`code` and `message` are of the response's status."""

    allowed: bool
    code: int
    message: str = ""
    warnings: tuple[str, ...] = ()
    reason: str = ""
    uid: str = ""
    version: str = ""


def path(kind: str, version: str = "v1", group: str = GROUP) -> str:
    return f"/validate-{group.replace('.', '-')}-{version}-{kind.lower()}"


def thing(kind: str, spec: Json, version: str = "v1", group: str = GROUP, **metadata: Any) -> Json:
    meta = {"name": "x"} | ({} if kind.startswith("Cluster") else {"namespace": "team"}) | metadata
    return {"apiVersion": f"{group}/{version}", "kind": kind, "metadata": meta, "spec": spec}


def review(given: Any, operation: str = "CREATE", api: str = "admission.k8s.io/v1", **request: Any) -> Json:
    group, _, version = str(given["apiVersion"]).partition("/")
    kind = {"group": group, "version": version, "kind": given["kind"]}
    body = {"uid": "u-1", "kind": kind, "operation": operation, "namespace": given["metadata"].get("namespace", "")}
    return {"apiVersion": api, "kind": "AdmissionReview", "request": body | {"object": given} | request}


def parsed(raw: bytes) -> Answer:
    body = json.loads(raw)
    assert body["kind"] == "AdmissionReview"
    response = body["response"]
    status = response["status"]
    return Answer(
        response["allowed"],
        status["code"],
        status.get("message", ""),
        tuple(response.get("warnings", ())),
        status.get("reason", ""),
        response["uid"],
        body["apiVersion"],
    )


def ask(given: Json, operation: str = "CREATE", reviewer: Reviewer | None = None, **request: Any) -> Answer:
    group, _, version = given["apiVersion"].partition("/")
    asked = review(given, operation, **request)
    return parsed((reviewer or Reviewer()).review(path(given["kind"], version, group), json.dumps(asked).encode()))


def external_secret(version: str = "v1", **spec: Any) -> Json:
    return thing("ExternalSecret", {"data": [ENTRY]} | spec, version)


def store(kind: str = "SecretStore", version: str = "v1", /, **spec: Any) -> Json:
    return thing(kind, {"provider": {"vault": {"server": "https://v", "auth": {}}}} | spec, version)


def fake_store(kind: str, *data: Json, **metadata: Any) -> Json:
    return thing(kind, {"provider": {"fake": {"data": list(data)}}}, **metadata)
