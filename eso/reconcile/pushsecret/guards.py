"""The finalizer on stores: a store stays as long as a PushSecret needs it to delete what was pushed.

Neighbours: triggers.py tells which stores may have changed their mind, and knows who needs them. One write per change.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, Final, NoReturn

from eso.api.meta import Resource, Undecodable
from eso.api.secretstore import CLUSTER_SECRET_STORES, SECRET_STORES, SecretStore
from eso.errors import EsoError
from eso.kube.finalizers import add_finalizer, remove_finalizer
from eso.kube.rest import Conflict, NotFound, Rest
from eso.reconcile.pushsecret.holders import StoreKey
from eso.runtime.clock import Clock

FINALIZER: Final = "secretstore.externalsecrets.io/finalizer"
AGAIN: Final = 1.0  # seconds until a write that failed is tried again
RESOURCES: Final[dict[str, Resource]] = {"SecretStore": SECRET_STORES, "ClusterSecretStore": CLUSTER_SECRET_STORES}


class Guards:
    """`find(store)` is the informer's record, `every(kind)` its records; `needed(store)` asks holders.py.
    `mine(store)` is False for a store of another controller class."""

    def __init__(
        self,
        rest: Rest,
        clock: Clock,
        find: Callable[[StoreKey], SecretStore | Undecodable | None],
        every: Callable[[str], Iterable[SecretStore]],
        needed: Callable[[SecretStore], bool],
        mine: Callable[[SecretStore], bool],
        log: Any,
    ) -> None:
        self.rest, self.clock, self.find, self.every = rest, clock, find, every
        self.needed, self.mine, self.log = needed, mine, log
        self._doubtful: dict[StoreKey, None] = {}
        self._wake = asyncio.Event()

    def touch(self, store: StoreKey) -> None:
        """The store, or who needs it, has changed."""
        self._doubtful[store] = None
        self._wake.set()

    async def run(self) -> NoReturn:
        """Looks at every store once, then at those that are touched, until cancelled."""
        for kind in RESOURCES:
            for store in self.every(kind):
                self.touch((store.kind, store.namespace, store.name))
        while True:
            await self._wake.wait()
            self._wake.clear()
            taken, self._doubtful = self._doubtful, {}
            for key in taken:
                await asyncio.sleep(0)  # most stores are as they should be, so that nothing else waits
                if not await self.settle(key):
                    self.clock.call_later(AGAIN, partial(self.touch, key))

    async def settle(self, store: StoreKey) -> bool:
        """The finalizer is there if and only if it is needed. False: try again later."""
        record = self.find(store)
        if not isinstance(record, SecretStore) or not self.mine(record):
            return True
        resource, needed = RESOURCES[store[0]], self.needed(record)
        try:
            if needed and record.metadata.deletion_timestamp is None:
                await add_finalizer(self.rest, resource, record.metadata, FINALIZER)
            elif not needed:
                await remove_finalizer(self.rest, resource, record.metadata, FINALIZER)
        except NotFound:
            return True
        except Conflict:
            return False
        except EsoError as error:
            self.log.error(
                "could not write the store's finalizer", store=store[2], namespace=store[1], error=str(error)
            )
            return False
        return True
