"""What only a real server can show: its logins, namespaces, certificates and dead tokens."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from e2e.harness.certs import Authority
from e2e.harness.openbao import OpenBao
from eso.providers.contract import (
    AuthExpired,
    AuthRejected,
    Denied,
    Find,
    InvalidConfig,
    Push,
    Remote,
    RemoteRef,
    SecretNotFound,
    Source,
    StoreView,
    Unavailable,
)
from eso.providers.vault.client import VaultClient
from tests.contract.realvault import RealServer
from tests.fakes.credentials import StaticCredentials
from tests.fakes.env import Whole, found

pytestmark = pytest.mark.real
READ = {"secret/data/*": ["read"], "secret/metadata/*": ["read", "list"]}


async def opened(
    address: str, auth: dict[str, Any], secrets: dict[str, str], ca: bytes | None = None, **block: Any
) -> VaultClient:
    view = StoreView(
        "SecretStore", "store", "team-a", "vault", {"server": address, "path": "secret", "auth": auth} | block
    )
    client = await Whole("vault").open(view, StaticCredentials(secrets, ca=ca))
    assert isinstance(client, VaultClient)
    return client


async def read(client: VaultClient, key: str = "app", property: str = "user") -> bytes:
    ref = RemoteRef(key, property)
    return client.value(await client.fetch(client.request(ref)), ref)


@pytest.fixture
def bao(real: RealServer) -> Iterator[OpenBao]:
    server = real.bao
    server.policy("reader", READ)
    server.put("secret", "app", {"user": "me"})
    yield server
    for mount in server.request("GET", "sys/auth")["data"]:
        if mount.rstrip("/") in ("approle", "userpass", "jwt"):
            server.request("DELETE", f"sys/auth/{mount.rstrip('/')}")


def app_role(bao: OpenBao, **role: Any) -> tuple[dict[str, Any], dict[str, str]]:
    bao.enable_auth("approle")
    role_id, secret_id = bao.approle("reader", ["reader"])
    if role:
        bao.request("POST", "auth/approle/role/reader", {"token_policies": ["reader"], **role})
    return {"appRole": {"path": "approle", "roleId": role_id, "secretRef": {"name": "s", "key": "id"}}}, {
        "s/id": secret_id
    }


async def test_an_app_role_logs_in_reads_is_renewed_and_leaves_no_token(bao: OpenBao) -> None:
    auth, secrets = app_role(bao)
    client = await opened(bao.address, auth, secrets)
    assert await read(client) == b"me"
    assert client.lifetime is not None
    assert await client.renew() is True
    token = client.live.login.token
    await client.close()
    again = await opened(bao.address, {"tokenSecretRef": {"name": "t", "key": "k"}}, {"t/k": token})
    with pytest.raises(Denied):
        await read(again)
    await again.close()


async def test_a_wrong_secret_id_is_refused_without_showing_it(bao: OpenBao) -> None:
    auth, _ = app_role(bao)
    with pytest.raises(AuthRejected, match="unable to log in with app role auth: ") as refused:
        await opened(bao.address, auth, {"s/id": "planted-secret-id"})
    assert "planted" not in str(refused.value)


async def test_a_revoked_login_is_told_from_a_path_that_may_not_be_read(bao: OpenBao) -> None:
    auth, secrets = app_role(bao)
    client = await opened(bao.address, auth, secrets)
    await read(client)
    with pytest.raises(Denied):
        await client.live.get("kv1/private")
    bao.request("POST", "auth/token/revoke", {"token": client.live.login.token})
    with pytest.raises(AuthExpired):
        await read(client)
    await client.close()


async def test_a_user_logs_in_with_a_password(bao: OpenBao) -> None:
    bao.enable_auth("userpass")
    bao.request("POST", "auth/userpass/users/me", {"password": "pw", "token_policies": ["reader"]})
    auth = {"userPass": {"path": "userpass", "username": "me", "secretRef": {"name": "s", "key": "pw"}}}
    client = await opened(bao.address, auth, {"s/pw": "pw"})
    assert await read(client) == b"me"
    await client.close()
    with pytest.raises(AuthRejected):
        await opened(bao.address, auth, {"s/pw": "wrong"})


def signed(key: ec.EllipticCurvePrivateKey) -> str:
    def part(data: bytes) -> bytes:
        return base64.urlsafe_b64encode(data).rstrip(b"=")

    now = int(time.time())
    claims = f'{{"iss":"us","aud":"vault","sub":"app","iat":{now - 30},"nbf":{now - 30},"exp":{now + 300}}}'
    head = part(b'{"alg":"ES256","typ":"JWT"}') + b"." + part(claims.encode())
    r, s = decode_dss_signature(key.sign(head, ec.ECDSA(hashes.SHA256())))
    return (head + b"." + part(r.to_bytes(32, "big") + s.to_bytes(32, "big"))).decode()


async def test_a_signed_token_logs_in(bao: OpenBao) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    public = (
        key.public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        .decode()
    )
    bao.enable_auth("jwt")
    bao.request("POST", "auth/jwt/config", {"jwt_validation_pubkeys": [public]})
    role = {"role_type": "jwt", "user_claim": "sub", "bound_audiences": ["vault"], "token_policies": ["reader"]}
    bao.request("POST", "auth/jwt/role/reader", role)
    auth = {"jwt": {"path": "jwt", "role": "reader", "secretRef": {"name": "s", "key": "jwt"}}}
    client = await opened(bao.address, auth, {"s/jwt": signed(key)})
    assert await read(client) == b"me"
    await client.close()
    with pytest.raises(AuthRejected) as refused:
        await opened(bao.address, auth, {"s/jwt": signed(ec.generate_private_key(ec.SECP256R1()))})
    assert "eyJ" not in str(refused.value)


ROOT_AUTH = {"tokenSecretRef": {"name": "t", "key": "k"}}


async def test_namespaces_hold_their_own_secrets(bao: OpenBao) -> None:
    bao.request("POST", "sys/namespaces/team")
    try:
        bao.mount_kv("secret", namespace="team")
        bao.request("POST", "team/secret/data/app", {"data": {"user": "inner"}})
        inner = await opened(bao.address, ROOT_AUTH, {"t/k": bao.root_token}, namespace="team")
        outer = await opened(bao.address, ROOT_AUTH, {"t/k": bao.root_token})
        assert (await read(inner), await read(outer)) == (b"inner", b"me")
        await inner.close()
        await outer.close()
    finally:
        bao.request("DELETE", "sys/namespaces/team")


async def test_versions_deletions_and_searches(bao: OpenBao) -> None:
    client = await opened(bao.address, ROOT_AUTH, {"t/k": bao.root_token})
    bao.put("secret", "dir/deep/x", {"n": 1})
    bao.put("secret", "app", {"user": "you"})
    ref = RemoteRef("app", version="1")
    assert client.value(await client.fetch(client.request(ref)), ref) == b'{"user":"me"}'
    assert sorted(await found(client, Find())) == ["app", "dir/deep/x"]
    bao.delete("secret", "app")
    with pytest.raises(SecretNotFound):
        await read(client)
    assert await found(client, Find(name_regexp="app")) == {}
    await client.close()


async def test_a_mount_that_is_not_there_proves_nothing(bao: OpenBao) -> None:
    client = await opened(bao.address, ROOT_AUTH, {"t/k": bao.root_token}, path="nowhere")
    with pytest.raises(Exception, match="cannot read secret data from Vault: ") as failed:
        await read(client)
    assert not isinstance(failed.value, SecretNotFound)
    await client.close()


async def test_a_path_copied_with_data_is_understood(bao: OpenBao) -> None:
    client = await opened(bao.address, ROOT_AUTH, {"t/k": bao.root_token}, path="secret/data")
    assert await read(client) == b"me"
    with pytest.raises(SecretNotFound):
        await read(client, "gone")
    await client.close()


async def test_only_the_given_ca_is_trusted(tmp_path: Path) -> None:
    with OpenBao(tls=True, folder=tmp_path / "bao") as bao:
        bao.mount_kv("secret")
        bao.put("secret", "app", {"user": "me"})
        assert bao.ca is not None
        trusting = await opened(bao.address, ROOT_AUTH, {"t/k": bao.root_token}, ca=bao.ca.read_bytes())
        assert await read(trusting) == b"me"
        await trusting.close()
        doubting = await opened(bao.address, ROOT_AUTH, {"t/k": bao.root_token})
        with pytest.raises(Unavailable, match="cannot trust"):
            await read(doubting)
        await doubting.close()


async def test_a_certificate_logs_in_and_another_authoritys_does_not(tmp_path: Path) -> None:
    with OpenBao(tls=True, folder=tmp_path / "bao") as bao:
        bao.mount_kv("secret")
        bao.put("secret", "app", {"user": "me"})
        bao.policy("reader", READ)
        bao.enable_auth("cert")
        people, strangers = Authority(tmp_path / "people"), Authority(tmp_path / "strangers")
        role = {"certificate": people.cert.read_text(), "token_policies": ["reader"]}
        bao.request("POST", "auth/cert/certs/readers", role)
        assert bao.ca is not None
        auth = {
            "cert": {
                "vaultRole": "readers",
                "clientCert": {"name": "c", "key": "tls.crt"},
                "secretRef": {"name": "c", "key": "tls.key"},
            }
        }
        for authority in (people, strangers):
            pair = authority.client("me", "me")
            secrets = {"c/tls.crt": pair.cert.read_text(), "c/tls.key": pair.key.read_text()}
            if authority is strangers:
                with pytest.raises(AuthRejected):
                    await opened(bao.address, auth, secrets, ca=bao.ca.read_bytes())
                continue
            client = await opened(bao.address, auth, secrets, ca=bao.ca.read_bytes())
            assert await read(client) == b"me"
            await client.close()


async def test_a_login_may_be_made_in_another_namespace_than_the_reads(bao: OpenBao) -> None:
    bao.request("POST", "sys/namespaces/people")
    try:
        bao.request("POST", "people/sys/auth/userpass", {"type": "userpass"})
        bao.request("POST", "people/auth/userpass/users/me", {"password": "pw"})
        who = {"userPass": {"path": "userpass", "username": "me", "secretRef": {"name": "s", "key": "pw"}}}
        client = await opened(bao.address, {"namespace": "people"} | who, {"s/pw": "pw"})
        assert client.live.login.token
        with pytest.raises(Denied):  # the token is one of the other namespace: it may read nothing here
            await read(client)
        assert await client.renew() is True
        await client.close()
    finally:
        bao.request("DELETE", "sys/namespaces/people")


async def test_a_destroyed_version_is_gone_and_the_others_are_not(bao: OpenBao) -> None:
    client = await opened(bao.address, ROOT_AUTH, {"t/k": bao.root_token})
    bao.put("secret", "app", {"user": "you"})
    bao.request("POST", "secret/destroy/app", {"versions": [2]})
    for ref in (RemoteRef("app"), RemoteRef("app", version="2"), RemoteRef("app", version="9")):
        with pytest.raises(SecretNotFound):
            await client.fetch(client.request(ref))
    old = RemoteRef("app", "user", version="1")
    assert client.value(await client.fetch(client.request(old)), old) == b"me"
    with pytest.raises(InvalidConfig):
        await client.fetch(client.request(RemoteRef("app", version="first")))
    await client.close()


async def test_check_and_set_keeps_what_another_writer_wrote(bao: OpenBao) -> None:
    client = await opened(bao.address, ROOT_AUTH, {"t/k": bao.root_token}, checkAndSet={"required": True})
    bao.request("POST", "secret/config", {"cas_required": True})
    source = Source({"v": b'{"user":"me"}'})
    await client.push(Push(Remote("pushed"), "v"), source)
    await client.push(Push(Remote("pushed", "pass"), "v"), source)
    assert json.loads(await read(client, "pushed", "")) == {"user": "me", "pass": '{"user":"me"}'}
    found = bao.request("GET", "secret/metadata/pushed")["data"]
    assert (found["current_version"], found["custom_metadata"]) == (2, {"managed-by": "external-secrets"})
    careless = await opened(bao.address, ROOT_AUTH, {"t/k": bao.root_token})
    with pytest.raises(InvalidConfig, match="check-and-set parameter required"):
        await careless.push(Push(Remote("pushed"), "v"), Source({"v": b'{"user":"you"}'}))
    await careless.close()
    await client.delete(Remote("pushed"))
    assert not await client.exists(Remote("pushed"))
    await client.close()


async def test_custom_metadata_is_fetched_and_searched(bao: OpenBao) -> None:
    bao.request("POST", "secret/metadata/app", {"custom_metadata": {"team": "red"}})
    client = await opened(bao.address, ROOT_AUTH, {"t/k": bao.root_token})
    ref = RemoteRef("app", "team", metadata_policy="Fetch")
    assert client.value(await client.fetch(client.request(ref)), ref) == b"red"
    assert list(await found(client, Find(tags=(("team", "red"),)))) == ["app"]
    assert await found(client, Find(tags=(("team", "blue"),))) == {}
    await client.close()


async def test_a_version_is_told_without_its_value_and_only_where_the_policy_lets_it(bao: OpenBao) -> None:
    bao.put("secret", "other", {"user": "me"})
    token = {"tokenSecretRef": {"name": "t", "key": "token"}}
    client = await opened(bao.address, token, {"t/token": bao.root_token})
    before = await client.probe(["app", "other", "never-there"])
    assert set(before) == {"app", "other"}
    began = bao.mark()
    assert await client.probe(["app", "other"]) == before
    assert not [path for _, path in bao.requests(began) if path.startswith("secret/data")]
    bao.put("secret", "app", {"user": "you"})
    after = await client.probe(["app", "other"])
    assert after["app"] != before["app"] and after["other"] == before["other"]
    bao.policy("reader", {"secret/data/*": ["read"]})
    auth, secrets = app_role(bao)
    blind = await opened(bao.address, auth, secrets)
    with pytest.raises(Denied):
        await blind.probe(["app", "other"])
    await blind.close()
    await client.close()
