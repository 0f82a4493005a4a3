"""Private keys: reading them in any of the usual forms, making new ones, RSA decryption.

Neighbours: pem.py frames them, certificates.py signs with them. Key generation draws on the system's entropy, not on
the budget's world.
"""

from __future__ import annotations

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from eso.template.bounds import Budget
from eso.template.functions import pem
from eso.template.values import FunctionError, Param, Table

TABLE = Table()
STRING = Param.STRING
SLOW = frozenset({"genPrivateKey", "rsaDecrypt"})

RSA_2048_STEPS, RSA_4096_STEPS, DSA_STEPS, CURVE_STEPS = 25_000, 150_000, 250_000, 500
"""What making a key costs, in steps: by these a rendering that makes too many ends before the clock does."""

_HASHES: dict[bytes, type[hashes.HashAlgorithm]] = {
    b"SHA1": hashes.SHA1,
    b"SHA256": hashes.SHA256,
    b"SHA512": hashes.SHA512,
}


class KeyFormatError(ValueError):
    """The bytes are no private key of a known form; the text is fixed."""


def _pay_for(budget: Budget, der: bytes) -> None:
    """Reading an RSA key proves its primes: the work grows with the cube of its size."""
    budget.spend(CURVE_STEPS + (len(der) // 100) ** 3)


def parse(budget: Budget, der: bytes) -> PrivateKeyTypes:
    """PKCS#1, PKCS#8 or SEC 1, whatever the label said. Raises KeyFormatError."""
    _pay_for(budget, der)
    try:
        key = serialization.load_der_private_key(der, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise KeyFormatError("unable to parse private key type") from None
    if isinstance(key, dsa.DSAPrivateKey):
        raise KeyFormatError("unable to parse private key type")
    return key


def pkcs8(key: PrivateKeyTypes) -> bytes:
    """DER."""
    return key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())


def as_pem(key: PrivateKeyTypes) -> bytes:
    """In the key type's own form: PKCS#1 for RSA, SEC 1 for EC, DSA's, else PKCS#8."""
    for kind, label in (
        (rsa.RSAPrivateKey, b"RSA PRIVATE KEY"),
        (ec.EllipticCurvePrivateKey, b"EC PRIVATE KEY"),
        (dsa.DSAPrivateKey, b"DSA PRIVATE KEY"),
    ):
        if isinstance(key, kind):
            return pem.encode(label, key.private_bytes(Encoding.DER, PrivateFormat.TraditionalOpenSSL, NoEncryption()))
    return pem.encode(b"PRIVATE KEY", pkcs8(key))


def from_pem(budget: Budget, text: bytes) -> PrivateKeyTypes:
    """The key in the first block of `text`, read as its label says. Raises KeyFormatError."""
    found = pem.decode(text)
    if found is None:
        raise KeyFormatError("no PEM data in input")
    block = found[0]
    label = block.kind.decode("utf-8", "replace")
    if label != "PRIVATE KEY" and not label.endswith(" PRIVATE KEY"):
        raise KeyFormatError(f"no private key data in PEM block of type {label}")
    names = {
        "PRIVATE KEY": "PKCS#8",
        "EC PRIVATE KEY": "EC private key",
        "RSA PRIVATE KEY": "RSA private key",
        "DSA PRIVATE KEY": "DSA private key",
    }
    if label not in names:
        raise KeyFormatError(f"unknown private key type {label}")
    _pay_for(budget, block.data)
    try:
        return serialization.load_der_private_key(block.data, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise KeyFormatError(f"decoding PEM as {names[label]}: malformed key") from None


def new_rsa(budget: Budget, bits: int) -> rsa.RSAPrivateKey:
    budget.spend(RSA_2048_STEPS if bits <= 2048 else RSA_4096_STEPS)
    return rsa.generate_private_key(65537, bits)


@TABLE.function("genPrivateKey", params=(STRING,), budget=True, dice=True)
def gen_private_key(budget: Budget, kind: bytes) -> bytes:
    match kind:
        case b"" | b"rsa":
            return as_pem(new_rsa(budget, 4096))
        case b"dsa":
            budget.spend(DSA_STEPS)
            return as_pem(dsa.generate_private_key(2048))
        case b"ecdsa":
            budget.spend(CURVE_STEPS)
            return as_pem(ec.generate_private_key(ec.SECP256R1()))
        case b"ed25519":
            budget.spend(CURVE_STEPS)
            return as_pem(ed25519.Ed25519PrivateKey.generate())
    return b"Unknown type " + kind


@TABLE.function("rsaDecrypt", params=(STRING, STRING, STRING, STRING), budget=True)
def rsa_decrypt(budget: Budget, scheme: bytes, hash_name: bytes, ciphertext: bytes, key_pem: bytes) -> bytes:
    if scheme == b"None":
        return ciphertext
    if scheme != b"RSA-OAEP":
        raise FunctionError(b"decryption scheme " + scheme + b" is not supported")
    found = pem.decode(key_pem)
    if found is None:
        raise FunctionError("failed to decode PEM block")
    try:
        key = parse(budget, found[0].data)
    except KeyFormatError as error:
        raise FunctionError(f"could not parse private key: {error}") from None
    if not isinstance(key, rsa.RSAPrivateKey):
        raise FunctionError("could not parse RSA private key")
    algorithm = _HASHES.get(hash_name, hashes.SHA256)()
    try:
        return key.decrypt(ciphertext, padding.OAEP(padding.MGF1(algorithm), algorithm, label=None))
    except ValueError:
        raise FunctionError("error decrypting data with RSA: crypto/rsa: decryption error") from None
