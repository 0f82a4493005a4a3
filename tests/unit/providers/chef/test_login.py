"""What admission refuses, what makes a login, and signatures as mixlib-authentication publishes them."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import PrivateFormat, load_pem_public_key

from eso.providers.chef.signing import Signer, canonical
from eso.providers.chef.spec import SPEC
from eso.providers.contract import Consumer, InvalidConfig, RemoteRef, Validation
from eso.providers.kit.http import Unsigned
from tests.fakes.chef import USER, key, opened, pem
from tests.unit.providers.chef.conftest import REF, URL, World, view

INVALID = "received invalid Chef SecretStore resource: "
WRONG = "namespace should either be empty or match the namespace of the SecretStore for a namespaced SecretStore"
# Of mixlib-authentication's own tests.
PUBLIC = b"""-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA0ueqo76MXuP6XqZBILFz
iH/9AI7C6PaN5W0dSvkr9yInyGHSz/IR1+4tqvP2qlfKVKI4CP6BFH251Ft9qMUB
uAsnlAVQ1z0exDtIFFOyQCdR7iXmjBIWMSS4buBwRQXwDK7id1OxtU23qVJv+xwE
V0IzaaSJmaGLIbvRBD+qatfUuQJBMU/04DdJIwvLtZBYdC2219m5dUBQaa4bimL+
YN9EcsDzD9h9UxQo5ReK7b3cNMzJBKJWLzFBcJuePMzAnLFktr/RufX4wpXe6XJx
oVPaHo72GorLkwnQ0HYMTY8rehT4mDi1FI969LHCFFaFHSAaRnwdXaQkJmSfcxzC
YQIDAQAB
-----END PUBLIC KEY-----
"""
LINES = (
    "jVHrNniWzpbez/eGWjFnO6lINRIuKOg40ZTIQudcFe47Z9e/HvrszfVXlKG4",
    "NMzYZgyooSvU85qkIUmKuCqgG2AIlvYa2Q/2ctrMhoaHhLOCWWoqYNMaEqPc",
    "3tKHE+CfvP+WuPdWk4jv4wpIkAz6ZLxToxcGhXmZbXpk56YTmqgBW2cbbw4O",
    "IWPZDHSiPcw//AYNgW1CCDptt+UFuaFYbtqZegcBd2n/jzcWODA7zL4KWEUy",
    "9q4rlh/+1tBReg60QdsmDRsw/cdO1GZrKtuCwbuD4+nbRdVBKv72rqHX9cu0",
    "utju9jzczCyB+sSAQWrxSsXB/b8vV2qs0l4VD2ML+w==",
)
REQUEST = Unsigned("POST", "h", "/organizations/clownco", {}, b"Spec Body")
WHEN = datetime(2009, 1, 1, 12, 0, 0, tzinfo=UTC)


def test_what_is_signed_is_what_the_published_signature_holds() -> None:
    sent = Signer("spec-user", key(USER)).headers(REQUEST, WHEN)
    public: Any = load_pem_public_key(PUBLIC)
    published = opened(public.public_numbers(), base64.b64decode("".join(LINES)))
    assert canonical(sent, REQUEST.target) == published
    assert sent["X-Ops-Content-Hash"] == "DFteJZPVv6WKdQmMqZUQUumUyRs="
    assert b"Hashed Path:YtBWDn1blGGuFIuKksdwXzHU9oE=\n" in published


def test_a_signature_is_padded_without_a_digest_and_cut_in_lines() -> None:
    sent = Signer("spec-user", key(USER)).headers(REQUEST, WHEN)
    lines = [sent[f"X-Ops-Authorization-{at}"] for at in range(1, 7)]
    assert [len(line) for line in lines] == [len(line) for line in LINES]
    numbers = key(USER).public_key().public_numbers()
    assert opened(numbers, base64.b64decode("".join(lines))) == canonical(sent, REQUEST.target)
    assert "X-Ops-Authorization-7" not in sent


def test_a_key_that_is_too_short_is_told() -> None:
    short = rsa.generate_private_key(65537, 1024)
    with pytest.raises(InvalidConfig, match="the private key is too short"):
        Signer("spec-user", short).headers(REQUEST, WHEN)


@pytest.mark.parametrize(
    ("block", "words"),
    (
        ({"username": ""}, f"{INVALID}missing username"),
        ({"username": "a\nX-Ops-UserId:admin"}, f"{INVALID}invalid username"),
        ({"serverUrl": ""}, f"{INVALID}missing serverurl"),
        ({"serverUrl": "https://chef.example.org"}, f"{INVALID}serverurl does not end with slash(/)"),
        ({"serverUrl": "chef.example.org/"}, f"{INVALID}invalid serverurl"),
        ({"serverUrl": "https://me:planted@x/"}, f"{INVALID}invalid serverurl"),
        ({"auth": {}}, f"{INVALID}cannot initialize Chef Client: no valid authType was specified"),
        ({"auth": {"secretRef": {"privateKeySecretRef": {"name": "n"}}}}, f"{INVALID}missing Secret Key"),
        (
            {"auth": {"secretRef": {"privateKeySecretRef": REF | {"namespace": "other"}}}},
            f"{INVALID}{WRONG}",
        ),
    ),
)
def test_admission_refuses(block: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidConfig) as error:
        SPEC.check(view(**block))
    assert str(error.value) == words


def test_a_login_is_a_user_at_an_organisation_whose_path_is_cleaned() -> None:
    assert SPEC.check(view()) == []
    one = SPEC.plan(view())
    assert one.endpoint == URL.rstrip("/")
    assert one.references == (("Secret", "", "login"),)
    assert SPEC.plan(view(serverUrl="https://chef.example.org//organizations/./x/../shop//")) == one
    assert SPEC.plan(view(serverUrl="https://chef.example.org/")).endpoint == "https://chef.example.org"
    assert SPEC.plan(view(username="other")) != one


async def test_a_cluster_store_without_a_namespace_logs_in_for_each_consumer(world: World) -> None:
    assert SPEC.check(view("ClusterSecretStore")) == []
    assert SPEC.plan(view("ClusterSecretStore")).consumer is Consumer.CREDENTIALS
    named = {"secretRef": {"privateKeySecretRef": REF | {"namespace": "ops"}}}
    assert SPEC.plan(view("ClusterSecretStore", auth=named)).consumer is Consumer.NONE
    world.credentials.namespace = ""
    client = await world.open("ClusterSecretStore")
    assert await client.validate() is Validation.UNKNOWN
    await client.close()
    assert world.fake.asked == []


@pytest.mark.parametrize("form", (PrivateFormat.TraditionalOpenSSL, PrivateFormat.PKCS8))
async def test_both_forms_of_a_key_log_in_and_do_not_end(world: World, form: PrivateFormat) -> None:
    world.credentials.secrets["login/key"] = pem(form=form)
    world.fake.put("shop", "db", user="me")
    client = await world.open()
    ref = RemoteRef("shop/db", "user")
    assert client.value(await client.fetch(client.request(ref)), ref) == b"me"
    assert client.lifetime is None
    await client.close()


@pytest.mark.parametrize(
    ("pem", "words"),
    (
        ("", "missing Secret Key"),
        ("planted", "unable to create chef client: the private key is no RSA key in PEM"),
        (
            "-----BEGIN RSA PRIVATE KEY-----\nplanted\n-----END RSA PRIVATE KEY-----\n",
            "unable to create chef client: the private key is no RSA key in PEM",
        ),
    ),
)
async def test_a_key_that_is_none_is_refused_without_showing_it(world: World, pem: str, words: str) -> None:
    world.credentials.secrets["login/key"] = pem
    with pytest.raises(InvalidConfig) as error:
        await world.open()
    assert str(error.value) == words
    assert "planted" not in error.value.fix
