"""JSON Web Keys as PEM.

Neighbours: gocompat.jsonenc reads them, pem.py frames the result. A private key is never written as a public one, nor
the reverse.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode
from binascii import Error as Base64Error
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes, PublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from eso.gocompat import jsonenc
from eso.template.bounds import Budget
from eso.template.functions import keys, pem
from eso.template.functions.keys import KeyFormatError
from eso.template.values import FunctionError, Param, Table, Value

TABLE = Table()
STRING = Param.STRING
_STEPS = 500
LONGEST = 16 << 10
"""Bytes of a key as JSON: one of 8192 bits takes 6 KiB."""

_CURVES: dict[bytes, type[ec.EllipticCurve]] = {b"P-256": ec.SECP256R1, b"P-384": ec.SECP384R1, b"P-521": ec.SECP521R1}


@dataclass(frozen=True, slots=True)
class _Key:
    """One half of a pair; `go_type` is what Go calls it."""

    public: PublicKeyTypes | None
    private: PrivateKeyTypes | None
    go_type: str


def _parse(budget: Budget, text: bytes) -> _Key:
    budget.spend(_STEPS)
    if len(text) > LONGEST:
        raise FunctionError(f"failed to unmarshal JSON into key hint: longer than {LONGEST} bytes")
    try:
        document = jsonenc.decode(text)
    except jsonenc.JsonError:
        # Not the parser's text: it may show a character of the key.
        raise FunctionError("failed to unmarshal JSON into key hint: malformed JSON") from None
    if not isinstance(document, dict):
        raise FunctionError("failed to unmarshal JSON into key hint: not an object")
    kind = document.get(b"kty", b"")
    known = kind.decode() if isinstance(kind, bytes) and kind in (b"RSA", b"EC", b"OKP", b"oct") else ""
    private = document.get(b"d") not in (None, b"")
    try:
        match kind:
            case b"RSA":
                return _rsa(budget, document, private)
            case b"EC":
                return _curve(document, private)
            case b"OKP":
                return _edwards(document, private)
            case b"oct":
                _octets(document, b"k")
                return _Key(None, None, "[]uint8")
    except (ValueError, OverflowError):
        raise FunctionError(f"invalid {known} key") from None
    shown = kind.decode("utf-8", "replace") if isinstance(kind, bytes) else ""
    raise FunctionError(f"invalid key type from JSON ({shown})", told="invalid key type from JSON")


def _octets(document: dict[bytes, Value], name: bytes) -> bytes:
    text = document.get(name)
    if not isinstance(text, bytes) or not text:
        raise FunctionError(f"required field {name.decode()} is missing")
    plain = text.translate(bytes.maketrans(b"+/", b"-_")).rstrip(b"=")
    try:
        return urlsafe_b64decode(plain + b"=" * (-len(plain) % 4))
    except Base64Error:
        raise FunctionError(f"failed to decode value of field {name.decode()}") from None


def _number(document: dict[bytes, Value], name: bytes) -> int:
    return int.from_bytes(_octets(document, name), "big")


def _rsa(budget: Budget, document: dict[bytes, Value], private: bool) -> _Key:
    modulus = _number(document, b"n")
    try:
        keys.pay_for_rsa(budget, modulus.bit_length())
    except KeyFormatError as error:
        raise FunctionError(str(error)) from None
    public = rsa.RSAPublicNumbers(_number(document, b"e"), modulus)
    if not private:
        return _Key(public.public_key(), None, "*rsa.PublicKey")
    p, q, d = _number(document, b"p"), _number(document, b"q"), _number(document, b"d")
    if p * q != modulus or d >= modulus:
        raise ValueError
    numbers = rsa.RSAPrivateNumbers(
        p, q, d, rsa.rsa_crt_dmp1(d, p), rsa.rsa_crt_dmq1(d, q), rsa.rsa_crt_iqmp(p, q), public
    )
    return _Key(None, numbers.private_key(unsafe_skip_rsa_key_validation=True), "*rsa.PrivateKey")


def _curve(document: dict[bytes, Value], private: bool) -> _Key:
    name = document.get(b"crv")
    curve = _CURVES.get(name) if isinstance(name, bytes) else None
    if curve is None:
        raise FunctionError("invalid curve")
    public = ec.EllipticCurvePublicNumbers(_number(document, b"x"), _number(document, b"y"), curve())
    if not private:
        return _Key(public.public_key(), None, "*ecdsa.PublicKey")
    return _Key(
        None, ec.EllipticCurvePrivateNumbers(_number(document, b"d"), public).private_key(), "*ecdsa.PrivateKey"
    )


def _edwards(document: dict[bytes, Value], private: bool) -> _Key:
    name = document.get(b"crv")
    half = "PrivateKey" if private else "PublicKey"
    public = _octets(document, b"x")
    if name == b"X25519":
        return _Key(None, None, f"x25519.{half}")
    if name != b"Ed25519":
        raise FunctionError("invalid curve")
    if private:
        return _Key(None, ed25519.Ed25519PrivateKey.from_private_bytes(_octets(document, b"d")), f"ed25519.{half}")
    return _Key(ed25519.Ed25519PublicKey.from_public_bytes(public), None, f"ed25519.{half}")


@TABLE.function("jwkPublicKeyPem", params=(STRING,), budget=True)
def public_key_pem(budget: Budget, text: bytes) -> bytes:
    key = _parse(budget, text)
    if key.public is None:
        raise FunctionError(f"x509: unsupported public key type: {key.go_type}")
    return pem.encode(b"PUBLIC KEY", key.public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))


@TABLE.function("jwkPrivateKeyPem", params=(STRING,), budget=True)
def private_key_pem(budget: Budget, text: bytes) -> bytes:
    key = _parse(budget, text)
    if key.private is None:
        raise FunctionError(f"x509: unknown key type while marshaling PKCS#8: {key.go_type}")
    return pem.encode(b"PRIVATE KEY", keys.pkcs8(key.private))
