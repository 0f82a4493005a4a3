"""Reads and writes AWS Secrets Manager.

Neighbours: client.py is the login, codec.py takes values apart, secretpush.py writes. Reads that fall due together
travel as one BatchGetSecretValue.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from eso.errors import EsoError
from eso.providers.aws import codec
from eso.providers.aws.client import BatchingClient
from eso.providers.aws.refusal import NOT_FOUND, code_of, refusal, said
from eso.providers.aws.sdk import Api, members, name_in
from eso.providers.contract import Find, InvalidConfig, Malformed, RemoteRef, SecretNotFound
from eso.providers.kit.search import Walk, Wanted, by_name

LABEL: Final = "AWS/SecretsManager"
CURRENT: Final = "AWSCURRENT"
MOST_LISTED: Final = 100  # names in one answer
MOST_FILTERED: Final = 10  # names that one filter takes
DELETED: Final = ("marked for deletion", "marked deleted")
VERSION_ID: Final = "uuid/"


@dataclass(frozen=True, slots=True)
class Asked:
    """One read: of a value in a stage or by the id of its version, or of the secret's tags."""

    id: str
    stage: str = CURRENT
    version: str = ""
    tags: bool = False


class SecretsManagerReader(BatchingClient):
    """The reading half of a client for Secrets Manager."""

    most: ClassVar[int] = 20

    @property
    def api(self) -> Api:
        return self.connection.apis["secretsmanager"]

    # reading one secret

    def request(self, ref: RemoteRef) -> Hashable:
        key = f"{self.prefix}{ref.key}"
        if ref.metadata_policy == "Fetch":
            return Asked(key, "", tags=True)
        if ref.version.startswith(VERSION_ID):
            return Asked(key, "", ref.version.removeprefix(VERSION_ID))
        return Asked(key, ref.version or CURRENT)

    async def fetch(self, request: Hashable) -> codec.Payload:
        """Raises SecretNotFound for what AWS says is not there, or is about to be deleted."""
        assert isinstance(request, Asked)
        if request.tags:
            described = await self.api.call("DescribeSecret", SecretId=request.id)
            return codec.Payload(codec.tags_document(described.get("Tags") or ()))
        chosen = {"VersionId": request.version} if request.version else {"VersionStage": request.stage}
        try:
            return codec.payload(await self.api.call("GetSecretValue", SecretId=request.id, **chosen))
        except EsoError as error:
            if missing(error):
                raise SecretNotFound from error
            raise

    def value(self, payload: codec.Payload, ref: RemoteRef) -> bytes:
        return codec.value(payload, ref)

    def mapping(self, payload: codec.Payload, ref: RemoteRef) -> dict[str, bytes]:
        return codec.mapping(self.value(payload, ref), ref.key)

    # reading many at once

    def batch(self, request: Hashable) -> Hashable | None:
        assert isinstance(request, Asked)
        return CURRENT if request.stage == CURRENT and not request.tags and self._joins(request) else None

    async def _batch(self, requests: Sequence[Hashable]) -> dict[Hashable, Any]:
        """A secret that may not be read, or is not there, is an entry of the answer."""
        by_id = {request.id: request for request in requests if isinstance(request, Asked)}
        answers: dict[Hashable, Any] = {}
        async for page in self._pages(SecretIdList=list(by_id)):
            for entry in members(page, "SecretValues"):
                for name in ids(entry):
                    if name in by_id:
                        answers[by_id[name]] = taken(entry)
            for entry in page.get("Errors") or ():
                if (name := str(entry.get("SecretId") or "")) in by_id:
                    answers[by_id[name]] = entry_error(entry)
        return answers

    async def _pages(self, **parameters: Any) -> AsyncIterator[dict[str, Any]]:
        """BatchGetSecretValue until nothing is left: a page is bounded by the size of its values."""
        token: dict[str, Any] = {}
        walk = Walk()
        while True:
            walk.enter()
            page = await self.api.call("BatchGetSecretValue", **parameters, **token)
            yield page
            if not page.get("NextToken"):
                return
            token = {"NextToken": page["NextToken"]}

    # searching

    async def find(self, find: Find) -> AsyncIterator[Mapping[str, bytes]]:
        if find.name_regexp is not None:
            wanted = by_name(find)
            pages = self._by_filter(find, wanted) if find.path is not None else self._by_name(find, wanted)
        elif find.tags:
            pages = self._by_filter(find, None)
        else:
            raise InvalidConfig("unexpected find operator", fix="set find.name or find.tags")
        async for page in pages:
            yield page

    async def _by_filter(self, find: Find, wanted: Wanted | None) -> AsyncIterator[Mapping[str, bytes]]:
        """The server matches path and tags by prefix, and each tag's key apart from its value."""
        async for page in self._pages(Filters=filters(find)):
            for entry in page.get("Errors") or ():
                if not isinstance(error := entry_error(entry), SecretNotFound):
                    raise error
            found = {name_in(entry): entry for entry in members(page, "SecretValues")}
            names = list(found) if wanted is None else await wanted.among(found)
            yield {name: preferred(codec.payload(found[name]), name) for name in names}

    async def _by_name(self, find: Find, wanted: Wanted) -> AsyncIterator[Mapping[str, bytes]]:
        """Names first, then the values of those that match. A secret that went meanwhile is left out."""
        token: dict[str, Any] = {}
        narrowed = {"Filters": filters(find)} if find.tags else {}
        walk = Walk()
        while True:
            walk.enter()
            page = await self.api.call("ListSecrets", MaxResults=MOST_LISTED, **narrowed, **token)
            listed = [name_in(entry) for entry in members(page, "SecretList")]
            walk.found(listed)
            names = await wanted.among(listed)
            for start in range(0, len(names), self.most):
                yield await self._values(names[start : start + self.most])
            if not page.get("NextToken"):
                return
            token = {"NextToken": page["NextToken"]}

    # versions without values

    async def probe(self, keys: Sequence[str]) -> Mapping[str, str]:
        """By ListSecrets: which version has which stage, and the last change, which that of a tag is too."""
        wanted: dict[str, list[str]] = {}
        for key in keys:
            wanted.setdefault(f"{self.prefix}{key}", []).append(key)
        narrowed = {}
        if len(wanted) <= MOST_FILTERED and not any(name.startswith("arn:") for name in wanted):
            narrowed = {"Filters": [{"Key": "name", "Values": sorted(wanted)}]}  # each is a prefix
        found: dict[str, str] = {}
        token: dict[str, Any] = {}
        walk = Walk()
        while len(found) < len(keys):
            walk.enter()
            page = await self.api.call("ListSecrets", MaxResults=MOST_LISTED, **narrowed, **token)
            listed = members(page, "SecretList")
            walk.found(listed)
            for entry in listed:
                for name in ids(entry):
                    found |= dict.fromkeys(wanted.get(name, ()), version_of(entry))
            if not page.get("NextToken"):
                break
            token = {"NextToken": page["NextToken"]}
        return found

    async def _values(self, names: Sequence[str]) -> dict[str, bytes]:
        answers = await self.fetch_many([Asked(name) for name in names])
        values = {}
        for name in names:
            answer = answers[Asked(name)]
            if isinstance(answer, SecretNotFound):
                continue
            if isinstance(answer, EsoError):
                raise answer
            values[name] = preferred(answer, name)
        return values


