"""Push, delete and exists, on the contract server."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat, pkcs12
from cryptography.x509.oid import NameOID

from eso.errors import EsoError
from eso.providers.azurekv import material
from eso.providers.contract import Busy, Denied, InvalidConfig, Push, Remote, Source, Unavailable, writes
from tests.fakes.azurekv import FakeAzure
from tests.fakes.backend import Fault
from tests.fakes.cancel import every_await
from tests.unit.providers.azurekv.conftest import World

OURS: dict[str, str | None] = {"managed-by": "external-secrets"}
RSA, EC = rsa.generate_private_key(65537, 2048), ec.generate_private_key(ec.SECP384R1())
MODES = pytest.mark.parametrize("modern", [False, True])
NOT_OURS = "not managed by external-secrets"


def entry(key: str = "app", secret_key: str = "k", **spec: Any) -> Push:
    envelope = {"apiVersion": "kubernetes.external-secrets.io/v1alpha1", "kind": "PushSecretMetadata", "spec": spec}
    return Push(Remote(key), secret_key, envelope if spec else None)


def source(value: bytes = b"planted", **more: bytes) -> Source:
    return Source({"k": value, **more})


def written(fake: FakeAzure) -> list[str]:
    """What was changed, by method and path."""
    return [f"{a.method} {a.path}" for a in fake.asked if a.method != "GET" and "/oauth2/" not in a.path]


async def pushed(world: World, push: Push, value: bytes = b"planted", *, modern: bool = False, **more: bytes) -> None:
    client = await world.open(useAzureSDK=modern)
    await client.push(push, source(value, **more))
    await client.close()


async def refused(world: World, push: Push, value: bytes = b"planted", *, modern: bool = False) -> EsoError:
    with pytest.raises(EsoError) as failed:
        await pushed(world, push, value, modern=modern)
    assert "planted" not in f"{failed.value}{failed.value.fix}"
    return failed.value


# secrets


@MODES
@pytest.mark.parametrize("key", ["app", "secret/app", "secret/app/more"])
# P-180
async def test_p_180_a_new_secret_is_enabled_and_marked_as_ours(world: World, key: str, modern: bool) -> None:
    await pushed(world, entry(key), modern=modern)
    assert world.fake.asked[-1].body == {"value": "planted", "attributes": {"enabled": True}, "tags": OURS}
    assert written(world.fake) == ["PUT /secrets/app"]


async def test_a_push_without_a_key_writes_the_whole_source(world: World) -> None:
    await pushed(world, entry(secret_key=""), b"<&>", a=b"1")
    assert world.fake.live("app").body["value"] == '{"a":"1","k":"<&>"}'


async def test_a_key_that_the_source_does_not_have_writes_nothing(world: World) -> None:
    error = await refused(world, entry(secret_key="none"))
    assert str(error) == "failed to find secret key in secret with key: none"
    assert written(world.fake) == []


async def test_metadata_goes_along(world: World) -> None:
    spec = {"expirationDate": "2024-12-31T20:00:00Z", "ContentType": "text/plain", "tags": {"team": "a"}}
    await pushed(world, entry(**spec))
    assert world.fake.asked[-1].body == {
        "value": "planted",
        "attributes": {"enabled": True, "exp": 1_735_675_200},
        "contentType": "text/plain",
        "tags": {"team": "a", **OURS},
    }


async def test_the_newer_way_knows_no_expiry(world: World) -> None:
    for date in ("2024-12-31T20:00:00Z", "planted"):
        await pushed(world, entry(expirationDate=date), modern=True)
    assert "exp" not in world.fake.live("app").attributes
    assert written(world.fake) == ["PUT /secrets/app"]


@MODES
@pytest.mark.parametrize(
    ("before", "spec", "count"),
    [
        pytest.param({}, {}, 0, id="equal"),
        pytest.param({}, {"tags": {"team": "b"}}, 0, id="tags alone"),
        pytest.param({"contentType": "text/plain"}, {}, 0, id="a content type that is left out"),
        pytest.param({"contentType": "text/plain"}, {"contentType": "text/plain"}, 0, id="an equal content type"),
        pytest.param({"contentType": "text/plain"}, {"contentType": "text/x"}, 1, id="another content type"),
    ],
)
# P-182
async def test_p_182_only_what_differs_is_written(
    world: World, before: dict[str, Any], spec: dict[str, Any], count: int, modern: bool
) -> None:
    world.fake.put("app", "planted", OURS, **before)
    await pushed(world, entry(**spec), modern=modern)
    assert len(written(world.fake)) == count


@pytest.mark.parametrize(
    ("before", "spec", "count"),
    [
        pytest.param({"exp": 1_735_675_200}, {"expirationDate": "2024-12-31T21:00:00+01:00"}, 0, id="an equal expiry"),
        pytest.param({"exp": 1_735_675_200}, {"expirationDate": "2025-01-01T00:00:00Z"}, 1, id="another expiry"),
        pytest.param({"exp": 1_735_675_200}, {}, 1, id="an expiry that is left out is taken away"),
        pytest.param({}, {"expirationDate": "2025-01-01T00:00:00Z"}, 1, id="a new expiry"),
    ],
)
# P-182
async def test_p_182_the_expiry_is_compared(
    world: World, before: dict[str, Any], spec: dict[str, Any], count: int
) -> None:
    world.fake.put("app", "planted", OURS, **before)
    for _ in range(2):
        await pushed(world, entry(**spec))
    assert len(written(world.fake)) == count


# P-182
async def test_p_182_a_content_type_that_is_left_out_is_carried_over(world: World) -> None:
    world.fake.put("app", "old", OURS, contentType="text/plain")
    await pushed(world, entry())
    assert world.fake.asked[-1].body["contentType"] == "text/plain"


BAD_DATE = "error parsing expiration date in metadata: "


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        pytest.param(
            {"tags": {"managed-by": "planted"}},
            "error parsing tags in metadata: Cannot specify a 'managed-by' tag",
            id="our own tag",
        ),
        pytest.param({"expirationDate": "planted"}, BAD_DATE, id="no date"),
        pytest.param({"expirationDate": "2024-12-31"}, BAD_DATE, id="a day"),
        pytest.param({"expirationDate": "2024-12-31T20:00:00"}, BAD_DATE, id="no zone"),
        pytest.param({"other": 1}, "failed to parse push secret metadata: failed to parse kubernetes", id="unknown"),
    ],
)
async def test_metadata_that_is_refused_writes_nothing(world: World, spec: dict[str, Any], text: str) -> None:
    assert str(await refused(world, entry(**spec))).startswith(text)
    assert written(world.fake) == []


@pytest.mark.parametrize(
    ("key", "word"), [("app", "secret"), ("cert/app", "certificate"), ("key/app", "key")], ids=["secret", "cert", "key"]
)
@pytest.mark.parametrize("tags", [None, {"managed-by": "somebody"}], ids=["without tags", "with another's tag"])
# P-181
async def test_p_181_what_somebody_else_made_is_left_alone(
    world: World, key: str, word: str, tags: dict[str, str | None] | None
) -> None:
    world.fake.put("app", "theirs", tags)
    world.fake.keep("certificates", "app", {"cer": base64.b64encode(der(certificate(RSA))).decode()}, tags)
    world.fake.keep("keys", "app", {"key": {"kty": "RSA", "n": "AQ", "e": "AQ"}}, tags)
    value = pem(RSA) if word == "key" else certificate(EC).public_bytes(Encoding.PEM)
    assert str(await refused(world, entry(key), value)) == f"cannot get {word} app: {NOT_OURS}"
    assert str(await refused(world, entry(key), value, modern=True)) == f"{word} app {NOT_OURS}"
    legacy, modern = await world.open(), await world.open(useAzureSDK=True)
    with pytest.raises(InvalidConfig) as failed:
        await legacy.delete(Remote(key))
    assert str(failed.value) == f"error getting {word} app: {NOT_OURS}"
    await modern.delete(Remote(key))
    assert written(world.fake) == []


@pytest.mark.parametrize(
    ("fault", "kind", "text"),
    [
        pytest.param(Fault(403, body="{}"), Denied, "cannot get secret app: unexpected api error: Key Vault", id="403"),
        pytest.param(Fault(503), Unavailable, "cannot get secret app: unexpected api error: Key Vault", id="503"),
    ],
)
async def test_a_look_that_fails_keeps_its_type(world: World, fault: Fault, kind: type, text: str) -> None:
    fault.path = "/secrets/app"
    world.fake.fail(fault)
    error = await refused(world, entry())
    assert isinstance(error, kind)
    assert str(error).startswith(text)


async def test_a_name_that_a_deleted_secret_holds_cannot_be_pushed_to(world: World) -> None:
    client = await world.open()
    await client.push(entry(), source())
    await client.delete(Remote("app"))
    error = await refused(world, entry())
    assert str(error) == (
        "could not set secret app: Key Vault answered 409 Conflict (Conflict, ObjectIsDeletedButRecoverable)"
    )
    assert "purge" in error.fix


async def test_an_object_that_is_being_deleted_comes_back_soon(world: World) -> None:
    client = await world.open()
    world.fake.faults = [Fault(404, body='{"error":{"code":"SecretNotFound"}}', path="/secrets/app/$")]
    world.fake.fail(
        Fault(
            409, body='{"error":{"code":"Conflict","innererror":{"code":"ObjectIsBeingDeleted"}}}', path="/secrets/app$"
        )
    )
    with pytest.raises(Busy):
        await client.push(entry(), source())


async def test_a_value_that_is_no_text_is_refused(world: World) -> None:
    assert "no UTF-8 text" in str(await refused(world, entry(), b"\xff\x00"))
    assert world.fake.count("/secrets") == 0


# types


@pytest.mark.parametrize("key", ["foo/app", "certificates/app"])
# P-180
async def test_p_180_types_that_are_none(world: World, key: str) -> None:
    word = key.partition("/")[0]
    assert str(await refused(world, entry(key))) == f"secret type {word} not supported"
    client = await world.open()
    for call in (client.delete, client.exists):
        with pytest.raises(InvalidConfig) as failed:
            await call(Remote(key))
        assert str(failed.value) == f"secret type '{word}' is not supported"
    assert world.fake.count("/foo") == 0


async def test_places_have_no_case_and_types_are_places_of_their_own(world: World) -> None:
    client = await world.open()
    assert writes(client) is client
    assert client.place(Remote("App", "x")) == client.place(Remote("secret/app", "y"))
    assert len({client.place(Remote(key)) for key in ("app", "cert/app", "key/app", "other")}) == 4


# certificates


def certificate(key: Any) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "eso")])
    now = datetime.now(UTC)
    made = x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + timedelta(days=1))
    return made.sign(key, hashes.SHA256())


def der(found: x509.Certificate) -> bytes:
    return found.public_bytes(Encoding.DER)


def pem(key: Any, form: PrivateFormat = PrivateFormat.PKCS8) -> bytes:
    return bytes(key.private_bytes(Encoding.PEM, form, NoEncryption()))


SHOWN = certificate(RSA)
FORMS = [
    pytest.param(der(SHOWN), id="DER"),
    pytest.param(SHOWN.public_bytes(Encoding.PEM), id="PEM"),
    pytest.param(pem(RSA) + SHOWN.public_bytes(Encoding.PEM), id="PEM behind its key"),
    pytest.param(b"words\n" + SHOWN.public_bytes(Encoding.PEM), id="PEM behind words"),
    pytest.param(pkcs12.serialize_key_and_certificates(b"x", RSA, SHOWN, None, NoEncryption()), id="PKCS#12"),
]


@MODES
@pytest.mark.parametrize("value", FORMS)
# P-183
async def test_p_183_a_certificate_is_imported_once(world: World, value: bytes, modern: bool) -> None:
    client = await world.open(useAzureSDK=modern)
    if value.startswith((b"words", b"-----BEGIN PRIVATE")):  # the contract server reads a plain PEM only
        world.fake.keep("certificates", "app", {"cer": base64.b64encode(der(SHOWN)).decode()}, OURS)
        await client.push(entry("cert/app"), source(value))
        assert written(world.fake) == []
        return
    for _ in range(2):
        await client.push(entry("cert/app", tags={"team": "a"}), source(value))
    assert written(world.fake) == ["POST /certificates/app/import"]
    sent = next(asked.body for asked in world.fake.asked if asked.path.endswith("/import"))
    assert sent == {"value": base64.b64encode(value).decode(), "tags": {"team": "a", **OURS}}
    assert await client.exists(Remote("cert/app"))


@pytest.mark.parametrize("value", [b"", b"planted", b"\x30\x82\x01", pem(RSA), b"-----BEGIN " * 90_000])
# P-183
async def test_p_183_what_is_no_certificate_writes_nothing(world: World, value: bytes) -> None:
    assert str(await refused(world, entry("cert/app"), value)) == material.NO_CERTIFICATE
    assert world.fake.count("/certificates") == 0


# keys


@MODES
@pytest.mark.parametrize(
    ("key", "form", "members"),
    [
        pytest.param(RSA, PrivateFormat.PKCS8, {"kty": "RSA", "e": "AQAB"}, id="RSA in PKCS#8"),
        pytest.param(RSA, PrivateFormat.TraditionalOpenSSL, {"kty": "RSA"}, id="RSA in PKCS#1"),
        pytest.param(EC, PrivateFormat.PKCS8, {"kty": "EC", "crv": "P-384"}, id="a curve in PKCS#8"),
        pytest.param(EC, PrivateFormat.TraditionalOpenSSL, {"kty": "EC"}, id="a curve in SEC 1"),
    ],
)
async def test_a_key_is_imported_once(
    world: World, key: Any, form: PrivateFormat, members: dict[str, str], modern: bool
) -> None:
    client = await world.open(useAzureSDK=modern)
    for _ in range(2):
        await client.push(entry("key/app"), source(pem(key, form)))
    assert written(world.fake) == ["PUT /keys/app"]
    sent = next(asked.body for asked in world.fake.asked if asked.method == "PUT")
    assert sent["tags"] == OURS
    assert members.items() <= sent["key"].items()
    names = {"RSA": {"n", "e", "d", "dp", "dq", "qi", "p", "q"}, "EC": {"crv", "x", "y", "d"}}[sent["key"]["kty"]]
    assert set(sent["key"]) == {"kty"} | names
    other = rsa.generate_private_key(65537, 2048) if key is RSA else ec.generate_private_key(ec.SECP384R1())
    await client.push(entry("key/app"), source(pem(other)))
    assert written(world.fake) == ["PUT /keys/app"] * 2


def test_numbers_of_a_key_are_as_long_as_its_curve() -> None:
    jwk = material.jwk_of(pem(ec.derive_private_key(1, ec.SECP521R1())), "app")
    assert [len(base64.urlsafe_b64decode(jwk[name] + "==")) for name in ("x", "y", "d")] == [66, 66, 66]


async def test_what_is_no_pem_is_a_symmetric_key(world: World) -> None:
    await pushed(world, entry("key/app"), b"\xff\x00")
    assert world.fake.asked[-1].body["key"] == {"kty": "oct", "k": "_wA"}


PUBLIC = RSA.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        pytest.param(PUBLIC, "key type PUBLIC KEY is not supported", id="a public key"),
        pytest.param(
            b"-----BEGIN PRIVATE KEY-----\ncGxhbnRlZA==\n-----END PRIVATE KEY-----\n",
            "unable to parse private key type",
            id="no key",
        ),
        pytest.param(
            pem(ed25519.Ed25519PrivateKey.generate()),
            "Key Vault takes RSA keys and keys on P-256, P-384, P-521, P-256K",
            id="a curve that Key Vault does not know",
        ),
    ],
)
async def test_what_is_no_key_writes_nothing(world: World, value: bytes, text: str) -> None:
    assert str(await refused(world, entry("key/app"), value)) == f"could not load private key app: {text}"
    assert world.fake.count("/keys") == 0


# delete and exists


@MODES
@pytest.mark.parametrize("key", ["app", "cert/app", "key/app"])
async def test_what_is_ours_is_deleted_and_what_is_gone_is_gone(world: World, key: str, modern: bool) -> None:
    for where, body in (
        ("secrets", {"value": "v"}),
        ("certificates", {"cer": "eA=="}),
        ("keys", {"key": {"kty": "RSA"}}),
    ):
        world.fake.objects.pop((where, "app"), None)
        world.fake.keep(where, "app", body, OURS)
    client = await world.open(useAzureSDK=modern)
    assert await client.exists(Remote(key))
    for _ in range(2):
        await client.delete(Remote(key))
    assert not await client.exists(Remote(key))
    assert len(written(world.fake)) == 1


async def test_a_deletion_that_is_denied_says_so(world: World) -> None:
    world.fake.put("app", "v", OURS)
    client = await world.open()
    world.fake.fail(Fault(403, body='{"error":{"code":"Forbidden"}}', path="/secrets/app$"))
    with pytest.raises(Denied, match=r"^error deleting secret app: Key Vault answered 403"):
        await client.delete(Remote("app"))


async def test_somebody_who_is_faster_deletes_it_too(world: World) -> None:
    world.fake.put("app", "v", OURS)
    client = await world.open()
    world.fake.fail(Fault(404, body='{"error":{"code":"SecretNotFound"}}', path="/secrets/app$"))
    await client.delete(Remote("app"))


async def test_what_may_not_be_read_is_not_taken_for_absent(world: World) -> None:
    world.fake.put("app", "v")
    world.fake.denied.add("app")
    client = await world.open()
    with pytest.raises(Denied):
        await client.exists(Remote("app"))


@pytest.mark.parametrize("key", ["app", "cert/app", "key/app"])
async def test_every_await_of_a_write_may_be_cancelled_and_a_later_one_heals_it(world: World, key: str) -> None:
    client = await world.open()
    value = {"app": b"v", "cert/app": der(SHOWN), "key/app": pem(EC)}[key]

    async def write() -> None:
        await client.push(entry(key), source(value))

    async for _ in every_await(write):
        continue
    await write()
    assert await client.exists(Remote(key))
    async for _ in every_await(lambda: client.delete(Remote(key))):
        continue
    await client.delete(Remote(key))
    assert not await client.exists(Remote(key))
