"""The contract server, and clients that are logged in at it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from eso.providers.contract import StoreView
from eso.providers.oracle import connect, principals
from eso.providers.oracle.client import Client
from tests.fakes.credentials import StaticCredentials
from tests.fakes.oracle import (
    ACCOUNT,
    CLUSTER,
    COMPARTMENT,
    FINGERPRINT,
    MASTER_KEY,
    REGION,
    TENANCY,
    USER,
    VAULT,
    FakeOracle,
    WholeOracle,
    key,
    pem,
)

PRIVATE, PRINT = {"name": "login", "key": "key"}, {"name": "login", "key": "fingerprint"}
KEYS = {"tenancy": TENANCY, "user": USER, "secretRef": {"privatekey": PRIVATE, "fingerprint": PRINT}}
ACCOUNTS = {"name": "reader", "audiences": ["more"]}


def view(kind: str = "SecretStore", retries: dict[str, Any] | None = None, **block: Any) -> StoreView:
    here = {"region": REGION, "vault": VAULT, "compartment": COMPARTMENT, "encryptionKey": MASTER_KEY}
    return StoreView(
        kind, "store", "team-a" if kind == "SecretStore" else "", "oracle", here | block, "uid", 1, retries
    )


class World:
    """`world.open(...)`: a client of a store of the vault at the contract server."""

    def __init__(self, fake: FakeOracle, folder: Path) -> None:
        self.fake = fake
        authority = folder / "ca.crt"
        authority.write_bytes(b"authority of the cluster")
        self.provider = WholeOracle(
            fake, KUBERNETES_SERVICE_HOST=CLUSTER, OCI_KUBERNETES_SERVICE_ACCOUNT_CERT_PATH=str(authority)
        )
        secrets = {"login/key": pem("user"), "login/fingerprint": FINGERPRINT}
        self.credentials = StaticCredentials(secrets, tokens={"reader": ACCOUNT})

    async def open(self, kind: str = "SecretStore", **block: Any) -> Client:
        client = await self.provider.open(view(kind, **({"auth": KEYS} | block)), self.credentials)
        assert isinstance(client, Client)
        return client


@pytest.fixture
async def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    """Sessions have one key: making another one for each test takes long."""
    token = tmp_path / "token"
    token.write_text(f"{ACCOUNT}\n")
    monkeypatch.setattr(connect, "TOKEN", str(token))
    monkeypatch.setattr(principals, "made_key", lambda: key("session"))
    async with FakeOracle() as fake:
        world = World(fake, tmp_path)
        yield world
        await world.provider.close()
