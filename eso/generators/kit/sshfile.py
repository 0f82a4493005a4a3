"""The comment of an OpenSSH private key file, which the library writes empty.

Neighbours: kinds/sshkey.py writes keys with it. The format is PROTOCOL.key of OpenSSH: strings with their length in
front, the comment is the last one before the padding.
"""

from __future__ import annotations

import base64
import struct
from typing import Final

BEGIN: Final = b"-----BEGIN OPENSSH PRIVATE KEY-----\n"
END: Final = b"-----END OPENSSH PRIVATE KEY-----\n"
MAGIC: Final = b"openssh-key-v1\0"
BLOCK: Final = 8  # bytes; the private part is padded to a multiple
WIDTH: Final = 70


def commented(pem: bytes, comment: bytes) -> bytes:
    """The unencrypted key file with `comment` in it. `pem` has none, as `cryptography` writes it."""
    if not comment:
        return pem
    body = base64.b64decode(pem.removeprefix(BEGIN).removesuffix(END))
    outer = Reader(body, len(MAGIC))
    cipher, kdf, options = outer.text(), outer.text(), outer.text()
    count, public, private = outer.number(), outer.text(), outer.text()
    inner = Reader(private, 8)  # behind the two check numbers
    algorithm = inner.text()
    for _ in range(PARTS[algorithm]):
        inner.text()
    plain = private[: inner.at] + string(comment)
    plain += bytes(range(1, (-len(plain)) % BLOCK + 1))
    whole = MAGIC + string(cipher) + string(kdf) + string(options) + struct.pack(">I", count)
    text = base64.b64encode(whole + string(public) + string(plain))
    lines = [text[at : at + WIDTH] + b"\n" for at in range(0, len(text), WIDTH)]
    return BEGIN + b"".join(lines) + END


PARTS: Final = {
    b"ssh-rsa": 6,  # n, e, d, iqmp, p, q
    b"ssh-ed25519": 2,  # public, private
    **{f"ecdsa-sha2-nistp{bits}".encode(): 3 for bits in (256, 384, 521)},  # curve, point, scalar
}
"""How many strings follow the name of the algorithm, before the comment."""


class Reader:
    """Strings and numbers from `at` on."""

    def __init__(self, data: bytes, at: int) -> None:
        self.data, self.at = data, at

    def number(self) -> int:
        found: int = struct.unpack_from(">I", self.data, self.at)[0]
        self.at += 4
        return found

    def text(self) -> bytes:
        length = self.number()
        self.at += length
        return self.data[self.at - length : self.at]


def string(text: bytes) -> bytes:
    return struct.pack(">I", len(text)) + text
