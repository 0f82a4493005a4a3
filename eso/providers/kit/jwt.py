"""JSON Web Tokens that a login signs with an RSA key of its own.

Neighbours: logins of providers, and generators. Loading a key and signing take milliseconds: run them in a thread.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

import orjson
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from eso.net.keys import KEY_BITS, BadKey, private_key
from eso.providers.contract import InvalidConfig


def rsa_key(pem: bytes, password: bytes | None = None) -> rsa.RSAPrivateKey:
    """Raises InvalidConfig, which says what is wrong and shows nothing of the key."""
    try:
        key = private_key(pem, password)
    except BadKey as error:
        raise InvalidConfig(str(error), fix="store the private key as it was given, in PEM") from None
    if not isinstance(key, rsa.RSAPrivateKey):
        raise InvalidConfig("no RSA key of usual length", fix=f"use an RSA key of at most {KEY_BITS} bits")
    return key


def signed(key: rsa.RSAPrivateKey, claims: Mapping[str, Any], key_id: str | None = None, alg: str = "RS256") -> str:
    """`key_id`: what the header says of the key; None leaves it out. `alg`: RS256 or PS256. Raises
    InvalidConfig."""
    head = {"alg": alg, "typ": "JWT"} | ({} if key_id is None else {"kid": key_id})
    text = f"{encoded(orjson.dumps(head))}.{encoded(orjson.dumps(claims))}"
    mark = signature(key, text.encode()) if alg == "RS256" else pss_signature(key, text.encode())
    return f"{text}.{encoded(mark)}"


def pss_signature(key: rsa.RSAPrivateKey, text: bytes) -> bytes:
    """RSASSA-PSS with SHA-256 and a salt as long as the digest. Raises InvalidConfig."""
    return made(key, text, padding.PSS(mgf=padding.MGF1(hashes.SHA256()), salt_length=padding.PSS.DIGEST_LENGTH))


def signature(key: rsa.RSAPrivateKey, text: bytes) -> bytes:
    """RSASSA-PKCS1-v1_5 with SHA-256. Raises InvalidConfig."""
    return made(key, text, padding.PKCS1v15())


def made(key: rsa.RSAPrivateKey, text: bytes, scheme: padding.PSS | padding.PKCS1v15) -> bytes:
    """Raises InvalidConfig for a key that was loaded, since its numbers are not tried then, and cannot sign."""
    try:
        return key.sign(text, scheme, hashes.SHA256())
    except ValueError:
        raise InvalidConfig("the RSA key cannot sign: it is broken or too short", fix="use 2048 bits") from None


def encoded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
