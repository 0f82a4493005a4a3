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
from eso.template.functions import der, pem
from eso.template.values import FunctionError, Param, Table

TABLE = Table()
STRING = Param.STRING
SLOW = frozenset({"genPrivateKey", "rsaDecrypt"})

RSA_USE_STEPS = 120
"""Of one private operation with 1024 bits."""
RSA_2048_STEPS, RSA_4096_STEPS, DSA_STEPS, CURVE_STEPS = 25_000, 150_000, 250_000, 500
"""What making a key costs, in steps: by these a rendering that makes too many ends before the clock does."""

_HASHES: dict[bytes, type[hashes.HashAlgorithm]] = {
    b"SHA1": hashes.SHA1,
    b"SHA256": hashes.SHA256,
    b"SHA512": hashes.SHA512,
}


class KeyFormatError(ValueError):
    """The bytes are no private key of a known form. `told` is fixed; the text has the label of the PEM block too."""

    def __init__(self, told: str, label: str = "") -> None:
        super().__init__(f"{told} of type {label}" if label and told.endswith("block") else f"{told} {label}".rstrip())
        self.told = told


MAX_BITS = 8192
"""Of an RSA modulus. Every use of a key grows with the cube of its size."""
MAX_DER = 8 << 10
"""Bytes of a private key: an RSA key of MAX_BITS takes 4.8 KiB."""


def pay_for_rsa(budget: Budget, bits: int) -> None:
    """For reading an RSA key and using it once. Raises KeyFormatError for one that is too large."""
    if bits > MAX_BITS:
        raise KeyFormatError(f"the key is larger than {MAX_BITS} bits")
    budget.spend(CURVE_STEPS + RSA_USE_STEPS * (bits // 1024 + 1) ** 3)


def _load(budget: Budget, data: bytes) -> PrivateKeyTypes:
    """Raises KeyFormatError for a key that is too large, else what the library raises.

    The size is looked at before the library sees the key: its arithmetic holds up the whole process. It checks curves,
    parameters and that the parts belong together; that the factors are prime it does not prove, which takes minutes for
    a key that was made to.
    """
    if len(data) > MAX_DER:
        raise KeyFormatError(f"the key is larger than {MAX_DER} bytes")
    pay_for_rsa(budget, _bits(data))
    key = serialization.load_der_private_key(data, password=None, unsafe_skip_rsa_key_validation=True)
    if isinstance(key, rsa.RSAPrivateKey):
        numbers = key.private_numbers()
        p, q, product = numbers.p, numbers.q, numbers.d * numbers.public_numbers.e
        if p * q != numbers.public_numbers.n or product % (p - 1) != 1 or product % (q - 1) != 1:
            raise ValueError
    return key


def _bits(data: bytes) -> int:
    """An upper bound of the modulus, from the first integers of PKCS#1 or of what PKCS#8 wraps; 0 for other keys."""
    try:
        parts = der.single(data, der.SEQUENCE).children(der.INTEGER)
        if len(parts) > 2 and parts[1].tag == der.SEQUENCE and parts[2].tag == der.OCTETS:
            parts = der.single(parts[2].content, der.SEQUENCE).children(der.INTEGER)
    except der.DerError:
        return 0
    return max((8 * len(part.content) for part in parts if part.tag == der.INTEGER), default=0)


def parse(budget: Budget, data: bytes) -> PrivateKeyTypes:
    """A key in PKCS#1, PKCS#8 or SEC 1; the label of the PEM block does not count. Raises KeyFormatError."""
    try:
        key = _load(budget, data)
    except KeyFormatError:
        raise
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
    budget.spend(pem.price(text))
    found = pem.decode(text)
    if found is None:
        raise KeyFormatError("no PEM data in input")
    block = found[0]
    label = block.kind.decode("utf-8", "replace")
    if label != "PRIVATE KEY" and not label.endswith(" PRIVATE KEY"):
        raise KeyFormatError("no private key data in PEM block", label)
    names = {
        "PRIVATE KEY": "PKCS#8",
        "EC PRIVATE KEY": "EC private key",
        "RSA PRIVATE KEY": "RSA private key",
        "DSA PRIVATE KEY": "DSA private key",
    }
    if label not in names:
        raise KeyFormatError("unknown private key type", label)
    try:
        return _load(budget, block.data)
    except KeyFormatError:
        raise
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
        raise FunctionError(
            b"decryption scheme " + scheme + b" is not supported", told="the decryption scheme is not supported"
        )
    budget.spend(pem.price(key_pem))
    found = pem.decode(key_pem)
    if found is None:
        raise FunctionError("failed to decode PEM block")
    try:
        key = parse(budget, found[0].data)
    except KeyFormatError as error:
        raise FunctionError(
            f"could not parse private key: {error}", told=f"could not parse private key: {error.told}"
        ) from None
    if not isinstance(key, rsa.RSAPrivateKey):
        raise FunctionError("could not parse RSA private key")
    algorithm = _HASHES.get(hash_name, hashes.SHA256)()
    try:
        return key.decrypt(ciphertext, padding.OAEP(padding.MGF1(algorithm), algorithm, label=None))
    except ValueError:
        raise FunctionError("error decrypting data with RSA: crypto/rsa: decryption error") from None
