"""`--tls-ciphers` and `--tls-min-version` → what the TLS library is told.

Neighbours: certificate.py builds contexts with it. Suites are named as the reference names them, by their IANA names.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from typing import Final

from eso.errors import Terminal
from eso.net.http import CIPHERS

SUITES: Final[dict[str, str]] = {
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA": "ECDHE-ECDSA-AES128-SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA": "ECDHE-ECDSA-AES256-SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA": "ECDHE-RSA-AES128-SHA",
    "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA": "ECDHE-RSA-AES256-SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256": "ECDHE-ECDSA-AES128-GCM-SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384": "ECDHE-ECDSA-AES256-GCM-SHA384",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256": "ECDHE-RSA-AES128-GCM-SHA256",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384": "ECDHE-RSA-AES256-GCM-SHA384",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256": "ECDHE-RSA-CHACHA20-POLY1305",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256": "ECDHE-ECDSA-CHACHA20-POLY1305",
}
OF_TLS_1_3: Final = ("TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256")
"""Known names without effect: these suites cannot be switched off."""


class UnknownSuite(Terminal):
    """A name in --tls-ciphers."""


@dataclass(frozen=True, slots=True)
class TlsPolicy:
    """`ciphers`: OpenSSL's names. `remark`: what is said at the start about a setting that is not followed literally,
    "" for nothing."""

    ciphers: str = CIPHERS
    minimum: ssl.TLSVersion = ssl.TLSVersion.TLSv1_2
    remark: str = ""


def policy(suites: tuple[str, ...], version: str) -> TlsPolicy:
    """Raises UnknownSuite."""
    for name in suites:
        if name not in SUITES and name not in OF_TLS_1_3:
            raise UnknownSuite(f"cipher {name} was not found", fix="use some of " + ", ".join(SUITES))
    named = [SUITES[name] for name in suites if name in SUITES]
    ciphers = ":".join(named) or CIPHERS
    match version:
        case "1.2":
            return TlsPolicy(ciphers)
        case "" | "1.0" | "1.1":
            return TlsPolicy(ciphers, remark="TLS 1.2 is the oldest version that is served")
        case "1.3":
            return TlsPolicy(ciphers, ssl.TLSVersion.TLSv1_3)
        case _:
            return TlsPolicy(ciphers, ssl.TLSVersion.TLSv1_3, f"no TLS version is called {version}: 1.3 it is")
