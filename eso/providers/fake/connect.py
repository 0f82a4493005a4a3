"""Static data for tests and demos: the values stand in the store's own spec.

Neighbours: stores.registry makes the Connector, spec.py has the rules. Nothing is contacted; entries that were pushed
live in this process, per store.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import AsyncIterator, Hashable, Mapping
from dataclasses import dataclass, field
from typing import Final

from eso.errors import EsoError
from eso.providers.contract import (
    CredentialReader,
    Find,
    InvalidConfig,
    Plan,
    Push,
    Remote,
    RemoteRef,
    SecretNotFound,
    Source,
    StoreView,
    Validation,
    ValidationFailed,
)
from eso.providers.env import Env
from eso.providers.kit.search import by_name
from eso.values.convert import convert_keys
from eso.values.jsonmap import NotAMap, get_property, to_map

MOST_BOUND: Final = 32  # stores that share a login and are kept


@dataclass(frozen=True, slots=True)
class Entry:
    """`value` never prints."""

    key: str
    version: str
    value: bytes = field(repr=False)


class Connector:
    """Keeps what was pushed, per store: the reference shares it between equally named stores of all namespaces."""

    def __init__(self, env: Env | None = None) -> None:
        self._pushed: dict[tuple[str, str, str], dict[str, Entry]] = {}
        self._bound: OrderedDict[tuple[str, str, str], FakeClient] = OrderedDict()

    async def close(self) -> None:
        """Nothing was opened."""

    async def open(self, store: StoreView, plan: Plan, credentials: CredentialReader) -> FakeClient:
        return self.client(store)

    def client(self, store: StoreView) -> FakeClient:
        return FakeClient(store, self._pushed.setdefault((store.kind, store.namespace, store.name), {}), self)

    def bound(self, store: StoreView) -> FakeClient:
        """The client of another store of the same login, made once: there may be tens of thousands of entries."""
        place = (store.kind, store.namespace, store.name)
        known = self._bound.get(place)
        if known is None or known.store != store:
            known = self._bound[place] = self.client(store)
            if len(self._bound) > MOST_BOUND:
                self._bound.popitem(last=False)
        return known


class FakeClient:
    """A StoreClient. An entry's identity is key and version run together, as in the reference."""

    lifetime: float | None = None

    def __init__(self, store: StoreView, pushed: dict[str, Entry], connector: Connector) -> None:
        self.store, self.connector, self.pushed = store, connector, pushed
        self.own: dict[str, Entry] = {}
        for item in store.provider_spec.get("data") or ():
            entry = Entry(
                str(item.get("key") or ""), str(item.get("version") or ""), str(item.get("value") or "").encode()
            )
            self.own[entry.key + entry.version] = entry

    async def renew(self) -> bool:
        return True

    def bind(self, store: StoreView) -> FakeClient:
        return self if store == self.store else self.connector.bound(store)

    async def close(self) -> None:
        """Nothing was opened."""

    @property
    def entries(self) -> dict[str, Entry]:
        return self.pushed | self.own

    def request(self, ref: RemoteRef) -> Hashable:
        # The store is part of it: equal specs share a session, but not what was pushed.
        return self.store.kind, self.store.namespace, self.store.name, ref.key, ref.version

    async def fetch(self, request: Hashable) -> bytes:
        assert isinstance(request, tuple)
        *_, key, version = request
        entry = self.own.get(key + version) or self.pushed.get(key + version)
        if entry is None or entry.version != version:
            raise SecretNotFound
        return entry.value

    def value(self, payload: bytes, ref: RemoteRef) -> bytes:
        """A missing property proves the absence here, unlike anywhere else."""
        if not ref.property:
            return payload
        found = get_property(payload, ref.property)
        if found is None:
            raise SecretNotFound
        return found

    def mapping(self, payload: bytes, ref: RemoteRef) -> dict[str, bytes]:
        try:
            return to_map(self.value(payload, ref), "raw")
        except NotAMap as error:
            raise EsoError(f"unable to unmarshal secret: {error}", fix="the value has to be a JSON object") from error

    async def find(self, find: Find) -> AsyncIterator[Mapping[str, bytes]]:
        """Of several versions the greatest wins, compared as text: `v9` beats `v10`."""
        if find.name_regexp is None:
            raise InvalidConfig(
                f"unsupported find operator: path={find.path} tags={dict(find.tags or ())}", fix="set find.name.regexp"
            )
        matches = by_name(find)
        newest: dict[str, Entry] = {}
        wanted = await matches.these(dict.fromkeys(entry.key for entry in self.entries.values()))
        for entry in self.entries.values():
            if entry.key in wanted and (entry.key not in newest or newest[entry.key].version < entry.version):
                newest[entry.key] = entry
        yield convert_keys({key: entry.value for key, entry in newest.items()}, find.conversion_strategy)

    # writes; property and metadata are ignored, as in the reference

    def place(self, remote: Remote) -> Hashable:
        return self.store.kind, self.store.namespace, self.store.name, remote.key

    async def push(self, entry: Push, source: Source) -> None:
        """A whole Secret is stored as nothing. An entry of the store's own spec cannot be overwritten."""
        if entry.remote.key in self.own:
            raise InvalidConfig("key already exists", fix="push to a key that the store's spec does not have")
        value = source.data.get(entry.secret_key, b"") if entry.secret_key else b""
        self.pushed[entry.remote.key] = Entry(entry.remote.key, "", value)

    async def delete(self, remote: Remote) -> None:
        """Removes what was pushed, never an entry of the store's own spec. The reference removes nothing."""
        self.pushed.pop(remote.key, None)

    async def exists(self, remote: Remote) -> bool:
        return remote.key in self.own or remote.key in self.pushed

    async def validate(self) -> Validation:
        result = Validation(int(self.store.provider_spec.get("validationResult") or 0))
        if result is not Validation.READY:
            raise ValidationFailed("unable to validate", result)
        return result
