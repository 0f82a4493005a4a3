"""The kinds that log in with a provider's code: Vault, AWS and Google, each against a contract server."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qsl

import pytest
import structlog
from aiohttp import web

from eso.errors import EsoError
from eso.generators.contract import Generator
from eso.generators.kinds import ecr, gcr, sts, vault
from eso.providers.env import Env
from eso.runtime.clock import SystemClock
from eso.runtime.offload import Offload
from tests.fakes.backend import Asked, Backend
from tests.fakes.credentials import StaticCredentials
from tests.fakes.env import RecordingPools, TestPools, env
from tests.fakes.gcp import FakeGoogle, GcpCredentials, service_account_key

CANARY = "hunter2-canary"


class Server(Backend):
    """Answers with `reply`: (status, JSON or text)."""

    def __init__(self) -> None:
        super().__init__()
        self.reply: tuple[int, Any] = (200, {})
        self.revoked = 0

    async def answer(self, asked: Asked) -> web.StreamResponse:
        if asked.path.endswith("/login"):
            return web.json_response({"auth": {"client_token": "session", "lease_duration": 60, "renewable": True}})
        self.revoked += asked.path.endswith("revoke-self")
        status, body = self.reply
        if isinstance(body, str):
            return web.Response(status=status, text=body, content_type="text/xml")
        return web.json_response(body, status=status)


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with Server() as made:
        yield made


def credentials(**more: Any) -> StaticCredentials:
    secrets = {"s/token": CANARY, "s/id": "AKIA", "s/key": CANARY, "s/session": "session"}
    return StaticCredentials(secrets, tokens={"app": "account-token"}, **more)


def pointed(server: Server) -> Env:
    names = ("AWS_STS_ENDPOINT", "AWS_ECR_ENDPOINT", "AWS_ECR_PUBLIC_ENDPOINT")
    environ = dict.fromkeys(names, server.address)
    offload = Offload(threads=1, name="values")
    return Env(TestPools(), offload, SystemClock(), structlog.get_logger(), environ)


async def made(generator: Generator, spec: Any, world: Env | None = None, **more: Any) -> dict[str, bytes]:
    resource = {"metadata": {"name": "g"}, "spec": spec}
    return dict((await generator.generate(resource, credentials(**more), world or env())).values)


async def refusal(generator: Generator, spec: Any, world: Env | None = None, **more: Any) -> str:
    with pytest.raises(EsoError) as raised:
        await made(generator, spec, world, **more)
    assert CANARY not in str(raised.value)
    return str(raised.value)


# Vault

TOKEN = {"tokenSecretRef": {"name": "s", "key": "token"}}


def call(server: Server, auth: Any = TOKEN, **spec: Any) -> dict[str, Any]:
    provider = {"server": server.address} | ({"auth": auth} if auth is not None else {})
    return {"path": "db/creds/app", "provider": provider} | spec


# G-105
async def test_g105_a_get_sends_its_parameters_in_the_query(server: Server):
    server.reply = 200, {"data": {"username": "u"}}
    spec = call(server, getParameters={"a": ["1", "2"], "b": ["x&y"]}, parameters={"ignored": True})
    assert await made(vault.GENERATOR, spec) == {"username": b"u"}
    (asked,) = server.asked
    assert (asked.method, asked.path, asked.text) == ("GET", "/v1/db/creds/app", "")
    assert asked.headers["X-Vault-Token"] == CANARY
    assert asked.query["b"] == "x&y"


@pytest.mark.parametrize("method", ["POST", "PUT", "get"], ids=["G-106 POST", "G-106 PUT", "lower case is no GET"])
async def test_what_is_no_read_is_a_write(server: Server, method: str):
    server.reply = 200, {"data": {"k": "v"}}
    assert await made(vault.GENERATOR, call(server, method=method, parameters={"ttl": "1h"})) == {"k": b"v"}
    assert (server.asked[0].method, json.loads(server.asked[0].text)) == ("PUT", {"ttl": "1h"})


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("reply", [(404, {"errors": []}), (204, "")], ids=["404", "204"])
# G-107
async def test_g107_an_empty_answer_is_an_error_unless_it_is_allowed(server: Server, method: str, reply: Any):
    server.reply = reply
    spec = call(server, method=method)
    assert await refusal(vault.GENERATOR, spec) == "unable to get dynamic secret: empty response from Vault"
    assert await made(vault.GENERATOR, spec | {"allowEmptyResponse": True}) == {}


ANSWER = {
    "request_id": "r",
    "lease_id": "lease",
    "lease_duration": 60,
    "renewable": True,
    "warnings": None,
    "auth": {"entity_id": "e", "policies": ["b", "a"], "orphan": False},
    "data": {"key": "<v>", "number": 12345678901234567890, "nothing": None, "deep": {"b": "<&>", "a": 1.5}},
}


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        pytest.param(
            "Data",
            {
                "key": b"<v>",
                "number": b"12345678901234567890",
                "nothing": b"",
                "deep": b'{"a":1.5,"b":"\\u003c\\u0026\\u003e"}',
            },
            id="G-108 data",
        ),
        pytest.param(
            "Auth",
            {
                "accessor": b"",
                "client_token": b"",
                "entity_id": b"e",
                "identity_policies": b"",
                "lease_duration": b"0",
                "metadata": b"",
                "mfa_requirement": b"",
                "orphan": b"false",
                "policies": b'["b","a"]',
                "renewable": b"false",
                "token_policies": b"",
            },
            id="G-108 auth",
        ),
    ],
)
async def test_the_part_that_is_asked_for(server: Server, kind: str, expected: dict[str, bytes]):
    server.reply = 200, ANSWER
    assert await made(vault.GENERATOR, call(server, resultType=kind)) == expected


async def test_g108_the_whole_answer(server: Server):
    server.reply = 200, ANSWER | {"auth": None, "wrap_info": None}
    found = await made(vault.GENERATOR, call(server, resultType="Raw"))
    assert set(found) == {"request_id", "lease_id", "lease_duration", "renewable", "data", "warnings"}
    assert (found["lease_id"], found["lease_duration"], found["renewable"]) == (b"lease", b"60", b"true")
    assert found["warnings"] == b"" and b'"key":"\\u003cv\\u003e"' in found["data"]
    server.reply = 200, {"data": None, "auth": None}
    assert await made(vault.GENERATOR, call(server, resultType="Auth")) == {}


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        pytest.param({"provider": None}, "no Vault provider config in spec", id="G-109 no provider"),
        pytest.param(
            {"auth": {"kubernetes": {"mountPath": "kubernetes"}}},
            "unable to setup Vault client: no role name was provided",
            id="G-109 no role",
        ),
        pytest.param(
            {"auth": {}},
            "unable to setup Vault client: cannot initialize Vault client: no valid auth method specified",
            id="no method",
        ),
        pytest.param(
            {"auth": {"tokenSecretRef": {"name": "s", "key": "nope"}}},
            'unable to setup Vault client: cannot find secret data for key: "nope"',
            id="no token",
        ),
    ],
)
async def test_logins_that_cannot_be_made(server: Server, spec: dict[str, Any], text: str):
    auth = spec.pop("auth", TOKEN)
    assert await refusal(vault.GENERATOR, call(server, auth, **spec)) == text


async def test_a_refusal_shows_the_server_s_harmless_words(server: Server):
    server.reply = 403, {"errors": [f"permission denied {CANARY}"]}
    text = await refusal(vault.GENERATOR, call(server))
    assert "Code: 403" in text and "permission denied" in text


# G-110
async def test_g110_the_login_of_the_answer_is_not_revoked(server: Server):
    server.reply = 200, {"data": {"k": "v"}}
    auth = {
        "jwt": {"path": "jwt", "role": "r", "kubernetesServiceAccountToken": {"serviceAccountRef": {"name": "app"}}}
    }
    assert await made(vault.GENERATOR, call(server, auth)) == {"k": b"v"}
    assert server.asked[-1].headers["X-Vault-Token"] == "session" and server.revoked == 0


# AWS

KEYS = {
    "secretRef": {
        "accessKeyIDSecretRef": {"name": "s", "key": "id"},
        "secretAccessKeySecretRef": {"name": "s", "key": "key"},
    }
}
ENTRY = {
    "authorizationToken": base64.b64encode(b"uuser:pass").decode(),
    "expiresAt": 1_900_000_000,
    "proxyEndpoint": "https://foo",
}


def registry(**spec: Any) -> dict[str, Any]:
    return {"region": "eu-central-1", "auth": KEYS} | spec


# G-070
async def test_g070_a_login_for_private_registries(server: Server):
    server.reply = 200, {"authorizationData": [ENTRY]}
    assert await made(ecr.GENERATOR, registry(), pointed(server)) == {
        "username": b"uuser",
        "password": b"pass",
        "proxy_endpoint": b"https://foo",
        "expires_at": b"1900000000",
    }
    assert "Credential=AKIA/" in server.asked[0].headers["Authorization"]


# G-071
async def test_g071_a_login_for_public_registries(server: Server):
    server.reply = 200, {"authorizationData": ENTRY}
    found = await made(ecr.GENERATOR, registry(scope="public"), pointed(server))
    assert found == {"username": b"uuser", "password": b"pass", "expires_at": b"1900000000"}


@pytest.mark.parametrize(
    ("entries", "text"),
    [
        pytest.param(
            [ENTRY | {"authorizationToken": base64.b64encode(f"a:{CANARY}:c".encode()).decode()}],
            "unexpected token format",
            id="G-072 three parts",
        ),
        pytest.param([ENTRY | {"authorizationToken": "%"}], "unexpected token format", id="no base64"),
        pytest.param([], "unexpected number of authorization tokens. expected 1, found 0", id="G-072 no entry"),
    ],
)
async def test_tokens_that_are_none(server: Server, entries: list[Any], text: str):
    server.reply = 200, {"authorizationData": entries}
    assert await refusal(ecr.GENERATOR, registry(), pointed(server)) == text


async def test_what_aws_refuses(server: Server):
    server.reply = 400, {"__type": "AccessDeniedException", "message": f"no {CANARY}"}
    text = await refusal(ecr.GENERATOR, registry(), pointed(server))
    assert text.startswith("unable to get authorization token: operation error ECR: GetAuthorizationToken")
    text = await refusal(ecr.GENERATOR, registry(auth={"secretRef": {}}), pointed(server))
    assert text.startswith("unable to create aws session: could not fetch SecretAccessKey secret: ")
    account = {"jwt": {"serviceAccountRef": {"name": "app"}}}
    assert await refusal(ecr.GENERATOR, registry(auth=account), pointed(server)) == (
        "unable to create aws session: an IAM role must be associated with service account app (namespace: team-a)"
    )


SESSION = """<GetSessionTokenResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetSessionTokenResult>
<Credentials><AccessKeyId>ASIA</AccessKeyId><SecretAccessKey>secret</SecretAccessKey><SessionToken>token</SessionToken>
<Expiration>2030-03-17T17:46:40Z</Expiration></Credentials></GetSessionTokenResult></GetSessionTokenResponse>"""


# G-073
async def test_g073_a_session_with_its_parameters(server: Server):
    server.reply = 200, SESSION
    asked = {"sessionDuration": 900, "serialNumber": "arn:aws:iam::1:mfa/u", "tokenCode": "123456"}
    assert await made(sts.GENERATOR, registry(requestParameters=asked), pointed(server)) == {
        "access_key_id": b"ASIA",
        "secret_access_key": b"secret",
        "session_token": b"token",
        "expiration": b"1900000000",
    }
    sent = dict(parse_qsl(server.asked[0].text))
    assert sent["Action"] == "GetSessionToken"
    assert (sent["DurationSeconds"], sent["SerialNumber"], sent["TokenCode"]) == (
        "900",
        "arn:aws:iam::1:mfa/u",
        "123456",
    )


# G-073
async def test_g073_an_account_has_no_sessions(server: Server):
    text = await refusal(sts.GENERATOR, registry(auth={"jwt": {"serviceAccountRef": {"name": "app"}}}), pointed(server))
    assert text == "jwt auth cannot be used for STS Session Token generation"
    server.reply = 200, SESSION.replace("<AccessKeyId>ASIA</AccessKeyId>", "")
    assert await refusal(sts.GENERATOR, registry(), pointed(server)) == "no credentials found"


# Google


# G-074
async def test_g074_a_token_of_google_is_a_login_for_its_registries():
    async with FakeGoogle() as fake:
        world = env(pools=RecordingPools(fake.hosts))
        key = {"secretRef": {"secretAccessKeySecretRef": {"name": "login", "key": "key.json"}}}
        resource = {"spec": {"projectID": "p", "auth": key}}
        reader = GcpCredentials({"login/key.json": service_account_key()})
        found = (await gcr.GENERATOR.generate(resource, reader, world)).values
        assert found["username"] == b"oauth2accesstoken" and found["password"]
        left = int(found["expiry"]) - world.clock.now().timestamp()
        assert 3500 < left <= 3600
        resource = {"spec": {"projectID": "p", "auth": {}}}
        with pytest.raises(EsoError, match="may not use the operator's own cloud identity"):
            await gcr.GENERATOR.generate(resource, reader, world)


# leases of Vault


async def test_a_lease_is_remembered_and_revoked(server: Server):
    server.reply = 200, ANSWER
    resource = {"metadata": {"name": "g"}, "spec": call(server)}
    found = await vault.GENERATOR.generate(resource, credentials(), env())
    assert found.state == {"leaseID": "lease"}
    server.reply = 204, ""
    await vault.GENERATOR.clean_up(resource, found.state, credentials(), env())
    asked = server.asked[-1]
    assert (asked.method, asked.path, json.loads(asked.text)) == (
        "PUT",
        "/v1/sys/leases/revoke",
        {"lease_id": "lease"},
    )


async def test_a_lease_that_may_not_be_revoked_ends_by_itself_and_a_server_that_is_down_is_asked_again(server: Server):
    resource = {"metadata": {"name": "g"}, "spec": call(server)}
    server.reply = 403, {"errors": ["permission denied"]}
    await vault.GENERATOR.clean_up(resource, {"leaseID": "lease"}, credentials(), env())
    server.reply = 500, {"errors": ["internal error"]}
    with pytest.raises(EsoError, match="internal error"):
        await vault.GENERATOR.clean_up(resource, {"leaseID": "lease"}, credentials(), env())


@pytest.mark.parametrize("state", [None, {}, {"leaseID": ""}])
async def test_an_answer_without_a_lease_leaves_nothing_to_revoke(server: Server, state: Any):
    server.reply = 200, {"data": {"k": "v"}, "lease_id": ""}
    resource = {"metadata": {"name": "g"}, "spec": call(server)}
    assert (await vault.GENERATOR.generate(resource, credentials(), env())).state is None
    await vault.GENERATOR.clean_up(resource, state, credentials(), env())
    assert server.count("revoke") == 0
