"""Keys that sign, and what they sign."""

from __future__ import annotations

import base64
import json

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from eso.providers.contract import InvalidConfig
from eso.providers.kit import jwt

KEY = rsa.generate_private_key(65537, 2048)


def pem(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey, password: bytes | None = None) -> bytes:
    hidden = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, hidden)


@pytest.mark.parametrize(
    ("key_id", "head"),
    [(None, {"alg": "RS256", "typ": "JWT"}), ("k1", {"alg": "RS256", "typ": "JWT", "kid": "k1"})],
)
def test_a_token_is_signed_over_its_head_and_claims(key_id: str | None, head: dict[str, str]) -> None:
    text, _, mark = jwt.signed(KEY, {"iss": "7"}, key_id).rpartition(".")
    parts = [json.loads(base64.urlsafe_b64decode(part + "==")) for part in text.split(".")]
    assert parts == [head, {"iss": "7"}]
    made = base64.urlsafe_b64decode(mark + "==")
    KEY.public_key().verify(made, text.encode(), padding.PKCS1v15(), hashes.SHA256())


def test_an_encrypted_key_opens_with_its_password() -> None:
    assert jwt.rsa_key(pem(KEY, b"hunter2"), b"hunter2").private_numbers() == KEY.private_numbers()


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"planted", id="no PEM"),
        pytest.param(pem(KEY, b"hunter2"), id="encrypted, without a password"),
        pytest.param(pem(ec.generate_private_key(ec.SECP256R1())), id="another kind of key"),
        pytest.param(b"-----BEGIN PRIVATE KEY-----\nplanted\n-----END PRIVATE KEY-----", id="broken"),
    ],
)
def test_what_is_no_rsa_key_is_refused_and_not_shown(text: bytes) -> None:
    with pytest.raises(InvalidConfig) as refused:
        jwt.rsa_key(text)
    assert "planted" not in f"{refused.value}{refused.value.fix}{refused.value.__context__}"


def unsound() -> rsa.RSAPrivateKey:
    """A key that loads, with a factor that is even, and so is the modulus."""
    form = serialization.PrivateFormat.TraditionalOpenSSL
    der = KEY.private_bytes(serialization.Encoding.DER, form, serialization.NoEncryption())
    numbers = KEY.private_numbers()
    for odd, even, size in ((numbers.p, numbers.p - 1, 128), (numbers.p * numbers.q, (numbers.p - 1) * numbers.q, 256)):
        der = der.replace(odd.to_bytes(size, "big"), even.to_bytes(size, "big"))
    text = base64.encodebytes(der)
    return jwt.rsa_key(b"-----BEGIN RSA PRIVATE KEY-----\n" + text + b"-----END RSA PRIVATE KEY-----\n")


@pytest.mark.parametrize("alg", ("RS256", "PS256"))
def test_a_key_that_loads_and_cannot_sign_is_a_typed_refusal(alg: str) -> None:
    with pytest.raises(InvalidConfig) as refused:
        jwt.signed(unsound(), {"iss": "7"}, alg=alg)
    assert str(refused.value) == "the RSA key cannot sign: it is broken or too short"
