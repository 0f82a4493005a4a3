"""One login at Akeyless, and what an `akeyless` store does with it.

Neighbours: connect.py makes one, codec.py turns replies into bytes, refusal.py words what Akeyless refuses.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, ClassVar, Final, TypeVar

from eso.errors import EsoError
from eso.net.http import Pools, TransportError
from eso.providers.akeyless import codec
from eso.providers.akeyless.codec import Item, Value
from eso.providers.akeyless.refusal import Missing
from eso.providers.akeyless.spec import address
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
    Unshared,
    Validation,
    ValidationFailed,
    prefixed,
)
from eso.providers.kit.connected import Connected, Connection
from eso.providers.kit.http import NothingThere, typed, worded
from eso.providers.kit.search import Volume, Walk, Wanted, by_name, every
from eso.providers.kit.together import kept

T = TypeVar("T")
AT_ONCE: Final = 8  # reads of one search or batch
DIAL: Final = 15.0  # seconds
ABSENT: Final = "item does not exist"
TYPES: Final = ("static-secret", "dynamic-secret", "rotated-secret")
FAILED: Final = {
    codec.STATIC: "can't get secret value: ",
    codec.ROTATED: "can't get rotated secret value: ",
    codec.DYNAMIC: "can't get dynamic secret value: ",
    codec.CERTIFICATE: "can't get certificate value: ",
}


@dataclass(frozen=True, slots=True)
class LoggedIn(Connection):
    """Every call carries the token in its body."""

    token: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Asked:
    """`fresh`: past the cache of a gateway."""

    name: str
    version: int = codec.LATEST
    fresh: bool = False


@dataclass(frozen=True, slots=True)
class Lease:
    """New credentials of a dynamic secret."""

    name: str


class Client(Connected[LoggedIn]):
    """A StoreClient with Batches and Writes. `pools` dials the server, for which no login is needed."""

    most: ClassVar[int] = 50  # names in one call

    def __init__(self, store: StoreView, connection: LoggedIn | None, pools: Pools) -> None:
        super().__init__(store, connection)
        self.pools = pools
        self.fresh = {"ignore-cache": "true"} if store.provider_spec.get("ignoreCache") is True else {}

    def bind(self, store: StoreView) -> Client:
        return self if store is self.store else Client(store, self._connection, self.pools)

    async def validate(self) -> Validation:
        """Dials the server, as the reference does."""
        try:
            await self.pools.dial(address(self.store.provider_spec), DIAL)
        except TransportError as error:
            raise ValidationFailed(str(error), fix=error.fix) from typed(error)
        return Validation.READY

    # reading one item

    def request(self, ref: RemoteRef) -> Hashable:
        """The metadata policy is not used, as in the reference."""
        return Asked(ref.key, codec.version_of(ref.version), bool(self.fresh))

    async def fetch(self, request: Hashable) -> Value | Unshared:
        """An item that is missing is an ordinary error, as in the reference."""
        if isinstance(request, Lease):
            return await self._value(Asked(request.name), codec.DYNAMIC)
        assert isinstance(request, Asked)
        return await self._valued(request, await self._described(request.name))

    def value(self, payload: Value, ref: RemoteRef) -> bytes:
        return codec.bytes_of(payload, ref)

    def mapping(self, payload: Value, ref: RemoteRef) -> dict[str, bytes]:
        return codec.mapping(payload, ref)

    async def _described(self, name: str) -> Item:
        """Raises Missing for an item that is not there."""
        try:
            return await self._asked("DescribeItem", "describe-item", {"name": name}, codec.item_of)
        except Missing as error:
            raise Missing(ABSENT, fix="write the whole path of the item") from error
        except EsoError as error:
            raise prefixed(f"can't describe item: {name}, error: ", error) from error

    async def _value(self, asked: Asked, kind: str) -> Value:
        if kind not in FAILED:
            raise InvalidConfig(f"invalid item type: {kind}", fix="keys, targets and issuers have no value to read")
        call, path, body, decode = self._question(asked, kind)
        try:
            return await self._asked(call, path, body, decode)
        except Malformed:
            raise
        except Missing as error:
            raise NothingThere(f"{FAILED[kind]}{error}") from error
        except EsoError as error:
            raise prefixed(FAILED[kind], error) from error

    def _question(self, asked: Asked, kind: str) -> tuple[str, str, dict[str, Any], Callable[[bytes], Value]]:
        name, version = asked.name, {"version": asked.version}
        match kind:
            case codec.STATIC:
                body = {"names": [name], **version, **self.fresh}
                return "GetSecretValue", "get-secret-value", body, partial(codec.static, key=name)
            case codec.ROTATED:
                body = {"names": name, **version, **self.fresh}
                return "GetRotatedSecretValue", "get-rotated-secret-value", body, codec.rotated
            case codec.DYNAMIC:
                return "GetDynamicSecretsValue", "get-dynamic-secret-value", {"name": name}, codec.whole
        return "GetCertificateValue", "get-certificate-value", {"name": name, **version, **self.fresh}, codec.whole

    # reading several

    def batch(self, request: Hashable) -> Hashable | None:
        """Equal versions travel together: all of a call have one."""
        assert isinstance(request, Asked)
        return request.version, request.fresh

    async def fetch_many(self, requests: Sequence[Hashable]) -> Mapping[Hashable, Value | Unshared | EsoError]:
        """Describes each item, then reads the static ones in one call; each alone where that call fails, since one that
        cannot be read fails it for all."""
        wanted = [request for request in requests if isinstance(request, Asked)]
        answers: dict[Hashable, Value | Unshared | EsoError] = {}
        kinds = await every(wanted, lambda asked: kept(self._described(asked.name)), AT_ONCE)
        static = [asked for asked, item in zip(wanted, kinds, strict=True) if kind_of(item) == codec.STATIC]
        if len(static) > 1:
            answers |= await self._statics(static)
        left = [(a, item) for a, item in zip(wanted, kinds, strict=True) if a not in answers]
        found = await every(left, lambda pair: kept(self._valued(*pair)), AT_ONCE)
        return answers | {asked: value for (asked, _), value in zip(left, found, strict=True)}

    async def _valued(self, asked: Asked, item: Item | EsoError) -> Value | Unshared:
        """A dynamic secret has a value only once it is made, which is for one reader alone."""
        if isinstance(item, EsoError):
            raise item
        return Unshared(Lease(asked.name)) if item.type == codec.DYNAMIC else await self._value(asked, item.type)

    async def _statics(self, wanted: Sequence[Asked]) -> dict[Hashable, Value | EsoError]:
        """Nothing where the call was refused for what it asks, or brings more than one reply may hold."""
        body = {"names": [asked.name for asked in wanted], "version": wanted[0].version, **self.fresh}
        try:
            reply = await self._send("GetSecretValue", "get-secret-value", body)
        except (InvalidConfig, NothingThere, Missing, Denied, Malformed):
            return {}
        values = await self.decoded(reply, partial(codec.statics, keys=[asked.name for asked in wanted]))
        return {asked: values[asked.name] for asked in wanted}

    # reading many

    async def find(self, find: Find) -> AsyncIterator[Mapping[str, bytes | Unshared]]:
        """Static, dynamic and rotated secrets below a path by their whole name, or by the values of tags. Empty values
        are left out, as in the reference."""
        prefix, matches = folder(find.path), by_name(find)
        if find.name_regexp is not None:
            tags = [""]
        elif find.tags:
            matches, tags = Wanted(None), [value for _, value in find.tags]
        else:
            raise InvalidConfig("unexpected find operator", fix="set find.name.regexp or find.tags")
        walk, volume = Walk(), Volume()
        seen: set[str] = set()
        for tag in tags:
            async for items in self._listed(prefix, tag, walk):
                new = {item.name: item for item in items if item.name not in seen}
                chosen = [new[name] for name in await matches.among(new)]
                seen.update(item.name for item in chosen)
                for at in range(0, len(chosen), self.most):
                    values = await self._values(chosen[at : at + self.most])
                    yield {
                        name: value if isinstance(value, Unshared) else volume.counted(value.data)
                        for name, value in values.items()
                        if isinstance(value, Unshared) or value.data
                    }

    async def _listed(self, prefix: str, tag: str, walk: Walk) -> AsyncIterator[list[Item]]:
        """The items below a folder, page by page. Raises InvalidConfig for more than a search may read."""
        asked: dict[str, Any] = {"type": list(TYPES), "minimal-view": not tag}
        asked |= {"filter": prefix} if prefix else {}
        asked |= {"tag": tag} if tag else {}
        token = ""
        while True:
            walk.enter()
            body = asked | ({"pagination-token": token} if token else {})
            listing = self._asked("ListItems", "list-items", body, codec.page)
            items, following = await worded("can't get secrets list: ", listing)
            walk.found(items)
            yield [item for item in items if item.name.startswith(prefix)]
            if not following:
                return
            if following == token:
                raise Malformed("the server's list does not end")
            token = following

    async def _values(self, items: Sequence[Item]) -> dict[str, Value | Unshared]:
        """The values of some items, the static ones in one call. Raises the error of the first that has none."""
        known = await every(items, self._typed, AT_ONCE)
        static = [Asked(item.name) for item in known if item.type == codec.STATIC]
        together = await self._statics(static) if len(static) > 1 else {}

        async def found(item: Item) -> Value | Unshared:
            asked = Asked(item.name)
            answer = together[asked] if asked in together else await self._valued(asked, item)
            if isinstance(answer, EsoError):
                raise answer
            return answer

        values = await every(known, found, AT_ONCE)
        return {item.name: value for item, value in zip(known, values, strict=True)}

    async def _typed(self, item: Item) -> Item:
        """A short list may leave out what kind of item it is."""
        return item if item.type else replace(await self._described(item.name), name=item.name)

    # writing

    def place(self, remote: Remote) -> Hashable:
        return f"/{remote.key.strip('/')}"

    async def push(self, entry: Push, source: Source) -> None:
        """Writes only what differs. There is no mark of ownership: an item that somebody else made is written to."""
        key = entry.remote.key
        live = await self._live(key)
        document = codec.merged(codec.members(live), entry, source)
        if live is None:
            await self._send("CreateSecret", "create-secret", {"name": key, "value": document, "tags": [codec.TAG]})
        elif live.data != document.encode():
            await self._send("UpdateSecretVal", "update-secret-val", {"name": key, "value": document})

    async def delete(self, remote: Remote) -> None:
        """Removes what was pushed: a member, and the item with its last one."""
        try:
            item = await self._described(remote.key)
        except Missing:
            return
        if codec.TAG not in item.tags:
            return
        if remote.property:
            live = codec.members(await self._held(item, remote.key))
            if remote.property.encode("utf-8", "replace") not in live:
                return
            rest = codec.without(live, remote.property)
            if rest is not None:
                await self._send("UpdateSecretVal", "update-secret-val", {"name": remote.key, "value": rest})
                return
        try:
            await self._send("DeleteItem", "delete-item", {"name": remote.key})
        except Missing:
            return

    async def exists(self, remote: Remote) -> bool:
        try:
            item = await self._described(remote.key)
        except Missing:
            return False
        if not remote.property:
            return True
        return remote.property.encode("utf-8", "replace") in codec.members(await self._held(item, remote.key))

    async def _live(self, key: str) -> Value | None:
        """What an item holds now, None where there is none."""
        try:
            return await self._held(await self._described(key), key)
        except Missing:
            return None

    async def _held(self, item: Item, key: str) -> Value:
        """Raises InvalidConfig for an item whose value nobody writes: a look at a dynamic one would make another
        one."""
        if item.type == codec.DYNAMIC:
            raise InvalidConfig(f"invalid item type: {item.type}", fix="push to a static secret")
        return await self._value(Asked(key), item.type)

    # requests

    async def _asked(self, call: str, path: str, body: Mapping[str, Any], decode: Callable[[bytes], T]) -> T:
        return await self.decoded(await self._send(call, path, body), decode)

    async def _send(self, call: str, path: str, body: Mapping[str, Any]) -> bytes:
        """Every call is a POST that carries the token in its body."""
        token = self.connection.token
        member = "uid-token" if token.startswith("u-") else "token"
        return (await self.connection.api.send(call, "POST", f"/{path}", json={**body, member: token})).body


def folder(path: str | None) -> str:
    """A path with a slash before and after it; "" where none is given."""
    return f"/{path.strip('/')}/".replace("//", "/") if path is not None else ""


def kind_of(found: Item | EsoError) -> str:
    return found.type if isinstance(found, Item) else ""
