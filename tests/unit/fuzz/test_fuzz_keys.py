"""Any PEM, DER, PKCS#12 and JWK that a value may hold is read, or refused by an error that does not quote it."""

from __future__ import annotations

import base64
import json
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import pkcs12 as library
from hypothesis import given
from hypothesis import strategies as st

from eso.api.changesource import Sns
from eso.gocompat.x509 import certificates
from eso.net.http import TlsError, tls_context
from eso.net.keys import BadKey, private_key
from eso.notify.sns import verdict
from eso.notify.verify import FORGED
from eso.providers.aws import certificatepush
from eso.providers.contract import Malformed
from eso.stores.credentials import pem_fault
from eso.template import Limits, TemplateError, World, render
from eso.template.functions import der, pem
from tests.unit.fuzz.shapes import broken, edited
from tests.unit.template.functions.test_key_functions import EC_KEY, LEGACY

LIMITS = Limits(steps=200_000, output_bytes=100_000, value_bytes=1_000_000, template_depth=200, seconds=5.0)
WORLD = World(lambda: 1_700_000_000_000_000_000, lambda: 0.0, lambda n: b"\x55" * n)


def certificate(key: ec.EllipticCurvePrivateKey, name: str) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(datetime(2024, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2024, 1, 1, tzinfo=UTC) + timedelta(days=9))
        .sign(key, hashes.SHA256())
    )


def pem_of(key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey, kind: serialization.PrivateFormat) -> bytes:
    return key.private_bytes(serialization.Encoding.PEM, kind, serialization.NoEncryption())


KEY = serialization.load_pem_private_key(EC_KEY, None)
assert isinstance(KEY, ec.EllipticCurvePrivateKey)
LEAF = certificate(KEY, "leaf")
PEM = LEAF.public_bytes(serialization.Encoding.PEM)
ED = ed25519.Ed25519PrivateKey.from_private_bytes(b"\x07" * 32)
PEM_SEEDS = [
    PEM + EC_KEY,
    EC_KEY + PEM + PEM,
    pem_of(KEY, serialization.PrivateFormat.PKCS8),
    pem_of(ED, serialization.PrivateFormat.PKCS8),
    pem_of(ED, serialization.PrivateFormat.OpenSSH),
    b"-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\nAAAA\n"
    b"-----END RSA PRIVATE KEY-----\n",
    b"text before\r\n" + PEM.replace(b"\n", b"\r\n") + b"and after",
]
NEW = library.serialize_key_and_certificates(
    b"leaf", KEY, LEAF, [certificate(KEY, "ca")], serialization.BestAvailableEncryption(b"alt")
)
BARE = library.serialize_key_and_certificates(None, KEY, LEAF, None, serialization.NoEncryption())
DER_SEEDS = [LEGACY, NEW, BARE, LEAF.public_bytes(serialization.Encoding.DER)]
NUMBERS = KEY.private_numbers()


def b64(number: int) -> str:
    return base64.urlsafe_b64encode(number.to_bytes(32, "big")).rstrip(b"=").decode()


JWK = {
    "kty": "EC",
    "crv": "P-256",
    "x": b64(NUMBERS.public_numbers.x),
    "y": b64(NUMBERS.public_numbers.y),
    "d": b64(NUMBERS.private_value),
}
RSA = {"kty": "RSA", "n": "AQAB" * 90, "e": "AQAB", "d": "AQ", "p": "AQ", "q": "Ag", "dp": "", "dq": "", "qi": ""}
JWK_SEEDS = [json.dumps(one).encode() for one in (JWK, RSA, {"kty": "OKP", "crv": "Ed25519", "x": "BwcH", "d": "Bw"})]


def attempt(source: str, value: bytes) -> None:
    try:
        assert isinstance(render(source, {"v": value, "w": PEM}, limits=LIMITS, world=WORLD), bytes)
    except TemplateError as error:
        text = value.decode("utf-8", "replace")
        assert not any(text[at : at + 12] in str(error) for at in range(max(0, len(text) - 11)))


