"""What the clients of most providers have in common: one login, seen through a store.

Neighbours: a provider's client.py derives its Client from `Connected`, its connect.py makes the Connection. Whatever a
vendor does in its own way stands in the provider alone: nothing here calls a method that a provider may replace.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Protocol, Self, TypeVar

from eso.providers.contract import Consumer, CredentialReader, InvalidConfig, Plan, StoreView
from eso.providers.kit.http import LARGE, Api, decoded
from eso.runtime.offload import Offload


@dataclass(frozen=True, slots=True)
class Connection:
    """One login. `api` sends its credential with every call. `lifetime`: seconds from the login until it ends; None for
    one that does not end by itself."""

    api: Api
    offload: Offload
    lifetime: float | None = None


def nobody_asks(plan: Plan, credentials: CredentialReader) -> bool:
    """Whether each consumer logs in with credentials of its own, and this login is for none of them: the operator
    validates a ClusterSecretStore. Its client has no connection."""
    return plan.consumer is Consumer.CREDENTIALS and not credentials.namespace


class Closes(Protocol):
    """What a login calls its backend through."""

    async def close(self) -> None: ...


class Login(Protocol):
    """What has to be known of a login; a Connection, unless a provider replaces its token meanwhile."""

    @property
    def api(self) -> Closes: ...
    @property
    def offload(self) -> Offload: ...
    @property
    def lifetime(self) -> float | None: ...


C = TypeVar("C", bound=Login)
T = TypeVar("T")


class Connected(Generic[C]):
    """The part of a StoreClient that holds a login. Without a `connection` nobody asks, see above: such a store can be
    validated and no more."""

    def __init__(self, store: StoreView, connection: C | None) -> None:
        self.store, self._connection = store, connection

    @property
    def connection(self) -> C:
        if self._connection is None:
            raise InvalidConfig("this store logs in with credentials of each consumer's namespace")
        return self._connection

    @property
    def lifetime(self) -> float | None:
        return None if self._connection is None else self._connection.lifetime

    async def renew(self) -> bool:
        """A login that ends is replaced by a new one."""
        return False

    def bind(self, store: StoreView) -> Self:
        return self if store is self.store else type(self)(store, self._connection)

    async def close(self) -> None:
        if self._connection is not None:
            await self._connection.api.close()

    async def decoded(self, body: bytes, decode: Callable[[bytes], T]) -> T:
        """`decode(body)`, in a thread where that takes a while."""
        return await decoded(self.connection.offload, self.store.namespace, body, decode)

    async def apart(self, size: int, work: Callable[[], T]) -> T:
        """`work()`, in a thread where that takes a while. `size`: bytes of JSON that it reads or writes."""
        if size <= LARGE:
            return work()
        return await self.connection.offload.run_for(self.store.namespace, work)
