"""AES with a pass phrase, random bytes and identifiers.

Neighbours: gocompat.base64. All randomness comes from the budget's world.
"""

from __future__ import annotations

import uuid

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC
from cryptography.hazmat.primitives.padding import PKCS7

from eso.gocompat import base64
from eso.template.bounds import Budget
from eso.template.functions.common import afford
from eso.template.values import FunctionError, Param, Table

TABLE = Table()
INT, STRING = Param.INT, Param.STRING
_BLOCK, _KEY = 16, 32


def _cipher(key: bytes, iv: bytes) -> Cipher[CBC]:
    """The pass phrase itself is the key: cut or filled with zeros, as in the reference."""
    return Cipher(AES(key[:_KEY].ljust(_KEY, b"\x00")), CBC(iv))


@TABLE.function("encryptAES", params=(STRING, STRING), budget=True, dice=True, pace=16)
def encrypt_aes(budget: Budget, key: bytes, text: bytes) -> bytes:
    if not text:
        return b""
    afford(budget, 4 * len(text))
    iv = budget.world.random(_BLOCK)
    padder = PKCS7(8 * _BLOCK).padder()
    encryptor = _cipher(key, iv).encryptor()
    return base64.encode(iv + encryptor.update(padder.update(text) + padder.finalize()) + encryptor.finalize())


@TABLE.function("decryptAES", params=(STRING, STRING), pace=16)
def decrypt_aes(key: bytes, text: bytes) -> bytes:
    if not text:
        return b""
    try:
        data = base64.decode(text)
    except base64.Base64Error as error:
        raise FunctionError(str(error)) from None
    iv, body = data[:_BLOCK], data[_BLOCK:]
    if len(iv) < _BLOCK or not body or len(body) % _BLOCK:
        raise FunctionError("crypto/cipher: input not full blocks")
    decryptor = _cipher(key, iv).decryptor()
    unpadder = PKCS7(8 * _BLOCK).unpadder()
    try:
        return unpadder.update(decryptor.update(body) + decryptor.finalize()) + unpadder.finalize()
    except ValueError:
        raise FunctionError("wrong key or damaged text: bad padding") from None


@TABLE.function("randBytes", params=(INT,), budget=True, dice=True)
def rand_bytes(budget: Budget, count: int) -> bytes:
    if count < 0:
        raise FunctionError("runtime error: makeslice: len out of range")
    afford(budget, 3 * count)
    return base64.encode(budget.world.random(count))


@TABLE.function("uuidv4", budget=True, dice=True)
def uuid_v4(budget: Budget) -> bytes:
    return str(uuid.UUID(bytes=budget.world.random(16), version=4)).encode()
