"""RC2 (RFC 2268), decryption only: old PKCS#12 files hide their certificates with 40 bits of it, and no kept library
offers that size.

Neighbours: pkcs12.py. Nothing is ever encrypted with it here.
"""

from __future__ import annotations

import struct

_PI = bytes.fromhex(
    "d978f9c419ddb5ed28e9fd794aa0d89dc67e37832b76538e624c6488448bfba2"
    "179a59f587b34f1361456d8d09817d32bd8f40eb86b77b0bf09521225c6b4e82"
    "54d66593ce60b21c7356c014a78cf1dc1275ca1f3bbee4d1423dd430a33cb626"
    "6fbf0eda4669075727f21d9bbc944303f811c7f690ef3ee706c3d52fc8661ed7"
    "08e8eade8052eef784aa72ac354d6a2a961ad2715a1549744b9fd05e0418a4ec"
    "c2e0416e0f51cbcc2491af50a1f47039997c3a8523b8b47afc02365b25559731"
    "2d5dfa98e38a92ae05df2910676cbac9d300e6cfe19ea82c6316013f58e289a9"
    "0d38341bab33ffb0bb480c5fb9b1cd2ec5f3db47e5a59c770aa62068fe7fc1ad"
)
_ROTATIONS = (1, 2, 3, 5)
_ROUNDS = (5, 6, 5)


def _schedule(key: bytes) -> tuple[int, ...]:
    """64 words; the effective size is that of the key."""
    table = bytearray(key)
    for at in range(len(key), 128):
        table.append(_PI[table[at - 1] + table[at - len(key)] & 0xFF])
    table[128 - len(key)] = _PI[table[128 - len(key)]]
    for at in range(127 - len(key), -1, -1):
        table[at] = _PI[table[at + 1] ^ table[at + len(key)]]
    return struct.unpack("<64H", table)


def _decrypt_block(words: tuple[int, ...], block: bytes) -> bytes:
    r = list(struct.unpack("<4H", block))
    at = 63
    for turn, rounds in enumerate(_ROUNDS):
        if turn:
            for i in (3, 2, 1, 0):
                r[i] = r[i] - words[r[i - 1] & 63] & 0xFFFF
        for _ in range(rounds):
            for i in (3, 2, 1, 0):
                turned = (r[i] >> _ROTATIONS[i] | r[i] << 16 - _ROTATIONS[i]) & 0xFFFF
                r[i] = turned - words[at] - (r[i - 1] & r[i - 2]) - (~r[i - 1] & r[i - 3]) & 0xFFFF
                at -= 1
    return struct.pack("<4H", *r)


def decrypt_cbc(key: bytes, iv: bytes, data: bytes) -> bytes:
    """`data` is a multiple of 8 bytes; padding stays."""
    words = _schedule(key)
    out = bytearray()
    previous = iv
    for at in range(0, len(data), 8):
        block = data[at : at + 8]
        out += bytes(a ^ b for a, b in zip(_decrypt_block(words, block), previous, strict=True))
        previous = block
    return bytes(out)
