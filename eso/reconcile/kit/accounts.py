"""The ServiceAccounts that stores and queues of ChangeSources log in with, followed while at least one of them does.

Neighbours: storewatch.py and the room of ChangeSources say who uses an account and hear what happened to one;
`kube.inuse` starts and ends the watch. Only uid and annotations count: a token of an account says who the account is,
not what it looks like.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from typing import Any, NoReturn

import msgspec

from eso.api.meta import SERVICE_ACCOUNTS, ObjectMeta, Resource
from eso.kube.informer import Informer
from eso.kube.inuse import InformersInUse
from eso.kube.rest import Rest
from eso.observe.log import SILENT, Log
from eso.runtime.clock import Clock

Key = tuple[str, str]  # namespace, name
Wanted = Callable[[str, str], bool]
Used = Callable[[], Collection[Key]]
News = Callable[[str, str, bool], None]  # namespace, name, whether the account as it was is gone


class AccountRecord(msgspec.Struct, frozen=True, gc=False):
    """What is kept of a ServiceAccount. `annotations`: a hash, equal for equal annotations within this process."""

    namespace: str
    name: str
    resource_version: str
    uid: str
    annotations: int


class _Object(msgspec.Struct):
    metadata: ObjectMeta


_object = msgspec.json.Decoder(_Object)


def account_record(raw: msgspec.Raw) -> AccountRecord:
    meta = _object.decode(raw).metadata
    return AccountRecord(
        meta.namespace, meta.name, meta.resource_version, meta.uid, hash(frozenset(meta.annotations.items()))
    )


class _Accounts(Informer[AccountRecord]):
    """Calls `after` once each list is complete."""

    def __init__(self, *args: Any, after: Callable[[], None], **options: Any) -> None:
        super().__init__(*args, **options)
        self._after = after

    async def list_ended(self) -> None:
        await super().list_ended()
        self._after()


class AccountWatch:
    """`wanted(namespace, name)`: whether something refers to the account. `used()`: accounts behind logins that are
    open. `news` is told of changes after the first list, and of accounts in use that a list does not show."""

    def __init__(
        self,
        rest: Rest,
        *,
        clock: Clock,
        namespace: str = "",
        log: Log = SILENT,
    ) -> None:
        self._rest, self._clock, self._namespace, self._log = rest, clock, namespace, log
        self._followers: list[tuple[Wanted, Used, News]] = []
        self._informers: InformersInUse[AccountRecord] = InformersInUse(self._informer)

    def connect(self, wanted: Wanted, used: Used, news: News) -> None:
        self._followers.append((wanted, used, news))

    async def run(self) -> NoReturn:
        """Until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._informers.run(), name="informer-of-accounts")
        raise AssertionError("unreachable")

    def uses(self, who: tuple[str, str, str], yes: bool) -> None:
        """Whether this store or ChangeSource logs in with a ServiceAccount."""
        if yes:
            self._informers.use(SERVICE_ACCOUNTS, who)
        else:
            self._informers.release(SERVICE_ACCOUNTS, who)

    @property
    def informer(self) -> Informer[AccountRecord] | None:
        return self._informers.get(SERVICE_ACCOUNTS)

    def _informer(self, resource: Resource) -> Informer[AccountRecord]:
        made: _Accounts = _Accounts(
            self._rest,
            resource,
            account_record,
            lambda old, new: self._changed(made, old, new),
            namespace=self._namespace,
            metadata_only=True,
            keep=lambda record: any(wanted(record.namespace, record.name) for wanted, *_ in self._followers),
            clock=self._clock,
            log=self._log,
            after=lambda: self._compare(made),
        )
        return made

    def _changed(self, informer: _Accounts, old: AccountRecord | None, new: AccountRecord | None) -> None:
        if not informer.has_synced.is_set():
            return
        record = new or old
        assert record is not None
        ended = old is not None and (new is None or new.uid != old.uid)
        if ended or old is None or new is None or new.annotations != old.annotations:
            self._told(record.namespace, record.name, ended)

    def _told(self, namespace: str, name: str, ended: bool) -> None:
        for wanted, _, news in self._followers:
            if wanted(namespace, name):
                news(namespace, name, ended)

    def _compare(self, informer: _Accounts) -> None:
        """An account may have gone between the login and the first list, when no event tells of it."""
        for _, used, news in self._followers:
            for namespace, name in list(used()):
                if self._namespace in ("", namespace) and informer.get((namespace, name)) is None:
                    news(namespace, name, True)
