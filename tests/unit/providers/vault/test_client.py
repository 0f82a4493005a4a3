"""The `vault` provider against a small Vault on loopback: logins, reads, searches, and what goes wrong."""

from __future__ import annotations

import asyncio
import json
import ssl
import traceback
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from e2e.harness.certs import Authority
from eso.errors import EsoError
from eso.net.http import Pool
from eso.providers.contract import (
    AuthExpired,
    AuthRejected,
    Consumer,
    Denied,
    Find,
    InvalidConfig,
    Malformed,
    NotYet,
    RemoteRef,
    SecretNotFound,
    StoreView,
    Throttled,
    Unavailable,
    Validation,
    ValidationFailed,
)
from eso.providers.kit import search
from eso.providers.vault.client import VaultClient
from eso.providers.vault.connection import Connection
from eso.providers.vault.openbao import OpenBaoClient
from tests.fakes.cancel import every_await
from tests.fakes.credentials import StaticCredentials
from tests.fakes.env import TestPools, Whole, found
from tests.fakes.vault import ROOT, FakeVault, Fault

SECRETS = {
    "login/token": ROOT,
    "role/id": "role-1",
    "role/secret": "planted-secret-id",
    "user/password": "planted-password",
    "jwt/token": "planted.jwt",
}
APP_ROLE = {"appRole": {"path": "approle", "roleId": " role-1 ", "secretRef": {"name": "role", "key": "secret"}}}
TOKEN = {"tokenSecretRef": {"name": "login", "key": "token"}}


