"""Reads and writes AWS Systems Manager Parameter Store.

Neighbours: client.py is the login, codec.py takes values apart, parameterpush.py writes. Reads that fall due together
travel as one GetParameters.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from eso.errors import EsoError
from eso.providers.aws import codec
from eso.providers.aws.client import BatchingClient
from eso.providers.aws.refusal import code_of
from eso.providers.aws.sdk import Api, members, name_in
from eso.providers.contract import Denied, Find, InvalidConfig, Malformed, RemoteRef, SecretNotFound, prefixed
from eso.providers.kit.search import Walk, Wanted, by_name

LABEL: Final = "AWS/ParameterStore"
NOT_FOUND: Final = "ParameterNotFound"
ROOT: Final = "/"
MOST_LISTED: Final = 50  # names in one answer; without asking it is 10
NAME: Final = re.compile(r"[A-Za-z0-9_.\-/]{1,1011}", re.ASCII)  # of a parameter
PLAIN: Final = "plain"  # the kind of read that a batch takes


@dataclass(frozen=True, slots=True)
class Asked:
    """One read: of a parameter, `name:version` for one of its versions, or of its tags."""

    name: str
    versioned: bool = False
    tags: bool = False


class ParameterStoreReader(BatchingClient):
    """The reading half of a client for Parameter Store."""

    most: ClassVar[int] = 10

    @property
    def api(self) -> Api:
        return self.connection.apis["ssm"]

    # reading one parameter

    def request(self, ref: RemoteRef) -> Hashable:
        name = f"{self.prefix}{ref.key}" + (f":{ref.version}" if ref.version else "")
        return Asked(name, bool(ref.version), ref.metadata_policy == "Fetch")

    async def fetch(self, request: Hashable) -> codec.Payload:
        """Raises SecretNotFound where AWS says that there is no such parameter. A version that is not there is an
        ordinary error."""
        assert isinstance(request, Asked)
        if request.tags:
            return codec.Payload(codec.tags_document(await self.tags(request.name)))
        try:
            answer = await self.api.call("GetParameter", Name=request.name, WithDecryption=True)
        except EsoError as error:
            if code_of(error) == NOT_FOUND:
                raise SecretNotFound from error
            raise
        return parameter(answer.get("Parameter") or {}, request.name)

    async def tags(self, name: str) -> list[dict[str, Any]]:
        try:
            answer = await self.api.call("ListTagsForResource", ResourceType="Parameter", ResourceId=name)
        except EsoError as error:
            raise prefixed("error listing tags ", error) from error
        return answer.get("TagList") or []

    def value(self, payload: codec.Payload, ref: RemoteRef) -> bytes:
        return codec.value(payload, ref)

    def mapping(self, payload: codec.Payload, ref: RemoteRef) -> dict[str, bytes]:
        return codec.mapping(self.value(payload, ref), ref.key)

    # reading many at once

    def batch(self, request: Hashable) -> Hashable | None:
        assert isinstance(request, Asked)
        return PLAIN if not (request.tags or request.versioned) and self._joins(request) else None

    async def _batch(self, requests: Sequence[Hashable]) -> dict[Hashable, Any]:
        """A name that the answer calls invalid is left open: only when it is asked for alone is it known whether there
        is no such parameter."""
        by_name = {request.name: request for request in requests if isinstance(request, Asked)}
        answer = await self.api.call("GetParameters", Names=list(by_name), WithDecryption=True)
        answers: dict[Hashable, Any] = {}
        for found in answer.get("Parameters") or ():
            for name in (str(found.get("Name") or ""), str(found.get("ARN") or "")):
                if name in by_name:
                    answers[by_name[name]] = taken(found, name)
        return answers

    # searching

    async def find(self, find: Find) -> AsyncIterator[Mapping[str, bytes]]:
        if find.name_regexp is not None:
            pages = self._by_name(find, by_name(find))
        elif find.tags:
            tags = [{"Key": f"tag:{key}", "Option": "Equals", "Values": [value]} for key, value in find.tags]
            pages = self._described(tags + below(find.path), None)
        else:
            raise InvalidConfig("unexpected find operator", fix="set find.name or find.tags")
        async for page in pages:
            yield page

    async def _by_name(self, find: Find, wanted: Wanted) -> AsyncIterator[Mapping[str, bytes]]:
        """Values come with the names. Where that call is denied, names come first."""
        path = ROOT if find.path is None else find.path
        token: dict[str, Any] = {}
        walk = Walk()
        while True:
            walk.enter()
            try:
                page = await self.api.call(
                    "GetParametersByPath", Path=path, Recursive=True, WithDecryption=True, **token
                )
            except Denied:
                break
            except EsoError as error:
                raise prefixed(f"fetching parameters by path {path}: ", error) from error
            found = {name_in(entry): entry for entry in members(page, "Parameters")}
            yield {name: codec.whole(parameter(found[name], name), name) for name in await wanted.among(found)}
            if not page.get("NextToken"):
                return
            token = {"NextToken": page["NextToken"]}
        async for values in self._described(below(path), wanted):
            yield values

    async def _described(
        self, filters: list[dict[str, Any]], wanted: Wanted | None
    ) -> AsyncIterator[Mapping[str, bytes]]:
        token: dict[str, Any] = {}
        walk = Walk()
        while True:
            walk.enter()
            page = await self.api.call("DescribeParameters", ParameterFilters=filters, MaxResults=MOST_LISTED, **token)
            names = [name_in(entry) for entry in members(page, "Parameters")]
            walk.found(names)
            chosen = names if wanted is None else await wanted.among(names)
            for start in range(0, len(chosen), self.most):
                yield await self._values(chosen[start : start + self.most])
            if not page.get("NextToken"):
                return
            token = {"NextToken": page["NextToken"]}

    # versions without values

    async def probe(self, keys: Sequence[str]) -> Mapping[str, str]:
        """By DescribeParameters, which takes MOST_LISTED names at once. It knows no ARNs: those of other accounts are
        left out."""
        wanted: dict[str, list[str]] = {}
        for key in keys:
            name = f"{self.prefix}{key}"
            if NAME.fullmatch(name):
                wanted.setdefault(name, []).append(key)
        names, found = sorted(wanted), dict[str, str]()
        for start in range(0, len(names), MOST_LISTED):
            asked = [{"Key": "Name", "Option": "Equals", "Values": names[start : start + MOST_LISTED]}]
            token: dict[str, Any] = {}
            walk = Walk()
            while True:
                walk.enter()
                page = await self.api.call(
                    "DescribeParameters", ParameterFilters=asked, MaxResults=MOST_LISTED, **token
                )
                for entry in members(page, "Parameters"):
                    version = f"{entry.get('Version')} {entry.get('LastModifiedDate')}"
                    found |= dict.fromkeys(wanted.get(str(entry.get("Name") or ""), ()), version)
                if not page.get("NextToken"):
                    break
                token = {"NextToken": page["NextToken"]}
        return found

    async def _values(self, names: Sequence[str]) -> dict[str, bytes]:
        """A parameter that went since it was listed fails the search; it proves nothing about the others."""
        answers = await self.fetch_many([Asked(name) for name in names])
        for answer in answers.values():
            if isinstance(answer, SecretNotFound):
                raise EsoError("a parameter went during the search", fix="the search is tried again")
            if isinstance(answer, EsoError):
                raise answer
        return {name: codec.whole(answers[Asked(name)], name) for name in names}


def parameter(entry: Mapping[str, Any], name: str) -> codec.Payload:
    """Raises Malformed for a parameter without a value."""
    value = entry.get("Value")
    if not isinstance(value, str):
        raise Malformed(f"invalid secret received. parameter value is nil for key: {name}")
    return codec.Payload(value.encode("utf-8", "surrogatepass"))


def taken(entry: Mapping[str, Any], name: str) -> codec.Payload | EsoError:
    try:
        return parameter(entry, name)
    except Malformed as error:
        return error


def below(path: str | None) -> list[dict[str, Any]]:
    return [] if path is None else [{"Key": "Path", "Option": "Recursive", "Values": [path]}]
