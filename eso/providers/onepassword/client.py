"""One login at a Connect server: items are found by title or id through the vaults of the store; fields and files read,
searched, pushed and deleted.

Neighbours: connect.py makes it, codec.py turns items into values, refusal.py words what Connect refuses.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Hashable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from eso.errors import EsoError
from eso.providers.contract import (
    Find,
    InvalidConfig,
    Push,
    Remote,
    RemoteRef,
    Source,
    StoreView,
    Validation,
    ValidationFailed,
    prefixed,
)
from eso.providers.kit.connected import Connected, Connection
from eso.providers.kit.http import NothingThere, segment, worded
from eso.providers.kit.metadata import TEXT, spec_of
from eso.providers.kit.payload import pushed, text_of
from eso.providers.kit.search import Volume, Walk, by_name, every
from eso.providers.kit.selectors import part
from eso.providers.onepassword import codec
from eso.providers.onepassword.spec import vaults

LABEL: Final = "1Password/Connect"
VAULT_FAILED: Final = "error finding 1Password Vault: "
ITEM_FAILED: Final = "error finding 1Password Item: "
NO_KEY: Final = "key not found in 1Password Vaults"
AT_ONCE: Final = 8  # items of one search
SHAPE: Final = {"tags": [TEXT], "vault": TEXT}


@dataclass(frozen=True, slots=True)
class Asked:
    """One item. `file`: only the content of this file is wanted, "" for all; None where the item decides. `fields`:
    no file is wanted."""

    vaults: tuple[str, ...]
    key: str
    file: str | None = None
    fields: bool = False


class Client(Connected[Connection]):
    """A StoreClient with Writes."""

    def __init__(self, store: StoreView, connection: Connection | None) -> None:
        super().__init__(store, connection)
        self.vaults = vaults(store.provider_spec)

    async def validate(self) -> Validation:
        """Every vault has to be there."""
        try:
            for vault in self.vaults:
                await self._proven(vault)
        except EsoError as error:
            raise ValidationFailed(str(error), fix=error.fix) from error
        return Validation.READY

    # reading one item

    def request(self, ref: RemoteRef) -> Hashable:
        if ref.version:
            raise InvalidConfig("'remoteRef.version' is not implemented in the 1Password provider")
        if not ref.key:
            raise InvalidConfig("remoteRef.key is empty", fix="write the title or the id of an item")
        return Asked(self.vaults, ref.key, codec.asked_file(ref.property), ref.property.startswith(codec.FIELD))

    async def fetch(self, request: Hashable) -> codec.Found:
        """An item that is missing is an ordinary error, as in the reference."""
        assert isinstance(request, Asked)
        found = await self._found(request.vaults, request.key)
        if found is None:
            raise self._missing(request.key)
        vault, item = found
        if request.fields or (request.file is None and not item.document):
            return codec.Found(item)
        wanted = [file for file in item.files if request.file in (None, "", file.name)]
        volume = Volume()
        contents = await every(wanted, lambda file: self._content(vault, item.id, file, volume), AT_ONCE)
        return codec.Found(item, tuple((file.name, content) for file, content in zip(wanted, contents, strict=True)))

    def value(self, payload: codec.Found, ref: RemoteRef) -> bytes:
        return codec.value(payload, ref)

    def mapping(self, payload: codec.Found, ref: RemoteRef) -> dict[str, bytes]:
        return codec.mapping(payload, ref)

    async def _found(self, order: tuple[str, ...], key: str) -> tuple[str, codec.Item] | None:
        """The vault's id and the item. A key that looks like an id is looked for in the first vault only, as in the
        reference."""
        for name in order:
            vault = await self._vault(name)
            if codec.ID.fullmatch(key):
                return vault, await worded(ITEM_FAILED, self._item(vault, key))
            titled = await self._summaries(vault, key)
            if len(titled) > 1:
                raise EsoError(
                    f"expected one 1Password Item matching: '{key}', got {len(titled)}",
                    fix="write the id of the item, or give it a title of its own",
                )
            if titled:
                return vault, await worded(ITEM_FAILED, self._item(vault, titled[0].id))
        return None

    def _missing(self, key: str) -> EsoError:
        order = part(self.store.provider_spec, "vaults")
        shown = " ".join(f"{name}:{order[name]}" for name in sorted(order))
        return EsoError(f"{NO_KEY}: {key} in: map[{shown}]", fix="create the item, or correct remoteRef.key")

    # reading many

    async def find(self, find: Find) -> AsyncIterator[Mapping[str, bytes]]:
        """Fields and files of all items that are asked for; of equal names the first wins. With tags only the first
        vault is searched."""
        matches = by_name(find)
        walk, volume = Walk(), Volume()
        values: dict[str, bytes] = {}
        for name in self.vaults if find.tags is None else self.vaults[:1]:
            vault = await self._vault(name)
            title = find.path if find.tags is None else None
            items = await self._summaries(vault, title or None)
            if find.tags is not None:
                tags = {tag for tag, _ in find.tags}
                items = [item for item in items if tags <= set(item.tags)]
            walk.enter()
            walk.found(items)
            for at in range(0, len(items), AT_ONCE):
                group = [(vault, summary) for summary in items[at : at + AT_ONCE]]
                fetched = await every(group, self._wanted, AT_ONCE)
                labels = [label for item in fetched for label, _ in item.fields]
                wanted = await matches.these(labels + [file.name for _, summary in group for file in summary.files])
                for (_, summary), item in zip(group, fetched, strict=True):
                    for file in summary.files:
                        if file.name in wanted and file.name not in values:
                            values[file.name] = await self._content(vault, summary.id, file, volume)
                    for label, value in codec.chosen(item, wanted).items():
                        if label not in values:
                            values[label] = volume.counted(value)
        walk.found(list(values))
        yield values

    async def _wanted(self, place: tuple[str, codec.Summary]) -> codec.Item:
        vault, summary = place
        return await worded(ITEM_FAILED, self._item(vault, summary.id))

    # writing

    def place(self, remote: Remote) -> Hashable:
        """A write sends the whole item, and only the server knows which title and which id are one item: the writes of
        a login go one after the other, as in the reference."""
        return "items"

    async def push(self, entry: Push, source: Source) -> None:
        """Writes only what differs. There is no mark of ownership: a field of an existing item is overwritten."""
        remote = entry.remote
        metadata = spec_of(entry.metadata, SHAPE)
        tags, home = metadata.get("tags"), str(metadata.get("vault") or self.vaults[0])
        if home not in self.vaults:
            raise InvalidConfig(f"metadata vault '{home}' not in provider vaults")
        if not entry.secret_key:
            raise InvalidConfig(NO_KEY, fix="set match.secretKey: a whole Secret cannot be pushed here")
        value = text_of(pushed(entry, source, NO_KEY), "a field holds")
        label = remote.property or codec.PASSWORD
        found = await self._found(self.vaults, remote.key)
        if found is None:
            vault = await self._vault(home)
            body = codec.created(remote.key, vault, label, value, tags)
            await worded(
                "error creating 1Password Item: ",
                self.connection.api.send("CreateItem", "POST", f"/v1/vaults/{segment(vault)}/items", json=body),
            )
            return
        vault, item = found
        changed = codec.changed(item, label, value, tags)
        if changed != item.raw:
            await self._replaced(vault, item.id, changed)

    async def delete(self, remote: Remote) -> None:
        """Removes the field that a push would write; the last one takes the item along."""
        found = await self._found(self.vaults, remote.key)
        if found is None:
            return
        vault, item = found
        label = remote.property or codec.PASSWORD
        if not any(label == other for other, _ in item.fields):
            return
        rest = codec.without(item, label)
        if not codec.empty(rest):
            await self._replaced(vault, item.id, rest)
            return
        try:
            await self.connection.api.send("DeleteItem", "DELETE", path_of(vault, item.id))
        except NothingThere:
            return
        except EsoError as error:
            raise prefixed("error deleting 1Password Item: ", error) from error

    async def exists(self, remote: Remote) -> bool:
        found = await self._found(self.vaults, remote.key)
        return found is not None and (not remote.property or remote.property in dict(found[1].fields))

    async def _replaced(self, vault: str, item: str, body: Mapping[str, Any]) -> None:
        await worded(
            "error updating 1Password Item: ",
            self.connection.api.send("UpdateItem", "PUT", path_of(vault, item), json=body),
        )

    # requests

    async def _vault(self, name: str) -> str:
        """The id of a vault that is named by id or title. What is asked next tells whether an id is that of a vault."""
        if codec.ID.fullmatch(name):
            return name
        try:
            reply = await self.connection.api.send("ListVaults", "GET", "/v1/vaults", query={"filter": titled(name)})
            found = await self.decoded(reply.body, codec.vaults_of)
            if len(found) != 1:
                raise EsoError(f'Found {len(found)} vaults with title "{name}"', fix="name the vault by its id")
        except EsoError as error:
            raise prefixed(VAULT_FAILED, error) from error
        return found[0]

    async def _proven(self, name: str) -> None:
        """Raises the reference's error for a vault that is not there."""
        vault = await self._vault(name)
        if vault == name:
            asked = self.connection.api.send("GetVault", "GET", f"/v1/vaults/{segment(vault)}")
            await self.decoded((await worded(VAULT_FAILED, asked)).body, codec.vault_of)

    async def _summaries(self, vault: str, title: str | None) -> list[codec.Summary]:
        """The items of a vault, or those with exactly this title. There is a list wherever there is a vault."""
        query = {"filter": titled(title)} if title is not None else None
        path = f"/v1/vaults/{segment(vault)}/items"
        try:
            reply = await self.connection.api.send("ListItems", "GET", path, query=query)
            found = await self.decoded(reply.body, codec.summaries_of)
        except EsoError as error:
            raise prefixed(VAULT_FAILED if isinstance(error, NothingThere) else ITEM_FAILED, error) from error
        return [item for item in found if title in (None, item.title)]

    async def _item(self, vault: str, item: str) -> codec.Item:
        reply = await self.connection.api.send("GetItem", "GET", path_of(vault, item))
        return await self.decoded(reply.body, codec.item_of)

    async def _content(self, vault: str, item: str, file: codec.File, volume: Volume) -> bytes:
        """The path is made of ids: no reply chooses what is asked next."""
        path = f"{path_of(vault, item)}/files/{segment(file.id)}/content"
        return volume.counted((await self.connection.api.send("GetFile", "GET", path)).body)


def path_of(vault: str, item: str) -> str:
    return f"/v1/vaults/{segment(vault)}/items/{segment(item)}"


def titled(title: str) -> str:
    escaped = title.replace("\\", "\\\\").replace('"', '\\"')
    return f'title eq "{escaped}"'
