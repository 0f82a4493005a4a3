"""One device of a Keeper application: records read by UID or title, searched, pushed, deleted.

Neighbours: connect.py makes it, wire.py seals and opens, codec.py turns records into bytes, pushing.py changes them,
refusal.py words what Keeper refuses.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, ClassVar, Final
from urllib.parse import urlsplit

import orjson

from eso.errors import EsoError
from eso.net.http import Reply
from eso.providers.contract import (
    Denied,
    Find,
    InvalidConfig,
    Malformed,
    Push,
    Remote,
    RemoteRef,
    Source,
    StoreView,
    Timeout,
    Validation,
)
from eso.providers.keepersecurity import codec, pushing, refusal, wire
from eso.providers.keepersecurity.device import Device
from eso.providers.keepersecurity.refusal import OtherKey
from eso.providers.kit.connected import Connected
from eso.providers.kit.http import MAX_REPLY, Api
from eso.providers.kit.payload import pushed, text_of
from eso.providers.kit.search import Volume, Walk, by_name
from eso.runtime.offload import Offload

LABEL: Final = "KeeperSecurity"
VERSION: Final = "mp17.3.0"  # the service refuses clients that it does not know
UID: Final = re.compile(r"[A-Za-z0-9_-]{22}", re.ASCII)
LETTERS: Final = 2  # of one call; the second is sealed for the key that the server asked for


@dataclass(slots=True)
class Login:
    """A device. `number`: of the server's key that letters are sealed for; it changes when the server says so. `files`
    asks the storage of files, which gets no credential."""

    api: Api
    files: Api
    offload: Offload
    device: Device = field(repr=False)
    lifetime: float | None = None
    number: str = ""

    def __post_init__(self) -> None:
        self.number = self.number or self.device.number


@dataclass(frozen=True, slots=True)
class Asked:
    """One record. `by_title`: where no record has this UID, one of this title is meant."""

    key: str
    by_title: bool


class Client(Connected[Login]):
    """A StoreClient with Batches and Writes."""

    most: ClassVar[int] = 100  # records of one reply

    def __init__(self, store: StoreView, connection: Login | None) -> None:
        super().__init__(store, connection)
        block = store.provider_spec
        self.by_title, self.folder = block.get("getByTitleFallback") is True, str(block.get("folderID") or "")

    async def validate(self) -> Validation:
        """Nothing is asked, as in the reference."""
        return Validation.UNKNOWN if self._connection is None else Validation.READY

    # reading

    def request(self, ref: RemoteRef) -> Hashable:
        """Property, version and metadataPolicy are not part of it."""
        return Asked(ref.key, self.by_title)

    async def fetch(self, request: Hashable) -> codec.Record:
        answer = (await self.fetch_many([request]))[request]
        if isinstance(answer, EsoError):
            raise answer
        return answer

    def batch(self, request: Hashable) -> Hashable | None:
        """UIDs together, and titles together. What is neither travels alone: one that is refused must fail no other
        read."""
        assert isinstance(request, Asked)
        uid = UID.fullmatch(request.key) is not None
        return (uid, request.by_title) if uid or request.by_title else None

    async def fetch_many(self, requests: Sequence[Hashable]) -> Mapping[Hashable, codec.Record | EsoError]:
        """One call for all records by UID, and one for all that have to be looked for by title."""
        wanted = [request for request in requests if isinstance(request, Asked)]
        uids = [one.key for one in wanted if UID.fullmatch(one.key) or not one.by_title]
        listing = await self._listing("GetSecrets", uids) if uids else codec.Listing([], {})
        found: dict[str, codec.Record] = {}
        for record in listing.records:
            found.setdefault(record.uid, record)
        missing = [one for one in wanted if one.key not in found]
        everything: codec.Listing | Malformed = listing
        if any(one.by_title for one in missing):
            try:
                everything = await self._listing("GetSecretsByTitle")
            except Malformed as error:  # too large, say: it is the error of those alone whose record has no such UID
                everything = error
        answers: dict[Hashable, codec.Record | EsoError] = {}
        for one in wanted:
            held = found.get(one.key)
            try:
                if held is None:
                    among = everything if one.by_title else listing
                    if isinstance(among, Malformed):
                        raise among
                    held = titled(among, one)
                answers[one] = await self._with_files(codec.distinct(held))
            except (Malformed, Missing) as error:
                answers[one] = error
        return answers

    def value(self, payload: codec.Record, ref: RemoteRef) -> bytes:
        return codec.value(payload, ref.property)

    def mapping(self, payload: codec.Record, ref: RemoteRef) -> dict[str, bytes]:
        return codec.mapping(payload, ref.property)

    async def find(self, find: Find) -> AsyncIterator[Mapping[str, bytes]]:
        """Records by their titles; of equal titles the last wins. One that no key opens fails the search."""
        if find.tags is not None:
            raise InvalidConfig("'find.tags' is not implemented in the KeeperSecurity provider", fix="use find.name")
        if find.path is not None:
            raise InvalidConfig("'find.path' is not implemented in the KeeperSecurity provider", fix="use find.name")
        if find.name_regexp is None:
            raise InvalidConfig("missing: find.name.regexp", fix="set find.name.regexp")
        matches, walk, volume = by_name(find), Walk(), Volume()
        listing = await self._listing("GetSecrets")
        walk.found(listing.records)
        if listing.unreadable:
            raise unreadable(listing)
        titles = await matches.these([one.title for one in listing.records])
        for one in listing.records:
            if one.title in titles:
                yield {one.title: volume.counted(codec.whole(await self._with_files(codec.distinct(one))))}

    async def _with_files(self, found: codec.Record) -> codec.Record:
        """The record with the contents of its files; together they may take what one reply may. Once the storage does
        not answer in time, no more files are asked for: the other reads of the request wait meanwhile."""
        contents: list[bytes | EsoError] = []
        left, silent = MAX_REPLY, False
        for file in found.files:
            if file.content is not None:
                content = file.content
            elif silent:
                content = EsoError(f"file {file.title} cannot be loaded: the storage did not answer for another one")
            else:
                content = await self._content(file, left)
                silent = isinstance(content, Silent)
            contents.append(content)
            left -= len(content) if isinstance(content, bytes) else 0
        return codec.with_files(found, contents) if contents else found

    async def _content(self, file: codec.File, left: int) -> bytes | EsoError:
        """The content, or an ordinary error: the storage of files is another server than Keeper's own, and its failure
        is nobody's but that of who asks for the file."""
        try:
            if not https(file.url):
                raise Malformed("it lies at an address that cannot be used")
            reply = await replace(self.connection.files, max_body=left + wire.OVERHEAD).send("GetFile", "GET", file.url)
            return await self.decoded(reply.body, partial(wire.opened, key=file.key, what="it"))
        except EsoError as error:
            kind = Silent if isinstance(error, Timeout) else EsoError
            return kind(f"file {file.title} cannot be loaded: {error}", fix=error.fix)

    # writing

    def place(self, remote: Remote) -> Hashable:
        return pushing.named(remote.key).title

    async def push(self, entry: Push, source: Source) -> None:
        """Writes one field of a record of our type, or a record of our type into the folder."""
        if not entry.secret_key:
            raise InvalidConfig("pushing the whole secret is not yet implemented", fix="set match.secretKey")
        name = pushing.named(entry.remote.key)
        value = text_of(pushed(entry, source), "Keeper keeps")
        listing, held = await self._ours(name)
        if held is None:
            await self._create(listing, name, value)
            return
        document = pushing.changed(held, name, value)
        if document is not None:
            data = wire.encoded(wire.sealed(document, held.key))
            await self._ask("Save", "update_secret", recordUid=held.uid, revision=held.revision, data=data)

    async def delete(self, remote: Remote) -> None:
        """The whole record, whatever else it holds, as in the reference."""
        _, held = await self._ours(pushing.named(remote.key))
        if held is None:
            return
        reply, key = await self._ask("DeleteSecrets", "delete_secret", recordUids=[held.uid])
        if codec.deleted_in(reply.body, key, held.uid) != "ok":
            raise Denied("Keeper did not delete the record", fix="let the application edit the folder")

    async def exists(self, remote: Remote) -> bool:
        name = pushing.named(remote.key)
        _, held = await self._ours(name)
        return held is not None and pushing.holds(held, name)

    async def _ours(self, name: pushing.Named) -> tuple[codec.Listing, codec.Record | None]:
        """The record of this title that a push made, if there is one."""
        listing = await self._listing("GetSecretsByTitle")
        held = [one for one in listing.records if one.title == name.title and one.type == pushing.TYPE]
        if len(held) > 1:
            raise more_than_one(name.title)
        if not held and listing.unreadable:
            raise unreadable(listing)
        return listing, held[0] if held else None

    async def _create(self, listing: codec.Listing, name: pushing.Named, value: str) -> None:
        owner, folder = self.connection.device.owner, listing.folders.get(self.folder)
        if owner is None:
            raise InvalidConfig("the configuration has no appOwnerPublicKey", fix="make a new one")
        if folder is None:
            raise InvalidConfig(
                f"unable to find folder {self.folder}: it has to be shared with the application, and at least one "
                "record must exist in it",
                fix="correct folderID, or put a record into the folder",
            )
        key = wire.new_key()
        await self._ask(
            "CreateSecretWithRecordData",
            "create_secret",
            recordUid=wire.new_uid(),
            recordKey=wire.encoded(wire.sealed_for(key, owner)),
            folderUid=self.folder,
            folderKey=wire.encoded(wire.sealed(key, folder)),
            data=wire.encoded(wire.sealed(pushing.made(name, value), key)),
        )

    # requests

    async def _listing(self, call: str, uids: Sequence[str] | None = None) -> codec.Listing:
        """These records, or every record that the application may see."""
        wanted = {} if uids is None else {"requestedRecords": list(uids)}
        reply, key = await self._ask(call, "get_secret", **wanted)
        open_up = partial(codec.listing_of, reply_key=key, app_key=self.connection.device.app_key)
        return await self.decoded(reply.body, open_up)

    async def _ask(self, call: str, path: str, **payload: Any) -> tuple[Reply, bytes]:
        """The reply, and the key that opens it. Raises InvalidConfig for a server whose key nobody knows."""
        login = self.connection
        device = login.device
        body = orjson.dumps({"clientVersion": VERSION, "clientId": device.client_id, **payload})
        api = login.api if path == "get_secret" else replace(login.api, refuse=refusal.of_write)
        for _ in range(LETTERS):
            number = login.number
            server = device.server(number)
            if server is None:
                break
            letter = wire.letter(body, server, device.key)
            try:
                return await api.send(
                    call, "POST", f"/{path}", headers=letter.headers(number), body=letter.body
                ), letter.key
            except OtherKey as error:
                if not (error.number.isascii() and error.number.isdigit()):
                    break  # no header may hold it, and with serverPublicKey every number would be taken
                login.number = error.number
        login.number = device.number
        raise InvalidConfig(
            "the server asks for a key of its own that is not known here",
            fix="set serverPublicKey in the configuration",
        )


class Silent(EsoError):
    """The storage of files did not answer in time."""


class Missing(EsoError):
    """No record, or too many: an ordinary error, as in the reference. The server leaves out what the application may
    not see, so it proves no absence."""


def titled(listing: codec.Listing, asked: Asked) -> codec.Record:
    """The record of this title. Raises Missing, or Malformed where a record that nobody can open may be the one."""
    held = [one for one in listing.records if one.title == asked.key] if asked.by_title else []
    if len(held) > 1:
        raise more_than_one(asked.key)
    if not held:
        if listing.unreadable:
            raise unreadable(listing)
        raise Missing("no secrets found", fix="is the key right, and is the record shared with the application?")
    return held[0]


def more_than_one(title: str) -> Missing:
    return Missing(f"more than 1 secret {title} found", fix="rename one of the records")


def unreadable(listing: codec.Listing) -> Malformed:
    return Malformed(f"{listing.unreadable} records cannot be decrypted", fix="is appKey that of the application?")


def https(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme == "https" and bool(parts.hostname) and parts.username is None
    except ValueError:
        return False
