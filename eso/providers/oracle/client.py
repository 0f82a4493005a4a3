"""One login at OCI Vault: secrets of one vault read by name and stage, searched, written, scheduled for deletion.

Neighbours: connect.py makes it, codec.py reads replies, refusal.py words what Oracle refuses.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Hashable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final
from urllib.parse import quote, urlencode

from eso.errors import EsoError
from eso.net.http import Reply
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
)
from eso.providers.kit.connected import Connected, Connection
from eso.providers.kit.http import segment
from eso.providers.kit.payload import pushed
from eso.providers.kit.search import AT_ONCE, Volume, Walk, by_name, every
from eso.providers.oracle import codec, refusal, spec

BUNDLES: Final = "/20190301/secretbundles"
SECRETS: Final = "/20180608/secrets"
VAULTS: Final = "/20180608/vaults"


@dataclass(frozen=True, slots=True)
class Asked:
    """One version of a secret."""

    vault: str
    name: str
    stage: str


class Client(Connected[Connection]):
    """A StoreClient with Writes."""

    def __init__(self, store: StoreView, connection: Connection | None) -> None:
        super().__init__(store, connection)
        block = store.provider_spec
        self.vault, self.compartment = str(block.get("vault") or ""), str(block.get("compartment") or "")
        self.region, self.master_key = spec.region(block), str(block.get("encryptionKey") or "")

    async def validate(self) -> Validation:
        """The vault may be looked at. One that is not there, or may not be seen, says nothing of its secrets."""
        if self._connection is None:
            return Validation.UNKNOWN
        try:
            path = f"{VAULTS}/{segment(self.vault)}"
            await self._send("KmsVault", "GetVault", "GET", f"{spec.address(self.region, 'kms.')}{path}")
        except EsoError as error:
            hidden = isinstance(error, refusal.Hidden)
            result = Validation.UNKNOWN if hidden else Validation.ERROR
            raise ValidationFailed(str(error), result, fix=error.fix) from error
        return Validation.READY

    # reading

    def request(self, ref: RemoteRef) -> Hashable:
        """Property and metadataPolicy are not part of it."""
        return Asked(self.vault, ref.key, codec.stage_of(ref.version))

    async def fetch(self, request: Hashable) -> codec.Bundle:
        assert isinstance(request, Asked)
        return await self._bundle(request.name, request.stage)

    def value(self, payload: codec.Bundle, ref: RemoteRef) -> bytes:
        return codec.value(payload, ref.property, ref.key)

    def mapping(self, payload: codec.Bundle, ref: RemoteRef) -> dict[str, bytes]:
        return codec.mapping(self.value(payload, ref))

    async def find(self, find: Find) -> AsyncIterator[Mapping[str, bytes]]:
        """By name, else by tags, of which one is enough; the path does not matter. Secrets whose deletion is scheduled
        are left out."""
        matches, walk, volume = by_name(find), Walk(), Volume()
        if find.name_regexp is None and not find.tags:
            return
        self._in_compartment("search")
        page: str | None = ""
        while page is not None:
            walk.enter()
            reply = await self._page(page)
            listed = await self.decoded(reply.body, codec.listed_of)
            walk.found(listed)
            if find.name_regexp is not None:
                wanted = await matches.these([secret.name for secret in listed])
            else:
                wanted = frozenset(secret.name for secret in listed if any_of(find.tags or (), secret.tags))
            names = [secret.name for secret in listed if secret.name in wanted]
            bundles = await every(names, partial(self._bundle, stage=""), AT_ONCE)
            yield {name: volume.counted(found.content) for name, found in zip(names, bundles, strict=True)}
            page = reply.headers.get("opc-next-page") or None

    # writing

    def place(self, remote: Remote) -> Hashable:
        return self.vault, remote.key

    async def push(self, entry: Push, source: Source) -> None:
        """A new version, unless the current one has the value. There is no mark of ownership; property and metadata
        have no effect."""
        if not self.master_key:
            raise InvalidConfig("SecretStore must reference encryption key", fix="set encryptionKey")
        name, size = entry.remote.key, 0 if entry.secret_key else sum(map(len, source.data.values()))
        value = await self.apart(size, partial(pushed, entry, source, escape_html=True))
        there = await self._there(name)
        if there is None:
            self._in_compartment("push")
            body = {
                "compartmentId": self.compartment,
                "keyId": self.master_key,
                "secretName": name,
                "vaultId": self.vault,
                "secretContent": codec.contained(value),
            }
            await self._send("Vaults", "CreateSecret", "POST", self._vaults(SECRETS), json=body)
        elif there.content != value:
            address = self._vaults(f"{SECRETS}/{segment(there.id)}")
            body = {"secretContent": codec.contained(value)}
            await self._send("Vaults", "UpdateSecret", "PUT", address, json=body)

    async def delete(self, remote: Remote) -> None:
        there = await self._there(remote.key)
        if there is None or there.leaving:
            return
        address = self._vaults(f"{SECRETS}/{segment(there.id)}/actions/scheduleDeletion")
        await self._send("Vaults", "ScheduleSecretDeletion", "POST", address, json={})

    async def exists(self, remote: Remote) -> bool:
        return await self._there(remote.key) is not None

    async def _there(self, name: str) -> codec.Bundle | None:
        """None for what is not there, or may not be seen: writing it tells the two apart."""
        try:
            return await self._bundle(name, "")
        except refusal.Hidden:
            return None

    def _in_compartment(self, to: str) -> None:
        if not self.compartment:
            raise InvalidConfig(f"a {to} needs the compartment of the secrets", fix="set compartment")

    # requests

    async def _bundle(self, name: str, stage: str) -> codec.Bundle:
        if not name:
            raise InvalidConfig("a secret needs a name", fix="write it in the key")
        query = {"secretName": name, "vaultId": self.vault} | ({"stage": stage} if stage else {})
        address = f"{spec.address(self.region, 'secrets.vaults.', 'oci.')}{BUNDLES}/actions/getByName?{encoded(query)}"
        reply = await self._send("Secrets", "GetSecretBundleByName", "POST", address)
        return await self.decoded(reply.body, codec.bundle_of)

    async def _page(self, page: str) -> Reply:
        query = {"compartmentId": self.compartment, "vaultId": self.vault} | ({"page": page} if page else {})
        return await self._send("Vaults", "ListSecrets", "GET", self._vaults(f"{SECRETS}?{encoded(query)}"))

    def _vaults(self, path: str) -> str:
        return f"{spec.address(self.region, 'vaults.', 'oci.')}{path}"

    async def _send(self, service: str, operation: str, method: str, address: str, **options: Any) -> Reply:
        api = replace(self.connection.api, refuse=partial(refusal.of_api, service, operation))
        return await api.send(operation, method, address, **options)


def encoded(query: Mapping[str, str]) -> str:
    return urlencode(query, quote_via=quote)


def any_of(wanted: tuple[tuple[str, str], ...], tags: Mapping[str, str]) -> bool:
    return any(tags.get(name) == value for name, value in wanted)
