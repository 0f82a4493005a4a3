"""The certificate of a server of ours: read from files that are renewed while it serves, or signed by itself.

Neighbours: `app.scrapers` serves /metrics with one, `admission.certificate` answers reviews with its own files. The
context stays the same object: connections that are open keep their certificate, later handshakes get the newest one.
"""

from __future__ import annotations

import asyncio
import ipaddress
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final, NoReturn, Protocol

from eso.net.http import CIPHERS, TlsError, load_chain, reason
from eso.net.openssl import bounded
from eso.runtime.clock import Clock

LOOK_SECONDS: Final = 10.0  # between two looks at the files
SELF_SIGNED_DAYS: Final = 365
RENEWED_SECONDS: Final = SELF_SIGNED_DAYS * 86_400 / 2  # age at which a self-signed certificate is replaced
LARGEST_FILE: Final = 60_000  # bytes


class Log(Protocol):
    def info(self, event: str, **fields: Any) -> Any: ...
    def warning(self, event: str, **fields: Any) -> Any: ...


@dataclass(frozen=True, slots=True)
class Pem:
    """A certificate with its chain, and its key. Never prints."""

    certificate: bytes = field(repr=False)
    key: bytes = field(repr=False)


def server_context(ciphers: str = CIPHERS, minimum: ssl.TLSVersion = ssl.TLSVersion.TLSv1_2) -> ssl.SSLContext:
    """Forward secrecy over elliptic curves, HTTP/1.1 only. It has no certificate yet. `ciphers`: OpenSSL's names, for
    TLS 1.2."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = minimum
    context.set_ciphers(ciphers)
    context.options |= ssl.OP_NO_RENEGOTIATION
    bounded(context)
    context.set_alpn_protocols(["http/1.1"])
    return context


class FilePair:
    """The certificate in two files. `start` raises TlsError when they cannot be used; later faults are logged, and the
    last pair that fitted is kept.

    `read(good)` is told of each attempt to read a pair that has changed.
    """

    def __init__(
        self, certificate: Path, key: Path, clock: Clock, log: Log, read: Callable[[bool], None] = lambda good: None
    ) -> None:
        self.context = server_context()
        self._files, self._clock, self._log, self._read = (certificate, key), clock, log, read
        self._pem: Pem | None = None
        self._told = ""

    async def start(self) -> None:
        try:
            self._take(await asyncio.to_thread(pair_of, *self._files))
        except TlsError:
            self._read(False)
            raise

    async def run(self) -> NoReturn:
        """Looks at the files until cancelled."""
        while True:
            await self._clock.sleep(LOOK_SECONDS)
            await self.look()

    async def look(self) -> None:
        """Takes the pair in the files if it is another one."""
        try:
            found = await asyncio.to_thread(pair_of, *self._files)
            if found == self._pem:
                self._told = ""
                return
            self._take(found)
        except TlsError as error:
            self._read(False)
            if str(error) != self._told:  # a pair that is written file by file does not fit for a moment
                self._told = str(error)
                self._log.warning("cannot use the new certificate of the server", error=str(error), fix=error.fix)
            return
        self._told = ""
        self._log.info("the server has a new certificate", file=str(self._files[0]))

    def _take(self, found: Pem) -> None:
        served(self.context, found)
        self._pem = found
        self._read(True)


class SelfSigned:
    """A certificate that no authority signed, made in memory and replaced once half of its time is over."""

    def __init__(self, clock: Clock) -> None:
        self.context, self._clock = server_context(), clock

    async def start(self) -> None:
        served(self.context, self_signed(self._clock.now()))

    async def run(self) -> NoReturn:
        while True:
            await self._clock.sleep(RENEWED_SECONDS)
            await self.start()


def pair_of(certificate: Path, key: Path) -> Pem:
    """Reads both files. Raises TlsError."""
    return Pem(_content(certificate), _content(key))


def _content(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            found = file.read(LARGEST_FILE + 1)
    except OSError as error:
        raise TlsError(
            f"cannot read {path}: {(error.strerror or 'failed').lower()}",
            fix="mount the certificate there, or name its directory and files by flags",
        ) from None
    if len(found) > LARGEST_FILE:
        raise TlsError(f"cannot use {path}: longer than a certificate can be", fix="give a PEM certificate and its key")
    return found


def served(context: ssl.SSLContext, pem: Pem) -> None:
    """Later handshakes show this certificate. Raises TlsError and leaves `context` as it was."""
    try:
        for one in (server_context(), context):  # first a context that nobody uses: a pair may not fit
            load_chain(one, pem.certificate, pem.key)
    except (OSError, ValueError) as error:
        raise TlsError(
            f"cannot use the certificate of the server: {reason(error)}",
            fix="give a PEM certificate and its unencrypted PEM key",
        ) from None


def self_signed(now: datetime) -> Pem:
    """For localhost, P-256, valid for a year."""
    # Imported late: most processes serve no TLS.
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=SELF_SIGNED_DAYS))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return Pem(certificate.public_bytes(serialization.Encoding.PEM), private)
