"""The serving certificate: files of a folder → the TLS context of new connections, read again when they change.

Neighbours: server.py asks for `context` with each connection, `app.webhook` runs `follow` and `guard`. Files
that clients would not trust leave the last ones in force: a Secret that was emptied interrupts nothing.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Final, NoReturn

from eso.admission.tls import TlsPolicy
from eso.errors import EsoError
from eso.gocompat.x509 import MAX_PEM, certificates, distrusted
from eso.net.http import TlsError
from eso.net.serving import Pem, served, server_context
from eso.observe.log import Log
from eso.runtime.clock import Clock

NAMES: Final = ("tls.crt", "tls.key", "ca.crt")
LOOK: Final = 1.0  # seconds between looks at the files' dates
PATIENCE: Final = 120.0  # seconds for the first usable certificate
AHEAD: Final = timedelta(hours=1)
NONE_YET: Final = "it was not looked at yet"


class NoCertificate(EsoError):
    """The folder had no usable certificate in time."""


class NearItsEnd(EsoError):
    """The certificate will not be valid long enough. A process that starts anew sees what the kubelet mounts then."""


@dataclass(frozen=True, slots=True)
class Material:
    """The contents of the files; b"" for one that is not there."""

    chain: bytes = b""
    key: bytes = field(default=b"", repr=False)
    roots: bytes = b""


class Certificate:
    """`name`: what clients call the server. `counted(read)`: told of each reading, and whether it could be used."""

    def __init__(
        self,
        folder: Path,
        name: str,
        tls: TlsPolicy,
        clock: Clock,
        log: Log,
        *,
        counted: Callable[[bool], None] = lambda read: None,
    ) -> None:
        self._folder, self._name, self._tls, self._clock, self._log = folder, name, tls, clock, log
        self._counted = counted
        self._seen: object = None
        self._material = Material()
        self._refusal = NONE_YET
        self.context: ssl.SSLContext | None = None

    @property
    def ends_at(self) -> float:
        """Unix time at which the certificate in force stops being valid, 0 without one."""
        chain = certificates(self._material.chain)
        return chain[0].not_valid_after_utc.timestamp() if chain else 0.0

    def fault(self, ahead: timedelta = AHEAD) -> str:
        """Why clients would not trust the certificate in force `ahead` of now; "" if they would."""
        return self._distrusted(self._material, ahead) if self.context is not None else self._refusal

    def look(self) -> None:
        """Reads the files if one of them changed since they were taken."""
        dates = self._dates()
        if dates == self._seen:
            return
        material = Material(*map(self._content, NAMES))
        if self._dates() != dates:
            return  # they are being replaced: one of them may belong to another pair
        reason = self._take(material)
        if reason and reason == self._refusal:
            return
        self._refusal = reason
        self._counted(not reason)
        if reason:
            self._log.warning("the certificate of the folder cannot be used", folder=str(self._folder), reason=reason)
        else:
            self._seen = dates
            self._log.info("serving with the certificate of the folder", folder=str(self._folder), until=self.ends_at)

    def _take(self, material: Material) -> str:
        """Why the files were not taken."""
        if reason := self._distrusted(material, timedelta()):
            return reason
        try:
            context = server_context(self._tls.ciphers, self._tls.minimum)
            served(context, Pem(material.chain, material.key))
        except TlsError as error:
            return str(error)
        self.context, self._material = context, material
        return ""

    def _distrusted(self, material: Material, ahead: timedelta) -> str:
        at = self._clock.now() + ahead
        return distrusted(material.chain, material.key, material.roots, self._name, at)

    async def first(self) -> None:
        """Waits for files that clients would trust. Raises NoCertificate."""
        began = self._clock.monotonic()
        while True:
            self.look()
            reason = self.fault()
            if not reason:
                return
            if self._clock.monotonic() - began >= PATIENCE:
                raise NoCertificate(
                    f"no usable certificate in {self._folder} within {PATIENCE:g} s: {reason}",
                    fix="see that the cert-controller, or cert-manager, fills the mounted Secret",
                )
            await self._clock.sleep(LOOK)

    async def follow(self) -> NoReturn:
        """Keeps `context` up to date."""
        while True:
            await self._clock.sleep(LOOK)
            self.look()

    async def guard(self, interval: float, ahead: float) -> NoReturn:
        """Looks every `interval` seconds. Raises NearItsEnd once the certificate in force would not be trusted `ahead`
        seconds from now."""
        while True:
            await self._clock.sleep(interval)
            self.look()
            if reason := self.fault(timedelta(seconds=ahead)):
                raise NearItsEnd(
                    f"the certificate in {self._folder} will not do in {ahead / 3600:g} h: {reason}",
                    fix="let it be renewed earlier, or lower --lookahead-interval",
                )

    def _dates(self) -> object:
        """Changes whenever a file does: its inode, size and date, behind the links of a mounted Secret."""
        found: list[tuple[int, ...]] = []
        for name in NAMES:
            try:
                seen = (self._folder / name).stat()
                found.append((seen.st_ino, seen.st_size, seen.st_mtime_ns))
            except OSError:
                found.append(())
        return found

    def _content(self, name: str) -> bytes:
        try:
            with (self._folder / name).open("rb") as file:
                return file.read(MAX_PEM + 1)
        except OSError:
            return b""
