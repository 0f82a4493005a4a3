"""Two settings of OpenSSL that the ssl module does not offer before Python 3.15: who may be asked to compute what.

Neighbours: http.py and serving.py make every context and bound each of them here.
"""

from __future__ import annotations

import ctypes
import functools
import ssl
import sys
from typing import Any, Final

# With TLS 1.3 OpenSSL offers finite-field groups as well, whatever its ciphers are. The longest takes 0.12 s of a loop
# for each handshake, and the other side chooses. The first list that the library knows counts: the exchange that also
# stands against quantum computers came with OpenSSL 3.5.
GROUPS: Final = ("*X25519MLKEM768:*X25519:P-256:P-384:P-521", "X25519:P-256:P-384:P-521")
DEPTH: Final = 5  # CAs between a certificate and one that is trusted: checking a signature may take 11 ms
SET_GROUPS_LIST: Final = 92  # SSL_CTRL_SET_GROUPS_LIST


def bounded(context: ssl.SSLContext) -> None:
    """Elliptic curves only, and short chains. Where the library cannot be reached, P-256 alone."""
    library = _library()
    if library is None:
        context.set_ecdh_curve("prime256v1")
        return
    # `ctx` is the first member of the object behind its head, in each CPython that has no other way.
    inner = ctypes.c_void_p.from_address(id(context) + object.__basicsize__)
    library.SSL_CTX_set_verify_depth(inner, DEPTH)
    for groups in GROUPS:
        if library.SSL_CTX_ctrl(inner, SET_GROUPS_LIST, 0, groups.encode()) == 1:
            break
    library.ERR_clear_error()  # a list that is not known leaves an error behind, which the next call would find


@functools.cache
def _library() -> Any:
    """The OpenSSL that the ssl module is linked with; None where nothing is known of it."""
    if sys.implementation.name != "cpython" or sys.version_info >= (3, 15):
        return None  # its objects may look different
    import _ssl

    try:
        library = ctypes.CDLL(getattr(_ssl, "__file__", None))
        library.SSL_CTX_ctrl.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_long, ctypes.c_char_p]
        library.SSL_CTX_ctrl.restype = ctypes.c_long
        library.SSL_CTX_set_verify_depth.argtypes = [ctypes.c_void_p, ctypes.c_int]
        library.SSL_CTX_set_verify_depth.restype = None
        library.ERR_clear_error.argtypes = []
        library.ERR_clear_error.restype = None
    except (OSError, AttributeError):
        return None
    return library