def ids(entry: Mapping[str, Any]) -> tuple[str, ...]:
    """Everything that a secret may have been asked by: its name, its ARN, and the ARN without the random ending."""
    name, arn = str(entry.get("Name") or ""), str(entry.get("ARN") or "")
    return name, arn, arn.rpartition("-")[0]


def version_of(entry: Mapping[str, Any]) -> str:
    stages = entry.get("SecretVersionsToStages") or {}
    current = sorted((str(version), sorted(map(str, names))) for version, names in stages.items())
    return f"{entry.get('LastChangedDate')} {current}"


def taken(entry: Mapping[str, Any]) -> codec.Payload | EsoError:
    try:
        return codec.payload(entry)
    except Malformed as error:
        return error


def entry_error(entry: Mapping[str, Any]) -> EsoError:
    """The error that the single call would have raised."""
    code, message = str(entry.get("ErrorCode") or "Unknown"), str(entry.get("Message") or "")
    error = refusal("Secrets Manager", "GetSecretValue", 400, code, message)
    if not missing(error):
        return error
    absent = SecretNotFound()
    absent.__cause__ = error
    return absent


def missing(error: EsoError) -> bool:
    """Whether AWS said that there is no such secret, version or stage, or that the secret was deleted and waits for its
    end."""
    if code_of(error) in ("InvalidRequestException", "InvalidParameterException"):
        return any(words in said(error) for words in DELETED)
    return code_of(error) == NOT_FOUND


def preferred(found: codec.Payload, name: str) -> bytes:
    """In a search the binary form wins."""
    return found.binary if found.binary is not None else codec.whole(found, name)


def filters(find: Find) -> list[dict[str, Any]]:
    made: list[dict[str, Any]] = [{"Key": "name", "Values": [find.path]}] if find.path is not None else []
    for key, value in find.tags or ():
        made += [{"Key": "tag-key", "Values": [key]}, {"Key": "tag-value", "Values": [value]}]
    return made
