"""What the clients of all three services share: one login, seen through one store.

Neighbours: connect.py makes the client of the store's service; secretsmanager.py, parameterstore.py and
certificates.py make the calls.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Self

from eso.providers.aws.exports import Exports
from eso.providers.aws.sdk import Api
from eso.providers.contract import InvalidConfig, StoreView, Validation
from eso.runtime.offload import Offload


@dataclass(slots=True)
class Connection:
    """A logged-in session. `apis`: service of the SDK → Api; `lifetime` as in StoreClient; `principal`: whom AWS takes
    us for, and for which store."""

    apis: dict[str, Api]
    lifetime: float | None
    principal: Hashable
    offload: Offload
    exports: Exports
    batching: bool = True  # whether batch calls are still worth trying
    alone: set[str] = field(default_factory=set)  # what may not be read: in a batch it would fail the others


class AwsClient:
    """`connection` None: the store's credentials belong to each consumer, and there is none."""

    def __init__(self, store: StoreView, connection: Connection | None) -> None:
        self.store, self.connection = store, connection
        self.prefix = str(store.provider_spec.get("prefix") or "")

    @property
    def lifetime(self) -> float | None:
        return self.connection.lifetime if self.connection else None

    async def renew(self) -> bool:
        """A new login is the renewal: a fresh token of the account, and every role from the first one on."""
        return self.connection is None

    def bind(self, store: StoreView) -> Self:
        return self if store is self.store else type(self)(store, self.connection)

    async def close(self) -> None:
        """AWS has no logout, and connections belong to the process."""

    @property
    def live(self) -> Connection:
        if self.connection is None:
            raise InvalidConfig("the store's credentials belong to a namespace: it cannot be read without one")
        return self.connection

    async def validate(self) -> Validation:
        """That there are credentials, which the login has shown. No service is called, so a store that may read
        nothing is valid as well."""
        return Validation.UNKNOWN if self.connection is None else Validation.READY