@pytest.fixture
async def vault(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[FakeVault]:
    fake = await FakeVault().start()
    pools: list[Pool] = []
    make = TestPools.pool

    def pool(self: TestPools, **options: Any) -> Pool:
        pools.append(make(self, **options))
        return pools[-1]

    monkeypatch.setattr(TestPools, "pool", pool)  # a test that has seen enough need not log out
    fake.approles["role-1"] = "planted-secret-id"
    fake.users["me"] = "planted-password"
    fake.jwts |= {"planted.jwt": "reader", "sa-token": "reader"}
    yield fake
    for one in pools:
        await one.close()
    await fake.stop()


def view(
    vault: FakeVault, auth: dict[str, Any] | None = TOKEN, *, kind: str = "SecretStore", **block: Any
) -> StoreView:
    spec = {"server": vault.address, "path": "secret"} | block | ({"auth": auth} if auth is not None else {})
    return StoreView(
        kind,
        "store",
        "team-a" if kind == "SecretStore" else "",
        "vault",
        {k: v for k, v in spec.items() if v is not None},
    )


def credentials(namespace: str = "team-a", **changes: str) -> StaticCredentials:
    return StaticCredentials(SECRETS | changes, namespace, {"app": "sa-token", "own": "sa-token"})


async def opened(vault: FakeVault, auth: dict[str, Any] | None = TOKEN, **block: Any) -> VaultClient:
    client = await Whole("vault").open(view(vault, auth, **block), credentials())
    assert isinstance(client, VaultClient)
    return client


async def read(client: VaultClient | OpenBaoClient, key: str, **members: str) -> bytes:
    ref = RemoteRef(key, **members)
    return client.value(await client.fetch(client.request(ref)), ref)


# logging in


@pytest.mark.parametrize(
    ("auth", "path", "body"),
    [
        pytest.param(
            APP_ROLE,
            "/v1/auth/approle/login",
            {"role_id": "role-1", "secret_id": "planted-secret-id"},
            id="app role, its id trimmed",
        ),
        pytest.param(
            {"appRole": {"roleRef": {"name": "role", "key": "id"}, "secretRef": {"name": "role", "key": "secret"}}},
            "/v1/auth/approle/login",
            {"role_id": "role-1", "secret_id": "planted-secret-id"},
            id="app role from a Secret",
        ),
        pytest.param(
            {"kubernetes": {"mountPath": "kubernetes", "role": "reader", "serviceAccountRef": {"name": "app"}}},
            "/v1/auth/kubernetes/login",
            {"role": "reader", "jwt": "sa-token"},
            id="kubernetes with an account",
        ),
        pytest.param(
            {"kubernetes": {"mountPath": "kubernetes", "role": "reader", "secretRef": {"name": "jwt"}}},
            "/v1/auth/kubernetes/login",
            {"role": "reader", "jwt": "planted.jwt"},
            id="kubernetes with a Secret, key token by default",
        ),
        pytest.param(
            {"kubernetes": {"role": "reader"}},
            "/v1/auth/kubernetes/login",
            {"role": "reader", "jwt": "sa-token"},
            id="kubernetes as ourselves",
        ),
        pytest.param(
            {"userPass": {"path": "userpass", "username": " me ", "secretRef": {"name": "user", "key": "password"}}},
            "/v1/auth/userpass/login/me",
            {"password": "planted-password"},
            id="user and password",
        ),
        pytest.param(
            {"ldap": {"path": "ldap", "username": "me", "secretRef": {"name": "user", "key": "password"}}},
            "/v1/auth/ldap/login/me",
            {"password": "planted-password"},
            id="ldap",
        ),
        pytest.param(
            {"jwt": {"path": "jwt", "role": "reader", "secretRef": {"name": "jwt", "key": "token"}}},
            "/v1/auth/jwt/login",
            {"role": "reader", "jwt": "planted.jwt"},
            id="a token from a Secret",
        ),
        pytest.param(
            {
                "jwt": {
                    "path": "jwt",
                    "role": "reader",
                    "kubernetesServiceAccountToken": {"serviceAccountRef": {"name": "app"}},
                }
            },
            "/v1/auth/jwt/login",
            {"role": "reader", "jwt": "sa-token"},
            id="a token of an account",
        ),
    ],
)
async def test_logins(vault: FakeVault, auth: dict[str, Any], path: str, body: dict[str, str]) -> None:
    vault.put("secret", "app", {"user": "me"})
    client = await opened(vault, auth)
    assert (vault.asked[0].path, vault.asked[0].body) == (path, body)
    assert await read(client, "app", property="user") == b"me"
    assert client.lifetime == 3600.0
    assert len(vault.asked) == 2
    await client.close()
    assert vault.asked[-1].path == "/v1/auth/token/revoke-self"


@pytest.mark.parametrize(
    ("source", "audiences"),
    [
        pytest.param({"serviceAccountRef": {"name": "app"}}, ("vault",), id="vault by default"),
        pytest.param(
            {"serviceAccountRef": {"name": "app", "audiences": ["a"]}},
            ("a", "vault"),
            id="appended to those of the account",
        ),
        pytest.param(
            {"serviceAccountRef": {"name": "app", "audiences": ["a"]}, "audiences": []},
            ("a",),
            id="an empty list means none",
        ),
        pytest.param({"serviceAccountRef": {"name": "app"}, "audiences": ["x"]}, ("x",), id="or others"),
    ],
)
async def test_whom_a_jwt_is_for(vault: FakeVault, source: dict[str, Any], audiences: tuple[str, ...]) -> None:
    given = credentials()
    await Whole("vault").open(view(vault, {"jwt": {"role": "reader", "kubernetesServiceAccountToken": source}}), given)
    assert given.audiences == [audiences]


async def test_a_static_token_asks_nobody_and_is_not_revoked(vault: FakeVault) -> None:
    client = await opened(vault)
    assert (client.lifetime, await client.renew()) == (None, False)
    await client.close()
    assert vault.asked == []


async def test_without_auth_requests_carry_no_token(vault: FakeVault) -> None:
    client = await opened(vault, None)
    with pytest.raises(Denied):
        await read(client, "app")
    assert "X-Vault-Token" not in vault.asked[0].headers
    await client.close()


@pytest.mark.parametrize(
    ("auth", "changes", "kind", "text"),
    [
        pytest.param(
            APP_ROLE,
            {"role/secret": "planted-wrong"},
            AuthRejected,
            "unable to log in to auth method: unable to log in with app role auth: Error making API request.",
            id="a wrong secret id",
        ),
        pytest.param(APP_ROLE, {"role/secret": ""}, InvalidConfig, "no secret ID provided", id="an empty secret id"),
        pytest.param(
            {"appRole": {**APP_ROLE["appRole"], "path": "nope"}},
            {},
            AuthRejected,
            "not enabled at this path",
            id="an auth mount that is not there",
        ),
        pytest.param(
            {"userPass": {"username": "me", "secretRef": {"name": "user", "key": "password"}}},
            {"user/password": "planted-wrong"},
            AuthRejected,
            "unable to log in with userpass auth: ",
            id="a wrong password",
        ),
        pytest.param(
            {}, {}, InvalidConfig, "cannot initialize Vault client: no valid auth method specified", id="no method"
        ),
        pytest.param(
            {"kubernetes": {"role": "r", "serviceAccountRef": {"name": "gone"}}},
            {},
            EsoError,
            'cannot request Kubernetes service account token for service account "gone": '
            'cannot find secrets bound to service account: "gone"',
            id="an account that is not there",
        ),
        pytest.param(
            {"userPass": {"username": "../x", "secretRef": {"name": "user", "key": "password"}}},
            {},
            InvalidConfig,
            "user name",
            id="a user that is a path",
        ),
    ],
)
async def test_logins_that_fail(
    vault: FakeVault, auth: dict[str, Any], changes: dict[str, str], kind: type[EsoError], text: str
) -> None:
    with pytest.raises(EsoError) as failed:
        await Whole("vault").open(view(vault, auth), credentials(**changes))
    assert type(failed.value) is kind
    assert text in str(failed.value)
    assert "planted" not in str(failed.value)


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        pytest.param(Fault(503), Unavailable, id="down"),
        pytest.param(Fault(429, headers={"Retry-After": "3"}), Throttled, id="too many logins"),
        pytest.param(Fault(drop=True), Unavailable, id="the connection broke"),
        pytest.param(Fault(200, body='{"auth":{}}'), AuthRejected, id="an answer without a token"),
        pytest.param(
            Fault(200, body='{"auth":{"client_token":""}}'), AuthRejected, id="an empty token, as with a second factor"
        ),
        pytest.param(Fault(200, body='{"auth":{"client_token":null}}'), AuthRejected, id="a token of null"),
        pytest.param(
            Fault(200, body='{"auth":{"client_token":["planted"]}}'), AuthRejected, id="a token of another type"
        ),
        pytest.param(Fault(200, body="planted <html>"), AuthRejected, id="an answer that is no JSON"),
        pytest.param(Fault(400, echo=True), AuthRejected, id="an answer that quotes what was sent"),
    ],
)
async def test_a_server_that_fails_a_login(vault: FakeVault, fault: Fault, kind: type[EsoError]) -> None:
    vault.fail(fault)
    with pytest.raises(EsoError) as failed:
        await opened(vault, APP_ROLE)
    assert type(failed.value) is kind
    assert "planted" not in "".join(traceback.format_exception(failed.value))


