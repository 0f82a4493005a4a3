"""SSHKey: a fresh key pair in the formats of OpenSSH.

Neighbours: registry.py names it. An RSA key takes seconds of a processor, so it is made in a thread.
"""

from __future__ import annotations

from typing import Any, ClassVar, Final

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from eso.generators.contract import Generated, GeneratorFailed, Json, Stateless, spec_of
from eso.generators.kit import sshfile
from eso.providers.contract import CredentialReader
from eso.providers.env import Env
from eso.runtime.offload import Offload

FAILED: Final = "unable to generate SSH key: "
LEAST_RSA: Final = 1024  # bits
MOST_RSA: Final = 8192
ORDINARY: Final = 3072  # bits of an RSA key that is made within a second
CURVES: Final[dict[int, ec.EllipticCurve]] = {256: ec.SECP256R1(), 384: ec.SECP384R1(), 521: ec.SECP521R1()}
Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey


class SSHKey(Stateless):
    kind: ClassVar[str] = "SSHKey"

    def __init__(self) -> None:
        # Of their own: the longest keys take half a minute, for which neither other values nor ordinary keys may wait.
        self._quick, self._slow = Offload(threads=1, name="keys"), Offload(threads=1, name="long-keys")

    async def generate(self, resource: Json, credentials: CredentialReader, env: Env) -> Generated:
        spec = spec_of(resource)
        kind, comment = str(spec.get("keyType") or "rsa"), str(spec.get("comment") or "")
        size = spec.get("keySize")
        if size is not None and (isinstance(size, bool) or not isinstance(size, int)):
            raise GeneratorFailed("unable to parse spec: keySize is no number")
        if "\n" in comment or "\r" in comment:
            raise GeneratorFailed(f"{FAILED}the comment has more than one line")
        offload = self._slow if kind == "rsa" and (size or 0) > ORDINARY else self._quick
        private, public = await offload.run_for(credentials.namespace, pair, kind, size, comment)
        return Generated({"privateKey": private, "publicKey": public})


def pair(kind: str, size: int | None, comment: str) -> tuple[bytes, bytes]:
    """The private key file and the line for authorized_keys. Raises GeneratorFailed."""
    key = made(kind, size)
    private = key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
    line = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    tail = f" {comment}".encode() if comment else b""
    return sshfile.commented(private, comment.encode()), line + tail + b"\n"


def made(kind: str, size: int | None) -> Key:
    match kind:
        case "rsa":
            bits = size or 2048
            if not LEAST_RSA <= bits <= MOST_RSA:
                text = f"crypto/rsa: {bits}-bit keys are insecure" if bits < LEAST_RSA else "the key is too long"
                raise GeneratorFailed(f"{FAILED}{text}", fix=f"keySize is between {LEAST_RSA} and {MOST_RSA}")
            return rsa.generate_private_key(65537, bits)
        case "ecdsa":
            # Sizes that no curve has give P-256, as in the reference.
            return ec.generate_private_key(CURVES.get(size or 256, CURVES[256]))
        case "ed25519":
            return ed25519.Ed25519PrivateKey.generate()
    raise GeneratorFailed(f"{FAILED}unsupported key type: {kind}", fix="use rsa, ecdsa or ed25519")


GENERATOR: Final[Any] = SSHKey()
