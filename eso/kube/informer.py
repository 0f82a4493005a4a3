"""Watch events → cache, then callbacks.

Neighbours: watch.py drives it, cache.py keeps the records, `reconcile.*.triggers` are what the callbacks call. An
object that cannot be decoded is skipped and told in the log; it never ends the watch.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Hashable, Iterable
from typing import Any, Generic, NoReturn, Protocol, TypeVar

import msgspec

from eso.api.meta import Resource
from eso.kube.cache import Cache, Key
from eso.kube.rest import ApiError, Rest
from eso.kube.watch import YIELD_EVERY, Watch
from eso.runtime.clock import Clock


class Versioned(Protocol):
    @property
    def namespace(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def resource_version(self) -> str: ...


R = TypeVar("R", bound=Versioned)


class Informer(Generic[R]):
    """A cache of one resource that follows the API server.

    `decode(raw)` makes the record of one object. `on_change(old, new)` runs on the loop after the cache moved: None,
    new = it came; old, None = it is gone. `keep(record)` False: not kept, as if it did not exist. `index`: see Cache;
    read it with `by`.
    """

    def __init__(
        self,
        rest: Rest,
        resource: Resource,
        decode: Callable[[msgspec.Raw], R],
        on_change: Callable[[R | None, R | None], None],
        *,
        namespace: str = "",
        label_selector: str = "",
        field_selector: str = "",
        metadata_only: bool = False,
        index: Callable[[R], Iterable[Hashable]] | None = None,
        keep: Callable[[R], bool] | None = None,
        clock: Clock | None = None,
        jitter: Callable[[], float] = random.random,
        log: Any = None,
    ) -> None:
        self.resource = resource
        self.has_synced = asyncio.Event()
        self._decode, self._on_change, self._keep, self._log = decode, on_change, keep, log
        self._cache: Cache[R] = Cache(index)
        self._next: dict[Key, R] = {}  # the list that is being read
        self._ahead: dict[Key, str] = {}  # versions that `learned` knew before the watch
        self._watch = Watch(
            rest,
            resource,
            self,
            namespace=namespace,
            label_selector=label_selector,
            field_selector=field_selector,
            metadata_only=metadata_only,
            clock=clock,
            jitter=jitter,
            log=log,
        )

    async def run(self) -> NoReturn:
        """Until cancelled. Errors of the API server are waited out; see `error`."""
        await self._watch.run()

    @property
    def error(self) -> ApiError | None:
        """Why nothing arrives at the moment (403, missing CRD, no connection), None while all is well."""
        return self._watch.error

    def age(self) -> float:
        """Seconds since the server was last heard on this watch."""
        return self._watch.age()

    def get(self, key: Key) -> R | None:
        """The record of (namespace, name)."""
        return self._cache.get(key)

    def keys(self) -> list[Key]:
        return self._cache.keys()

    def values(self) -> list[R]:
        return self._cache.values()

    def by(self, index_key: Hashable) -> list[R]:
        return self._cache.by(index_key)

    def __len__(self) -> int:
        return len(self._cache)

    def learned(self, raw: bytes) -> None:
        """Our own write, from its reply: the cache moves before the watch shows it, and nobody is told. Ignored when it
        is old news already."""
        record = self._decode(msgspec.Raw(raw))
        key = (record.namespace, record.name)
        known = self._cache.get(key)
        if known is not None and newer(record.resource_version, known.resource_version):
            self._cache.put(key, record)
            self._ahead[key] = record.resource_version

    # The Sink of watch.py.

    def list_began(self) -> None:
        self._next = {}

    def listed(self, key: Key, version: str, raw: msgspec.Raw) -> None:
        record = self._cache.get(key)
        if record is None or record.resource_version != version:
            record = self._read(key, raw) or record
        if record is not None and self._kept(record):
            self._next[key] = record

    async def list_ended(self) -> None:
        """The cache becomes the list, whole; then the differences are told."""
        listed, self._next = self._next, {}
        self._ahead.clear()
        changes: list[tuple[R | None, R | None]] = []
        for key in [key for key in self._cache if key not in listed]:
            changes.append((self._cache.pop(key), None))
        for key, record in listed.items():
            if self._cache.get(key) is not record:
                changes.append((self._cache.put(key, record), record))
        for count, (old, new) in enumerate(changes, 1):
            self._tell(old, new)
            if count % YIELD_EVERY == 0:
                await asyncio.sleep(0)
        self.has_synced.set()

    def changed(self, key: Key, version: str, raw: msgspec.Raw) -> None:
        known = self._cache.get(key)
        ahead = self._ahead.get(key)
        if ahead is not None:
            if newer(ahead, version):
                return  # a state from before our own write
            del self._ahead[key]
        if known is not None and known.resource_version == version:
            return
        record = self._read(key, raw)
        if record is None:
            return  # better the last known state than a deletion that never was
        if self._kept(record):
            self._tell(self._cache.put(key, record), record)
        else:
            self._forget(key)

    def deleted(self, key: Key, raw: msgspec.Raw) -> None:
        record = self._read(key, raw) if self._keep is not None and self._cache.get(key) is None else None
        if record is not None and self._kept(record):
            self._tell(record, None)  # wanted only since its last change: its end is news all the same
        else:
            self._forget(key)

    def _forget(self, key: Key) -> None:
        self._ahead.pop(key, None)
        old = self._cache.pop(key)
        if old is not None:
            self._tell(old, None)

    def _kept(self, record: R) -> bool:
        return self._keep is None or self._keep(record)

    def _read(self, key: Key, raw: msgspec.Raw) -> R | None:
        """None for what cannot be read."""
        try:
            return self._decode(raw)
        except Exception as error:
            # A decoder's text names a path and types only; another exception's text may quote the object.
            self._log_error(
                "cannot read an object; it is ignored",
                key,
                str(error) if isinstance(error, msgspec.MsgspecError) else type(error).__name__,
            )
            return None

    def _tell(self, old: R | None, new: R | None) -> None:
        try:
            self._on_change(old, new)
        except Exception as error:  # one object must not stop the news about all others
            record = new if new is not None else old
            self._log_error(
                "a change was not taken in",
                (getattr(record, "namespace", ""), getattr(record, "name", "")),
                type(error).__name__,
                exc_info=True,
            )

    def _log_error(self, text: str, key: Key, error: str, **more: Any) -> None:
        if self._log is not None:
            self._log.error(text, resource=self.resource.plural, namespace=key[0], name=key[1], error=error, **more)


def newer(version: str, than: str) -> bool:
    """Versions of one object in one etcd are numbers that grow."""
    return version.isdigit() and than.isdigit() and int(version) > int(than)