@pytest.mark.parametrize(
    "answer", [Fault(404, path="renew-self"), Fault(200, path="renew-self", body='{"auth": {"lease_duration": "abc"}}')]
)
async def test_a_renewal_that_is_answered_oddly_counts_as_none(vault: FakeVault, answer: Fault) -> None:
    client = await opened(vault, APP_ROLE)
    vault.fail(answer)
    assert await client.renew() is False


async def test_a_login_is_renewed_and_a_renewal_that_hardly_helps_counts_as_none(vault: FakeVault) -> None:
    client = await opened(vault, APP_ROLE)
    assert await client.renew() is True
    vault.ttl = 60
    assert await client.renew() is False
    vault.renewable = False
    assert await (await opened(vault, APP_ROLE)).renew() is False


async def test_a_batch_token_is_not_revoked(vault: FakeVault) -> None:
    vault.token_type = "batch"
    client = await opened(vault, APP_ROLE)
    await client.close()
    assert vault.count("revoke") == 0


async def test_namespaces_and_headers_go_along(vault: FakeVault) -> None:
    client = await opened(vault, APP_ROLE | {"namespace": "admin"}, namespace="team", headers={"X-Extra": "1"})
    with pytest.raises(SecretNotFound):
        await read(client, "app")
    await client.close()
    assert [a.headers.get("X-Vault-Namespace") for a in vault.asked] == ["admin", "team", "admin"]
    assert {a.headers["X-Extra"] for a in vault.asked} == {"1"}
    assert {a.headers["X-Vault-Request"] for a in vault.asked} == {"true"}


# reading


async def test_a_version_is_asked_for(vault: FakeVault) -> None:
    vault.put("secret", "app", {"n": "one"}, {"n": "two"})
    client = await opened(vault)
    assert [await read(client, "app", property="n", version=version) for version in ("1", "2", "")] == [
        b"one",
        b"two",
        b"two",
    ]
    with pytest.raises(SecretNotFound):
        await read(client, "app", version="9")
    with pytest.raises(InvalidConfig):
        await read(client, "app", version="abc")
    await client.close()


async def test_a_deleted_version_is_a_proven_not_found(vault: FakeVault) -> None:
    vault.put("secret", "app", {"n": "one"}, None)
    client = await opened(vault)
    with pytest.raises(SecretNotFound, match="Secret does not exist"):
        await read(client, "app")
    await client.close()


async def test_numbers_keep_their_text_and_html_is_escaped(vault: FakeVault) -> None:
    vault.fail(Fault(200, body='{"data":{"data":{"b":12345678901234567890,"a":1.50,"h":"<&>"}}}', times=9))
    client = await opened(vault)
    assert await read(client, "app") == b'{"a":1.50,"b":12345678901234567890,"h":"\\u003c\\u0026\\u003e"}'
    assert await read(client, "app", property="b") == b"12345678901234567890"
    ref = RemoteRef("app")
    assert client.mapping(await client.fetch(client.request(ref)), ref) == {
        "a": b"1.5",
        "b": b"12345678901234567000",
        "h": b"<&>",
    }
    await client.close()


async def test_metadata_is_fetched_with_custom_members_on_top(vault: FakeVault) -> None:
    vault.put("secret", "app", {"x": "y"})
    vault.metadata["secret/app"] = {"owner": "me", "current_version": "mine"}
    client = await opened(vault)
    expected = {
        "created_time": "2024-01-01T00:00:00Z",
        "current_version": "mine",
        "delete_version_after": "0s",
        "owner": "me",
    }
    assert json.loads(await read(client, "app", metadata_policy="Fetch")) == expected
    assert await read(client, "app", metadata_policy="Fetch", property="owner") == b"me"
    with pytest.raises(EsoError, match="secret not found") as missing:
        await read(client, "gone", metadata_policy="Fetch")
    assert not isinstance(missing.value, SecretNotFound)
    await client.close()


async def test_version_1_has_no_metadata(vault: FakeVault) -> None:
    client = await opened(vault, path="kv1", version="v1")
    with pytest.raises(InvalidConfig, match="cannot perform metadata fetch operations with kv version v1"):
        client.request(RemoteRef("app", metadata_policy="Fetch"))
    await client.close()


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        pytest.param(
            Fault(403, body='{"errors":["2 errors occurred:\\n* permission denied\\n* invalid token"]}'),
            AuthExpired,
            id="the token has ended",
        ),
        pytest.param(Fault(412), NotYet, id="a server that is behind"),
        pytest.param(Fault(429), Throttled, id="too many requests"),
        pytest.param(Fault(502, body="planted <html>"), Unavailable, id="a gateway's page"),
        pytest.param(Fault(drop=True, times=2), Unavailable, id="a connection that broke, and again on a new one"),
        pytest.param(Fault(200, body="planted not json"), Malformed, id="no JSON"),
        pytest.param(Fault(200, body='{"data":{"planted":1}}'), Malformed, id="a KV v1 answer for v2"),
        pytest.param(Fault(200, body='{"data":{"data":"planted"}}'), Malformed, id="a value that is no object"),
        pytest.param(Fault(400, echo=True), InvalidConfig, id="an answer that quotes what was sent"),
        pytest.param(Fault(404, body='{"errors":[]}'), SecretNotFound, id="a 404 of the engine proves the absence"),
        pytest.param(
            Fault(404, body='{"errors":["no handler for route planted"]}'),
            InvalidConfig,
            id="a 404 for the mount proves nothing",
        ),
        pytest.param(Fault(404, body="planted <html>"), Malformed, id="a 404 of something else proves nothing"),
        pytest.param(Fault(404, body=""), Malformed, id="an empty 404 proves nothing"),
        pytest.param(Fault(404, body='{"message":"planted"}'), Malformed, id="a 404 of another API proves nothing"),
        pytest.param(Fault(301, headers={"Location": "ftp://planted"}), Unavailable, id="a redirect to nowhere"),
    ],
)
async def test_what_a_failing_server_means(vault: FakeVault, fault: Fault, kind: type[EsoError]) -> None:
    client = await opened(vault)
    vault.fail(fault)
    with pytest.raises(EsoError) as failed:
        await read(client, "app")
    assert type(failed.value) is kind
    shown = "".join(traceback.format_exception(failed.value))
    assert "planted" not in shown.replace("ftp://planted", "")
    assert ROOT not in shown
    await client.close()


