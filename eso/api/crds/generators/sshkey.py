"""The schema of `SSHKey.spec`."""

from __future__ import annotations

from eso.api.crds.schema import Schema, choice, described, obj, text


def schema() -> Schema:
    size = {"type": "integer", "minimum": 256, "maximum": 8192}
    return obj(
        "An SSH key pair.",
        {
            "comment": text("Comment of the public key."),
            "keySize": described("Bits of the key; 2048 for rsa and 256 for ecdsa when absent.", size),
            "keyType": choice("Kind of the key.", "rsa", "ecdsa", "ed25519", default="rsa"),
        },
    )
