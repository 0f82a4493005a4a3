"""Which private keys are used: those that sign in a moment, whatever a file makes of itself."""

from __future__ import annotations

import base64
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa

from e2e.harness.certs import Authority
from eso.net import keys
from eso.net.http import TlsError, tls_context
from eso.net.keys import BadKey, first_block, private_key, rewritten

PLAIN = serialization.NoEncryption()
KEY = rsa.generate_private_key(65537, 2048)
NUMBERS = KEY.private_numbers()
PARTS = {
    "n": NUMBERS.public_numbers.n,
    "e": 65537,
    "d": NUMBERS.d,
    "p": NUMBERS.p,
    "q": NUMBERS.q,
    "dmp1": NUMBERS.dmp1,
    "dmq1": NUMBERS.dmq1,
    "iqmp": NUMBERS.iqmp,
}


def pem(key, password: bytes | None = None) -> bytes:
    locked = serialization.BestAvailableEncryption(password) if password else PLAIN
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, locked)


def element(tag: int, content: bytes) -> bytes:
    size = len(content)
    length = bytes([size]) if size < 128 else bytes([0x82]) + size.to_bytes(2, "big")
    return bytes([tag]) + length + content


def number(value: int) -> bytes:
    return element(2, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def armoured(label: str, der: bytes) -> bytes:
    return f"-----BEGIN {label}-----\n".encode() + base64.encodebytes(der) + f"-----END {label}-----\n".encode()


def pkcs1(version: int = 0, more: Sequence[bytes] = (), **changed: int) -> bytes:
    parts = [number(version), *(number(value) for value in (PARTS | changed).values()), *more]
    return armoured("RSA PRIVATE KEY", element(0x30, b"".join(parts)))


def locked(rounds: int, kdf: bytes = bytes.fromhex("2a864886f70d01050c")) -> bytes:
    """PKCS#8 that is encrypted with a key made in so many rounds; it opens with nothing."""
    made = element(0x30, element(6, kdf) + element(0x30, element(4, b"salt") + number(rounds)))
    cipher = element(0x30, element(6, bytes.fromhex("60864801650304012a")) + element(4, b"0" * 16))
    scheme = element(0x30, element(6, bytes.fromhex("2a864886f70d01050d")) + element(0x30, made + cipher))
    return armoured("ENCRYPTED PRIVATE KEY", element(0x30, scheme + element(4, b"1" * 32)))


LONG, WIDE = 1 << 16_000 | 1, 1 << 4_100 | 1


@pytest.mark.parametrize(
    ("text", "why"),
    [
        pytest.param(pkcs1(p=LONG, q=LONG, dmp1=LONG, dmq1=LONG, iqmp=LONG), keys.UNKNOWN, id="factors of 16,000 bits"),
        pytest.param(pkcs1(dmp1=LONG), keys.UNKNOWN, id="an exponent of 16,000 bits for one factor"),
        pytest.param(pkcs1(dmq1=LONG), keys.UNKNOWN, id="an exponent of 16,000 bits for the other one"),
        pytest.param(pkcs1(iqmp=LONG), keys.UNKNOWN, id="a coefficient of 16,000 bits"),
        pytest.param(pkcs1(d=LONG), keys.UNKNOWN, id="a private exponent of 16,000 bits"),
        pytest.param(pkcs1(p=1, q=PARTS["n"], dmp1=0, iqmp=0), keys.UNKNOWN, id="one factor as long as the modulus"),
        pytest.param(pkcs1(e=PARTS["d"] | 1), keys.UNKNOWN, id="a public exponent as long as the modulus"),
        pytest.param(pkcs1(n=PARTS["n"] + 2), keys.UNKNOWN, id="a modulus that is not their product"),
        pytest.param(
            pkcs1(n=WIDE * WIDE, p=WIDE, q=WIDE, d=3, dmp1=3, dmq1=3, iqmp=3),
            keys.TOO_STRONG,
            id="a modulus of 8201 bits",
        ),
        pytest.param(pkcs1(p=1 << 90_000 | 1), keys.TOO_STRONG, id="a file that is longer than any key"),
        pytest.param(
            pkcs1(1, [element(0x30, element(0x30, number(3) * 3))]), keys.UNKNOWN, id="a key with a third factor"
        ),
        pytest.param(pem(dsa.generate_private_key(1024)), keys.UNKNOWN, id="DSA"),
        pytest.param(pem(ed448.Ed448PrivateKey.generate()), keys.UNKNOWN, id="Ed448"),
        pytest.param(pem(ec.generate_private_key(ec.BrainpoolP512R1())), keys.UNKNOWN, id="a Brainpool curve"),
        pytest.param(pem(ec.generate_private_key(ec.SECP256K1())), keys.UNKNOWN, id="a Koblitz curve"),
        pytest.param(pem(KEY, b"hunter2"), keys.ENCRYPTED, id="a passphrase"),
        pytest.param(b"hunter2", keys.UNKNOWN, id="no PEM"),
        pytest.param(
            b"-----BEGIN PRIVATE KEY-----\nhunter2\n-----END RSA PRIVATE KEY-----\n",
            keys.UNKNOWN,
            id="no end of its own",
        ),
    ],
)
def test_a_key_that_could_hold_up_the_loop_is_refused_before_it_is_used(text, why):
    with pytest.raises(BadKey) as refused:
        private_key(text)
    assert str(refused.value) == why
    with pytest.raises(TlsError, match="cannot use the client certificate: ") as told:
        tls_context(cert_pem=b"never looked at", key_pem=text)
    assert why in str(told.value)


@pytest.mark.parametrize(
    "key",
    [
        pytest.param(KEY, id="RSA"),
        pytest.param(ec.generate_private_key(ec.SECP256R1()), id="P-256"),
        pytest.param(ec.generate_private_key(ec.SECP521R1()), id="P-521"),
        pytest.param(ed25519.Ed25519PrivateKey.generate(), id="Ed25519"),
    ],
)
def test_every_usual_key_is_read_in_every_usual_form(key):
    public = key.public_key()
    old = serialization.PrivateFormat.TraditionalOpenSSL
    forms = [pem(key)]
    if not isinstance(key, ed25519.Ed25519PrivateKey):
        forms.append(key.private_bytes(serialization.Encoding.PEM, old, PLAIN))
    for text in forms:
        assert private_key(text).public_key() == public
        assert private_key(b"a comment\n" + text + b"-----BEGIN CERTIFICATE-----\n").public_key() == public
        assert private_key(rewritten(text)).public_key() == public
    assert private_key(pem(key, b"hunter2"), b"hunter2").public_key() == public


def test_parameters_before_a_key_are_passed_over():
    made = subprocess.run(["openssl", "ecparam", "-name", "prime256v1", "-genkey"], capture_output=True, check=True)
    assert made.stdout.startswith(b"-----BEGIN EC PARAMETERS-----")
    assert isinstance(private_key(made.stdout), ec.EllipticCurvePrivateKey)


def test_what_is_judged_is_what_is_used():
    """Of two keys in a text the first one counts, to both readers."""
    other = ec.generate_private_key(ec.SECP256R1())
    text = rewritten(pem(other) + pkcs1(p=LONG))
    assert text.count(b"-----BEGIN ") == 1
    assert private_key(text).public_key() == other.public_key()
    assert first_block(b"x" * 10) == b"x" * 10


@pytest.mark.parametrize(
    ("text", "why"),
    [
        pytest.param(locked(2_000_000_000), keys.TOO_SLOW, id="two thousand million rounds"),
        pytest.param(locked(keys.MOST_ROUNDS + 1), keys.TOO_SLOW, id="one round too many"),
        pytest.param(locked(2048), keys.UNKNOWN, id="the usual number, another passphrase"),
        pytest.param(locked(16384, keys.SCRYPT[2:]), keys.TOO_SLOW, id="a function that takes memory"),
        pytest.param(armoured("ENCRYPTED PRIVATE KEY", b"\x30\x80\x00\x00"), keys.UNKNOWN, id="no length"),
        pytest.param(armoured("ENCRYPTED PRIVATE KEY", b"\x30\x05\x30"), keys.UNKNOWN, id="cut off"),
        pytest.param(armoured("ENCRYPTED PRIVATE KEY", b""), keys.UNKNOWN, id="empty"),
        pytest.param(armoured("ENCRYPTED PRIVATE KEY", b"\x30\x80" * 4000), keys.UNKNOWN, id="deep"),
    ],
)
def test_a_passphrase_that_takes_long_to_become_a_key_is_not_tried(text, why):
    with pytest.raises(BadKey) as refused:
        private_key(text, b"hunter2")
    assert str(refused.value) == why


def test_a_key_and_its_certificate_still_make_a_context(tmp_path: Path):
    pair = Authority(tmp_path).client("strong", "us")
    for text in (pair.key.read_bytes(), pair.cert.read_bytes() + pair.key.read_bytes()):
        tls_context(cert_pem=pair.cert.read_bytes(), key_pem=text)