async def test_a_redirect_is_followed_once(vault: FakeVault) -> None:
    vault.put("secret", "app", {"n": "one"})
    client = await opened(vault)
    vault.fail(Fault(307, headers={"Location": f"{vault.address}/v1/secret/data/app"}, path="moved"))
    assert await read(client, "moved", property="n") == b"one"
    vault.fail(Fault(307, headers={"Location": f"{vault.address}/v1/secret/data/app"}, times=2))
    with pytest.raises(Unavailable, match="redirects"):
        await read(client, "moved")
    await client.close()


async def test_a_standby_leads_to_the_node_that_its_cluster_calls_active(vault: FakeVault) -> None:
    async with FakeVault() as active:
        active.put("secret", "app", {"n": "one"})
        client = await opened(vault)
        vault.leader = active.address
        vault.fail(Fault(307, headers={"Location": f"{active.address}/v1/secret/data/app"}, path="data/app"))
        assert await read(client, "app", property="n") == b"one"
        asked = [a for a in vault.asked if a.path == "/v1/sys/leader"]
        assert len(asked) == 1
        assert "X-Vault-Token" not in asked[0].headers
        await client.close()


async def test_the_active_node_is_asked_what_the_standby_was_asked_and_nothing_else(vault: FakeVault) -> None:
    async with FakeVault() as active:
        active.put("secret", "app", {"n": "one"})
        client = await opened(vault)
        vault.leader = active.address
        for more in ("?user=planted", "#planted", "?planted"):
            location = f"{active.address}/v1/secret/data/app{more}"
            vault.fail(Fault(307, headers={"Location": location}, path="data/app"))
            assert await read(client, "app", property="n") == b"one"
        assert not [asked for asked in active.asked if "planted" in str(asked.query)]
        location = f"http://planted:planted@{active.address.removeprefix('http://')}/v1/secret/data/app"
        vault.fail(Fault(307, headers={"Location": location}, path="data/app"))
        with pytest.raises(Unavailable, match="an address that is none"):
            await read(client, "app")
        assert len(active.asked) == 3
        await client.close()


@pytest.mark.parametrize(
    ("leader", "location"),
    [
        pytest.param("", "{there}/v1/secret/data/app", id="the cluster names no active node"),
        pytest.param("http://127.0.0.1:9", "{there}/v1/secret/data/app", id="the cluster names another node"),
        pytest.param("{there}", "{there}/v1/secret/data/other", id="another path on the active node"),
        pytest.param("{there}", "{there}/-/any/path?query=1", id="a path of another API"),
        pytest.param("http://[", "{there}/v1/secret/data/app", id="the cluster names no address"),
    ],
)
async def test_no_redirect_leads_elsewhere(vault: FakeVault, leader: str, location: str) -> None:
    async with FakeVault() as stranger:
        stranger.put("secret", "app", {"n": "one"})
        client = await opened(vault)
        vault.leader = leader.format(there=stranger.address)
        vault.fail(Fault(307, headers={"Location": location.format(there=stranger.address)}, path="data/app"))
        with pytest.raises(Unavailable, match="not the active node"):
            await read(client, "app")
        assert stranger.asked == []
        await client.close()


@pytest.mark.parametrize("name", ["vault", "openBao"])
async def test_a_password_in_the_address_of_a_server_is_not_told(vault: FakeVault, name: str) -> None:
    vault.fail(Fault(500, times=99))
    store = view(vault, server=vault.address.replace("//", "//user:planted@"))
    with pytest.raises(EsoError) as refused:
        client = await Whole(name).open(replace(store, provider=name), credentials(**{"login/token": ROOT}))
        await client.validate()
    assert "planted" not in "".join(traceback.format_exception(refused.value)) + refused.value.fix


async def test_no_login_is_sent_along_a_redirect(vault: FakeVault) -> None:
    async with FakeVault() as stranger:
        location = f"{stranger.address}/v1/auth/approle/login"
        vault.fail(Fault(307, headers={"Location": location}, path="approle"))
        with pytest.raises(Unavailable, match="not the active node"):
            await opened(vault, APP_ROLE)
        assert stranger.asked == []


@pytest.mark.parametrize("token", [f"{ROOT}\n", f"{ROOT}\r\n"])
@pytest.mark.parametrize("name", ["vault", "openBao"])
async def test_a_token_that_ends_in_a_line_break_is_named_before_anything_is_sent(
    vault: FakeVault, name: str, token: str
) -> None:
    with pytest.raises(InvalidConfig) as refused:
        await Whole(name).open(view(vault), credentials(**{"login/token": token}))
    assert str(refused.value) == "the token ends in a line break"
    assert vault.asked == []


