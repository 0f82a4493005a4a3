"""Credentials and an API server reduced to a dict, for tests of what logs in with them.

Neighbours: implements `eso.providers.contract.CredentialReader` and the part of `eso.kube.rest.Rest` that reads
credentials.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

import orjson

from eso.api.meta import Resource
from eso.errors import EsoError
from eso.providers.contract import InvalidConfig, SecretObject, ServiceAccount


class StaticCredentials:
    """`secrets["name/key"]` → value, `accounts[name]` → annotations, `labels[name]` of a Secret. Missing ones fail
    as they do in a cluster."""

    def __init__(
        self,
        secrets: Mapping[str, str],
        namespace: str = "team-a",
        tokens: Mapping[str, str] | None = None,
        ca: bytes | None = None,
        accounts: Mapping[str, Mapping[str, str]] | None = None,
        environ: Mapping[str, str] | None = None,
        labels: Mapping[str, Mapping[str, str]] | None = None,
    ) -> None:
        self.secrets, self.namespace, self.tokens, self.ca = dict(secrets), namespace, dict(tokens or {}), ca
        self.accounts, self.environ, self.labels = dict(accounts or {}), environ, dict(labels or {})
        self.audiences: list[tuple[str, ...]] = []
        self.trailing: list[str] = []

    async def secret(self, selector: Mapping[str, Any], *, default_key: str = "") -> bytes:
        key = selector.get("key") or default_key
        try:
            return self.secrets[f"{selector.get('name')}/{key}"].encode()
        except KeyError:
            raise EsoError(f'cannot find secret data for key: "{key}"') from None

    async def secret_object(self, selector: Mapping[str, Any]) -> SecretObject:
        name = str(selector.get("name"))
        own = {place: text for place, text in self.secrets.items() if place.startswith(f"{name}/")}
        data = {place.partition("/")[2]: text.encode() for place, text in own.items()}
        if not data:
            where = f'cannot get Kubernetes secret "{name}" from namespace "{self.namespace}": '
            raise EsoError(f'{where}secrets "{name}" not found') from EsoError(f'secrets "{name}" not found')
        return SecretObject(data, self.labels.get(name, {}))

    async def service_account_token(
        self, selector: Mapping[str, Any], *, audiences: tuple[str, ...] = (), expiration_seconds: int | None = 600
    ) -> str:
        self.audiences.append(audiences)
        try:
            return self.tokens[str(selector.get("name"))]
        except KeyError:
            raise EsoError(f'serviceaccounts "{selector.get("name")}" not found') from None

    async def service_account(self, selector: Mapping[str, Any]) -> ServiceAccount:
        name = str(selector.get("name"))
        return ServiceAccount(name, self.namespace, f"uid-of-{name}", self.accounts.get(name, {}))

    def ambient(self) -> Mapping[str, str]:
        """`environ`; None: this store may not use the operator's identity."""
        if self.environ is None:
            raise InvalidConfig("this store may not use the operator's own cloud identity")
        return self.environ

    async def legacy_service_account_token(self, selector: Mapping[str, Any]) -> str:
        raise EsoError(f'cannot find secrets bound to service account: "{selector.get("name")}"')

    async def own_token(self) -> str:
        return self.tokens["own"]

    async def ca_bundle(self, spec: Mapping[str, Any]) -> bytes | None:
        return self.ca


class DictRest:
    """`objects["secrets/namespace/name"]` → object. Counts what was read."""

    def __init__(self) -> None:
        self.objects: dict[str, dict[str, Any]] = {}
        self.gets: list[str] = []
        self.tokens: list[dict[str, Any]] = []
        self.failure: EsoError | None = None

    def secret(self, namespace: str, name: str, labels: Mapping[str, str] | None = None, /, **data: str) -> None:
        self.objects[f"secrets/{namespace}/{name}"] = {
            "metadata": {"labels": dict(labels or {})},
            "data": {key: base64.b64encode(value.encode()).decode() for key, value in data.items()},
        }

    async def get(self, resource: Resource, namespace: str, name: str) -> bytes | None:
        place = f"{resource.plural}/{namespace}/{name}"
        self.gets.append(place)
        if self.failure is not None:
            raise self.failure
        found = self.objects.get(place)
        return None if found is None else orjson.dumps(found)

    async def create(
        self,
        resource: Resource,
        namespace: str,
        body: Any,
        *,
        field_manager: str = "",
        subresource: str = "",
        name: str = "",
    ) -> bytes:
        self.tokens.append({"namespace": namespace, "name": name, **body["spec"]})
        if self.failure is not None:
            raise self.failure
        return orjson.dumps({"status": {"token": f"token-of-{namespace}-{name}"}})
