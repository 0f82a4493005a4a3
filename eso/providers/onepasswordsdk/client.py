"""One login of a service account: fields resolved one by one or together, items and Environments read, searched,
pushed and deleted.

Neighbours: connect.py makes it, codec.py turns items into values, native.py awaits the library. Every call of the
library is one turn at the store's gate; the limits of a token count calls of an hour.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final, TypeVar

from eso.errors import EsoError
from eso.providers.contract import (
    Find,
    InvalidConfig,
    Malformed,
    Push,
    Remote,
    RemoteRef,
    Source,
    StoreView,
    Validation,
    ValidationFailed,
    prefixed,
    turn,
)
from eso.providers.kit.metadata import TEXT, spec_of
from eso.providers.kit.search import Volume, Walk, by_name
from eso.providers.onepasswordsdk import codec
from eso.providers.onepasswordsdk.native import Native, released
from eso.providers.onepasswordsdk.refusal import unresolved
from eso.runtime.offload import Offload
from eso.values.convert import convert_keys

T = TypeVar("T")
LABEL: Final = "1Password/SDK"
TOGETHER: Final = 25  # items of a search in one call
LONGEST_FILE: Final = 1 << 20  # what a Secret can hold
SHAPE: Final = {"tags": [TEXT], "fieldType": TEXT}


@dataclass(frozen=True, slots=True)
class Connection:
    """`vaults`: ids of vaults by the title or id that stores name; forgotten when a store is validated."""

    native: Native
    sdk: Any = field(repr=False)
    offload: Offload
    vaults: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Reference:
    """A field, as `op://vault/item/field`."""

    uri: str


@dataclass(frozen=True, slots=True)
class WholeItem:
    vault: str
    key: str
    property: str


@dataclass(frozen=True, slots=True)
class Environment:
    id: str


class Client:
    """A StoreClient with Batches and Writes."""

    lifetime: float | None = None
    most: ClassVar[int] = 50  # references in one call

    def __init__(self, store: StoreView, connection: Connection) -> None:
        self.store, self.connection = store, connection
        self.vault = str(store.provider_spec.get("vault") or "")
        self.environment = str(store.provider_spec.get("environment") or "")

    async def renew(self) -> bool:
        return False

    def bind(self, store: StoreView) -> Client:
        return self if store is self.store else Client(store, self.connection)

    async def close(self) -> None:
        async def release() -> None:
            released(self.connection.sdk)

        await self.connection.native.run(release)

    async def validate(self) -> Validation:
        """The vault has to be there; an Environment is not asked for."""
        if self.vault:
            self.connection.vaults.clear()
            try:
                await self._vault_id()
            except EsoError as error:
                raise ValidationFailed(str(error), fix=error.fix) from error
        return Validation.READY

    # reading

    def request(self, ref: RemoteRef) -> Hashable:
        if ref.version:
            raise InvalidConfig("'remoteRef.version' is not implemented in the 1Password SDK provider")
        if self.environment:
            return Environment(self.environment)
        if not ref.key:
            raise InvalidConfig("remoteRef.key is empty", fix="write item/field, or the title or id of an item")
        if ref.members:
            return WholeItem(self.vault, ref.key, ref.property)
        return Reference(f"op://{self.vault}/{ref.key.removeprefix('/')}")

    async def fetch(self, request: Hashable) -> codec.Payload:
        """A secret that is missing is an ordinary error, as in the reference."""
        match request:
            case Reference():
                found = (await self.fetch_many([request]))[request]
                if isinstance(found, EsoError):
                    raise found
                return found
            case Environment():
                return await self._variables()
        assert isinstance(request, WholeItem)
        item = await self._item(request.key)
        if item is None:
            raise EsoError("key not found", fix="remoteRef.key is the title or the id of an item")
        if not codec.wants_files(item, request.property):
            return codec.Members(item.title, False, codec.fields_of(item))
        name, volume = request.property.removeprefix(codec.FILE), Volume()
        wanted = [file for file in codec.files_of(item) if name in ("", file.name)]
        return codec.Members(item.title, True, tuple([await self._content(item, file, volume) for file in wanted]))

    def batch(self, request: Hashable) -> Hashable | None:
        return "references" if isinstance(request, Reference) else None

    async def fetch_many(self, requests: Sequence[Hashable]) -> Mapping[Hashable, codec.Text | EsoError]:
        wanted = [request for request in requests if isinstance(request, Reference)]
        uris = [request.uri for request in wanted]
        reply = await self._call("Resolve", lambda sdk: sdk.secrets.resolve_all(uris))
        return {request: answer(reply.individual_responses.get(request.uri)) for request in wanted}

    def value(self, payload: codec.Payload, ref: RemoteRef) -> bytes:
        return codec.value(payload, ref)

    def mapping(self, payload: codec.Payload, ref: RemoteRef) -> dict[str, bytes]:
        return codec.mapping(payload, ref)

    async def find(self, find: Find) -> AsyncIterator[Mapping[str, bytes]]:
        """All variables of an Environment, whatever is asked for; else the fields, then the files of the items with
        these tags or this title."""
        if self.environment:
            found = dict((await self._variables()).values)
        else:
            found = {}
            async for name, value in self._matches(find):
                if name in found:
                    raise EsoError(
                        f"found multiple labels with the same key '{name}'", fix="narrow the search: set path or tags"
                    )
                found[name] = value
        strategy = find.conversion_strategy
        yield await self.connection.offload.run_for(self.store.namespace, convert_keys, found, strategy)

    async def _matches(self, find: Find) -> AsyncIterator[tuple[str, bytes]]:
        matches, tags = by_name(find), {tag for tag, _ in find.tags or ()}
        walk, volume = Walk(), Volume()
        items = [item for item in await self._overviews() if tags <= set(item.tags) and find.path in (None, item.title)]
        walk.found(items)
        for at in range(0, len(items), TOGETHER):
            walk.enter()
            for item in await self._items(items[at : at + TOGETHER]):
                fields, files = codec.fields_of(item), codec.files_of(item)
                names = [name for name, _ in fields] + [file.name for file in files]
                wanted = await matches.these(names)
                for name, value in fields:
                    if name in wanted:
                        yield name, volume.counted(value)
                for file in files:
                    if file.name in wanted:
                        yield await self._content(item, file, volume)

    # writing

    def place(self, remote: Remote) -> Hashable:
        """A write sends the whole item, of whichever vault."""
        return remote.key

    async def push(self, entry: Push, source: Source) -> None:
        """Writes only what differs. There is no mark of ownership: a field of an existing item is overwritten."""
        self._writable("PushSecret")
        metadata = spec_of(entry.metadata, SHAPE)
        tags = metadata.get("tags")
        kind = codec.TYPES.get(str(metadata.get("fieldType") or "").lower(), codec.TYPES["concealed"])
        if not entry.secret_key:
            fields = {name: codec.text_of(value) for name, value in source.data.items()}
        elif entry.secret_key in source.data:
            title = entry.remote.property or codec.PASSWORD
            fields = {title: codec.text_of(source.data[entry.secret_key])}
        else:
            raise InvalidConfig(f"secret {source.namespace}/{source.name} does not contain a key")
        item = await self._item(entry.remote.key)
        if item is None:
            made = codec.made(await self._vault_id(), entry.remote.key, fields, kind, tags)
            await self._call("ItemsCreate", lambda sdk: sdk.items.create(made))
            return
        changed = codec.changed(item, fields, kind, tags, whole=not entry.secret_key)
        if changed != item:
            await self._call("ItemsPut", lambda sdk: sdk.items.put(changed))

    async def delete(self, remote: Remote) -> None:
        """Removes the field that a push would write; the last one takes the item along."""
        self._writable("DeleteSecret")
        title = remote.property or codec.PASSWORD
        item = await self._item(remote.key)
        if item is None:
            return
        same = [entry for entry in item.fields if entry.title == title]
        if len(same) > 1:
            raise InvalidConfig(f'failed to delete fields: found multiple labels on item "{title}"')
        if not same:
            return
        rest = codec.without(item, title)
        if codec.empty(rest):
            await self._call("ItemsDelete", lambda sdk: sdk.items.delete(item.vault_id, item.id))
        else:
            await self._call("ItemsPut", lambda sdk: sdk.items.put(rest))

    async def exists(self, remote: Remote) -> bool:
        self._writable("SecretExists")
        item = await self._item(remote.key)
        return item is not None and (not remote.property or any(f.title == remote.property for f in item.fields))

    def _writable(self, what: str) -> None:
        if self.environment:
            raise InvalidConfig(
                f"1Password Environment is read-only: {what} is not supported", fix="push to a store with a vault"
            )

    # calls

    async def _call(self, name: str, ask: Callable[[Any], Awaitable[T]]) -> T:
        async with turn(LABEL, name):
            return await self.connection.native.run(lambda: ask(self.connection.sdk))

    async def _vault_id(self) -> str:
        known = self.connection.vaults
        if self.vault not in known:
            try:
                for vault in await self._call("VaultsList", lambda sdk: sdk.vaults.list()):
                    if self.vault in (vault.title, vault.id):
                        known.setdefault(self.vault, vault.id)
            except EsoError as error:
                raise prefixed("failed to get store ID: failed to list vaults: ", error) from error
        if self.vault not in known:
            raise EsoError(
                f"failed to get store ID: vault {self.vault} not found",
                fix="write its title or id, and give the service account access to it",
            )
        return known[self.vault]

    async def _overviews(self) -> list[codec.Item]:
        vault = await self._vault_id()
        found: list[codec.Item] = await self._call("ItemsList", lambda sdk: sdk.items.list(vault))
        return found

    async def _item(self, key: str) -> codec.Item | None:
        """The item with this id or title, None when there is none. Raises EsoError for a title that two items have."""
        same = [key]
        if not codec.ID.fullmatch(key):
            same = [item.id for item in await self._overviews() if item.title == key]
        if len(same) > 1:
            raise EsoError(f"found multiple items with name {key}", fix="write the id of the item")
        if not same:
            return None
        vault = await self._vault_id()
        return await self._call("ItemsGet", lambda sdk: sdk.items.get(vault, same[0]))

    async def _items(self, overviews: Sequence[codec.Item]) -> list[codec.Item]:
        vault, ids = await self._vault_id(), [item.id for item in overviews]
        reply = await self._call("ItemsGet", lambda sdk: sdk.items.get_all(vault, ids))
        items = [found.content for found in reply.individual_responses]
        if len(items) != len(ids):
            raise Malformed("the library answers with another number of items than it was asked for")
        for overview, item in zip(overviews, items, strict=True):
            if item is None:
                raise EsoError(f"failed to get item for item {overview.title}: it could not be read")
        return items

    async def _content(self, item: codec.Item, file: Any, volume: Volume) -> tuple[str, bytes]:
        if file.size > LONGEST_FILE:
            raise InvalidConfig(f"a file of '{item.title}' is longer than a Secret can hold", fix="ask for other files")
        read = lambda sdk: sdk.items.files.read(item.vault_id, item.id, file)  # noqa: E731  # the call, by its name
        return file.name, volume.counted(await self._call("FilesRead", read))

    async def _variables(self) -> codec.Variables:
        try:
            reply = await self._call(
                "EnvironmentsGetVariables", lambda sdk: sdk.environments.get_variables(self.environment)
            )
        except EsoError as error:
            raise prefixed("failed to get environment variables: ", error) from error
        return codec.variables_of(reply)


def answer(found: Any) -> codec.Text | EsoError:
    """What one reference of many was answered."""
    if found is None:
        return EsoError("the library gave no answer to the secret reference")
    if found.content is not None:
        return codec.Text(found.content.secret.encode())
    return unresolved(found.error.type.value if found.error is not None else "")
