"""Certificates and keys: what a service principal logs in with, and what a push brings. Pure, for a thread.

Neighbours: login.py and client.py import it late, since most stores have neither. The readers are those of templates:
bounded, whatever a file asks for. No text made here holds a part of a key.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, Final

from cryptography import x509 as library
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding

from eso.providers.contract import InvalidConfig
from eso.providers.kit.entra import Certificate
from eso.providers.kit.jwt import encoded
from eso.template.bounds import BoundsExceeded, Budget, Limits
from eso.template.functions import keys, pem, pkcs12, x509
from eso.template.world import WORLD

DECODE: Final = "failed to get oauth token from certificate auth: failed to decode certificate: "
NO_CERTIFICATE: Final = (
    "value from secret is not a valid certificate: could not parse certificate value as PKCS#12, DER or PEM"
)
KEY_TYPES: Final = (b"PRIVATE KEY", b"RSA PRIVATE KEY", b"EC PRIVATE KEY")
CURVES: Final = {"secp256r1": "P-256", "secp384r1": "P-384", "secp521r1": "P-521", "secp256k1": "P-256K"}


@contextmanager
def bounded() -> Iterator[Budget]:
    """What one file may cost. Raises InvalidConfig for one that asks for more."""
    try:
        yield Budget(Limits(), WORLD)
    except BoundsExceeded:
        raise InvalidConfig("the certificate or key asks for too much work", fix="write it with fewer rounds") from None


# what a service principal logs in with


def of_client(data: bytes, *, pkcs12_too: bool) -> Certificate:
    """The certificate and its unencrypted RSA key, in any order. Raises InvalidConfig with the reference's texts."""
    with bounded() as budget:
        if pkcs12_too and b"-----BEGIN " not in data:
            return of_pkcs12(budget, data)
        return of_pem(budget, data)


def of_pem(budget: Budget, data: bytes) -> Certificate:
    """A block that cannot be read is none, as in the reference."""
    budget.spend(pem.price(data))
    certificates: list[library.Certificate] = []
    key: rsa.RSAPrivateKey | None = None
    for block in pem.blocks(data):
        with suppress(ValueError):  # of both readers
            if block.kind == x509.CERTIFICATE:
                certificates.append(x509.parse(budget, block.data))
            elif key is None and block.kind.endswith(b"PRIVATE KEY"):
                key = rsa_key(keys.parse(budget, block.data))
    if not certificates:
        raise InvalidConfig(f"{DECODE}no certificate found in PEM file")
    if key is None:
        raise InvalidConfig(f"{DECODE}no private key found in PEM file", fix="give an unencrypted RSA key in PEM")
    return chosen(certificates, key)


def of_pkcs12(budget: Budget, data: bytes) -> Certificate:
    try:
        found = pkcs12.read(budget, data, b"")
    except pkcs12.Pkcs12Error as error:
        raise InvalidConfig(f"{DECODE}{error}", fix="give PEM, or PKCS#12 without a password") from None
    key = rsa_key(found.key)
    if key is None:
        raise InvalidConfig(f"{DECODE}the key is no RSA key")
    return chosen(found.certificates, key)


def rsa_key(found: PrivateKeyTypes) -> rsa.RSAPrivateKey | None:
    return found if isinstance(found, rsa.RSAPrivateKey) else None


def chosen(certificates: list[library.Certificate], key: rsa.RSAPrivateKey) -> Certificate:
    """Of a chain the certificate of this key, else the first one."""
    public = key.public_key().public_numbers()
    fitting = certificates[0]
    for certificate in certificates:
        with suppress(ValueError, UnsupportedAlgorithm):
            theirs = certificate.public_key()
            if isinstance(theirs, rsa.RSAPublicKey) and theirs.public_numbers() == public:
                fitting = certificate
                break
    return Certificate(fitting.public_bytes(Encoding.DER), key)


# what a push brings


def certificate_in(value: bytes) -> bytes:
    """The DER of the certificate in PKCS#12 without a password, DER or PEM. Raises InvalidConfig."""
    with bounded() as budget:
        with suppress(pkcs12.Pkcs12Error):
            return der(pkcs12.read(budget, value, b"").certificates[0])
        with suppress(ValueError):
            return der(x509.parse(budget, value))
        budget.spend(pem.price(value))
        for block in pem.blocks(value):
            if block.kind == x509.CERTIFICATE:
                with suppress(ValueError):
                    return der(x509.parse(budget, block.data))
                break
    raise InvalidConfig(NO_CERTIFICATE)


def der(certificate: library.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.DER)


def jwk_of(value: bytes, name: str) -> dict[str, Any]:
    """The key in PEM, or all of the value as a symmetric key, as Key Vault imports it. Raises InvalidConfig."""
    failed = f"could not load private key {name}: "
    with bounded() as budget:
        budget.spend(pem.price(value))
        found = pem.decode(value)
        if found is None:
            return {"kty": "oct", "k": encoded(value)}
        kind = found[0].kind
        if kind not in KEY_TYPES:
            raise InvalidConfig(f"{failed}key type {kind.decode('utf-8', 'replace')[:60]} is not supported")
        try:
            key = keys.parse(budget, found[0].data)
        except keys.KeyFormatError as error:
            raise InvalidConfig(f"{failed}{error.told}") from None
    match key:
        case rsa.RSAPrivateKey():
            return of_rsa(key.private_numbers())
        case ec.EllipticCurvePrivateKey() if key.curve.name in CURVES:
            return of_curve(key.private_numbers(), CURVES[key.curve.name], (key.curve.key_size + 7) // 8)
    raise InvalidConfig(f"{failed}Key Vault takes RSA keys and keys on {', '.join(CURVES.values())}")


def of_rsa(numbers: rsa.RSAPrivateNumbers) -> dict[str, Any]:
    public = numbers.public_numbers
    members = {
        "n": public.n,
        "e": public.e,
        "d": numbers.d,
        "dp": numbers.dmp1,
        "dq": numbers.dmq1,
        "qi": numbers.iqmp,
        "p": numbers.p,
        "q": numbers.q,
    }
    return {"kty": "RSA"} | {name: number(value, (value.bit_length() + 7) // 8) for name, value in members.items()}


def of_curve(numbers: ec.EllipticCurvePrivateNumbers, curve: str, size: int) -> dict[str, Any]:
    public = numbers.public_numbers
    members = {"x": public.x, "y": public.y, "d": numbers.private_value}
    return {"kty": "EC", "crv": curve} | {name: number(value, size) for name, value in members.items()}


def number(value: int, size: int) -> str:
    return encoded(value.to_bytes(size, "big"))


def same_key(new: Mapping[str, Any], live: Mapping[str, Any]) -> bool:
    """Whether the public parts are equal. The vault never tells a symmetric key."""
    names = ("n", "e") if new["kty"] == "RSA" else ("crv", "x", "y") if new["kty"] == "EC" else ("k",)
    return all(plain(new.get(name)) == plain(live.get(name)) is not None for name in names)


def plain(text: Any) -> bytes | None:
    """Bytes behind base64url without leading zeros, which some writers leave out."""
    if not isinstance(text, str):
        return None
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).lstrip(b"\0")
    except (binascii.Error, ValueError):
        return text.encode("utf-8", "replace")
