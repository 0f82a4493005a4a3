"""Files beside the operator that a store, or the operator's environment, names as a credential.

Neighbours: logins. The author of a store is often not who runs the operator, so the operator's own ServiceAccount token
is refused by whatever path it is named, and nothing here waits for a pipe or a device.
"""

from __future__ import annotations

import os
import stat
from typing import Final

from eso.providers.contract import InvalidConfig

MOST: Final = 64 << 10  # bytes of a file that holds a credential
OWN_FOLDER: Final = "/var/run/secrets/kubernetes.io"


def token_file(path: str, what: str = "the file of credential_source") -> bytes:
    """A file that a store names. Raises InvalidConfig, which never shows the path."""
    real = os.path.realpath(path)
    own = os.path.realpath(OWN_FOLDER)
    if f"{real}/".startswith(f"{own}/"):
        raise InvalidConfig("a store cannot log in with the operator's own ServiceAccount", fix="use serviceAccountRef")
    text = read_if_there(real)
    if text is None:
        raise InvalidConfig(f"{what} cannot be read", fix="mount it into the operator")
    return text


def read_if_there(path: str) -> bytes | None:
    """A regular file of at most MOST bytes; None for anything else."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except (OSError, ValueError):
        return None
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode) or found.st_size > MOST:
            return None
        return os.read(descriptor, MOST)
    except OSError:
        return None
    finally:
        os.close(descriptor)