async def test_an_auth_method_that_nobody_configured_is_the_logins_fault_and_is_named(vault: FakeVault) -> None:
    vault.fail(Fault(500, body='{"errors":["could not load backend configuration"]}'))
    with pytest.raises(Unavailable, match="could not load backend configuration") as failed:
        await opened(vault, {"kubernetes": {"mountPath": "k8s", "role": "r", "serviceAccountRef": {"name": "app"}}})
    assert failed.value.answered


async def test_a_token_that_ended_is_told_from_a_path_that_may_not_be_read(vault: FakeVault) -> None:
    vault.put("secret", "app", {"n": "one"})
    vault.denied.add("secret/data/private")
    client = await opened(vault, APP_ROLE)
    with pytest.raises(Denied):
        await read(client, "private")
    await read(client, "app")
    with pytest.raises(Denied):
        await read(client, "private")
    # older servers say no more about a dead token
    vault.fail(Fault(403, body='{"errors":["permission denied"]}', times=2))
    with pytest.raises(AuthExpired):
        await read(client, "app")
    await client.close()


async def test_a_token_that_is_bad_from_the_start_is_denied(vault: FakeVault) -> None:
    vault.fail(Fault(403, body='{"errors":["permission denied"]}', times=9))
    client = await opened(vault)
    with pytest.raises(Denied):
        await read(client, "app")
    assert len(vault.asked) == 1
    await client.close()


@pytest.mark.parametrize(
    ("own", "forward", "sent"),
    [
        pytest.param(False, False, (None, None), id="neither"),
        pytest.param(True, False, ("i1", None), id="read your writes"),
        pytest.param(False, True, ("i1", None), id="forward inconsistent alone"),
        pytest.param(True, True, ("i1", "forward-active-node"), id="both"),
    ],
)
async def test_index_headers_are_remembered_where_asked(
    vault: FakeVault, own: bool, forward: bool, sent: tuple[str | None, str | None]
) -> None:
    client = await opened(vault, readYourWrites=own, forwardInconsistent=forward)
    vault.fail(Fault(200, body='{"data":{"data":{}}}', headers={"X-Vault-Index": "i1"}))
    await read(client, "app")
    with pytest.raises(SecretNotFound):
        await read(client, "app")
    last = vault.asked[-1].headers
    assert (last.get("X-Vault-Index"), last.get("X-Vault-Inconsistent")) == sent
    await client.close()


async def test_a_path_copied_with_data_works_and_is_remembered(vault: FakeVault) -> None:
    vault.put("secret", "app", {"n": "one"})
    client = await opened(vault, path="secret/data")
    assert await read(client, "app", property="n") == b"one"
    assert [a.path for a in vault.asked] == ["/v1/secret/data/data/app", "/v1/secret/data/app"]
    assert await read(client, "app", property="n") == b"one"
    assert len(vault.asked) == 3
    with pytest.raises(SecretNotFound):
        await read(client, "gone")
    assert len(vault.asked) == 5, "not found only when both are proven"
    assert await found(client, Find(name_regexp="app")) == {"app": b'{"n":"one"}'}
    await client.close()


async def test_a_deleted_version_at_one_mount_proves_nothing_about_the_other(vault: FakeVault) -> None:
    vault.put("secret", "data/app", {"n": "old"}, None)
    vault.put("secret", "app", {"n": "one"})
    client = await opened(vault, path="secret/data")
    assert await read(client, "app", property="n") == b"one"
    vault.kv["secret"][1]["app"].append(None)
    with pytest.raises(SecretNotFound):
        await read(client, "app")
    await client.close()


async def test_a_folder_named_data_is_another_secret(vault: FakeVault) -> None:
    vault.put("secret", "app", {"n": "outside"})
    vault.put("secret", "data/app", {"n": "inside"})
    client = await opened(vault)
    assert await read(client, "data/app", property="n") == b"inside"
    assert await read(client, "secret/data/app", property="n") == b"outside"
    await client.close()


# searching


async def test_names_keep_the_path_they_were_found_under(vault: FakeVault) -> None:
    for path in ("dev/db", "dev/deep/er/api", "prod/db"):
        vault.put("secret", path, {"p": path})
    client = await opened(vault)
    assert sorted(await found(client, Find(path="dev", name_regexp=".*"))) == ["dev/db", "dev/deep/er/api"]
    assert sorted(await found(client, Find(name_regexp="db$"))) == ["dev/db", "prod/db"]
    assert sorted(await found(client, Find())) == ["dev/db", "dev/deep/er/api", "prod/db"]
    await client.close()


async def test_tags_are_compared_with_metadata(vault: FakeVault) -> None:
    for name in ("a", "b"):
        vault.put("secret", name, {"n": name})
    vault.metadata["secret/a"] = {"team": "red"}
    client = await opened(vault)
    assert list(await found(client, Find(tags=(("team", "red"),)))) == ["a"]
    assert list(await found(client, Find(tags=(("team", "red"), ("current_version", "1"))))) == ["a"]
    assert list(await found(client, Find(tags=(("team", "blue"),)))) == []
    await client.close()


async def test_deleted_secrets_are_left_out_and_an_empty_folder_is_a_proven_not_found(vault: FakeVault) -> None:
    vault.put("secret", "gone", {"n": 1}, None)
    client = await opened(vault)
    assert await found(client, Find(name_regexp=".*")) == {}
    with pytest.raises(SecretNotFound):
        await found(client, Find(path="empty", name_regexp=".*"))
    await client.close()


