"""Password hashes, and passwords derived from a master password.

Neighbours: gocompat.base64. Each call costs tens of milliseconds on purpose, so each pays many steps.
"""

from __future__ import annotations

import hashlib
import hmac
import struct

import bcrypt as library

from eso.gocompat import base64
from eso.template.bounds import Budget
from eso.template.values import Param, Table

TABLE = Table()
STRING, HASH_ALGORITHM, UINT32 = Param.STRING, Param.HASH_ALGORITHM, Param.UINT32
SLOW = frozenset({"bcrypt", "htpasswd", "derivePassword"})

_BCRYPT_STEPS, _SCRYPT_STEPS = 25_000, 75_000
_BCRYPT_LONGEST = 72
_TO_BCRYPT = bytes.maketrans(
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
    b"./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789",
)


@TABLE.function("bcrypt", params=(STRING,), budget=True, dice=True)
def bcrypt(budget: Budget, password: bytes) -> bytes:
    """Cost 10. A password that is too long gives a text, not a failure."""
    if len(password) > _BCRYPT_LONGEST:
        return b"failed to encrypt string with bcrypt: bcrypt: password length exceeds 72 bytes"
    budget.spend(_BCRYPT_STEPS)
    salt = base64.encode(budget.world.random(16), padded=False).translate(_TO_BCRYPT)
    return library.hashpw(password, b"$2a$10$" + salt)


@TABLE.function("htpasswd", params=(STRING, STRING, HASH_ALGORITHM), budget=True, dice=True)
def htpasswd(budget: Budget, user: bytes, password: bytes, algorithm: bytes) -> bytes:
    """A line of Apache's password file."""
    if b":" in user:
        return b"invalid username: " + user
    if algorithm == b"sha":
        return user + b":{SHA}" + base64.encode(hashlib.sha1(password, usedforsecurity=False).digest())
    return user + b":" + bcrypt(budget, password)


_VOWELS, _CONSONANTS, _DIGITS = b"AEIOU", b"BCDFGHJKLMNPQRSTVWXYZ", b"0123456789"
_LETTERS = _VOWELS + _VOWELS.lower() + _CONSONANTS + _CONSONANTS.lower()
_CLASSES = {
    "V": _VOWELS,
    "C": _CONSONANTS,
    "v": _VOWELS.lower(),
    "c": _CONSONANTS.lower(),
    "A": _VOWELS + _CONSONANTS,
    "a": _LETTERS,
    "n": _DIGITS,
    "o": b"@&%?,=[]_:-+*$#!'^~;()/.",
    "x": _LETTERS + _DIGITS + b"!@#$%^&*()",
}
_TEMPLATES = {
    b"maximum": "anoxxxxxxxxxxxxxxxxx axxxxxxxxxxxxxxxxxno",
    b"long": "CvcvnoCvcvCvcv CvcvCvcvnoCvcv CvcvCvcvCvcvno CvccnoCvcvCvcv CvccCvcvnoCvcv CvccCvcvCvcvno CvcvnoCvccCvcv"
    " CvcvCvccnoCvcv CvcvCvccCvcvno CvcvnoCvcvCvcc CvcvCvcvnoCvcc CvcvCvcvCvccno CvccnoCvccCvcv CvccCvccnoCvcv"
    " CvccCvccCvcvno CvcvnoCvccCvcc CvcvCvccnoCvcc CvcvCvccCvccno CvccnoCvcvCvcc CvccCvcvnoCvcc CvccCvcvCvccno",
    b"medium": "CvcnoCvc CvcCvcno",
    b"short": "Cvcn",
    b"basic": "aaanaaan aannaaan aaannaaa",
    b"pin": "nnnn",
}
_SCOPE = b"com.lyndir.masterpassword"


@TABLE.function("derivePassword", params=(UINT32, STRING, STRING, STRING, STRING), budget=True)
def derive_password(budget: Budget, counter: int, kind: bytes, master: bytes, user: bytes, site: bytes) -> bytes:
    """Master Password, algorithm version 0. Lengths are those in bytes."""
    if kind not in _TEMPLATES:
        return b"cannot find password template " + kind
    budget.spend(_SCRYPT_STEPS)
    salt = _SCOPE + struct.pack(">I", len(user)) + user
    key = hashlib.scrypt(master, salt=salt, n=32768, r=8, p=2, dklen=64, maxmem=80 << 20)
    seed = hmac.digest(key, _SCOPE + struct.pack(">I", len(site)) + site + struct.pack(">I", counter), "sha256")
    templates = _TEMPLATES[kind].split()
    template = templates[seed[0] % len(templates)]
    classes = (_CLASSES[name] for name in template)
    return bytes(choice[number % len(choice)] for choice, number in zip(classes, seed[1:], strict=False))