@given(broken(PEM_SEEDS))
def test_fuzz_pem(text: bytes) -> None:
    for block in pem.blocks(text):
        assert pem.decode(pem.encode(block.kind, block.data)) is not None
    for source in (
        '{{ .v | filterPEM "CERTIFICATE" }}',
        '{{ .v | filterPEM "PRIVATE KEY" }}',
        "{{ filterCertChain `leaf` .v }}",
        "{{ pemToPkcs12 .v .v | len }}",
        "{{ fullPemToPkcs12 .v .v | len }}",
        "{{ pemTruststoreToPKCS12 .v | len }}",
        "{{ buildCustomCert (b64enc .v) (b64enc .v) }}",
    ):
        attempt(source, text)
    assert isinstance(pem_fault(text), str)
    for password in (None, b"hunter2"):
        with suppress(BadKey):
            private_key(text, password)


def test_a_certificate_of_a_version_that_nobody_knows_is_malformed_to_all_who_read_one() -> None:
    """The library has a class of its own for that, which is no ValueError."""
    made = LEAF.public_bytes(serialization.Encoding.DER).replace(b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x01")
    text = pem.encode(b"CERTIFICATE", made)
    assert "malformed certificate" in pem_fault(text)
    assert certificates(text) == []
    with pytest.raises(Malformed):
        certificatepush.split(text)
    topic = "arn:aws:sns:eu-west-1:1:t"
    members = ("Message", "MessageId", "Timestamp", "TopicArn", "Type")
    message = dict.fromkeys(members, "Notification") | {"TopicArn": topic, "SignatureVersion": "2", "Signature": ""}
    assert verdict(message, Sns((topic,)), text, 0.0) == FORGED


@given(broken(PEM_SEEDS), broken(PEM_SEEDS))
def test_fuzz_pem_of_a_store(certificates: bytes, key: bytes) -> None:
    for options in ({"ca_pem": certificates}, {"ca_pem": PEM, "cert_pem": certificates, "key_pem": key}):
        if not options["ca_pem"]:
            continue  # the system's authorities, read anew each time
        try:
            tls_context(**options)
        except TlsError as error:
            assert "-----" not in str(error)


@given(broken(DER_SEEDS) | st.binary(max_size=60))
def test_fuzz_der(data: bytes) -> None:
    try:
        found = list(der.nodes(data))
    except der.DerError as error:
        assert str(error).startswith("asn1: ")
        return
    assert b"".join(node.whole for node in found) == data
    for node in found:
        for read in (node.children, node.integer, node.oid):
            with suppress(der.DerError):
                read()


@given(broken(DER_SEEDS[:3]), st.sampled_from(["alt", "", "wrong", "ä"]))
def test_fuzz_pkcs12(data: bytes, password: str) -> None:
    for name in ("pkcs12keyPass", "pkcs12certPass"):
        attempt(f'{{{{ .v | {name} "{password}" }}}}', data)


@given(broken(JWK_SEEDS))
def test_fuzz_jwk(text: bytes) -> None:
    for name in ("jwkPublicKeyPem", "jwkPrivateKeyPem"):
        attempt(f"{{{{ .v | {name} }}}}", text)


@pytest.mark.parametrize("seed", [PEM_SEEDS[0], NEW, JWK_SEEDS[0]], ids=["PEM", "PKCS#12", "JWK"])
def test_a_seed_without_an_edit_is_good(seed: bytes) -> None:
    """Otherwise the edits would start from what is refused at once."""
    assert edited(seed, []) == seed
    source = {
        PEM_SEEDS[0]: '{{ .v | filterPEM "CERTIFICATE" }}',
        NEW: '{{ .v | pkcs12keyPass "alt" }}',
        JWK_SEEDS[0]: "{{ .v | jwkPrivateKeyPem }}",
    }[seed]
    assert b"-----BEGIN" in render(source, {"v": seed}, limits=LIMITS, world=WORLD)