@pytest.mark.parametrize(
    ("find", "path"),
    [
        pytest.param(Find(name_regexp="."), "metadata/folder", id="a folder"),
        pytest.param(Find(tags=()), "data/folder/b", id="a secret"),
    ],
)
async def test_what_goes_during_a_search_takes_nothing_else_with_it(vault: FakeVault, find: Find, path: str) -> None:
    """Else the deletion policy of an object would take all that the search has found before."""
    for name in ("a", "folder/b"):
        vault.put("secret", name, {"n": name})
    vault.fail(Fault(404, body='{"errors":[]}', path=path, times=9))
    client = await opened(vault)
    assert list(await found(client, find)) == ["a"]
    await client.close()


async def test_version_1_cannot_search_by_tags_even_none(vault: FakeVault) -> None:
    vault.put("kv1", "a/b", {"n": "one"})
    client = await opened(vault, path="kv1", version="v1")
    with pytest.raises(InvalidConfig, match="cannot perform find by tag operations with kv version v1"):
        await found(client, Find(tags=()))
    assert await found(client, Find(path="a", name_regexp="b")) == {"a/b": b'{"n":"one"}'}
    await client.close()


async def test_an_error_while_searching_ends_it_with_its_kind(vault: FakeVault) -> None:
    for name in ("a", "b", "c"):
        vault.put("secret", name, {"n": name})
    vault.fail(Fault(503, path="data/b", times=9))
    client = await opened(vault)
    with pytest.raises(Unavailable, match="cannot read secret data from Vault: "):
        await found(client, Find(name_regexp=".*"))
    await client.close()


