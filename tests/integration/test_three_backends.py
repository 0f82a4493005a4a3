"""One Secret out of Vault, AWS and 1Password on the real API server; one of the three is away for a while."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from e2e.harness.cluster import Json
from e2e.harness.controlplane import ControlPlane
from e2e.harness.moto import REGION, Moto
from e2e.harness.objects import allow_namespace, secret_store, thing, vault_provider
from e2e.harness.openbao import OpenBao
from e2e.harness.operator import LocalOperator
from e2e.harness.waiting import eventually
from tests.fakes.onepassword import TOKEN, FakeConnect

pytestmark = pytest.mark.real


@pytest.fixture
def connect() -> Iterator[FakeConnect]:
    """A Connect server on a loop of its own."""
    loop, server = asyncio.new_event_loop(), FakeConnect()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    asyncio.run_coroutine_threadsafe(server.start(), loop).result(60)
    yield server
    asyncio.run_coroutine_threadsafe(server.stop(), loop).result(60)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(60)
    loop.close()


def objects(namespace: str, vault: Json, connect: FakeConnect) -> list[Json]:
    def store(name: str, provider: Json) -> Json:
        # validated often, so that a store whose backend is back is noticed soon
        return thing("SecretStore", name, namespace, spec={"refreshInterval": 2, "provider": provider})

    aws = {
        "service": "SecretsManager",
        "region": REGION,
        "auth": {
            "secretRef": {
                "accessKeyIDSecretRef": {"name": "logins", "key": "id"},
                "secretAccessKeySecretRef": {"name": "logins", "key": "secret"},
            }
        },
    }
    token = {"connectTokenSecretRef": {"name": "logins", "key": "token"}}
    onepassword = {"connectHost": connect.address, "vaults": {"Shop": 1}, "auth": {"secretRef": token}}

    def entry(name: str, store: str, **remote: str) -> Json:
        return {"secretKey": name, "remoteRef": remote, "sourceRef": {"storeRef": {"name": store}}}

    return [
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "logins", "namespace": namespace},
            "stringData": {"id": "AKIATEST", "secret": "x", "token": TOKEN},
        },
        vault,
        store("aws", {"aws": aws}),
        store("onepassword", {"onepassword": onepassword}),
        thing(
            "ExternalSecret",
            "merged",
            namespace,
            spec={
                "refreshInterval": "2s",
                "target": {"name": "merged"},
                "data": [
                    entry("vault", "store", key=f"{namespace}/app", property="v"),
                    entry("aws", "aws", key="app", property="v"),
                    entry("onepassword", "onepassword", key="app", property="v"),
                ],
            },
        ),
    ]


def test_three_backends_are_one_secret_and_the_absence_of_one_costs_nothing(
    controlplane: ControlPlane, namespace: str, openbao: OpenBao, connect: FakeConnect
) -> None:
    role = allow_namespace(controlplane, openbao, namespace)
    openbao.put("secret", f"{namespace}/app", {"v": "one"})
    connect.put("app", {"v": "three"})
    vault = secret_store(namespace, vault_provider(openbao, role=role, account="default"))

    def secret() -> Any:
        return controlplane.secret(namespace, "merged")

    with Moto() as moto:
        moto.secret("app", {"v": "two"})
        args = {"namespace": namespace, "enable-leader-election": "false"}
        with LocalOperator(controlplane, args=args, name=namespace, env=moto.environ):
            controlplane.apply(objects(namespace, vault, connect))
            controlplane.wait_ready("externalsecrets", namespace, "merged")
            whole = {"vault": "one", "aws": "two", "onepassword": "three"}
            assert secret() == whole

            connect.down = True
            openbao.put("secret", f"{namespace}/app", {"v": "ONE"})

            def told() -> str:
                found = controlplane.condition("externalsecrets", namespace, "merged")
                events = [
                    one["message"]
                    for one in controlplane.api.list("events", namespace)
                    if one["involvedObject"]["name"] == "merged" and one["type"] == "Warning"
                ]
                assert found["status"] == "False" and events, found
                return "\n".join(events)

            assert '"onepassword"' in (text := eventually(told, 30, what="the object is not ready")), text
            assert '"aws"' not in text and '"store"' not in text
            assert secret() == whole, "no part of it moved"

            connect.down = False

            def followed() -> bool:
                return bool(secret() == whole | {"vault": "ONE"})

            eventually(followed, 60, what="the Secret follows all three again")
            controlplane.wait_ready("externalsecrets", namespace, "merged")
