"""One login at Secret Manager, and what a `gcpsm` store does with it.

Neighbours: connect.py makes one, codec.py turns replies into bytes, refusal.py words what Google refuses.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Hashable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from eso.errors import EsoError
from eso.net.http import Reply
from eso.providers.contract import (
    Busy,
    Find,
    InvalidConfig,
    Malformed,
    Push,
    Remote,
    RemoteRef,
    SecretNotFound,
    Source,
    StoreView,
    Validation,
    prefixed,
)
from eso.providers.gcpsm import codec
from eso.providers.gcpsm.refusal import Conflict, Missing, NotEnabled
from eso.providers.gcpsm.spec import latest_or_fetch, location
from eso.providers.kit.connected import Connected
from eso.providers.kit.http import Api, segment, worded
from eso.providers.kit.metadata import TEXT, anywhere, spec_of
from eso.providers.kit.payload import pushed
from eso.providers.kit.property import as_given
from eso.providers.kit.search import Volume, Walk, by_name, every
from eso.providers.kit.setpath import remove, set_text
from eso.runtime.offload import Offload
from eso.values.convert import convert_keys

T = TypeVar("T")
READ_FAILED: Final = "unable to access Secret from SecretManager Client: "
LIST_FAILED: Final = "failed to list secrets: "
AT_ONCE: Final = 16  # accesses of one search
PER_PAGE: Final = 5_000  # secrets; the vendor allows 25,000, which a reply with labels would not fit
SHAPE: Final = {
    "annotations": {"*": TEXT},
    "labels": {"*": TEXT},
    "topics": [TEXT],
    "mergePolicy": TEXT,
    "cmekKeyName": TEXT,
    "replicationLocation": TEXT,
    "replicationLocations": [TEXT],
}


@dataclass(frozen=True, slots=True)
class Connection:
    """One login at a project. `writing`: secrets that are being pushed, for all logins of the process."""

    api: Api
    offload: Offload
    lifetime: float
    project: str
    writing: set[str]


@dataclass(frozen=True, slots=True)
class Asked:
    """One read. `secret`: path of its name; `metadata`: its labels and annotations instead of a version; `newest`: the
    newest enabled version counts where the latest is not enabled."""

    secret: str
    version: str = "latest"
    metadata: bool = False
    newest: bool = False


class Client(Connected[Connection]):
    """A StoreClient with Writes."""

    def __init__(self, store: StoreView, connection: Connection | None) -> None:
        super().__init__(store, connection)
        self.newest = latest_or_fetch(store.provider_spec)
        self.location = location(store.provider_spec)

    async def validate(self) -> Validation:
        """Asks the server nothing: the login has fetched a token already, and the reference stops there too."""
        return Validation.READY if self._connection else Validation.UNKNOWN

    # reading one secret

    def request(self, ref: RemoteRef) -> Hashable:
        secret = self._secret(ref.key)
        if ref.metadata_policy == "Fetch":
            return Asked(secret, "", metadata=True)
        if ref.version:
            return Asked(secret, segment(ref.version))
        return Asked(secret, newest=self.newest)

    async def fetch(self, request: Hashable) -> codec.Payload:
        """Raises SecretNotFound when Secret Manager says that there is no such secret or version."""
        assert isinstance(request, Asked)
        try:
            if request.metadata:
                return codec.marks_of((await self._send("GetSecret", "GET", request.secret)).body)
            return await self._access(request)
        except Missing as error:
            raise SecretNotFound(f"{READ_FAILED}{SecretNotFound()}") from error
        except EsoError as error:
            raise prefixed(READ_FAILED, error) from error

    def value(self, payload: codec.Payload, ref: RemoteRef) -> bytes:
        return payload.bytes(ref)

    def mapping(self, payload: codec.Payload, ref: RemoteRef) -> dict[str, bytes]:
        return codec.mapping(payload, ref)

    async def _access(self, asked: Asked) -> codec.Value:
        try:
            return await self._version(f"{asked.secret}/versions/{asked.version}")
        except NotEnabled:
            if not asked.newest:
                raise
        return await self._version(await self._newest_enabled(asked.secret))

    async def _version(self, name: str) -> codec.Value:
        reply = await self._send("AccessSecretVersion", "GET", f"{name}:access")
        return await self.decoded(reply.body, codec.value_of)

    async def _newest_enabled(self, secret: str) -> str:
        """Path of the enabled version that was created last, of the latest where none is enabled."""
        query = {"filter": "state:ENABLED"}
        found = await self._listed("ListSecretVersions", f"{secret}/versions", query, codec.versions_page)
        return f"{secret}/versions/{max(found)[2] if found else 'latest'}"

    # reading many

    async def find(self, find: Find) -> AsyncIterator[Mapping[str, bytes]]:
        """Lists all names first: two names that become one key end the search before a value is read."""
        names = await self._names(find)
        volume = Volume()
        for at in range(0, len(names), AT_ONCE):
            part = names[at : at + AT_ONCE]
            values = await every(part, lambda name: self._found(name, volume), AT_ONCE)
            yield convert_keys(dict(zip(part, values, strict=True)), find.conversion_strategy)

    async def _names(self, find: Find) -> list[str]:
        matches = by_name(find)
        terms = [f"name:{find.path}"] if find.path else []
        if find.name_regexp is None:
            if not find.tags:
                raise InvalidConfig("unexpected find operator", fix="set find.name.regexp or find.tags")
            terms = [*(f"labels.{name}={value}" for name, value in find.tags), *terms]
        query = {"fields": "secrets.name,nextPageToken"}
        if terms:
            query["filter"] = " ".join(terms)
        listing = self._listed("ListSecrets", f"{self._parent}/secrets", query, codec.secrets_page)
        names = await worded(LIST_FAILED, listing)
        strategy = find.conversion_strategy
        below = await matches.among(name for name in names if name.startswith(find.path or ""))
        return await self.connection.offload.run_for(self.store.namespace, chosen, below, strategy)

    async def _found(self, name: str, volume: Volume) -> bytes:
        ref = RemoteRef(name)
        try:
            payload = await self.fetch(self.request(ref))
        except SecretNotFound as error:
            # The absence of one secret must not pass for the absence of all: a deletionPolicy would act on it.
            raise EsoError(str(error), fix=f"add a version to the secret {name}, or narrow find") from None
        return volume.counted(self.value(payload, ref))

    # writing

    def place(self, remote: Remote) -> Hashable:
        return self._secret(remote.key)

    async def push(self, entry: Push, source: Source) -> None:
        remote, secret = entry.remote, self._secret(entry.remote.key)
        if remote.property and entry.metadata is not None:
            raise InvalidConfig("cannot specify metadata and property at the same time")
        metadata = spec_of(entry.metadata, SHAPE)
        policy = metadata.get("mergePolicy")
        if policy not in (None, "", "Replace", "Merge"):
            raise InvalidConfig("mergePolicy is neither Replace nor Merge")
        value = pushed(entry, source, f"secret key {entry.secret_key} does not exist")
        with self._alone(secret), contested():
            found = await self._looked_up(secret) or await self._created(remote.key, metadata, entry.metadata)
            if not remote.property and not found.managed:
                raise InvalidConfig(
                    f"secret {remote.key} is not managed by external secrets",
                    fix="label it managed-by=external-secrets, or push to another key",
                )
            await self._marked(secret, found, metadata, whole=not remote.property)
            old = await absent_as_none(self._version(f"{secret}/versions/latest"))
            document = old.data if old is not None else b""
            if remote.property:
                if old is not None and as_given(document, remote.property) == value:
                    return
                value = set_text(document, remote.property, value)
            if old is None or document != value:
                await self._add_version(secret, value)

    async def delete(self, remote: Remote) -> None:
        """Removes a property alone while the value has others: a push of one property takes over secrets that somebody
        else made, and their other values must stay."""
        secret = self._secret(remote.key)
        with self._alone(secret), contested():
            found = await self._looked_up(secret)
            if found is None or not found.managed:
                return
            if remote.property:
                old = await absent_as_none(self._version(f"{secret}/versions/latest"))
                rest = remove(old.data, remote.property) if old is not None else b"{}"
                if rest is None:
                    return
                if not codec.empty(rest):
                    await self._add_version(secret, rest)
                    return
            query = {"etag": found.etag} if found.etag else None
            await absent_as_none(self._send("DeleteSecret", "DELETE", secret, query=query))

    async def exists(self, remote: Remote) -> bool:
        secret = self._secret(remote.key)
        try:
            await self._version(await self._newest_enabled(secret))
        except Missing:
            return False
        return True

    @contextmanager
    def _alone(self, secret: str) -> Iterator[None]:
        """Refuses a second push to the secret: it would compare with a version that the first push is replacing."""
        writing = self.connection.writing
        if secret in writing:
            raise Busy(
                f"failed to acquire lock: provider: GCPSecretManager, secret: {secret}: "
                "unable to access secret since it is locked"
            )
        writing.add(secret)
        try:
            yield
        finally:
            writing.discard(secret)

    async def _looked_up(self, secret: str) -> codec.Secret | None:
        reply = await absent_as_none(self._send("GetSecret", "GET", secret))
        return None if reply is None else codec.secret_of(reply.body)

    async def _created(self, key: str, metadata: Mapping[str, Any], raw: Mapping[str, Any] | None) -> codec.Secret:
        topics = anywhere(raw, "topics")
        names = topics if isinstance(topics, list) and all(isinstance(topic, str) for topic in topics) else []
        body: dict[str, Any] = {"labels": codec.MANAGED}
        if names:
            body["topics"] = [{"name": topic} for topic in names]
        if not self.location:
            body["replication"] = codec.replication(metadata)
        reply = await self._send("CreateSecret", "POST", f"{self._parent}/secrets", query={"secretId": key}, json=body)
        return codec.secret_of(reply.body)

    async def _add_version(self, secret: str, value: bytes) -> None:
        await self._send("AddSecretVersion", "POST", f"{secret}:addVersion", json=codec.payload_of(value))

    async def _marked(self, secret: str, found: codec.Secret, metadata: Mapping[str, Any], *, whole: bool) -> None:
        """Writes the labels and annotations, unless the secret has them. Topics are set when it is created only."""
        labels, annotations = codec.wanted(found, metadata, whole=whole)
        if labels == found.labels and annotations == found.annotations:
            return
        body = {"labels": labels, "annotations": annotations, "etag": found.etag}
        await self._send("UpdateSecret", "PATCH", secret, query={"updateMask": "labels,annotations"}, json=body)

    # requests

    @property
    def _parent(self) -> str:
        """Path of the project, or of the location in it."""
        if not self.connection.project:
            raise InvalidConfig("provider GCP is not initialized", fix="set projectID")
        project = f"projects/{segment(self.connection.project)}"
        return f"{project}/locations/{self.location}" if self.location else project

    def _secret(self, key: str) -> str:
        return f"{self._parent}/secrets/{segment(key)}"

    async def _send(self, call: str, method: str, path: str, **options: Any) -> Reply:
        return await self.connection.api.send(call, method, f"/{path}", **options)

    async def _listed(
        self, call: str, path: str, query: Mapping[str, str], decode: Callable[[bytes], codec.Listed[T]]
    ) -> list[T]:
        """The items of all pages. Raises InvalidConfig for more than a search may read."""
        walk, token = Walk(), ""
        found: list[T] = []
        while True:
            walk.enter()
            asked = {**query, "pageSize": str(PER_PAGE)} | ({"pageToken": token} if token else {})
            body = (await self._send(call, "GET", path, query=asked)).body
            items, following = await self.decoded(body, decode)
            walk.found(items)
            found += items
            if not following:
                return found
            if following == token:
                raise Malformed("the server's list does not end")
            token = following


def chosen(names: list[str], strategy: str) -> list[str]:
    """Each name once. In a thread: there may be tens of thousands. Raises KeyRefused where two of them become one
    key."""
    found = dict.fromkeys(names, b"")
    convert_keys(found, strategy)
    return list(found)


async def absent_as_none(made: Awaitable[T]) -> T | None:
    try:
        return await made
    except Missing:
        return None


@contextmanager
def contested() -> Iterator[None]:
    """Turns a conflict with another writer into Busy: the key comes back soon, and no failure is counted."""
    try:
        yield
    except Conflict as error:
        raise Busy(str(error)) from error
