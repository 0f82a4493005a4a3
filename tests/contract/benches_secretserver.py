"""The bench of `secretserver`: a user of Secret Server, secrets with one field that holds JSON."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from eso.providers.kit.metadata import API_VERSION, KIND
from tests.contract.benches import Bench, Case, Ground
from tests.fakes.secretserver import FOLDER, PASSWORD, TEMPLATE, USER, FakeSecretServer, secret_json


@asynccontextmanager
async def made(ground: Ground) -> AsyncIterator[Bench]:
    async with FakeSecretServer(ground.tls) as server:

        def put(key: str, data: Mapping[str, Any]) -> None:
            server.put(key, secret_json(**data))

        def remove(key: str) -> None:
            server.secrets = {id: one for id, one in server.secrets.items() if one.name != key}

        def break_down() -> None:
            server.down = True

        def rotate() -> None:
            password = f"{PASSWORD}-{len(server.asked)}"
            server.users = {USER: password}
            server.tokens.clear()
            bench.secrets["login/password"] = password

        block = {
            "serverURL": server.address,
            "username": {"value": USER},
            "password": {"secretRef": {"name": "login", "key": "password"}},
        }
        bench = Bench(ground.whole("secretserver"), block, put, {"login/password": PASSWORD})
        bench.server, bench.remove, bench.break_down, bench.rotate = server, remove, break_down, rotate
        bench.whole = bench.finds = bench.proves_absence = False
        bench.writes, bench.merges, bench.marks, bench.one_place = True, False, False, True
        spec = {"folderId": FOLDER, "secretTemplateId": TEMPLATE}
        bench.metadata = {"apiVersion": API_VERSION, "kind": KIND, "spec": spec}
        bench.faults_at = "/secrets"
        bench.at = lambda address: {"serverURL": address}
        bench.shapes = ("[]", '"text"', "{}", '{"records":7}', '{"records":[7]}', '{"records":[{"id":"x"}]}')
        yield bench
        await bench.close()


BENCHES = (Case("secretserver", made, wire=True),)
