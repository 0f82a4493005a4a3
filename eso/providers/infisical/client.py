"""One login at Infisical: secrets of an environment read one by one, several of a folder in one call, or searched;
pushed and deleted.

Neighbours: connect.py makes it, login.py has the token, codec.py turns replies into bytes, refusal.py words what
Infisical refuses.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Hashable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Final, Protocol

from eso.errors import EsoError
from eso.net.http import Reply
from eso.providers.contract import (
    AuthExpired,
    Denied,
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
    ValidationFailed,
    prefixed,
)
from eso.providers.infisical import codec
from eso.providers.infisical.login import Token, token_of
from eso.providers.infisical.refusal import NoFolder
from eso.providers.kit.connected import Connected
from eso.providers.kit.http import Api, NothingThere, bearer, segment
from eso.providers.kit.payload import pushed, text_of
from eso.providers.kit.search import Volume, Walk, by_name
from eso.providers.kit.selectors import part
from eso.providers.kit.together import each
from eso.runtime.offload import Offload

SECRETS: Final = "/v3/secrets/raw"
LARGEST: Final = 16 << 20  # bytes of a search's reply
REMEMBERED: Final = 1_000  # properties that were told of
# call of the metrics → what the reference calls it in errors
OPERATIONS: Final = {
    "GetSecretByKeyV3": "CallRetrieveSecretV3Raw",
    "GetSecretsV3": "CallListSecretsV3Raw",
    "CreateSecretV3": "CallCreateSecretV3Raw",
    "UpdateSecretV3": "CallUpdateSecretV3Raw",
    "DeleteSecretV3": "CallDeleteSecretV3Raw",
}


class Log(Protocol):
    def warning(self, event: str, **fields: Any) -> Any: ...


class Connection:
    """One access token. A renewal replaces it for every view of the login."""

    def __init__(self, api: Api, token: Token, offload: Offload, log: Log) -> None:
        self._api, self.offload, self.log = api, offload, log
        self.told: set[tuple[str, str]] = set()
        self.take(token)

    def take(self, token: Token) -> None:
        self.token = token
        self.api = self._api.with_headers(bearer(token.value))

    @property
    def lifetime(self) -> float | None:
        return self.token.lifetime


@dataclass(frozen=True, slots=True)
class Asked:
    """One secret of a folder."""

    project: str
    environment: str
    folder: str
    name: str
    expand: bool


class Client(Connected[Connection]):
    """A StoreClient with Batches and Writes."""

    most: ClassVar[int] = 100  # of one folder; the call brings all of it, whatever is asked for

    def __init__(self, store: StoreView, connection: Connection | None) -> None:
        super().__init__(store, connection)
        scope = part(store.provider_spec, "secretsScope")
        self.project, self.environment = str(scope.get("projectSlug") or ""), str(scope.get("environmentSlug") or "")
        self.folder = str(scope.get("secretsPath") or "/")
        self.recursive, self.expand = scope.get("recursive") is True, scope.get("expandSecretReferences") is not False

    async def renew(self) -> bool:
        """Infisical extends a token until its greatest age."""
        token = self.connection.token
        if not token.owned:
            return False
        try:
            reply = await self._send("RenewAccessToken", "POST", "/v1/auth/token/renew", json=shown(token))
            self.connection.take(token_of(reply))
        except (AuthExpired, Denied, InvalidConfig, NothingThere, SecretNotFound):
            return False
        return True

    async def close(self) -> None:
        if self._connection is None:
            return
        token = self._connection.token
        try:
            if token.owned:
                with suppress(EsoError):
                    await self._send("RevokeAccessToken", "POST", "/v1/auth/token/revoke", json=shown(token))
        finally:
            await self._connection.api.close()

    async def validate(self) -> Validation:
        if self._connection is None:
            return Validation.UNKNOWN
        try:
            await self._listed(self.folder, self.recursive, imports=False)
        except EsoError as error:
            raise ValidationFailed(
                f"cannot read secrets with provided project scope project:{self.project} "
                f"environment:{self.environment} secret-path:{self.folder} "
                f"recursive:{str(self.recursive).lower()}, {error}",
                fix=error.fix,
            ) from error
        return Validation.READY

    # reading

    def request(self, ref: RemoteRef) -> Hashable:
        """Version and metadataPolicy are not used, as in the reference."""
        folder, name = codec.address(self.folder, ref.key)
        segment(name)
        return Asked(self.project, self.environment, folder, name, self.expand)

    async def fetch(self, request: Hashable) -> codec.Secret:
        assert isinstance(request, Asked)
        return await self._secret(request, imports=True)

    def batch(self, request: Hashable) -> Hashable | None:
        assert isinstance(request, Asked)
        return replace(request, name="")

    async def fetch_many(self, requests: Sequence[Hashable]) -> Mapping[Hashable, codec.Secret | EsoError]:
        """One call for the folder; one by one what it does not bring, so that each gets its own answer."""
        wanted = [request for request in requests if isinstance(request, Asked)]
        found: dict[str, codec.Secret] = {}
        if len(wanted) > 1:
            first = wanted[0]
            # Whatever the folder's call is refused for, the single ones may not be.
            with suppress(Denied, InvalidConfig, Malformed, NothingThere, SecretNotFound):
                found = codec.clear(await self._listed(first.folder, False, imports=True, expand=first.expand))
        settled = {request: found[request.name] for request in wanted if request.name in found}
        return settled | await each((request for request in wanted if request not in settled), self.fetch)

    def value(self, payload: codec.Secret, ref: RemoteRef) -> bytes:
        """Numbers, flags, objects and lists that a property names are empty, as in the reference; the log tells of
        each once."""
        value, lost = codec.value(payload, ref.key, ref.property)
        told, place = self.connection.told, (ref.key, ref.property)
        if lost and place not in told and len(told) < REMEMBERED:
            told.add(place)
            self.connection.log.warning(
                "a property that is no text is read as empty",
                store=self.store.name,
                namespace=self.store.namespace,
                key=ref.key,
                property=ref.property,
            )
        return value

    def mapping(self, payload: codec.Secret, ref: RemoteRef) -> dict[str, bytes]:
        return codec.mapping(self.value(payload, ref), ref.key)

    async def find(self, find: Find) -> AsyncIterator[Mapping[str, bytes]]:
        """The folder of the store, with those below it where it is recursive. A path is the beginning of folders."""
        if find.tags is not None:
            raise InvalidConfig("find by tags not supported", fix="use find.name or find.path")
        matches = by_name(find)
        listing = await self._listed(self.folder, self.recursive, imports=True, most=LARGEST)
        walk, volume = Walk(), Volume()
        everything = [*listing.own, *(secret for group in listing.imported for secret in group)]
        walk.found(everything)
        wanted = await matches.these(dict.fromkeys(secret.name for secret in everything))

        def chosen() -> dict[str, bytes]:
            secrets = codec.chosen(listing, wanted, find.path or "")
            if hidden := [secret.name for secret in secrets if secret.hidden]:
                raise Denied(
                    f"the value of {hidden[0]} is hidden from the identity", fix="let its role read values there"
                )
            return {secret.name: volume.counted(secret.data) for secret in secrets}

        yield await self.connection.offload.run_for(self.store.namespace, chosen)

    async def _secret(self, asked: Asked, *, imports: bool) -> codec.Secret:
        """Raises SecretNotFound for a secret or a folder that is not there."""
        query = self._scope(asked.folder, imports, asked.expand) | {"type": "shared"}
        try:
            reply = await self._send("GetSecretByKeyV3", "GET", path_of(asked.name), query=query)
        except NoFolder as error:
            await self._prove_environment(asked, error)
            raise SecretNotFound() from error
        found = await self.decoded(reply.body, codec.secret_of)
        if found.hidden:
            raise Denied("the value is hidden from the identity", fix="let its role read values there")
        return found

    async def _prove_environment(self, asked: Asked, missing: NoFolder) -> None:
        """Infisical says of an environment that is not there what it says of a folder. Only the folder's absence proves
        that of the secret. Raises what was said where the environment does not answer."""
        if asked.folder == "/":
            raise missing
        query = self._scope("/", False, False) | {"recursive": "false", "viewSecretValue": "false"}
        try:
            await self._send("GetSecretsV3", "GET", SECRETS, query=query)
        except (NothingThere, Denied, SecretNotFound, InvalidConfig):
            raise missing from None

    async def _listed(
        self, folder: str, recursive: bool, *, imports: bool, expand: bool | None = None, most: int = 0
    ) -> codec.Listing:
        expanded = self.expand if expand is None else expand
        query = self._scope(folder, imports, expanded) | {"recursive": str(recursive).lower()}
        api = self.connection.api
        reply = await self._send(
            "GetSecretsV3", "GET", SECRETS, api=replace(api, max_body=most) if most else api, query=query
        )
        return await self.decoded(reply.body, codec.listing_of)

    # writing

    def place(self, remote: Remote) -> Hashable:
        """A folder may be written in several ways; with slashes at its ends, say."""
        folder, name = codec.address(self.folder, remote.key)
        return self.project, self.environment, codec.cleaned(folder), name

    async def push(self, entry: Push, source: Source) -> None:
        """Writes only what differs. There is no mark of ownership: an existing secret is overwritten."""
        asked, path = self._target(entry.remote), entry.remote.property
        value = pushed(entry, source, escape_html=True)
        live = await self._live(asked)
        wanted = codec.updated(live, asked.name, path, value)
        if wanted == live:
            return
        text = text_of(wanted, "Infisical keeps")
        if live is None:
            await self._write("create", "CreateSecretV3", "POST", asked, text)
        else:
            await self._write("update", "UpdateSecretV3", "PATCH", asked, text)

    async def delete(self, remote: Remote) -> None:
        asked = self._target(remote)
        live = await self._live(asked)
        if live is None:
            return
        if remote.property:
            rest = codec.without(live, asked.name, remote.property)
            if rest is None:
                return
            if rest:
                await self._write("update", "UpdateSecretV3", "PATCH", asked, text_of(rest, "Infisical keeps"))
                return
        await self._write("delete", "DeleteSecretV3", "DELETE", asked, None)

    async def exists(self, remote: Remote) -> bool:
        asked = self._target(remote)
        live = await self._live(asked)
        return live is not None and (not remote.property or codec.holds(live, asked.name, remote.property))

    def _target(self, remote: Remote) -> Asked:
        """References in a value stay as they are written: a push merges into them and must not replace them."""
        if not remote.key:
            raise InvalidConfig("remoteKey is required to push a secret to Infisical")
        asked = self.request(RemoteRef(remote.key))
        assert isinstance(asked, Asked)
        return replace(asked, expand=False)

    async def _live(self, asked: Asked) -> bytes | None:
        """The value that is there itself; what is imported belongs to another folder."""
        try:
            return (await self._secret(asked, imports=False)).data
        except SecretNotFound:
            return None

    async def _write(self, what: str, call: str, method: str, asked: Asked, text: str | None) -> None:
        """`text` None: a deletion; what is gone meanwhile is deleted."""
        body: dict[str, Any] = {
            "workspaceId": await self._project_id(),
            "environment": asked.environment,
            "secretPath": asked.folder,
            "type": "shared",
        }
        if text is not None:
            body |= {"secretValue": text, "skipMultilineEncoding": True}
        try:
            await self._send(call, method, path_of(asked.name), json=body)
        except SecretNotFound as error:
            if text is not None:  # it says that the write failed, and nothing of a secret that is read
                raise NothingThere(f'failed to {what} secret "{asked.name}": {error}') from error
        except EsoError as error:
            if not (text is None and isinstance(error, NoFolder)):
                raise prefixed(f'failed to {what} secret "{asked.name}": ', error) from error

    async def _project_id(self) -> str:
        """Writes name the project by its id. Older servers know another path for it."""
        slug = self.project
        try:
            try:
                reply = await self._send("GetWorkspaceBySlug", "GET", f"/v1/projects/slug/{segment(slug)}")
            except NothingThere:
                reply = await self._send("GetWorkspaceBySlug", "GET", f"/v1/workspace/slug/{segment(slug)}")
            found = await self.decoded(reply.body, codec.id_of)
        except NothingThere as error:
            raise prefixed(f'no Infisical project found for slug "{slug}": ', error) from error
        except EsoError as error:
            raise prefixed(f'failed to resolve project id for slug "{slug}": ', error) from error
        if not found:
            raise Malformed(f'project lookup for slug "{slug}" returned no id')
        return found

    # requests

    def _scope(self, folder: str, imports: bool, expand: bool) -> dict[str, str]:
        return {
            "workspaceSlug": self.project,
            "environment": self.environment,
            "secretPath": folder,
            "include_imports": str(imports).lower(),
            "expandSecretReferences": str(expand).lower(),
        }

    async def _send(self, call: str, method: str, path: str, *, api: Api | None = None, **options: Any) -> Reply:
        try:
            return await (api or self.connection.api).send(call, method, path, **options)
        except SecretNotFound:
            raise
        except EsoError as error:
            raise prefixed(f"APIError: {OPERATIONS.get(call, call)} ", error) from error


def path_of(name: str) -> str:
    return f"{SECRETS}/{segment(name)}"


def shown(token: Token) -> dict[str, str]:
    return {"accessToken": token.value}
