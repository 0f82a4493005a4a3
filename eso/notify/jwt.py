"""A signed token → whether it is the issuer's, for us, valid now and about the right sender.

Neighbours: verify.py asks, keyring.py fetches key sets. Only asymmetric algorithms are known: with a key set that
everybody can read, an HMAC proves nothing.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any, Final

import orjson
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa, utils

from eso.api.changesource import Jwt

LONGEST: Final = 16 * 1024  # bytes of a token
MOST_ENTRIES: Final = 64  # of a key set that are looked at
MOST_KEYS: Final = 16  # of a key set
MOST_TRIES: Final = 4  # keys that one token is tried with, where no key id chooses one: strangers may send tokens too
LEEWAY: Final = 60.0  # seconds by which the clocks of issuer and operator may differ
LONGEST_LIFE: Final = 24 * 3600.0  # seconds that a token may still be valid
RSA_BITS: Final = range(2048, 4097)  # a signature by a longer key holds up the loop,
EXPONENT_BITS: Final = 33  # and so does one with a long exponent: the author of a ChangeSource chooses the keys

PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey
HASHES: Final[Mapping[str, hashes.HashAlgorithm]] = {
    "256": hashes.SHA256(),
    "384": hashes.SHA384(),
    "512": hashes.SHA512(),
}
CURVES: Final[Mapping[str, tuple[ec.EllipticCurve, str]]] = {
    "P-256": (ec.SECP256R1(), "ES256"),
    "P-384": (ec.SECP384R1(), "ES384"),
    "P-521": (ec.SECP521R1(), "ES512"),
}


class BadKeySet(ValueError):
    """The document is no JWKS, or has no key that a signature can be checked with."""


class BadToken(ValueError):
    """The token is refused. No part of it is quoted."""


class UnknownKey(BadToken):
    """The token is signed with a key that the set does not have (yet)."""


class Key:
    """One public key with the algorithms that it may be used for."""

    def __init__(self, kid: str, algorithms: frozenset[str], public: PublicKey) -> None:
        self.kid, self.algorithms, self.public = kid, algorithms, public


def key_set(document: bytes) -> tuple[Key, ...]:
    """The signature keys of a JWKS. Keys of other kinds and keys that cannot be read are left out: one broken entry
    must not take the others away. Raises BadKeySet."""
    try:
        listed = orjson.loads(document)["keys"][:MOST_ENTRIES]
    except (ValueError, TypeError, KeyError) as error:
        raise BadKeySet("the document is no JWKS") from error
    keys = [key for entry in listed if isinstance(entry, Mapping) and (key := readable(entry))]
    if not keys:
        raise BadKeySet("the JWKS has no RSA, EC or Ed25519 key for signatures")
    return tuple(keys[:MOST_KEYS])


def readable(entry: Mapping[str, Any]) -> Key | None:
    """The key, None for one that is not for signatures or cannot be read."""
    try:
        return key_of(entry)
    except (ValueError, TypeError, KeyError, UnsupportedAlgorithm):
        return None


def key_of(entry: Mapping[str, Any]) -> Key | None:
    if entry.get("use", "sig") != "sig":
        return None
    kid, named = str(entry.get("kid") or ""), entry.get("alg")
    algorithms: frozenset[str]
    public: PublicKey
    match entry.get("kty"):
        case "RSA":
            exponent, modulus = number(entry["e"]), number(entry["n"])
            if modulus.bit_length() not in RSA_BITS or exponent.bit_length() > EXPONENT_BITS:
                return None
            public = rsa.RSAPublicNumbers(exponent, modulus).public_key()
            algorithms = frozenset(f"{kind}{bits}" for kind in ("RS", "PS") for bits in HASHES)
        case "EC" if entry.get("crv") in CURVES:
            curve, algorithm = CURVES[entry["crv"]]
            public = ec.EllipticCurvePublicNumbers(number(entry["x"]), number(entry["y"]), curve).public_key()
            algorithms = frozenset((algorithm,))
        case "OKP" if entry.get("crv") == "Ed25519":
            public = ed25519.Ed25519PublicKey.from_public_bytes(decoded(entry["x"]))
            algorithms = frozenset(("EdDSA",))
        case _:
            return None
    return Key(kid, algorithms & {named} if named else algorithms, public)


def check(token: str, keys: tuple[Key, ...], rule: Jwt, now: float) -> None:
    """`now` in seconds since 1970. Raises BadToken, or UnknownKey where a newer key set may help."""
    if len(token) > LONGEST or not token.isascii():
        raise BadToken("no token")
    try:
        head, body, signature = token.split(".")
        header, claims = orjson.loads(decoded(head)), orjson.loads(decoded(body))
        signed = decoded(signature)
    except (ValueError, binascii.Error):
        raise BadToken("no token") from None
    if not isinstance(header, dict) or not isinstance(claims, dict) or "crit" in header:
        raise BadToken("no token that is understood")
    algorithm, kid = header.get("alg"), header.get("kid")
    if not isinstance(algorithm, str):
        raise BadToken("no algorithm")
    known = [key for key in keys if algorithm in key.algorithms and (kid is None or not key.kid or key.kid == kid)]
    if not known:
        raise UnknownKey("signed with an unknown key")
    if not any(signs(key.public, algorithm, f"{head}.{body}".encode(), signed) for key in known[:MOST_TRIES]):
        raise BadToken("the signature is not the issuer's")
    judge(claims, rule, now)


def judge(claims: Mapping[str, Any], rule: Jwt, now: float) -> None:
    """What a token says of itself, once its signature is right. Raises BadToken."""
    issued = claims.get("iss")
    # Google leaves the scheme out in some of its tokens.
    if issued != rule.issuer and f"https://{issued}" != rule.issuer:
        raise BadToken("another issuer")
    audience = claims.get("aud")
    if rule.audience not in (audience if isinstance(audience, list) else [audience]):
        raise BadToken("another audience")
    expires, begins = claims.get("exp"), claims.get("nbf", claims.get("iat", 0))
    if not isinstance(expires, int | float) or not isinstance(begins, int | float):
        raise BadToken("no times")
    if not begins - LEEWAY <= now < expires + LEEWAY or expires - now > LONGEST_LIFE:
        raise BadToken("not valid now")
    for name, wanted in rule.claims.items():
        if claims.get(name) != wanted:
            raise BadToken("another claim")
    if "email" in rule.claims and claims.get("email_verified", True) is not True:
        raise BadToken("the email is not verified")


def signs(key: PublicKey, algorithm: str, message: bytes, signature: bytes) -> bool:
    """Whether `signature` is that of `message`."""
    try:
        match key:
            case rsa.RSAPublicKey():
                digest = HASHES[algorithm[2:]]
                pad = (
                    padding.PSS(padding.MGF1(digest), digest.digest_size)
                    if algorithm.startswith("PS")
                    else padding.PKCS1v15()
                )
                key.verify(signature, message, pad, digest)
            case ec.EllipticCurvePublicKey():
                half = (key.curve.key_size + 7) // 8
                if len(signature) != 2 * half:
                    return False
                r, s = int.from_bytes(signature[:half]), int.from_bytes(signature[half:])
                key.verify(utils.encode_dss_signature(r, s), message, ec.ECDSA(HASHES[algorithm[2:]]))
            case _:
                key.verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def decoded(text: Any) -> bytes:
    """base64url without padding. Raises ValueError (binascii.Error is one) for anything else."""
    if not isinstance(text, str):
        raise ValueError("no text")
    raw = text.encode("ascii")
    if b"=" in raw or b"+" in raw or b"/" in raw:
        raise ValueError("not base64url")
    return base64.b64decode(raw + b"=" * (-len(raw) % 4), altchars=b"-_", validate=True)


def number(text: Any) -> int:
    return int.from_bytes(decoded(text))
