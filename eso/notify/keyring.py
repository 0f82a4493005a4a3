"""Public keys of issuers and certificates of Amazon SNS, fetched and kept for a while.

Neighbours: server.py asks, `net.http` has the connections and says which addresses may be reached.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import Final

from eso.errors import EsoError
from eso.net.http import Pools, Timeouts
from eso.notify.jwt import BadKeySet, Key, key_set
from eso.runtime.clock import Clock

LIFE: Final = 3600.0  # seconds that a document is used
PAUSE: Final = 60.0  # seconds between two attempts for one URL, however many tokens name an unknown key
MOST_URLS: Final = 256  # of key sets, and as many of certificates
MOST_BYTES: Final = 128 << 10
TIMEOUTS: Final = Timeouts(total=10.0, connect=5.0)


class NotFetched(EsoError):
    """The document is not there (yet)."""


class NoSuch(NotFetched):
    """The server has said that there is no such document."""


class _Document:
    """The last good content of a URL. `tried`: when the last attempt began, monotonic seconds. `absent`: its server
    said that there is nothing."""

    def __init__(self) -> None:
        self.content: bytes | None = None
        self.keys: tuple[Key, ...] = ()
        self.fetched = self.tried = float("-inf")
        self.absent = False
        self.lock = asyncio.Lock()


Documents = OrderedDict[str, _Document]  # by URL


class Keyring:
    def __init__(self, pools: Pools, clock: Clock) -> None:
        self._pools, self._clock = pools, clock
        # Apart: an author of a ChangeSource chooses the address of a key set, and a stranger that of a certificate.
        self._key_sets: Documents = OrderedDict()
        self._certificates: Documents = OrderedDict()

    async def keys(self, url: str, *, newer: bool = False) -> tuple[Key, ...]:
        """The key set at `url`. `newer`: the kept one lacks a key. Raises NotFetched."""
        document = await self._fresh(kept(self._key_sets, url), url, newer=newer)
        if document.content is None:
            raise NotFetched("the key set cannot be fetched")
        return document.keys

    async def certificate(self, url: str) -> bytes:
        """The certificate at `url`, which never changes. Raises NotFetched, or NoSuch."""
        document = await self._fresh(kept(self._certificates, url), url, parse=False)
        if document.absent:
            raise NoSuch("there is no such certificate")
        if document.content is None:
            raise NotFetched("the certificate cannot be fetched")
        return document.content

    async def visit(self, url: str) -> bool:
        """Whether a GET of `url` succeeds."""
        try:
            await self._get(url)
        except EsoError:
            return False
        return True

    async def _fresh(self, document: _Document, url: str, *, newer: bool = False, parse: bool = True) -> _Document:
        async with document.lock:  # all who wait for one document share the request
            now = self._clock.monotonic()
            old = newer or now - document.fetched > LIFE
            if old and now - document.tried > PAUSE:
                document.tried = now
                try:
                    content = await self._get(url)
                    document.keys = key_set(content) if parse else ()
                    document.content, document.fetched, document.absent = content, now, False
                except (EsoError, BadKeySet) as error:
                    document.absent = document.content is None and isinstance(error, NoSuch)
                    # the last good content stays: an issuer that is away for an hour has not changed its keys
        return document

    async def _get(self, url: str) -> bytes:
        pool = self._pools.open(url)
        try:
            reply = await pool.request("GET", url, timeouts=TIMEOUTS, max_body=MOST_BYTES)
        finally:
            await pool.close()
        if reply.status in (403, 404, 410):
            raise NoSuch(f"answered with status {reply.status}")
        if reply.status != 200:
            raise NotFetched(f"answered with status {reply.status}")
        return reply.body


def kept(documents: Documents, url: str) -> _Document:
    """The document of `url`, a new one where there is none. When there are too many, one that could not be fetched goes
    first: no number of addresses that somebody makes up pushes a good document out."""
    document = documents.get(url)
    if document is None:
        if len(documents) >= MOST_URLS:
            del documents[next((one for one, its in documents.items() if its.content is None), next(iter(documents)))]
        document = documents[url] = _Document()
    documents.move_to_end(url)
    return document
