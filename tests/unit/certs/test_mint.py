"""Which certificates are made, and when: the reference's lifetimes, names and uses."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from eso.certs.keep import new_key
from eso.certs.mint import AHEAD, Kept, NewAuthority, NewServer, authority, needed, server
from eso.gocompat.x509 import distrusted

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
NAME = "external-secrets-webhook.default.svc"
DAY = timedelta(days=1)
TEN_YEARS = timedelta(days=3650)


@functools.cache
def key(number: int) -> rsa.RSAPrivateKey:
    return new_key()


def whole(name: str = NAME, now: datetime = NOW, keys: int = 0) -> dict[str, bytes]:
    """What the Secret holds after both were made."""
    ca = authority(key(keys), 1, now)
    return ca | server(ca, key(keys + 1), 2, name, now)


GOOD = whole()


def certificate(name: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate(GOOD[name])


def extension(found: x509.Certificate, kind: type[x509.ExtensionType]) -> x509.Extension[x509.ExtensionType]:
    return found.extensions.get_extension_for_class(kind)


@pytest.mark.parametrize("name", ["ca.crt", "tls.crt"])
def test_both_are_valid_for_ten_years_from_an_hour_ago(name: str):
    found = certificate(name)
    assert found.not_valid_before_utc == NOW - timedelta(hours=1)
    assert found.not_valid_after_utc == NOW + TEN_YEARS


def test_the_ca_is_called_as_that_of_the_reference_and_signs_certificates():
    ca = certificate("ca.crt")
    subject = {one.oid: one.value for one in ca.subject}
    assert subject == {NameOID.COMMON_NAME: "external-secrets", NameOID.ORGANIZATION_NAME: "external-secrets"}
    names = extension(ca, x509.SubjectAlternativeName).value
    assert names == x509.SubjectAlternativeName([x509.DNSName("external-secrets")])
    constraints, usage = extension(ca, x509.BasicConstraints), extension(ca, x509.KeyUsage).value
    assert constraints.critical and constraints.value == x509.BasicConstraints(ca=True, path_length=None)
    assert isinstance(usage, x509.KeyUsage) and usage.key_cert_sign and usage.digital_signature


def test_the_server_is_called_by_the_name_of_its_service_and_serves():
    found = certificate("tls.crt")
    assert [one.value for one in found.subject] == [NAME]
    assert extension(found, x509.SubjectAlternativeName).value == x509.SubjectAlternativeName([x509.DNSName(NAME)])
    assert list(extension(found, x509.ExtendedKeyUsage).value) == [ExtendedKeyUsageOID.SERVER_AUTH]  # type: ignore[call-overload]
    usage = extension(found, x509.KeyUsage).value
    assert isinstance(usage, x509.KeyUsage) and not usage.key_cert_sign and usage.key_encipherment


def test_keys_are_rsa_2048_in_the_form_that_the_reference_reads():
    for name in ("ca.key", "tls.key"):
        assert GOOD[name].startswith(b"-----BEGIN RSA PRIVATE KEY-----")
        read = serialization.load_pem_private_key(GOOD[name], None)
        assert isinstance(read, rsa.RSAPrivateKey) and read.key_size == 2048


def test_a_client_trusts_the_server():
    assert distrusted(GOOD["tls.crt"], GOOD["tls.key"], GOOD["ca.crt"], NAME, NOW) == ""


def test_a_name_that_is_too_long_for_a_common_name_stands_among_the_alternatives():
    name = f"{'w' * 50}.{'n' * 50}.svc"
    made = whole(name)
    assert distrusted(made["tls.crt"], made["tls.key"], made["ca.crt"], name, NOW) == ""
    assert needed(made, name, NOW) == Kept()


OTHER = whole(keys=2)
ELSEWHERE = whole("other.default.svc")
SELF = server({"ca.crt": OTHER["ca.crt"], "ca.key": OTHER["ca.key"]}, key(1), 3, NAME, NOW)


def lacking(*names: str) -> dict[str, bytes]:
    return {name: value for name, value in GOOD.items() if name not in names}


@pytest.mark.parametrize(
    ("data", "ahead", "kind", "reason"),
    [
        pytest.param(GOOD, timedelta(), Kept, "", id="all is there"),
        pytest.param(GOOD, TEN_YEARS - AHEAD - DAY, Kept, "", id="ninety-one days before the end"),
        pytest.param(GOOD, TEN_YEARS - AHEAD + DAY, NewAuthority, "the CA is not valid after", id="eighty-nine days"),
        pytest.param(GOOD, TEN_YEARS + DAY, NewAuthority, "the CA is not valid after", id="long expired"),
        pytest.param(GOOD, -DAY, NewAuthority, "the CA is not valid before", id="a clock that was set back"),
        pytest.param({}, timedelta(), NewAuthority, "there is no CA", id="an emptied Secret"),
        pytest.param(dict.fromkeys(GOOD, b""), timedelta(), NewAuthority, "there is no CA", id="empty values"),
        pytest.param(dict.fromkeys(GOOD, b"x"), timedelta(), NewAuthority, "there is no CA", id="rubbish"),
        pytest.param(lacking("ca.key"), timedelta(), NewAuthority, "the CA's key", id="no key of the CA"),
        pytest.param(
            GOOD | {"ca.key": OTHER["ca.key"]}, timedelta(), NewAuthority, "the CA's key", id="another key of the CA"
        ),
        pytest.param(
            GOOD | {"ca.crt": OTHER["ca.crt"]},
            timedelta(),
            NewAuthority,
            "the CA's key",
            id="another certificate of the CA",
        ),
        pytest.param(
            GOOD | {"ca.crt": GOOD["tls.crt"], "ca.key": GOOD["tls.key"]},
            timedelta(),
            NewAuthority,
            "the CA is none",
            id="a server's certificate as CA",
        ),
        pytest.param(lacking("tls.crt"), timedelta(), NewServer, "there is no certificate", id="no certificate"),
        pytest.param(lacking("tls.key"), timedelta(), NewServer, "the key is not", id="no key"),
        pytest.param(GOOD | {"tls.key": OTHER["tls.key"]}, timedelta(), NewServer, "the key is not", id="another key"),
        pytest.param(
            GOOD | {"ca.crt": OTHER["ca.crt"], "ca.key": OTHER["ca.key"]},
            timedelta(),
            NewServer,
            "not signed by the CA",
            id="a swapped CA that can sign",
        ),
        pytest.param(
            GOOD | {"ca.crt": OTHER["ca.crt"] + GOOD["ca.crt"], "ca.key": OTHER["ca.key"]},
            timedelta(),
            NewServer,
            "not signed by the CA",
            id="the CA that signs is the first one",
        ),
        pytest.param(ELSEWHERE, timedelta(), NewServer, f"not valid for {NAME}", id="a service that was renamed"),
    ],
)
def test_what_has_to_be_made(data: Mapping[str, bytes], ahead: timedelta, kind: type, reason: str):
    found = needed(data, NAME, NOW + ahead)
    assert isinstance(found, kind)
    assert reason in getattr(found, "reason", "")


def test_a_ca_with_a_key_of_another_kind_is_replaced():
    private = ed25519.Ed25519PrivateKey.generate()
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "external-secrets")])
    ca = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private.public_key())
        .serial_number(1)
        .not_valid_before(NOW - DAY)
        .not_valid_after(NOW + TEN_YEARS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("external-secrets")]), critical=False)
        .sign(private, None)
    )
    data = {
        "ca.crt": ca.public_bytes(serialization.Encoding.PEM),
        "ca.key": private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ),
    }
    assert isinstance(needed(data, NAME, NOW), NewAuthority)


def test_what_was_made_is_kept():
    data = dict(GOOD)
    for broken in ("tls.crt", "ca.crt"):
        data.pop(broken)
        if isinstance(needed(data, NAME, NOW), NewAuthority):
            data |= authority(key(4), 9, NOW)
        data |= server(data, key(5), 10, NAME, NOW)
        assert needed(data, NAME, NOW) == Kept()
