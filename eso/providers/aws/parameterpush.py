"""Writes AWS Parameter Store: a parameter, its type, key, tier and tags.

Neighbours: parameterstore.py reads, tags.py knows whose a parameter is. A property has no meaning here.
"""

from __future__ import annotations

import base64
from collections.abc import Hashable, Mapping
from typing import Any, Final

import orjson

from eso.errors import EsoError
from eso.gocompat import jsonenc
from eso.providers.aws import tags
from eso.providers.aws.parameterstore import NOT_FOUND, ParameterStoreReader
from eso.providers.aws.refusal import NOT_FOUND as NO_RESOURCE
from eso.providers.aws.refusal import code_of
from eso.providers.contract import InvalidConfig, Push, Remote, Source, prefixed
from eso.providers.kit.metadata import ANY, FLAG, TEXT, spec_of
from eso.providers.kit.payload import pushed, whole

DEFAULT_KEY: Final = "alias/aws/ssm"
SECURE, ADVANCED = "SecureString", "Advanced"
EXISTS: Final = "ParameterAlreadyExists"
MASKED: Final = "sensitive"  # what a reply that was not decrypted would hold
SHAPE: Final = {
    "secretType": TEXT,
    "kmsKeyID": TEXT,
    "tier": {"type": TEXT, "policies": ANY},
    "encodeAsDecoded": FLAG,
    "tags": {"*": TEXT},
    "description": TEXT,
}


class ParameterStoreClient(ParameterStoreReader):
    """Reads and writes."""

    def place(self, remote: Remote) -> Hashable:
        return f"{self.prefix}{remote.key}"

    async def push(self, entry: Push, source: Source) -> None:
        spec = metadata_of(entry.metadata)
        wanted = tags.desired(spec.get("tags") or {})
        value = content(entry, source, decoded=bool(spec.get("encodeAsDecoded")))
        name = f"{self.prefix}{entry.remote.key}"
        request = {"Name": name, "Value": value.decode("utf-8", "replace"), **form(spec)}
        live = await self._live(name)
        if live is None:
            try:
                await self._put(name, request | {"Overwrite": False, "Tags": tags.listed(wanted)})
                return
            except EsoError as error:
                # A creation that was given up, or another writer, was faster: what is there now is looked at.
                if code_of(error) != EXISTS or (live := await self._live(name)) is None:
                    raise
        live_tags = await self._live_tags(name)
        if not tags.managed(live_tags):
            raise InvalidConfig(tags.NOT_MANAGED, fix="push to another key, or tag the parameter managed-by")
        if live.get("Value") == MASKED:
            raise InvalidConfig(f"unable to compare '{MASKED}' result, ensure to request a decrypted value")
        if live.get("Value") == request["Value"]:
            return
        await self._put(name, request | {"Overwrite": True})
        change = tags.difference(live_tags, wanted)
        of = {"ResourceType": "Parameter", "ResourceId": name}
        if change.removed:
            await self.api.call("RemoveTagsFromResource", **of, TagKeys=list(change.removed))
        if change.written:
            await self.api.call("AddTagsToResource", **of, Tags=tags.listed(change.written))

    async def delete(self, remote: Remote) -> None:
        name = f"{self.prefix}{remote.key}"
        if await self._live(name) is None or not tags.managed(await self._live_tags(name)):
            return
        try:
            await self.api.call("DeleteParameter", Name=name)
        except EsoError as error:
            if code_of(error) == NOT_FOUND:
                return
            raise prefixed(f"could not delete parameter {name}: ", error) from error

    async def exists(self, remote: Remote) -> bool:
        try:
            await self.api.call("GetParameter", Name=f"{self.prefix}{remote.key}", WithDecryption=True)
        except EsoError as error:
            if code_of(error) in (NOT_FOUND, NO_RESOURCE):
                return False
            raise
        return True

    async def _live(self, name: str) -> Mapping[str, Any] | None:
        try:
            found: Mapping[str, Any] = (await self.api.call("GetParameter", Name=name, WithDecryption=True))[
                "Parameter"
            ]
            return found
        except EsoError as error:
            if code_of(error) == NOT_FOUND:
                return None
            raise prefixed(f"unexpected error getting parameter {name}: ", error) from error

    async def _live_tags(self, name: str) -> dict[str, str]:
        try:
            return tags.read(await self.tags(name))
        except EsoError as error:
            raise prefixed(f"error getting the existing tags for the parameter {name}: ", error) from error

    async def _put(self, name: str, request: Mapping[str, Any]) -> None:
        try:
            await self.api.call("PutParameter", **request)
        except EsoError as error:
            raise prefixed(f"unexpected error pushing parameter {name}: ", error) from error


def metadata_of(metadata: Mapping[str, Any] | None) -> dict[str, Any]:
    try:
        return spec_of(metadata, SHAPE)
    except EsoError as error:
        raise prefixed("failed to parse metadata: ", error) from error


def form(spec: Mapping[str, Any]) -> dict[str, Any]:
    """How the parameter is kept: what does not belong to its type or tier is not sent."""
    kind, tier = str(spec.get("secretType") or "String"), spec.get("tier") or {}
    made = {"Type": kind, "Description": str(spec.get("description") or tags.DESCRIPTION)}
    if kind == SECURE:
        made["KeyId"] = str(spec.get("kmsKeyID") or DEFAULT_KEY)
    if tier.get("type") == ADVANCED:
        made["Tier"] = ADVANCED
        if tier.get("policies") is not None:
            made["Policies"] = orjson.dumps(tier["policies"]).decode()
    return made


def content(entry: Push, source: Source, *, decoded: bool) -> bytes:
    """A whole Secret is JSON of base64 unless the push wants texts."""
    if entry.secret_key:
        return pushed(entry, source, f"failed to find secret key in secret with key: {entry.secret_key}")
    if decoded:
        return whole(source)
    return jsonenc.encode({key.encode(): base64.b64encode(value) for key, value in source.data.items()})
