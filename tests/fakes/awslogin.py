"""What an `aws` store logs in with, for tests: Secrets, accounts with roles, the operator's own environment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from eso.errors import EsoError
from eso.providers.contract import InvalidConfig, SecretObject, ServiceAccount, StoreView
from tests.fakes.credentials import StaticCredentials

ROLE = "arn:aws:iam::123456789012:role/reader"
KEYS = {"keys/id": "AKIAPLANTED00001", "keys/secret": "planted-secret-key", "keys/token": "planted-session-token"}
STATIC = {
    "secretRef": {
        "accessKeyIDSecretRef": {"name": "keys", "key": "id"},
        "secretAccessKeySecretRef": {"name": "keys", "key": "secret"},
    }
}
ACCOUNT = {"jwt": {"serviceAccountRef": {"name": "app"}}}


class AwsCredentials(StaticCredentials):
    """`accounts[name]`: the annotations of a ServiceAccount. `environ` None: the operator keeps its identity to
    itself.
    """

    def __init__(
        self,
        secrets: Mapping[str, str] | None = None,
        namespace: str = "team-a",
        *,
        tokens: Mapping[str, str] | None = None,
        accounts: Mapping[str, Mapping[str, str]] | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(KEYS if secrets is None else secrets, namespace, tokens)
        self.accounts, self.environ = dict(accounts or {}), environ
        self.config_maps: dict[str, dict[str, str]] = {}
        self.seconds: list[int | None] = []

    async def service_account(self, selector: Mapping[str, Any]) -> ServiceAccount:
        name = str(selector.get("name"))
        if name not in self.accounts:
            raise EsoError(f'serviceaccounts "{name}" not found')
        return ServiceAccount(name, self.namespace, f"uid-{name}", self.accounts[name])

    async def service_account_token(
        self, selector: Mapping[str, Any], *, audiences: tuple[str, ...] = (), expiration_seconds: int | None = 600
    ) -> str:
        self.seconds.append(expiration_seconds)
        return await super().service_account_token(selector, audiences=audiences)

    async def config_map(self, selector: Mapping[str, Any]) -> Mapping[str, str]:
        name = str(selector.get("name"))
        if name not in self.config_maps:
            raise EsoError(f'configmaps "{name}" not found')
        return self.config_maps[name]

    async def secret_object(self, selector: Mapping[str, Any]) -> SecretObject:
        name = str(selector.get("name"))
        found = {
            key.partition("/")[2]: value.encode() for key, value in self.secrets.items() if key.startswith(f"{name}/")
        }
        if not found:
            raise EsoError(f'secrets "{name}" not found')
        return SecretObject(found)

    def ambient(self) -> Mapping[str, str]:
        if self.environ is None:
            raise InvalidConfig("this store may not use the operator's own cloud identity")
        return self.environ


def view(kind: str = "SecretStore", **block: Any) -> StoreView:
    """A store of Secrets Manager with static keys, changed by `block`; None leaves a member out."""
    whole = {"service": "SecretsManager", "region": "eu-central-1", "auth": STATIC} | block
    namespace = "" if kind == "ClusterSecretStore" else "team-a"
    given = {name: value for name, value in whole.items() if value is not None}
    return StoreView(kind, "store", namespace, "aws", given, "uid", 1)
