"""What the clients of all three services share: one login, seen through one store.

Neighbours: connect.py makes the client of the store's service; secretsmanager.py, parameterstore.py and
certificates.py make the calls.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Self

from eso.providers.aws.exports import Exports
from eso.providers.aws.sdk import Api
from eso.providers.contract import Denied, InvalidConfig, Malformed, SecretNotFound, StoreView, Validation
from eso.runtime.offload import Offload

MOST_ALONE: Final = 10_000


@dataclass(slots=True, weakref_slot=True)
class Batching:
    """What refusals have shown about batch calls. Logins that follow each other share it."""

    worth: bool = True  # whether batch calls are still worth trying
    alone: set[Hashable] = field(default_factory=set)  # requests that would fail a whole batch


@dataclass(frozen=True, slots=True)
class Connection:
    """A logged-in session. `apis`: service of the SDK → Api; `lifetime` as in StoreClient; `principal`: whom AWS takes
    us for, and for which store."""

    apis: dict[str, Api]
    lifetime: float | None
    principal: Hashable
    offload: Offload
    exports: Exports
    batching: Batching = field(default_factory=Batching)


class AwsClient:
    """`connection` None: the store's credentials belong to each consumer, and there is none."""

    def __init__(self, store: StoreView, connection: Connection | None) -> None:
        self.store, self._connection = store, connection
        self.prefix = str(store.provider_spec.get("prefix") or "")

    @property
    def lifetime(self) -> float | None:
        return None if self._connection is None else self._connection.lifetime

    async def renew(self) -> bool:
        """A new login is the renewal: a fresh token of the account, and every role from the first one on."""
        return False

    def bind(self, store: StoreView) -> Self:
        return self if store is self.store else type(self)(store, self._connection)

    async def close(self) -> None:
        """AWS has no logout, and connections belong to the process."""

    @property
    def connection(self) -> Connection:
        if self._connection is None:
            raise InvalidConfig("this store logs in with credentials of each consumer's namespace")
        return self._connection

    async def validate(self) -> Validation:
        """That there are credentials, which the login has shown. No service is called, so a store that may read
        nothing is valid as well."""
        return Validation.UNKNOWN if self._connection is None else Validation.READY


class BatchingClient(AwsClient):
    """A client whose service answers several requests in one call. A service that refuses the call as a whole is asked
    one by one; what that shows is remembered for as long as there is a login of this identity."""

    @abstractmethod
    async def fetch(self, request: Hashable) -> Any: ...

    @abstractmethod
    async def _batch(self, requests: Sequence[Hashable]) -> dict[Hashable, Any]:
        """What the call says of each request; nothing about those that it leaves open."""

    def _joins(self, request: Hashable) -> bool:
        return self.connection.batching.worth and request not in self.connection.batching.alone

    async def fetch_many(self, requests: Sequence[Hashable]) -> Mapping[Hashable, Any]:
        answers: dict[Hashable, Any] = {}
        refused = False
        if len(requests) > 1 and self.connection.batching.worth:
            try:
                answers = await self._batch(requests)
            except (Denied, InvalidConfig):
                refused = True
        for request in requests:
            if request not in answers:
                answers[request] = await self._answered(request)
        if refused:
            self._learn([request for request in requests if isinstance(answers[request], Denied | InvalidConfig)])
        return answers

    async def _answered(self, request: Hashable) -> Any:
        """An answer as a batch has them: an error of this request alone is told to its waiter."""
        try:
            return await self.fetch(request)
        except (SecretNotFound, Denied, InvalidConfig, Malformed) as error:
            return error

    def _learn(self, at_fault: Sequence[Hashable]) -> None:
        """One name that may not be read, or that cannot be one, fails its batch; without such a name, the call itself
        is refused or unknown."""
        if not at_fault:
            self.connection.batching.worth = False
        elif len(self.connection.batching.alone) < MOST_ALONE:
            self.connection.batching.alone.update(at_fault)
