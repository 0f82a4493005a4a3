"""The benches of `aws`: Secrets Manager and Parameter Store, on the contract server and on moto."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from e2e.harness.moto import Moto
from tests.contract.benches import Bench, Case, Ground
from tests.fakes.aws import HOSTS, FakeAws, Secret
from tests.fakes.awslogin import KEYS, STATIC
from tests.fakes.backend import Fault

SERVICES = ("SecretsManager", "ParameterStore")
SHAPES = {
    "SecretsManager": (
        "[]",
        '"text"',
        "{}",
        '{"SecretString":7}',
        '{"SecretString":{"a":1}}',
        '{"SecretBinary":"%"}',
        '{"SecretBinary":[1]}',
    ),
    "ParameterStore": ("[]", '"text"', "{}", '{"Parameter":[]}', '{"Parameter":"x"}', '{"Parameter":{"Value":7}}'),
}
Make = Callable[[Ground], AbstractAsyncContextManager[Bench]]


def bench(ground: Ground, service: str, address: str, put: Callable[[str, str], None]) -> Bench:
    def write(key: str, members: Mapping[str, Any]) -> None:
        put(key, json.dumps(dict(members), separators=(",", ":")))

    block = {"service": service, "region": "eu-central-1", "auth": STATIC}
    secrets = {name: KEYS[name] for name in ("keys/id", "keys/secret")}
    made = Bench(ground.whole("aws", dict.fromkeys(HOSTS, address)), block, write, secrets)
    made.validates = False
    made.writes, made.merges = True, False  # what was pushed is found and deleted as a whole
    return made


def answer(code: str) -> Fault:
    return Fault(400, body=json.dumps({"__type": code, "message": "no"}))


def on_the_fake(service: str) -> Make:
    @asynccontextmanager
    async def made(ground: Ground) -> AsyncIterator[Bench]:
        async with FakeAws(ground.tls) as server:
            secrets = service == "SecretsManager"

            def put(key: str, text: str) -> None:
                if secrets:
                    server.secrets[key] = Secret(text)
                else:
                    server.parameters[key] = text

            def remove(key: str) -> None:
                server.secrets.pop(key, None)
                server.parameters.pop(key, None)

            made = bench(ground, service, server.address, put)
            made.server, made.remove = server, remove
            made.break_down = lambda: server.fail(Fault(503, times=1_000))
            made.expired, made.denied = answer("ExpiredTokenException"), answer("AccessDeniedException")
            made.trusts = False
            made.shapes = SHAPES[service]

            def rotate() -> None:
                key = f"AKIAROTATED{len(server.asked):05}"
                server.keys = {key}
                made.secrets["keys/id"] = key

            made.rotate = rotate
            yield made
            await made.close()

    return made


def on_moto(service: str) -> Make:
    @asynccontextmanager
    async def made(ground: Ground) -> AsyncIterator[Bench]:
        moto: Moto = ground.fixture("moto")
        put = moto.secret if service == "SecretsManager" else moto.parameter
        made = bench(ground, service, moto.address, lambda key, text: put(key, text) and None)
        yield made
        await made.close()

    return made


BENCHES = (
    *(Case(f"aws {service} against the contract server", on_the_fake(service), wire=True) for service in SERVICES),
    *(Case(f"aws {service} against moto", on_moto(service), real=True) for service in SERVICES),
)
