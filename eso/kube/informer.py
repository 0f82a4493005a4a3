"""Watch events → cache, then listeners.

Neighbours: watch.py drives it, cache.py keeps the records, standing.py says how far it got; the listeners are the
triggers of `reconcile.*`. An object that cannot be decoded is skipped and logged; it never ends the watch.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Container, Hashable
from typing import Any, Final, Generic, NoReturn, Protocol, TypeVar

import msgspec

from eso.api.meta import Resource
from eso.kube.cache import Cache, Key, KeysOf
from eso.kube.rest import ApiError, Rest
from eso.kube.standing import Pending, Standing, standing
from eso.kube.watch import Watch
from eso.observe import redact
from eso.observe.log import SILENT, Log
from eso.runtime.clock import Clock


class Versioned(Protocol):
    @property
    def namespace(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def resource_version(self) -> str: ...


R = TypeVar("R", bound=Versioned)
TOLD_EVERY: Final = 16  # changes of a list that listeners are told of between two turns of the loop for others


Listener = Callable[[R | None, R | None], None]


class Account(Protocol):
    """Counts what is kept. `decode` of the informer counts an object in."""

    def forget(self, key: Key) -> None: ...
    def keep_only(self, keys: Container[Key]) -> None: ...


class Informer(Generic[R]):
    """A cache of one resource that follows the API server.

    `decode(raw)` makes the record of one object. A listener is called as `listener(old, new)` on the loop, after the
    cache moved: (None, new) for an object that came, (old, None) for one that is gone. `keep(record)` False: the object
    is treated as if it did not exist. A listener, an index or `keep` that raises is logged with the type of its error
    and ends neither the watch nor the process; a record that `keep` cannot judge is kept.
    """

    def __init__(
        self,
        rest: Rest,
        resource: Resource,
        decode: Callable[[msgspec.Raw], R],
        *listeners: Listener[R],
        namespace: str = "",
        label_selector: str = "",
        field_selector: str = "",
        metadata_only: bool = False,
        keep: Callable[[R], bool] | None = None,
        account: Account | None = None,
        clock: Clock | None = None,
        jitter: Callable[[], float] = random.random,
        log: Log = SILENT,
    ) -> None:
        self.resource = resource
        self.has_synced = asyncio.Event()
        self._settled = asyncio.Event()  # set while `standing()` is not Pending
        self._decode, self._listeners, self._keep, self._log = decode, list(listeners), keep, log
        self._account = account
        self._cache: Cache[R] = Cache(self._misplaced)
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
            heard=self._heard_of,
        )

    def listen(self, listener: Listener[R]) -> None:
        """Adds a listener, to be called after those that are there. It is told of changes from now on, not of the
        records in the cache: add it before `run`."""
        self._listeners.append(listener)

    def index(self, name: str, keys_of: KeysOf[R]) -> None:
        """Adds an index: `by(name, key)` finds the records for which `keys_of(record)` names `key`. `keys_of` must
        depend on the record alone. Raises ValueError for a name in use."""
        self._cache.index(name, keys_of)

    async def run(self) -> NoReturn:
        """Until cancelled. Errors of the API server are waited out; see `error`."""
        await self._watch.run()

    @property
    def error(self) -> ApiError | None:
        """Why nothing arrives at the moment (403, missing CRD, no connection), None while all is well."""
        return self._watch.error

    def standing(self) -> Standing:
        """Synced, still waiting for the first list, or told that there will be none (CRD missing, 403).

        Missing and Refused end by themselves: the list is asked for again until it works. They may also come after the
        sync, when a CRD or a right is taken away; the cache then keeps the last known records.
        """
        return standing(self.has_synced.is_set(), self._watch.error)

    async def settled(self) -> Standing:
        """Waits until the first list is complete, or until the API server says that it will not be: Synced, Missing or
        Refused. An API server that is away is waited for."""
        while isinstance(stands := self.standing(), Pending):
            await self._settled.wait()
        return stands

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

    def by(self, name: str, key: Hashable) -> list[R]:
        """The records under `key` in the index `name`."""
        return self._cache.by(name, key)

    def __len__(self) -> int:
        return len(self._cache)

    def learned(self, raw: bytes) -> None:
        """Takes our own write from its reply: the cache moves and the listeners are told before the watch shows it. The
        reply may hold an edit of others whose event is still on its way, and that event will be ignored. Ignored when
        the cache is newer already."""
        record = self._read(("", ""), msgspec.Raw(raw))
        if record is None:
            return
        key = (record.namespace, record.name)
        known = self._cache.get(key)
        if known is not None and newer(record.resource_version, known.resource_version):
            self._ahead[key] = record.resource_version
            self._tell(self._cache.put(key, record), record)
        elif known is None and self._account is not None:
            self._account.forget(key)  # the object is gone already

    # the Sink of watch.py

    def list_began(self) -> None:
        self._next = {}

    def listed(self, key: Key, version: str, raw: msgspec.Raw) -> None:
        record = self._cache.get(key)
        if record is None or record.resource_version != version:
            record = self._read(key, raw) or record
        if record is not None and self._kept(record):
            self._next[key] = record

    async def list_ended(self) -> None:
        """The cache becomes the list, whole; then the listeners are told of the differences."""
        listed, self._next = self._next, {}
        self._ahead.clear()
        changes: list[tuple[R | None, R | None]] = []
        for key in [key for key in self._cache if key not in listed]:
            changes.append((self._cache.pop(key), None))
        for key, record in listed.items():
            if self._cache.get(key) is not record:
                changes.append((self._cache.put(key, record), record))
        if self._account is not None:
            self._account.keep_only(listed)
        for count, (old, new) in enumerate(changes, 1):
            self._tell(old, new)
            if count % TOLD_EVERY == 0:
                await asyncio.sleep(0)
        self.has_synced.set()
        self._settled.set()

    def _heard_of(self, error: ApiError | None) -> None:
        if isinstance(standing(self.has_synced.is_set(), error), Pending):
            self._settled.clear()
        else:
            self._settled.set()

    def changed(self, key: Key, version: str, raw: msgspec.Raw) -> None:
        known = self._cache.get(key)
        ahead = self._ahead.get(key)
        if ahead is not None:
            if newer(ahead, version):
                return  # this event is older than our own write, which the cache holds already
            del self._ahead[key]
        if known is not None and known.resource_version == version:
            return
        record = self._read(key, raw)
        if record is None:
            return  # keep the last known record: dropping it would look like a deletion
        if self._kept(record):
            self._tell(self._cache.put(key, record), record)
        else:
            self._forget(key)

    def deleted(self, key: Key, raw: msgspec.Raw) -> None:
        record = self._read(key, raw) if self._keep is not None and self._cache.get(key) is None else None
        if record is not None and self._kept(record):
            # `keep` wants the object only since its last change, so the cache never had it. Its end is news as well.
            self._tell(record, None)
        else:
            self._forget(key)

    def _forget(self, key: Key) -> None:
        self._ahead.pop(key, None)
        if self._account is not None:
            self._account.forget(key)
        old = self._cache.pop(key)
        if old is not None:
            self._tell(old, None)

    def _kept(self, record: R) -> bool:
        if self._keep is None:
            return True
        try:
            return self._keep(record)
        except Exception as error:  # dropping it would look like a deletion
            self._log_error("cannot tell whether to keep an object; it is kept", key_of(record), error)
            return True

    def _read(self, key: Key, raw: msgspec.Raw) -> R | None:
        """None for an object that cannot be decoded."""
        try:
            return self._decode(raw)
        except Exception as error:
            self._log_error("cannot read an object; it is ignored", key, error)
            return None

    def _tell(self, old: R | None, new: R | None) -> None:
        for listener in self._listeners:
            try:
                listener(old, new)
            except Exception as error:  # one listener, or one object, must not stop the news for the others
                record = new if new is not None else old
                self._log_error("a change was not taken in", key_of(record), error, stacktrace=redact.stack(error))

    def _misplaced(self, index: str, key: Key, error: Exception) -> None:
        self._log_error("cannot index an object; it is not found there", key, error, index=index)

    def _log_error(self, text: str, key: Key, error: Exception, **more: Any) -> None:
        # The text of a decoder names a path and types only; the text of any other exception may quote the object.
        cause = str(error) if isinstance(error, msgspec.MsgspecError) else type(error).__name__
        self._log.error(text, resource=self.resource.plural, namespace=key[0], name=key[1], error=cause, **more)


def key_of(record: Versioned | None) -> Key:
    return getattr(record, "namespace", ""), getattr(record, "name", "")


def newer(version: str, than: str) -> bool:
    """Versions of one object in one etcd are numbers that grow."""
    return version.isdigit() and than.isdigit() and int(version) > int(than)
