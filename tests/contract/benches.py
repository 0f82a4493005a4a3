"""One bench per provider and backend: what a test may arrange behind it, and how it differs where the reference's
providers differ.

Neighbours: conftest.py makes them, test_provider.py says the sentences.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from eso.providers.contract import StoreClient, StoreView
from tests.fakes.credentials import StaticCredentials
from tests.fakes.env import Whole

PLANTED = "planted-7f3a9c"  # a value that must never be seen in a text


class Server(Protocol):
    """A Vault: the fake one or the real one."""

    address: str

    def write(self, mount: str, key: str, data: Mapping[str, Any]) -> None: ...
    def remove(self, key: str) -> None: ...
    def break_down(self) -> None: ...


@dataclass
class Bench:
    provider: Whole
    block: dict[str, Any]
    put: Callable[[str, Mapping[str, Any]], None]
    secrets: dict[str, str] = field(default_factory=dict)
    proves_absence: bool = True
    nested: bool = True
    break_down: Callable[[], None] | None = None

    def view(self, **changes: Any) -> StoreView:
        return StoreView("SecretStore", "store", "team-a", self.provider.name, self.block | changes, "uid", 1)

    async def open(self, **changes: Any) -> StoreClient:
        return await self.provider.open(self.view(**changes), StaticCredentials(self.secrets))


def fake_bench() -> Bench:
    block: dict[str, Any] = {"data": []}
    bench = Bench(
        Whole("fake"),
        block,
        lambda key, data: block["data"].append({"key": key, "value": json.dumps(dict(data), separators=(",", ":"))}),
    )
    return bench


def vault_bench(server: Server, token: str, version: int) -> Bench:
    mount = "secret" if version == 2 else "kv1"
    block = {
        "server": server.address,
        "path": mount,
        "version": f"v{version}",
        "auth": {"tokenSecretRef": {"name": "login", "key": "token"}},
    }
    return Bench(
        Whole("vault"),
        block,
        lambda key, data: server.write(mount, key, data),
        {"login/token": token},
        break_down=server.break_down,
    )


def openbao_bench(server: Server, token: str, version: int) -> Bench:
    bench = vault_bench(server, token, version)
    bench.provider = Whole("openBao")
    bench.proves_absence = bench.nested = False
    return bench
