"""The kinds that ask a server, each against a contract server on loopback."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qsl

import orjson
import pytest
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from eso.errors import EsoError
from eso.generators.contract import Generated, Generator
from eso.generators.kinds import acr, beyondtrust, cloudsmith, github, gitlab, grafana, quay, webhook
from eso.providers.contract import SecretNotFound, SecretObject
from eso.providers.kit import jwt
from tests.fakes.backend import Asked, Backend
from tests.fakes.cancel import every_await
from tests.fakes.credentials import StaticCredentials
from tests.fakes.env import TestPools, env

CANARY = "hunter2-canary"
KEY = rsa.generate_private_key(65537, 2048)
PEM = KEY.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()).decode()


class Server(Backend):
    """Answers `replies["METHOD path"]`: (status, JSON or text)."""

    def __init__(self) -> None:
        super().__init__()
        self.replies: dict[str, tuple[int, Any]] = {}

    async def answer(self, asked: Asked) -> web.StreamResponse:
        status, body = self.replies.get(f"{asked.method} {asked.path}", (404, {"message": "404 Not Found"}))
        if isinstance(body, str):
            return web.Response(status=status, text=body)
        return web.json_response(body, status=status)


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with Server() as made:
        yield made


def credentials(**secrets: str) -> StaticCredentials:
    return StaticCredentials({"s/k": CANARY} | secrets, tokens={"robot": "account-token"})


async def made(generator: Generator, spec: Any, server: Server, **secrets: str) -> Generated:
    pools = TestPools(hosts={"quay.io": server.address, "quay.example": server.address})
    found = await generator.generate({"spec": spec}, credentials(**secrets), env(pools=pools))
    assert all(pool._session is None for pool in pools.opened)  # nothing is left open
    return found


async def refusal(generator: Generator, spec: Any, server: Server, **secrets: str) -> str:
    with pytest.raises(EsoError) as raised:
        await made(generator, spec, server, **secrets)
    assert CANARY not in str(raised.value)
    return str(raised.value)


# GitLab

SELECTOR = {"name": "s", "key": "k"}
PROJECT = "POST /api/v4/projects/group/project/deploy_tokens"
CREATED = (201, {"id": 42, "username": "gitlab+deploy-token-42", "token": "tok"})


def deploy(server: Server, **spec: Any) -> dict[str, Any]:
    auth = {"token": {"secretRef": SELECTOR}}
    base = {"url": server.address, "projectID": "group/project", "name": "d", "scopes": ["read_registry"], "auth": auth}
    return {key: value for key, value in (base | spec).items() if value is not None}


# G-087
async def test_g087_a_token_of_a_project(server: Server):
    server.replies[PROJECT] = CREATED
    found = await made(gitlab.GENERATOR, deploy(server), server)
    assert found.values == {"username": b"gitlab+deploy-token-42", "token": b"tok"}
    assert found.state == {"url": server.address, "projectID": "group/project", "tokenID": 42}
    (asked,) = server.asked
    assert json.loads(asked.text) == {"name": "d", "scopes": ["read_registry"]}  # G-090: nothing that is not set
    assert (asked.headers["PRIVATE-TOKEN"], asked.headers["Content-Type"]) == (CANARY, "application/json")


# G-088
async def test_g088_a_token_of_a_group(server: Server):
    server.replies["POST /api/v4/groups/7/deploy_tokens"] = CREATED
    found = await made(gitlab.GENERATOR, deploy(server, projectID=None, groupID="7"), server)
    assert found.state == {"url": server.address, "groupID": "7", "tokenID": 42}


# G-087, G-089
def test_g087_g089_the_url_loses_its_slashes_and_the_id_is_escaped():
    assert gitlab.collection({"url": "https://h///", "projectID": "a/b"}) == (
        "https://h/api/v4/projects/a%2Fb/deploy_tokens"
    )
    assert gitlab.collection({"groupID": "g"}).startswith("https://gitlab.com/api/v4/groups/g/")


async def test_g090_what_is_set_is_sent_and_times_are_in_utc(server: Server):
    server.replies[PROJECT] = CREATED
    await made(gitlab.GENERATOR, deploy(server, username="u", expiresAt="2025-06-30T12:00:00+02:00"), server)
    sent = json.loads(server.asked[0].text)
    assert (sent["username"], sent["expires_at"]) == ("u", "2025-06-30T10:00:00Z")


@pytest.mark.parametrize("time", ["soon", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59"])
async def test_a_time_that_is_none_or_that_utc_does_not_have(server: Server, time: str):
    text = await refusal(gitlab.GENERATOR, deploy(server, expiresAt=time), server)
    assert text == "unable to parse spec: expiresAt is no time"


@pytest.mark.parametrize("ids", [{"groupID": "7"}, {"projectID": None}], ids=["both", "neither"])
# G-091
async def test_g091_one_id_is_needed(server: Server, ids: dict[str, Any]):
    text = await refusal(gitlab.GENERATOR, deploy(server, **ids), server)
    assert text == "exactly one of projectID or groupID must be set"


@pytest.mark.parametrize(
    ("reply", "text"),
    [
        pytest.param(
            (403, {"message": "403 Forbidden"}),
            "error generating deploy token: response code: 403, response: 403 Forbidden",
            id="G-092 forbidden",
        ),
        pytest.param(
            (400, {"error": "scopes is invalid"}),
            "error generating deploy token: response code: 400, response: scopes is invalid",
            id="another member",
        ),
        pytest.param(
            (502, f"<html>{CANARY}</html>"),
            "error generating deploy token: response code: 502, response: 502 Bad Gateway",
            id="a proxy's page is not shown",
        ),
        pytest.param((201, {"id": 1}), "deploy token missing from GitLab response", id="no token"),
        pytest.param((201, CANARY), "error decoding response: the reply is not JSON", id="no JSON"),
    ],
)
async def test_what_gitlab_refuses(server: Server, reply: tuple[int, Any], text: str):
    server.replies[PROJECT] = reply
    assert await refusal(gitlab.GENERATOR, deploy(server), server) == text


async def test_g092_a_token_that_is_not_there(server: Server):
    auth = {"token": {"secretRef": {"name": "s", "key": "x"}}}
    assert await refusal(gitlab.GENERATOR, deploy(server, auth=auth), server) == (
        'error getting GitLab token from secret: cannot find secret data for key: "x"'
    )


@pytest.mark.parametrize(("status", "fails"), [(204, False), (404, False), (500, True)])
# G-093
async def test_g093_clean_up_revokes_and_takes_gone_for_done(server: Server, status: int, fails: bool):
    server.replies["DELETE /api/v4/projects/g/p/deploy_tokens/42"] = (status, {"message": "no"})
    state = {"url": f"{server.address}/", "projectID": "g/p", "tokenID": 42}
    resource = {"spec": deploy(server, projectID="other")}
    if fails:
        with pytest.raises(EsoError, match=r"^error revoking deploy token: response code: 500, response: no$"):
            await gitlab.GENERATOR.clean_up(resource, state, credentials(), env())
    else:
        await gitlab.GENERATOR.clean_up(resource, state, credentials(), env())
    assert server.count("/42$", "DELETE") == 1


@pytest.mark.parametrize("state", [None, {}, {"tokenID": 0}])
# G-093
async def test_g093_without_a_state_there_is_nothing_to_revoke(server: Server, state: Any):
    await gitlab.GENERATOR.clean_up({"spec": deploy(server)}, state, credentials(), env())
    assert server.asked == []


# Grafana

SEARCH = "GET /base/api/serviceaccounts/search"
ACCOUNT = {"id": 5, "name": "app", "login": "sa-app"}


def dashboards(server: Server, **spec: Any) -> dict[str, Any]:
    account = {"name": "app", "role": "Viewer"}
    return {"url": f"{server.address}/base/", "auth": {"token": SELECTOR}, "serviceAccount": account} | spec


# G-094
async def test_g094_an_account_of_exactly_this_name_is_used(server: Server):
    server.replies[SEARCH] = (200, {"serviceAccounts": [ACCOUNT | {"id": 1, "name": "app-2"}, ACCOUNT]})
    server.replies["POST /base/api/serviceaccounts/5/tokens"] = (200, {"id": 9, "key": "glsa"})
    found = [await made(grafana.GENERATOR, dashboards(server), server) for _ in range(2)]
    assert found[0].values == {"login": b"sa-app", "token": b"glsa"}
    assert found[0].state == {"serviceAccount": {"id": 5, "login": "sa-app", "tokenID": 9}}
    names = [json.loads(asked.text) for asked in server.asked if asked.method == "POST"]
    assert names[0] != names[1] and set(names[0]) == {"name"}  # G-095
    assert server.asked[0].query == {"query": "app"}
    assert all(asked.text.endswith("}\n") for asked in server.asked if asked.method == "POST")
    assert server.asked[0].headers["Authorization"] == f"Bearer {CANARY}"


# G-094, G-095
async def test_g094_g095_an_account_that_is_not_there_is_made(server: Server):
    server.replies[SEARCH] = (200, {"serviceAccounts": []})
    server.replies["POST /base/api/serviceaccounts"] = (201, ACCOUNT)
    server.replies["POST /base/api/serviceaccounts/5/tokens"] = (200, {"id": 9, "key": "glsa"})
    account = {"name": "app", "role": "Viewer", "secondsToLive": 60}
    await made(grafana.GENERATOR, dashboards(server, serviceAccount=account), server)
    assert json.loads(server.asked[1].text) == {"name": "app", "role": "Viewer"}
    assert json.loads(server.asked[2].text)["secondsToLive"] == 60


# G-096
async def test_g096_clean_up_deletes_the_token_alone(server: Server):
    place = "DELETE /base/api/serviceaccounts/5/tokens/9"
    state = {"serviceAccount": {"id": 5, "login": "sa-app", "tokenID": 9}}
    for reply in ((200, {}), (404, {"message": "service account token not found"})):
        server.replies[place] = reply
        await grafana.GENERATOR.clean_up({"spec": dashboards(server)}, state, credentials(), env())
    server.replies[place] = (500, {"message": "no"})
    with pytest.raises(EsoError, match=r"^Grafana answered 500 Internal Server Error: no$"):
        await grafana.GENERATOR.clean_up({"spec": dashboards(server)}, state, credentials(), env())
    with pytest.raises(EsoError, match=r"^missing previous status$"):
        await grafana.GENERATOR.clean_up({"spec": dashboards(server)}, None, credentials(), env())


# G-097
async def test_g097_a_password_is_used_where_there_is_no_token(server: Server):
    server.replies[SEARCH] = (401, {"message": "Invalid username or password"})
    auth = {"basic": {"username": "admin", "password": SELECTOR}}
    text = await refusal(grafana.GENERATOR, dashboards(server, auth=auth), server)
    assert text == "Grafana answered 401 Unauthorized: Invalid username or password"
    pair = base64.b64decode(server.asked[0].headers["Authorization"].removeprefix("Basic "))
    assert pair.decode() == f"admin:{CANARY}"
    assert await refusal(grafana.GENERATOR, dashboards(server, auth={}), server) == "no auth configuration found"


# GitHub

TOKENS = "POST /app/installations/7/access_tokens"


def app(server: Server, **spec: Any) -> dict[str, Any]:
    auth = {"privateKey": {"secretRef": {"name": "s", "key": "pem"}}}
    return {"url": server.address, "appID": "12", "installID": "7", "auth": auth} | spec


@pytest.mark.parametrize(
    ("more", "sent"),
    [
        pytest.param({}, None, id="nothing"),
        pytest.param({"permissions": {}}, {"permissions": {}}, id="a map that is there"),
        pytest.param({"repositories": []}, None, id="no repository"),
        pytest.param(
            {"permissions": {"contents": "read"}, "repositories": ["a"]},
            {"permissions": {"contents": "read"}, "repositories": ["a"]},
            id="both",
        ),
    ],
)
# G-085
async def test_g085_github_is_asked_with_a_signed_token(server: Server, more: dict[str, Any], sent: Any):
    server.replies[TOKENS] = (201, {"token": "ghs"})
    found = await made(github.GENERATOR, app(server, **more), server, **{"s/pem": PEM})
    assert found.values == {"token": b"ghs"} and found.state is None
    (asked,) = server.asked
    assert asked.headers["Accept"] == "application/vnd.github.v3+json"
    assert (json.loads(asked.text) if asked.text else None) == sent
    scheme, _, token = asked.headers["Authorization"].partition(" ")
    claims = orjson.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))
    assert scheme == "Bearer" and claims["iss"] == "12"
    assert abs(claims["iat"] + 10 - time.time()) < 30 and claims["exp"] == claims["iat"] + 310


@pytest.mark.parametrize(
    ("reply", "text"),
    [
        pytest.param(
            (400, {"message": "Bad credentials"}),
            "error generating token: response code: 400, response: Bad credentials",
            id="G-086 a message",
        ),
        pytest.param(
            (502, CANARY),
            "error generating token, failed to extract error message from github request: response code: 502",
            id="G-086 no message",
        ),
        pytest.param((201, {"token": 1}), "token isn't a string or token key doesn't exist", id="a number"),
        pytest.param((201, CANARY), "error decoding response: the reply is not JSON", id="no JSON"),
    ],
)
async def test_what_github_refuses(server: Server, reply: tuple[int, Any], text: str):
    server.replies[TOKENS] = reply
    assert await refusal(github.GENERATOR, app(server), server, **{"s/pem": PEM}) == text


async def test_keys_that_github_cannot_know(server: Server):
    other = ec.generate_private_key(ec.SECP256R1())
    pem = other.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    for broken in (CANARY, pem):
        text = await refusal(github.GENERATOR, app(server), server, **{"s/pem": broken})
        assert text.startswith("error creating request: error parsing RSA private key: ")
    text = await refusal(github.GENERATOR, app(server), server)
    assert text.startswith("error creating request: error getting GH pem from secret:cannot find secret data")


# Quay, Cloudsmith

ENDS = jwt.signed(KEY, {"exp": 1_900_000_000})
ROBOT = "GET /oauth2/federation/robot/token"
ACCOUNT_REF = {"name": "robot", "audiences": ["a"]}


@pytest.mark.parametrize(
    ("url", "registry"),
    [
        pytest.param("https://quay.example", "quay.example", id="G-078 the scheme is cut"),
        pytest.param("quay.example", "quay.example", id="a host"),
    ],
)
async def test_g078_quay_exchanges_the_account_for_the_robot(server: Server, url: str, registry: str):
    server.replies[ROBOT] = (200, {"token": ENDS})
    spec = {"url": url, "robotAccount": "org+robot", "serviceAccountRef": ACCOUNT_REF}
    found = await made(quay.GENERATOR, spec, server)
    assert found.values["registry"] == registry.encode()
    assert base64.b64decode(found.values["auth"]).decode() == f"org+robot:{ENDS}"
    assert found.values["expiry"] == b"1900000000"
    pair = base64.b64decode(server.asked[0].headers["Authorization"].removeprefix("Basic "))
    assert pair == b"org+robot:account-token"


@pytest.mark.parametrize(
    ("reply", "text"),
    [
        pytest.param((401, {}), "request failed do to unexpected status: 401 Unauthorized", id="refused"),
        pytest.param((201, {}), "request failed do to unexpected status: 201 Created", id="only 200 is a success"),
        pytest.param((200, {}), "token not found in response", id="no token"),
        pytest.param((200, {"token": 1}), "error when typecasting token to string", id="a number"),
        pytest.param((200, {"token": CANARY}), "error getting claims: invalid token format", id="no JWT"),
        pytest.param(
            (200, {"token": jwt.signed(KEY, {})}), "exp claim not found or wrong type", id="G-078 a JWT without an end"
        ),
    ],
)
async def test_what_quay_refuses(server: Server, reply: tuple[int, Any], text: str):
    server.replies[ROBOT] = reply
    spec = {"robotAccount": "org+robot", "serviceAccountRef": ACCOUNT_REF}  # G-078: quay.io
    assert await refusal(quay.GENERATOR, spec, server) == text


def packages(server: Server, **spec: Any) -> dict[str, Any]:
    base = {"apiUrl": server.address, "orgSlug": "org", "serviceSlug": "svc", "serviceAccountRef": ACCOUNT_REF}
    return base | spec


async def test_g079_cloudsmith_exchanges_the_account_for_a_token(server: Server):
    server.replies["POST /openid/org/"] = (201, {"token": ENDS})
    found = await made(cloudsmith.GENERATOR, packages(server, apiUrl=f"{server.address}/"), server)
    assert base64.b64decode(found.values["auth"]).decode() == f"token:{ENDS}"
    assert found.values["expiry"] == b"1900000000"
    assert json.loads(server.asked[0].text) == {"oidc_token": "account-token", "service_slug": "svc"}


@pytest.mark.parametrize(
    ("reply", "text"),
    [
        pytest.param((200, {"token": ENDS}), "request failed due to unexpected status: 200 OK", id="G-079 only 201"),
        pytest.param((201, {}), "token not found in response", id="no token"),
    ],
)
async def test_what_cloudsmith_refuses(server: Server, reply: tuple[int, Any], text: str):
    server.replies["POST /openid/org/"] = reply
    assert await refusal(cloudsmith.GENERATOR, packages(server), server) == f"unable to exchange OIDC token: {text}"


@pytest.mark.parametrize("generator", [quay.GENERATOR, cloudsmith.GENERATOR], ids=["quay", "cloudsmith"])
async def test_an_account_that_is_not_there(server: Server, generator: Generator):
    text = await refusal(generator, packages(server, serviceAccountRef={"name": "nope"}), server)
    assert text.startswith('failed to fetch service account token: failed to create token: serviceaccounts "nope"')


async def test_a_server_that_is_not_there(server: Server):
    text = await refusal(gitlab.GENERATOR, deploy(server, url="http://127.0.0.1:1"), server)
    assert text == "cannot reach http://127.0.0.1:1: connection refused"
    assert await refusal(gitlab.GENERATOR, deploy(server, url="file:///etc"), server) == (
        "the url is neither http nor https"
    )


# Azure


def images(server: Server, **spec: Any) -> dict[str, Any]:
    refs = {"clientId": {"name": "s", "key": "client"}, "clientSecret": {"name": "s", "key": "k"}}
    auth = {"servicePrincipal": {"secretRef": refs}}
    return {"registry": "shop.azurecr.io", "tenantId": "tenant", "auth": auth} | spec


LOGIN = "POST /tenant/oauth2/v2.0/token"
CLIENT = {"s/client": " client\n"}


async def pulled(server: Server, spec: Any, **more: Any) -> dict[str, bytes]:
    hosts = ("shop.azurecr.io", "login.microsoftonline.com", "169.254.169.254")
    pools = TestPools(hosts=dict.fromkeys(hosts, server.address))
    generator = acr.ACRAccessToken(lambda: pools.pool(tls=None))
    secrets = {"s/k": CANARY} | CLIENT
    reader = StaticCredentials(secrets, tokens={"app": "account-token"}, **more)
    return dict((await generator.generate({"spec": spec}, Whole(reader), env(pools=pools))).values)


class Whole:
    """StaticCredentials that give whole Secrets."""

    def __init__(self, inner: StaticCredentials) -> None:
        self.inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    async def secret_object(self, selector: Any) -> SecretObject:
        prefix = f"{selector['name']}/"
        found = {key.removeprefix(prefix): value for key, value in self.inner.secrets.items() if key.startswith(prefix)}
        if not found:
            raise EsoError(f'secrets "{selector["name"]}" not found')
        return SecretObject({key: value.encode() for key, value in found.items()})


def answering(server: Server) -> None:
    server.replies[LOGIN] = 200, {"access_token": "entra", "expires_in": 3599}
    server.replies["POST /oauth2/exchange"] = 200, {"refresh_token": "refresh"}
    server.replies["POST /oauth2/token"] = 200, {"access_token": "access"}


# G-075
async def test_g075_without_a_scope_the_refresh_token_is_the_password(server: Server):
    answering(server)
    found = await pulled(server, images(server))
    assert found == {"username": b"00000000-0000-0000-0000-000000000000", "password": b"refresh"}
    login, exchange = (dict(parse_qsl(asked.text)) for asked in server.asked)
    assert login == {
        "grant_type": "client_credentials",
        "scope": "https://management.azure.com/.default",
        "client_id": "client",
        "client_secret": CANARY,
    }
    assert exchange == {
        "grant_type": "access_token",
        "service": "shop.azurecr.io",
        "tenant": "tenant",
        "access_token": "entra",
    }


# G-076
async def test_g076_with_a_scope_the_access_token_is_the_password(server: Server):
    answering(server)
    scope = "repository:foo:pull,push"
    assert (await pulled(server, images(server, scope=scope)))["password"] == b"access"
    assert dict(parse_qsl(server.asked[-1].text)) == {
        "grant_type": "refresh_token",
        "service": "shop.azurecr.io",
        "scope": scope,
        "refresh_token": "refresh",
    }


async def test_an_account_is_exchanged_for_a_token_with_the_double_slash_of_the_reference(server: Server):
    answering(server)
    notes = {"azure.workload.identity/client-id": "c", "azure.workload.identity/tenant-id": "tenant"}
    auth = {"workloadIdentity": {"serviceAccountRef": {"name": "app"}}}
    assert await pulled(server, images(server, auth=auth), accounts={"app": notes})
    sent = dict(parse_qsl(server.asked[0].text))
    assert (sent["client_assertion"], sent["scope"]) == (
        "account-token",
        "https://management.core.windows.net//.default",
    )


@pytest.mark.parametrize(
    ("auth", "text"),
    [
        pytest.param({}, "unexpeted configuration", id="G-077 no method"),
        pytest.param(
            {"workloadIdentity": {"serviceAccountRef": {"name": "app"}}},
            "service account is missing annoation: azure.workload.identity/client-id",
            id="no client",
        ),
        pytest.param({"workloadIdentity": {}}, "missing environment variables", id="no variables"),
        pytest.param(
            {"servicePrincipal": {"secretRef": {"clientId": {"name": "s", "key": "x"}}}},
            'unable to find key="x" secret="s" namespace="team-a"',
            id="no key",
        ),
        pytest.param(
            {"servicePrincipal": {"secretRef": {"clientId": {"name": "t", "key": "x"}}}},
            'unable to find namespace="team-a" secret="t" secrets "t" not found',
            id="no secret",
        ),
    ],
)
async def test_logins_that_azure_does_not_know(server: Server, auth: Any, text: str):
    with pytest.raises(EsoError) as raised:
        await pulled(server, images(server, auth=auth), environ={})
    assert str(raised.value) == text


@pytest.mark.parametrize(
    ("place", "text"),
    [
        pytest.param(LOGIN, "Entra ID answered 400 Bad Request: invalid_client", id="the login"),
        pytest.param(
            "POST /oauth2/exchange",
            "count not generate refresh token, unexpected status code 400, expected 200",
            id="the exchange",
        ),
        pytest.param(
            "POST /oauth2/token", "could not generate access token, unexpected status code: 400", id="the token"
        ),
    ],
)
async def test_what_azure_refuses(server: Server, place: str, text: str):
    answering(server)
    server.replies[place] = 400, {"error": "invalid_client", "error_description": CANARY}
    with pytest.raises(EsoError) as raised:
        await pulled(server, images(server, scope="s"))
    assert str(raised.value) == text


@pytest.mark.parametrize(("identity", "member"), [("", None), ("abc", "client_id"), ("/a/b", "msi_res_id")])
async def test_the_machine_is_asked_for_its_identity(server: Server, identity: str, member: str | None):
    answering(server)
    server.replies["GET /metadata/identity/oauth2/token"] = 200, {"access_token": "entra", "expires_in": 3599}
    auth = {"managedIdentity": {"identityId": identity}}
    assert (await pulled(server, images(server, auth=auth), environ={}))["password"] == b"refresh"
    query = server.asked[0].query
    assert query["resource"] == "https://management.azure.com/"
    assert member is None or query[member] == identity


@pytest.mark.parametrize(
    "registry",
    ["evil.example", "azurecr.io", "shop.azurecr.io.evil.example", "evil.example:443", "evil.example\\.azurecr.io"],
)
@pytest.mark.parametrize(
    "auth", [{"managedIdentity": {}}, {"workloadIdentity": {}}], ids=["of the machine", "of the pod"]
)
async def test_the_operators_own_identity_goes_to_registries_of_azure_only(server: Server, registry: str, auth: Any):
    """Its token opens the management of Azure, and the author of a generator names the server."""
    answering(server)
    with pytest.raises(EsoError, match=r"^the operator's own identity is shown to registries of Azure only$"):
        await pulled(server, images(server, registry=registry, auth=auth), environ={})
    assert server.asked == []


def test_clouds_without_an_authority_are_refused():
    with pytest.raises(EsoError, match=r"^environmentType AzureStackCloud has no authority$"):
        acr.cloud("AzureStackCloud")


# BeyondTrust

SITE = "8d0ab7a4-6a73-4c7f-9a3e-0d9b8a1c2d3e"
MAKE = f"POST /{SITE}/secrets/dynamic/app/generate"


def workload(**provider: Any) -> dict[str, Any]:
    server = {"apiUrl": "https://bt.example/", "siteId": SITE}
    return {"provider": {"auth": {"apikey": {"token": SELECTOR}}, "server": server, "folderPath": "a/b/app"} | provider}


async def workloads(server: Server, spec: Any) -> Generated:
    pools = TestPools(hosts={"bt.example": server.address})
    return await beyondtrust.GENERATOR.generate({"spec": spec}, credentials(), env(pools=pools))


# G-120
@pytest.mark.parametrize(
    ("path", "found"), [("my/dynamic", ("my", "dynamic")), ("a/b/c", ("a/b", "c")), ("x", ("", "x"))]
)
def test_g120_the_last_part_of_a_path_is_the_secret(path: str, found: tuple[str, str]):
    assert beyondtrust.split(path) == found


# G-121
async def test_g121_beyondtrust_gives_credentials_of_a_folder(server: Server):
    made = {"accessKeyId": "AKIA", "secretAccessKey": "s", "leaseId": "l", "expiration": "2030", "sessionToken": ""}
    server.replies[MAKE] = 201, {"secret": made}
    found = await workloads(server, workload())
    assert found.values == {"accessKeyId": b"AKIA", "secretAccessKey": b"s", "leaseId": b"l", "expiration": b"2030"}
    assert found.state == {"path": "a/b/app"}
    (asked,) = server.asked
    assert asked.query == {"folder": "a/b"} and asked.text == ""
    assert asked.headers["Authorization"] == f"Bearer {CANARY}"
    assert asked.headers["bt-secrets-api-version"] == "2026-04-28"
    server.replies[MAKE] = 200, {"secret": made | {"sessionToken": "t"}}
    assert (await workloads(server, workload(folderPath="app"))).values["sessionToken"] == b"t"


# G-120, G-122
@pytest.mark.parametrize(
    ("spec", "text"),
    [
        pytest.param({}, "no beyondtrustworkloadcredentials provider config in spec", id="no provider"),
        pytest.param(workload(folderPath=""), "path is required in spec", id="no path"),
        pytest.param(workload(folderPath="a/"), 'invalid path: missing secret name in "a/"', id="a folder alone"),
        pytest.param(
            workload(server={"apiUrl": "https://bt.example", "siteId": "x"}),
            'failed to create BeyondtrustWorkloadCredentials client: siteId must be a valid UUID format, got "x"',
            id="no site",
        ),
        pytest.param(
            workload(server={"apiUrl": "http://bt.example", "siteId": SITE}),
            "failed to create BeyondtrustWorkloadCredentials client: apiUrl must be an https URL with a host",
            id="plain http",
        ),
        pytest.param(
            workload(),
            'unable to generate dynamic secret: API error (HTTP 404): 404 Not Found at path "a/b" '
            "(see https://docs.beyondtrust.com/bt-docs/docs/secrets-api)",
            id="no such secret",
        ),
    ],
)
async def test_g120_g122_what_beyondtrust_refuses(server: Server, spec: Any, text: str):
    with pytest.raises(EsoError) as raised:
        await workloads(server, spec)
    assert str(raised.value) == text


# Webhook

LABELLED = {"s": {"external-secrets.io/type": "webhook"}}
HOOK_LOGIN = [{"name": "c", "secretRef": {"name": "s"}}]


def hook(server: Server, path: str = "/obj", **spec: Any) -> dict[str, Any]:
    return {"url": f"{server.address}{path}", "result": {}} | spec


async def hooked(server: Server, spec: Any, labels: Any = LABELLED) -> Generated:
    pools = TestPools()
    reader = StaticCredentials({"s/k": CANARY, "s/user": "b+b&c"}, labels=labels)
    resource = {"metadata": {"name": "g", "namespace": "team-a"}, "spec": spec}
    try:
        return await webhook.GENERATOR.generate(resource, reader, env(pools=pools))
    finally:
        assert all(pool._session is None for pool in pools.opened)  # nothing is left open


OBJECT = {
    "s": "text",
    "i": 7,
    "f": 1.5,
    "t": True,
    "n": None,
    "o": {"b": 1, "a": "<&>"},
    "text": '{"t": "u"}',
    "l": [1, "x"],
}


@pytest.mark.parametrize(
    ("path", "values"),
    [
        pytest.param("$.o", {"a": b"<&>", "b": b"1"}, id="G-115 an object is its keys"),
        pytest.param("$.text", {"t": b"u"}, id="G-115 a text that is JSON"),
        pytest.param(
            "",
            {
                "s": b"text",
                "i": b"7",
                "f": b"1.5",
                "t": b"true",
                "n": b"",
                "o": b'{"a":"\\u003c\\u0026\\u003e","b":1}',
                "text": b'{"t": "u"}',
                "l": b'[1,"x"]',
            },
            id="values of every kind",
        ),
    ],
)
async def test_g115_the_answer_is_a_map(server: Server, path: str, values: dict[str, bytes]):
    server.replies["GET /obj"] = (200, OBJECT)
    assert (await hooked(server, hook(server, result={"jsonPath": path}))).values == values


@pytest.mark.parametrize(
    ("path", "told"),
    [
        pytest.param("$.l", "failed to get response (wrong type: []interface {})", id="a list"),
        pytest.param("$.i", "failed to get response (wrong type: float64)", id="a number"),
        pytest.param("$.nope", "failed to get response path $.nope: unknown key nope", id="nothing"),
        pytest.param("{{ .c.k }}", "failed to get response path {{ .c.k }}: parsing error", id="it is no template"),
        pytest.param("$.s", "failed to parse response json from jsonpath: invalid character", id="a text"),
    ],
)
async def test_g115_a_path_to_something_else_is_told(server: Server, path: str, told: str):
    server.replies["GET /obj"] = (200, OBJECT)
    with pytest.raises(EsoError) as failed:
        await hooked(server, hook(server, result={"jsonPath": path}, secrets=HOOK_LOGIN))
    assert str(failed.value).startswith(told)


async def test_g115_an_answer_that_is_no_json_is_told(server: Server):
    server.replies["GET /obj"] = (200, f"{CANARY} no json")
    with pytest.raises(EsoError, match=r"^failed to parse response json: ") as failed:
        await hooked(server, hook(server))
    assert CANARY not in str(failed.value)


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        pytest.param({"url": "/500"}, "endpoint gave error 500 Internal Server Error", id="G-116 500"),
        pytest.param({"url": "/304"}, "not modified", id="304"),
        pytest.param({"url": "/{{ .x "}, "failed to parse url: template: webhooktemplate:1: unclosed action", id="url"),
        pytest.param({"body": "{{ nope }}"}, "failed to parse body: template: webhooktemplate:1: function", id="body"),
        pytest.param({"headers": {"X": "{{ nope }}"}}, "failed to parse header X: template: webhooktemplate:1", id="X"),
        pytest.param({"timeout": "soon"}, "failed to parse provider spec: failed to parse timeout", id="timeout"),
    ],
)
async def test_g116_statuses_and_templates_that_fail(server: Server, spec: dict[str, Any], told: str):
    server.replies["GET /500"] = (500, CANARY)
    server.replies["GET /304"] = (304, "")
    block = hook(server, spec.pop("url", "/obj"), **spec)
    with pytest.raises(EsoError) as failed:
        await hooked(server, block)
    assert str(failed.value).startswith(told)


async def test_an_authority_that_is_none_is_told_before_anything_is_asked():
    with pytest.raises(EsoError, match=r"^failed to prepare provider http client: failed to append cabundle: "):
        block = {"url": "https://hooks.test/", "result": {}, "caBundle": "!"}
        await webhook.GENERATOR.generate({"spec": block}, StaticCredentials({}, ca=b"no pem"), env())


async def test_g116_a_404_is_a_secret_that_is_missing(server: Server):
    with pytest.raises(SecretNotFound, match=r"^Secret does not exist$"):
        await hooked(server, hook(server, "/gone"))


# G-117
async def test_g117_all_keys_of_a_labelled_secret_are_seen_and_cannot_leave_the_query(server: Server):
    server.replies["POST /echo"] = (200, {})
    spec = hook(
        server,
        "/echo?u={{ .c.user }}&k={{ .remoteRef.key }}",
        method="POST",
        body="body {{ .c.k }}",
        headers={"X-User": "{{ .c.user | b64enc }}"},
        secrets=HOOK_LOGIN,
    )
    await hooked(server, spec)
    (asked,) = server.asked
    assert asked.query == {"u": "b+b&c", "k": "<no value>"}
    assert (asked.text, asked.headers["X-User"]) == (f"body {CANARY}", "YitiJmM=")


# G-117
async def test_g117_a_secret_without_the_label_is_not_used(server: Server):
    with pytest.raises(EsoError, match=r"^secret does not contain needed label 'external-secrets.io/type: webhook'\."):
        await hooked(server, hook(server, secrets=HOOK_LOGIN), {})
    with pytest.raises(EsoError, match=r"^secret type is not 'webhook'$"):
        await hooked(server, hook(server, secrets=HOOK_LOGIN), {"s": {"external-secrets.io/type": "x"}})
    assert server.asked == []


async def test_every_await_of_a_webhook_may_be_cancelled(server: Server):
    server.replies["GET /obj"] = (200, OBJECT)
    async for _ in every_await(lambda: hooked(server, hook(server))):
        continue
    assert (await hooked(server, hook(server))).values["s"] == b"text"
