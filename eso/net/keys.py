"""Private keys that tenants give: read only where a signature of theirs is a matter of milliseconds.

Neighbours: http.py shows certificates with them, providers sign with them. A key says of itself how long it is, and may
lie: what the library or OpenSSL would compute with is looked at, part by part.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateNumbers
    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

KEY_BITS: Final = 8192  # of an RSA modulus; a signature with a longer one holds up the loop for seconds
EXPONENT_BITS: Final = 32  # of a public exponent, which every signature is checked with
LONGEST: Final = 16 << 10  # bytes of PEM; a key of KEY_BITS takes 6.5 KiB, half as much again when it is encrypted
MOST_ROUNDS: Final = 600_000  # of the function that makes a key of a passphrase: 0.1 s, in which nothing else runs
CURVES: Final = frozenset({"secp224r1", "secp256r1", "secp384r1", "secp521r1"})
SCRYPT: Final = bytes.fromhex("06092b06010401da47040b")  # its cost is memory, as much as the file asks for
ENCRYPTED: Final = "the key is encrypted"
TOO_STRONG: Final = f"the key has more than {KEY_BITS} bits"
UNKNOWN: Final = "the key is no sound RSA, P-224 to P-521 or Ed25519 key in PEM"
TOO_SLOW: Final = f"the key is encrypted with more than {MOST_ROUNDS} rounds"
TOLD: Final = frozenset({ENCRYPTED, TOO_STRONG, UNKNOWN, TOO_SLOW})
_BEGIN: Final = re.compile(rb"^-----BEGIN ((?:[A-Z0-9]{1,20} ){0,3}PRIVATE KEY)-----", re.MULTILINE)


class BadKey(ValueError):
    """The key is not used. The text is one of TOLD."""


def private_key(pem: bytes, password: bytes | None = None) -> PrivateKeyTypes:
    """The first private key in `pem`. Raises BadKey."""
    # Imported late: most stores bring no key.
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    block = first_block(pem)
    if len(block) > LONGEST:
        raise BadKey(TOO_STRONG)
    if password is not None:
        refuse_slow(block)
    try:
        key = load_pem_private_key(block, password, unsafe_skip_rsa_key_validation=True)
    except TypeError:
        raise BadKey(ENCRYPTED if password is None else UNKNOWN) from None
    except (ValueError, UnsupportedAlgorithm):
        raise BadKey(UNKNOWN) from None
    match key:
        case rsa.RSAPrivateKey():
            if key.key_size > KEY_BITS:
                raise BadKey(TOO_STRONG)
            if not belong_together(key.private_numbers()):
                raise BadKey(UNKNOWN)
        case ec.EllipticCurvePrivateKey() if key.curve.name in CURVES:
            pass
        case ed25519.Ed25519PrivateKey():
            pass
        case _:
            raise BadKey(UNKNOWN)
    return key


def rewritten(pem: bytes) -> bytes:
    """The key as PKCS#8, for another reader: what was looked at is what it gets. Raises BadKey."""
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    return private_key(pem).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def first_block(pem: bytes) -> bytes:
    """From the line that begins a private key to the one that ends it; parameters and certificates may stand before.
    All of `pem` where there is none."""
    begin = _BEGIN.search(pem)
    if begin is None:
        return pem
    mark = b"-----END " + begin[1] + b"-----"
    end = pem.find(mark, begin.end())
    return pem[begin.start() : end + len(mark)] + b"\n" if end >= 0 else pem


def belong_together(key: RSAPrivateNumbers) -> bool:
    """Whether no part is longer than it has to be, since each is an exponent or a modulus of its own. That the factors
    are prime is not proved."""
    modulus, half = key.public_numbers.n, (key.public_numbers.n.bit_length() + 1) // 2 + 1
    return (
        key.p * key.q == modulus
        and max(key.p.bit_length(), key.q.bit_length()) <= half
        and 0 < key.d < modulus
        and key.dmp1 < key.p
        and key.dmq1 < key.q
        and key.iqmp < key.p
        and key.public_numbers.e.bit_length() <= EXPONENT_BITS
    )


def refuse_slow(block: bytes) -> None:
    """Raises BadKey for a PKCS#8 whose passphrase takes long to become a key. Older forms take one round."""
    import base64
    import binascii

    if not block.startswith(b"-----BEGIN ENCRYPTED PRIVATE KEY-----"):
        return
    try:
        whole = base64.b64decode(b"".join(block.split(b"\n")[1:-2]), validate=False)
        (_, algorithm), *_ = elements(next(elements(whole))[1])
        rounds = max(integers(algorithm), default=0)
    except (ValueError, StopIteration, RecursionError, binascii.Error):
        raise BadKey(UNKNOWN) from None
    if rounds > MOST_ROUNDS or SCRYPT in algorithm:
        raise BadKey(TOO_SLOW)


def integers(content: bytes) -> Iterator[int]:
    for tag, inside in elements(content):
        if tag == 0x02:
            yield int.from_bytes(inside, "big")
        elif tag & 0x20:
            yield from integers(inside)


def elements(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Tag and content of each element of DER. Raises ValueError."""
    at = 0
    while at < len(data):
        if at + 2 > len(data):
            raise ValueError("cut off")
        tag, length, at = data[at], data[at + 1], at + 2
        if length >= 0x80:
            size = length & 0x7F
            if not 0 < size <= 4:
                raise ValueError("no length of DER")
            length, at = int.from_bytes(data[at : at + size], "big"), at + size
        if at + length > len(data):
            raise ValueError("cut off")
        yield tag, data[at : at + length]
        at += length