async def test_a_server_that_invents_folders_without_end_ends_the_search(
    vault: FakeVault, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = await opened(vault)

    async def endless(path: str) -> list[str]:
        return ["deeper/"]

    async def wide(path: str) -> list[str]:
        return ["a/", "b/", "c/"]

    monkeypatch.setattr(Connection, "list", lambda self, path: endless(path))
    with pytest.raises(InvalidConfig, match="deeper than 64"):
        await found(client, Find(name_regexp=".*"))
    monkeypatch.setattr(Connection, "list", lambda self, path: wide(path))
    monkeypatch.setattr(search, "MOST_FOLDERS", 50)
    with pytest.raises(InvalidConfig, match="more than 50 folders"):
        await found(client, Find(name_regexp=".*"))


@pytest.mark.parametrize("kind", [Whole("vault"), Whole("openBao")], ids=["vault", "openBao"])
async def test_a_search_is_bounded_in_names_and_bytes(
    vault: FakeVault, kind: Whole, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a", "b", "c"):
        vault.put("secret", name, {"n": "x" * 100})
    client = await kind.open(view(vault), credentials())
    monkeypatch.setattr(search, "MOST_BYTES", 250)
    with pytest.raises(InvalidConfig, match="finds more than 250 bytes"):
        await found(client, Find(name_regexp=".*"))
    monkeypatch.setattr(search, "MOST_NAMES", 2)
    with pytest.raises(InvalidConfig, match="lists more than 2 names"):
        await found(client, Find(name_regexp=".*"))


async def test_a_large_document_is_read_as_any_other(vault: FakeVault) -> None:
    vault.put("secret", "big", {"n": "x" * 300_000})
    client = await opened(vault)
    assert await read(client, "big", property="n") == b"x" * 300_000


async def test_a_document_beyond_all_reason_is_refused(vault: FakeVault) -> None:
    vault.put("secret", "big", {"n": "x" * (5 << 20)})
    client = await opened(vault)
    with pytest.raises(Malformed, match="longer than"):
        await read(client, "big")


# the store's own validation


async def test_a_store_is_valid_when_its_token_can_be_looked_up(vault: FakeVault) -> None:
    client = await opened(vault, APP_ROLE)
    assert await client.validate() is Validation.READY
    vault.tokens.clear()
    with pytest.raises(ValidationFailed, match="invalid vault credentials: ") as failed:
        await client.validate()
    assert isinstance(failed.value.__cause__, AuthExpired)
    await client.close()


@pytest.mark.parametrize(
    ("token", "text"),
    [
        ({"ttl": 1, "expire_time": None}, "could not assert token type"),
        ({"type": "service", "expire_time": None}, "no TTL found in response"),
        ({"type": "service", "ttl": 1}, "no expiration time found in response"),
    ],
)
async def test_a_lookup_that_lacks_something(vault: FakeVault, token: dict[str, Any], text: str) -> None:
    vault.tokens[ROOT] = token
    client = await opened(vault)
    with pytest.raises(ValidationFailed, match=f"invalid vault credentials: {text}"):
        await client.validate()
    await client.close()


async def test_a_referent_store_is_unknown_and_logs_in_nowhere(vault: FakeVault) -> None:
    client = await Whole("vault").open(view(vault, APP_ROLE, kind="ClusterSecretStore"), credentials(namespace=""))
    assert await client.validate() is Validation.UNKNOWN
    with pytest.raises(InvalidConfig):
        await client.fetch(client.request(RemoteRef("app")))
    await client.close()
    assert vault.asked == []
    bound = await Whole("vault").open(view(vault, APP_ROLE, kind="ClusterSecretStore"), credentials())
    assert await bound.validate() is Validation.UNKNOWN
    await bound.close()


@pytest.mark.parametrize("server", ["vault:8200", "ftp://vault", "https://", ""])
async def test_an_address_that_is_none(vault: FakeVault, server: str) -> None:
    with pytest.raises(InvalidConfig, match="failed to parse server"):
        await opened(vault, server=server)


async def test_a_ca_that_is_none_is_told(vault: FakeVault) -> None:
    given = StaticCredentials(SECRETS, ca=b"planted")
    with pytest.raises(InvalidConfig, match="error creating vault client") as refused:
        await Whole("vault").open(view(vault, server="https://127.0.0.1:1"), given)
    assert "planted" not in str(refused.value)


async def test_a_client_certificate_is_shown_on_every_connection(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    pair, own = authority.server("vault"), authority.client("me", "me")
    serving = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(authority.cert))
    serving.load_cert_chain(pair.cert, pair.key)
    serving.verify_mode = ssl.CERT_REQUIRED
    secrets = SECRETS | {"mine/tls.crt": own.cert.read_text(), "mine/tls.key": own.key.read_text()}
    shown = {"certSecretRef": {"name": "mine"}, "keySecretRef": {"name": "mine"}}
    async with FakeVault(serving) as vault:
        vault.approles["role-1"] = "planted-secret-id"
        vault.put("secret", "app", {"user": "me"})
        who = StaticCredentials(secrets, ca=authority.cert.read_bytes())
        client = await Whole("vault").open(view(vault, APP_ROLE, tls=shown), who)
        ref = RemoteRef("app", "user")
        assert client.value(await client.fetch(client.request(ref)), ref) == b"me"
        await client.close()
        with pytest.raises(Unavailable):
            await Whole("vault").open(view(vault, APP_ROLE), who)
        who.secrets["mine/tls.key"] = "planted-key"
        with pytest.raises(InvalidConfig, match="error creating vault client: ") as refused:
            await Whole("vault").open(view(vault, APP_ROLE, tls=shown), who)
        assert "planted" not in str(refused.value)


async def test_every_await_of_a_login_a_search_and_a_logout_may_be_cancelled(vault: FakeVault) -> None:
    vault.put("secret", "dir/app", {"n": "one"})

    async def whole_life() -> None:
        client = await opened(vault, APP_ROLE)
        try:
            await found(client, Find(name_regexp=".*"))
            await client.validate()
        finally:
            await client.close()

    async for _ in every_await(whole_life):
        continue
    await whole_life()
    await asyncio.sleep(0)


# openBao


def bao(vault: FakeVault, auth: dict[str, Any] | None = TOKEN, *, kind: str = "SecretStore", **block: Any) -> StoreView:
    spec = {"server": vault.address, "path": "secret"} | block | ({"auth": auth} if auth is not None else {})
    return StoreView(kind, "store", "team-a" if kind == "SecretStore" else "", "openBao", spec)


async def opened_bao(vault: FakeVault, auth: dict[str, Any] | None = TOKEN, **block: Any) -> OpenBaoClient:
    client = await Whole("openBao").open(bao(vault, auth, **block), credentials())
    assert isinstance(client, OpenBaoClient)
    return client


@pytest.mark.parametrize(
    ("block", "key", "version", "text"),
    [
        pytest.param({}, "gone", "", "secret not found: at secret/data/gone", id="version 2"),
        pytest.param({"path": "kv1", "version": "v1"}, "gone", "", "secret not found: at kv1/gone", id="version 1"),
        pytest.param({}, "gone", "3", "secret not found: for version 3 at secret/data/gone", id="a version"),
        pytest.param({}, "secret/app", "", "secret not found: at secret/data/secret/app", id="keys are literal"),
        pytest.param(
            {},
            "app",
            "x1",
            'invalid Ref.Version: strconv.Atoi: parsing "x1": invalid syntax',
            id="a version that is none",
        ),
        pytest.param(
            {"path": "kv1", "version": "v1"},
            "app",
            "1",
            "OpenBao KVv1 secrets do not support versioning (use KVv2)",
            id="a version of version 1",
        ),
    ],
)
async def test_openbao_never_proves_an_absence(
    vault: FakeVault, block: dict[str, Any], key: str, version: str, text: str
) -> None:
    vault.put("secret", "app", {"n": "one"})
    client = await opened_bao(vault, **block)
    with pytest.raises(EsoError) as failed:
        await read(client, key, version=version)
    assert (str(failed.value), isinstance(failed.value, SecretNotFound)) == (text, False)
    await client.close()


async def test_openbao_shows_a_deleted_version_as_null(vault: FakeVault) -> None:
    vault.put("secret", "app", {"n": "one"}, None)
    client = await opened_bao(vault)
    assert await read(client, "app") == b"null"
    with pytest.raises(EsoError, match='cannot find secret data for key: "n"'):
        await read(client, "app", property="n")
    ref = RemoteRef("app")
    assert client.mapping(await client.fetch(client.request(ref)), ref) == {}
    await client.close()


async def test_openbao_takes_a_property_literally(vault: FakeVault) -> None:
    vault.put("secret", "app", {"a.b": "dotted", "a": {"b": "nested"}})
    client = await opened_bao(vault)
    assert await read(client, "app", property="a.b") == b"dotted"
    await client.close()


async def test_openbao_searches_one_level_with_bare_names(vault: FakeVault) -> None:
    for path in ("dev/db", "dev/deep/api", "db"):
        vault.put("secret", path, {"p": path})
    client = await opened_bao(vault)
    assert await found(client, Find(path="dev", name_regexp=".")) == {"db": b'{"p":"dev/db"}'}
    assert await found(client, Find(name_regexp=".")) == {"db": b'{"p":"db"}'}
    assert await found(client, Find(path="empty", name_regexp=".")) == {}
    with pytest.raises(InvalidConfig, match="tag based search is not implemented"):
        await found(client, Find(tags=()))
    with pytest.raises(InvalidConfig, match=r"find\.name is required"):
        await found(client, Find())
    await client.close()


@pytest.mark.parametrize(
    ("block", "text"),
    [
        pytest.param({"version": "v1"}, "expected kv engine version 1 found version 2", id="another version"),
        pytest.param({"path": "nope"}, "error while validating ", id="no such mount"),
    ],
)
async def test_openbao_validates_its_mount(vault: FakeVault, block: dict[str, Any], text: str) -> None:
    client = await opened_bao(vault)
    assert await client.validate() is Validation.READY
    other = await opened_bao(vault, **block)
    with pytest.raises(ValidationFailed, match=text):
        await other.validate()
    await client.close()
    await other.close()


async def test_openbao_finds_another_kind_of_engine(vault: FakeVault) -> None:
    vault.fail(Fault(200, body='{"data":{"type":"pki","options":null}}'))
    client = await opened_bao(vault)
    with pytest.raises(ValidationFailed, match='expected mount type "kv" found "pki"'):
        await client.validate()
    await client.close()


@pytest.mark.parametrize(
    ("auth", "path"),
    [
        pytest.param(APP_ROLE, "/v1/auth/approle/login", id="app role"),
        pytest.param(
            {"userPass": {"username": "me", "secretRef": {"name": "user", "key": "password"}}},
            "/v1/auth/userpass/login/me",
            id="user and password",
        ),
    ],
)
async def test_openbao_logins(vault: FakeVault, auth: dict[str, Any], path: str) -> None:
    client = await opened_bao(vault, auth)
    assert vault.asked[0].path == path
    await client.close()


async def test_openbao_knows_no_other_login(vault: FakeVault) -> None:
    with pytest.raises(InvalidConfig, match="unsupported auth method"):
        await opened_bao(vault, {"kubernetes": {"role": "r"}})


async def test_a_referent_openbao_store_is_unknown(vault: FakeVault) -> None:
    store = bao(vault, kind="ClusterSecretStore")
    client = await Whole("openBao").open(store, credentials(namespace=""))
    assert Whole("openBao").spec.plan(store).consumer is Consumer.CREDENTIALS
    assert await client.validate() is Validation.UNKNOWN
    await client.close()


async def test_openbao_words_its_ca_failures(vault: FakeVault) -> None:
    with pytest.raises(InvalidConfig, match="cannot set OpenBao CA certificate: failed add certificate to CertPool"):
        await Whole("openBao").open(bao(vault, server="https://127.0.0.1:1"), StaticCredentials(SECRETS, ca=b"x"))


def test_openbao_refuses_foreign_namespaces() -> None:
    store = StoreView(
        "SecretStore", "s", "team-a", "openBao", {"auth": {"tokenSecretRef": {"name": "a", "namespace": "b"}}}
    )
    with pytest.raises(InvalidConfig, match=r"invalid Auth\.TokenSecretRef: namespace should either be empty"):
        Whole("openBao").spec.check(store)


# versions without values


@pytest.mark.parametrize(
    ("block", "key"),
    [
        pytest.param({}, "app", id="a mount of the store"),
        pytest.param({}, "secret/data/app", id="a key that repeats the mount"),
        pytest.param({"path": "secret/data"}, "app", id="a mount that was copied from the CLI"),
        pytest.param({"path": None}, "secret/app", id="a mount in the key"),
        pytest.param({"path": None}, "secret/data/app", id="a path in the key"),
    ],
)
async def test_a_version_is_told_without_its_value(vault: FakeVault, block: dict[str, Any], key: str) -> None:
    vault.put("secret", "app", {"a": "planted-1"})
    client = await opened(vault, **block)
    before = await client.probe([key, "secret/gone"])
    assert list(before) == [key]
    vault.put("secret", "app", {"a": "planted-1"}, {"a": "planted-2"})
    after = await client.probe([key])
    assert after != before
    paths = [asked.path for asked in vault.asked]
    assert not any("/data/" in path for path in paths if "metadata" not in path), paths


async def test_versions_of_paths_that_may_not_be_seen_are_left_out_unless_that_is_all(vault: FakeVault) -> None:
    vault.put("secret", "app", {"a": "1"})
    vault.put("secret", "theirs", {"a": "1"})
    client = await opened(vault)
    vault.fail(Fault(status=403, path="secret/metadata/theirs", times=2))
    assert list(await client.probe(["app", "theirs", "../x"])) == ["app"]
    with pytest.raises(Denied):
        await client.probe(["theirs"])


async def test_kv_v1_keeps_no_versions(vault: FakeVault) -> None:
    with pytest.raises(InvalidConfig, match="keeps no versions"):
        await (await opened(vault, version="v1")).probe(["app"])


async def test_an_odd_answer_about_versions_is_an_error(vault: FakeVault) -> None:
    client = await opened(vault)
    for body in ("[]", "{}", '{"data": 5}', "no json"):
        vault.fail(Fault(status=200, body=body, path="secret/metadata/app"))
        with pytest.raises(Malformed):
            await client.probe(["app"])
