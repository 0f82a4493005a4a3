"""Writes AWS Secrets Manager: a value, and what a push's metadata says of the secret around it.

Neighbours: secretsmanager.py reads, tags.py knows whose a secret is. Values that are there already are not written
again.
"""

from __future__ import annotations

import uuid
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from eso.errors import EsoError
from eso.providers.aws import codec, tags
from eso.providers.aws.refusal import NOT_FOUND, code_of
from eso.providers.aws.secretsmanager import SecretsManagerReader, missing
from eso.providers.aws.spec import check_deletion
from eso.providers.contract import InvalidConfig, Push, Remote, Source, prefixed
from eso.providers.kit.metadata import FLAG, TEXT, spec_of
from eso.providers.kit.payload import pushed
from eso.providers.kit.selectors import part
from eso.providers.kit.setpath import set_text
from eso.values.gjsonscan import valid

EXISTS: Final = "ResourceExistsException"
INITIAL_TOKEN: Final = "00000000-0000-0000-0000-000000000001"
DEFAULT_KEY: Final = "alias/aws/secretsmanager"
FORMATS: Final = ("binary", "string")
NO_JSON: Final = "PushSecret for aws secrets manager with a pushSecretData property requires a json secret"
SHAPE: Final = {
    "tags": {"*": TEXT},
    "description": TEXT,
    "secretPushFormat": TEXT,
    "kmsKeyId": TEXT,
    "resourcePolicy": {
        "blockPublicPolicy": FLAG,
        "policySourceRef": {"kind": TEXT, "name": TEXT, "key": TEXT},
    },
    "replicationLocations": [TEXT],
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """What `metadata` says. `tags` None: not managed here; `regions` None: the same."""

    tags: Mapping[str, str] | None
    description: str
    text: bool
    key: str
    policy: Mapping[str, Any] | None
    regions: Sequence[str] | None

    @property
    def all_tags(self) -> dict[str, str]:
        return tags.desired(self.tags or {})

    def content(self, value: bytes) -> dict[str, Any]:
        return {"SecretString": value.decode("utf-8", "replace")} if self.text else {"SecretBinary": value}


@dataclass(frozen=True, slots=True)
class Policy:
    """A resource policy as it was found. `text` "": there should be none."""

    text: str = field(default="", repr=False)
    block_public: bool | None = None

    def parameters(self) -> dict[str, Any]:
        blocked = {} if self.block_public is None else {"BlockPublicPolicy": self.block_public}
        return {"ResourcePolicy": self.text, **blocked}


class SecretsManagerClient(SecretsManagerReader):
    """Reads and writes."""

    def place(self, remote: Remote) -> Hashable:
        return f"{self.prefix}{remote.key}"

    async def push(self, entry: Push, source: Source) -> None:
        wanted = wanted_of(entry.metadata)
        value = content(entry, source)
        policy = await resolved(wanted, source)
        name = f"{self.prefix}{entry.remote.key}"
        live = await self._described(name)
        if live is None:
            try:
                await self._create(name, new_value(b"", entry.remote.property, value), wanted, policy)
                return
            except EsoError as error:
                # A creation that was given up, or another writer, was faster: what is there now is looked at.
                if code_of(error) != EXISTS or (live := await self._described(name)) is None:
                    raise
        live_tags = tags.read(live.get("Tags"))
        if not tags.managed(live_tags):
            raise InvalidConfig(tags.NOT_MANAGED, fix="push to another key, or tag the secret managed-by")
        arn = str(live.get("ARN") or name)
        versions = bool(live.get("VersionIdsToStages"))
        found = codec.payload(await self.api.call("GetSecretValue", SecretId=name)) if versions else codec.Payload()
        current = found.binary if found.binary is not None else found.text
        value = new_value(current or b"", entry.remote.property, value)
        if wanted.tags:
            await self._sync_tags(arn, tags.difference(live_tags, wanted.all_tags))
        await self._sync_policy(arn, policy)
        if wanted.regions is not None:
            await self._sync_regions(arn, live, wanted.regions)
        if not versions or value not in (found.binary, found.text):
            token = str(uuid.uuid4()) if versions else INITIAL_TOKEN
            await self.api.call("PutSecretValue", SecretId=arn, ClientRequestToken=token, **wanted.content(value))

    async def delete(self, remote: Remote) -> None:
        """The whole secret goes, whatever property was pushed."""
        name = f"{self.prefix}{remote.key}"
        block = part(self.store.provider_spec, "secretsManager")
        check_deletion(block)
        try:
            await self.api.call("GetSecretValue", SecretId=name)
            live = await self.api.call("DescribeSecret", SecretId=name)
        except EsoError as error:
            if missing(error):
                return
            raise
        if not tags.managed(tags.read(live.get("Tags"))):
            return
        arn = str(live.get("ARN") or name)
        if regions := replicas(live):
            await self.api.call("RemoveRegionsFromReplication", SecretId=arn, RemoveReplicaRegions=regions)
        how: dict[str, Any] = {}
        if block.get("forceDeleteWithoutRecovery"):
            how["ForceDeleteWithoutRecovery"] = True
        if block.get("recoveryWindowInDays"):
            how["RecoveryWindowInDays"] = int(block["recoveryWindowInDays"])
        await self.api.call("DeleteSecret", SecretId=arn, **how)

    async def exists(self, remote: Remote) -> bool:
        """The property is not looked for. A secret that waits for its end is not there."""
        try:
            await self.api.call("GetSecretValue", SecretId=f"{self.prefix}{remote.key}")
        except EsoError as error:
            if missing(error):
                return False
            raise
        return True

    async def _described(self, name: str) -> dict[str, Any] | None:
        try:
            return await self.api.call("DescribeSecret", SecretId=name)
        except EsoError as error:
            if code_of(error) == NOT_FOUND:
                return None
            raise

    async def _create(self, name: str, value: bytes, wanted: Wanted, policy: Policy) -> None:
        regions = [{"Region": region, "KmsKeyId": wanted.key} for region in wanted.regions or ()]
        made = await self.api.call(
            "CreateSecret",
            Name=name,
            ClientRequestToken=INITIAL_TOKEN,  # a second try of the same creation is no second creation
            Description=wanted.description,
            KmsKeyId=wanted.key,
            Tags=tags.listed(wanted.all_tags),
            **({"AddReplicaRegions": regions} if regions else {}),
            **wanted.content(value),
        )
        if policy.text:
            await self.api.call("PutResourcePolicy", SecretId=str(made.get("ARN") or name), **policy.parameters())

    async def _sync_tags(self, arn: str, change: tags.Difference) -> None:
        if change.removed:
            await self.api.call("UntagResource", SecretId=arn, TagKeys=list(change.removed))
        if change.written:
            await self.api.call("TagResource", SecretId=arn, Tags=tags.listed(change.written))

    async def _sync_policy(self, arn: str, policy: Policy) -> None:
        """A push without a policy takes one away, at every push, as in the reference."""
        if not policy.text:
            try:
                await self.api.call("DeleteResourcePolicy", SecretId=arn)
            except EsoError as error:
                if code_of(error) != NOT_FOUND:
                    raise
            return
        live = await self.api.call("GetResourcePolicy", SecretId=arn)
        if parsed(live.get("ResourcePolicy")) != parsed(policy.text):
            await self.api.call("PutResourcePolicy", SecretId=arn, **policy.parameters())

    async def _sync_regions(self, arn: str, live: Mapping[str, Any], wanted: Sequence[str]) -> None:
        present = replicas(live)
        extra = [region for region in present if region not in wanted]
        absent = [region for region in wanted if region not in present]
        if extra:
            await self.api.call("RemoveRegionsFromReplication", SecretId=arn, RemoveReplicaRegions=extra)
        if absent:
            key = {"KmsKeyId": live["KmsKeyId"]} if live.get("KmsKeyId") else {}
            added = [{"Region": region, **key} for region in absent]
            await self.api.call("ReplicateSecretToRegions", SecretId=arn, AddReplicaRegions=added)


def wanted_of(metadata: Mapping[str, Any] | None) -> Wanted:
    """Raises InvalidConfig with the reference's texts."""
    try:
        spec = spec_of(metadata, SHAPE)
    except EsoError as error:
        raise prefixed("failed to parse push secret metadata: failed to parse metadata: ", error) from error
    form = str(spec.get("secretPushFormat") or FORMATS[0])
    if form not in FORMATS:
        raise InvalidConfig(f"failed to parse push secret metadata: invalid secret push format: {form}")
    try:
        tags.desired(spec.get("tags") or {})
    except EsoError as error:
        raise prefixed("failed to parse push secret metadata: ", error) from error
    return Wanted(
        spec.get("tags") or None,
        str(spec.get("description") or tags.DESCRIPTION),
        form == "string",
        str(spec.get("kmsKeyId") or DEFAULT_KEY),
        spec.get("resourcePolicy"),
        spec.get("replicationLocations"),
    )


def content(entry: Push, source: Source) -> bytes:
    try:
        return pushed(entry, source, f"failed to find secret key in secret with key: {entry.secret_key}")
    except EsoError as error:
        raise prefixed("failed to extract secret data: ", error) from error


def new_value(current: bytes, path: str, value: bytes) -> bytes:
    """The secret's content once `value` is in it. Raises InvalidConfig; no text shows a content."""
    if not path:
        return value
    if current and not valid(current):
        raise InvalidConfig(NO_JSON, fix="push the whole secret, without a property")
    return set_text(current, path, value)


async def resolved(wanted: Wanted, source: Source) -> Policy:
    """The policy that `metadata` names, from the source's own namespace."""
    if wanted.policy is None:
        return Policy()
    try:
        text = await policy_text(part(wanted.policy, "policySourceRef"), source)
    except EsoError as error:
        raise prefixed("failed to resolve resource policy: ", error) from error
    return Policy(text, wanted.policy.get("blockPublicPolicy"))


async def policy_text(ref: Mapping[str, Any], source: Source) -> str:
    if not ref:
        raise InvalidConfig("policySourceRef is nil", fix="name a ConfigMap or a Secret")
    kind, name, key = (str(ref.get(member) or "") for member in ("kind", "name", "key"))
    if kind not in ("ConfigMap", "Secret"):
        raise InvalidConfig(f"unsupported PolicySourceRef kind: {kind} (must be ConfigMap or Secret)")
    if source.reader is None:
        raise InvalidConfig("nothing can be read in the namespace of this push")
    where, selector = f"{kind} {source.namespace}/{name}", {"name": name, "namespace": source.namespace}
    data: Mapping[str, str | bytes]
    try:
        if kind == "Secret":
            data = (await source.reader.secret_object(selector)).data
        else:
            data = await source.reader.config_map(selector)
    except EsoError as error:
        raise prefixed(f"failed to get {where}: ", error) from error
    if key not in data:
        raise InvalidConfig(f"key {key} not found in {where}")
    found = data[key]
    return found if isinstance(found, str) else found.decode("utf-8", "replace")


def parsed(policy: Any) -> Any:
    """A policy as JSON; one that is none is equal to itself only."""
    try:
        return orjson.loads(policy or "null")
    except orjson.JSONDecodeError:
        return policy


def replicas(live: Mapping[str, Any]) -> list[str]:
    return [str(status.get("Region") or "") for status in live.get("ReplicationStatus") or ()]
