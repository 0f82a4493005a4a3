"""What admission refuses, what makes a login, whose credentials are used, client certificates."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import pytest

from e2e.harness.certs import Authority
from eso.providers.contract import AuthRejected, Consumer, InvalidConfig, RemoteRef, Unavailable, Validation
from eso.providers.ovh.spec import SPEC, domain
from tests.fakes.ovh import DOMAIN, FakeOvh
from tests.unit.providers.ovh.conftest import MTLS, TOKEN_REF, World, view

NO_CERTIFICATE = "missing tls certificate or key for mtls authentication"


@pytest.mark.parametrize(
    ("block", "words"),
    (
        ({"okmsTimeout": 0}, "ovh store okmsTimeout must be greater than 0"),
        ({"okmsTimeout": -1}, "ovh store okmsTimeout must be greater than 0"),
        ({"server": ""}, "ovh store server is required"),
        ({"server": "ftp://x"}, "ovh store server is no address"),
        ({"server": "https://user:pass@x"}, "ovh store server is no address"),
        ({"okmsid": ""}, "ovh store okmsID is required"),
        ({"auth": {}}, "missing authentication method"),
        ({"auth": TOKEN_REF | MTLS}, "only one authentication method allowed (mtls | token)"),
        ({"auth": {"token": {}}}, "missing token secret for token authentication"),
        ({"auth": {"token": {"tokenSecretRef": {"name": "n"}}}}, "missing token secret for token authentication"),
        ({"auth": {"mtls": {}}}, NO_CERTIFICATE),
        ({"auth": {"mtls": {"certSecretRef": {"name": "n", "key": "k"}}}}, NO_CERTIFICATE),
    ),
)
def test_admission_refuses(block: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidConfig) as error:
        SPEC.check(view(**block))
    assert str(error.value) == words


def test_domains_share_a_login_and_servers_tokens_and_limits_of_time_do_not() -> None:
    assert SPEC.check(view()) == SPEC.check(view(auth=MTLS)) == []
    one = SPEC.plan(view())
    assert one.endpoint == "https://eu-west-rbx.okms.ovh.net"
    assert SPEC.plan(view(okmsid=DOMAIN.replace("7", "8"))) == one
    for other in ({"server": "https://other"}, {"auth": MTLS}, {"okmsTimeout": 5}):
        assert SPEC.plan(view(**other)) != one
    assert one.references == (("Secret", "", "login"),)


def test_an_authority_is_one_of_the_references_of_a_login_with_a_certificate() -> None:
    authority = {"type": "ConfigMap", "name": "ca", "key": "ca.crt"}
    plan = SPEC.plan(view(auth={"mtls": MTLS["mtls"] | {"caProvider": authority}}))
    assert plan.references == (("Secret", "", "pair"), ("ConfigMap", "", "ca"))


@pytest.mark.parametrize(
    "text", (DOMAIN, DOMAIN.upper(), DOMAIN.replace("-", ""), f"urn:uuid:{DOMAIN}", f"{{{DOMAIN}}}")
)
def test_the_id_of_a_domain_is_a_uuid_in_any_form(text: str) -> None:
    assert domain({"okmsid": text}) == DOMAIN


@pytest.mark.parametrize("text", ("x", f"{DOMAIN}/..", f"{DOMAIN}\n", DOMAIN[:-1]))
def test_a_domain_that_is_no_uuid_can_never_work(text: str) -> None:
    with pytest.raises(InvalidConfig, match=r"^failed to create new ovh provider client: "):
        SPEC.plan(view(okmsid=text))


async def test_a_cluster_store_without_a_namespace_logs_in_for_each_consumer(world: World) -> None:
    assert SPEC.plan(view("ClusterSecretStore")).consumer is Consumer.CREDENTIALS
    named = {"token": {"tokenSecretRef": {"name": "login", "key": "token", "namespace": "team-a"}}}
    assert SPEC.plan(view("ClusterSecretStore", auth=named)).consumer is Consumer.NONE
    world.credentials.namespace = ""
    client = await world.open("ClusterSecretStore")
    assert await client.validate() is Validation.UNKNOWN
    with pytest.raises(InvalidConfig):
        await client.fetch(client.request(RemoteRef("app")))
    await client.close()


async def test_an_empty_token_is_refused_before_anything_is_asked(world: World) -> None:
    world.credentials.secrets["login/token"] = "\n"
    with pytest.raises(AuthRejected, match=r"^failed to create new ovh provider client: the token is empty$"):
        await world.open()
    assert world.fake.asked == []


async def test_a_client_certificate_is_shown_and_the_stores_authority_trusted(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    pair, own = authority.server("okms", dns=("localhost",)), authority.client("eso", "eso")
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(authority.cert))
    tls.verify_mode = ssl.CERT_REQUIRED
    tls.load_cert_chain(pair.cert, pair.key)
    async with FakeOvh(tls) as fake:
        fake.token = None
        fake.put("app", {"user": "me"})
        world = World(fake)
        world.credentials.secrets |= {
            "pair/cert": own.cert.read_text(),
            "pair/key": own.key.read_text(),
        }
        with pytest.raises(Unavailable, match="cannot trust"):
            client = await world.open(auth=MTLS)
            await client.fetch(client.request(RemoteRef("app")))
        world.credentials.ca = authority.cert.read_bytes()
        client = await world.open(auth=MTLS)
        ref = RemoteRef("app", "user")
        assert client.value(await client.fetch(client.request(ref)), ref) == b"me"
        assert "Authorization" not in fake.asked[0].headers
        await world.provider.close()


async def test_a_certificate_that_is_none_is_told_without_showing_it(world: World) -> None:
    world.credentials.secrets |= {"pair/cert": "planted-cert", "pair/key": "planted-key"}
    with pytest.raises(InvalidConfig, match="cannot use the client certificate") as error:
        await world.open(server="https://127.0.0.1:1", auth=MTLS)
    assert "planted" not in f"{error.value}{error.value.fix}"
