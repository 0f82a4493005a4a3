"""What a provider is: one backend's rules and calls, behind three small protocols and a closed set of errors.

Neighbours: `stores` calls it; each provider package implements it. A provider never retries, sleeps, caches or reads
the cluster on its own. Reading is split in two so that equal reads can be shared: `request` names the call, `fetch`
makes it (waits), `value` and
`mapping` take the asked-for part out of the reply (pure).
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Hashable, Mapping
from contextlib import AbstractAsyncContextManager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, ClassVar, Protocol, TypeVar

from eso.errors import EsoError


class NotFound(EsoError):
    """The backend proved that the secret does not exist: the only error that may delete or empty anything."""

    def __init__(self, message: str = "Secret does not exist", *, fix: str = "") -> None:
        super().__init__(message, fix=fix)


class AuthExpired(EsoError):
    """The session's credential ran out: log in again once."""


class AuthRejected(EsoError):
    """The login itself was refused: closes the identity's gate."""


class Denied(EsoError):
    """Logged in, but not allowed to read this path: closes no gate."""


class Throttled(EsoError):
    """429 or the vendor's equivalent; `retry_after` in seconds, None when the backend did not say."""

    def __init__(self, message: str, *, retry_after: float | None = None, fix: str = "") -> None:
        super().__init__(message, fix=fix)
        self.retry_after = retry_after


class Unavailable(EsoError):
    """No connection, 5xx, sealed: closes the endpoint's gate."""


class Timeout(Unavailable):
    """No answer in time."""


class NotYet(EsoError):
    """The server that answered is behind the one that was written to: worth another try, closes no gate."""


class Malformed(EsoError):
    """The backend answered, but not in the form it promises (or the value is not of the form asked for)."""


class InvalidConfig(EsoError):
    """The store or the reference cannot work as written."""


E = TypeVar("E", bound=EsoError)


def prefixed(prefix: str, error: E) -> E:
    """The same typed error with `prefix` before its text: what it means must survive being worded."""
    worded = copy.copy(error)
    worded.message = f"{prefix}{error.message}"
    worded.args = (worded.message,)
    worded.__cause__ = error
    return worded


Turn = Callable[[str, str], AbstractAsyncContextManager[None]]
TURN: ContextVar[Turn | None] = ContextVar("turn", default=None)


def turn(provider: str = "", call: str = "") -> AbstractAsyncContextManager[None]:
    """`async with turn(provider, call):` around every single request; the names are the metric's labels, an error that
    leaves it is counted as one.

    The store's gate counts it there: its pace, its bound on requests in flight. The wait happens inside; a provider
    itself knows nothing about pace. Outside a gate it is free.
    """
    current = TURN.get()
    return current(provider, call) if current is not None else nullcontext()


@dataclass(frozen=True, slots=True)
class RemoteRef:
    """What `data[].remoteRef` and `dataFrom[].extract` ask a provider for. Empty string = absent."""

    key: str
    property: str = ""
    version: str = ""
    metadata_policy: str = ""


@dataclass(frozen=True, slots=True)
class Find:
    """`dataFrom[].find`; None = absent (absent and empty may differ)."""

    path: str | None = None
    name_regexp: str | None = None
    tags: tuple[tuple[str, str], ...] | None = None
    conversion_strategy: str = ""


@dataclass(frozen=True, slots=True)
class StoreView:
    """The part of a (Cluster)SecretStore that a provider may see. `provider_spec` is the block below
    `spec.provider.<name>`."""

    kind: str
    name: str
    namespace: str  # "" for ClusterSecretStore
    provider: str
    provider_spec: Mapping[str, Any]
    uid: str = ""
    generation: int = 0
    retry_settings: Mapping[str, Any] | None = None

    @property
    def cluster_scoped(self) -> bool:
        return self.kind == "ClusterSecretStore"


class Validation(IntEnum):
    READY = 0
    UNKNOWN = 1
    ERROR = 2


class CredentialReader(Protocol):
    """Reads Secrets, ConfigMaps and tokens for ONE (store, namespace) binding; it cannot name another namespace than
    the rules allow.

    `selector` is the raw SecretKeySelector / ServiceAccountSelector / CAProvider object of the store spec. Errors carry
    the reference's texts (`cannot get Kubernetes secret "<n>" from namespace "<ns>": …`).
    """

    @property
    def namespace(self) -> str:
        """Namespace of the consumer; "" while a ClusterSecretStore is validated."""

    async def secret(self, selector: Mapping[str, Any], *, default_key: str = "") -> bytes: ...

    async def service_account_token(
        self, selector: Mapping[str, Any], *, audiences: tuple[str, ...] = (), expiration_seconds: int | None = 600
    ) -> str:
        """TokenRequest. `audiences` are used exactly as given (callers merge in the selector's own)."""

    async def legacy_service_account_token(self, selector: Mapping[str, Any]) -> str:
        """The token of the first token Secret that the ServiceAccount lists (clusters before 1.24)."""

    async def own_token(self) -> str:
        """The controller's own mounted ServiceAccount token."""

    async def ca_bundle(self, spec: Mapping[str, Any]) -> bytes | None:
        """PEM from `caBundle` / `caProvider` of `spec`, None when neither is set."""


class StoreClient(Protocol):
    """A logged-in session with one backend under one identity. Long-lived; shared by every read of that identity."""

    @property
    def lifetime(self) -> float | None:
        """Seconds from login (or the last renewal) until the login ends; None = it does not end by itself."""

    async def renew(self) -> bool:
        """Extends the login. False: it cannot be extended, log in anew."""

    def bind(self, store: StoreView) -> StoreClient:
        """The same session seen through another store of the same identity (another mount, say). Costs nothing."""

    def request(self, ref: RemoteRef) -> Hashable:
        """The canonical call behind `ref`: equal requests are one call. Raises InvalidConfig for what can never
        work."""

    async def fetch(self, request: Hashable) -> Any:
        """Makes the call. The payload is opaque to callers and lives for one pass; its length, if it has one, says how
        much work it is."""

    def value(self, payload: Any, ref: RemoteRef) -> bytes: ...

    def mapping(self, payload: Any, ref: RemoteRef) -> dict[str, bytes]: ...

    async def find(self, find: Find) -> dict[str, bytes]: ...

    async def validate(self) -> Validation:
        """READY, or UNKNOWN without an error (referent). Raises `ValidationFailed` otherwise."""

    async def close(self) -> None:
        """Log out. Never raises for a backend that is gone."""


class ValidationFailed(EsoError):
    """`validate` failed; `result` says whether the state is UNKNOWN (store stays usable) or ERROR."""

    def __init__(self, message: str, result: Validation = Validation.ERROR, *, fix: str = "") -> None:
        super().__init__(message, fix=fix)
        self.result = result


class Provider(Protocol):
    """One backend kind. Process-wide, stateless."""

    name: ClassVar[str]
    capability: ClassVar[str]  # ReadOnly, WriteOnly, ReadWrite
    maintained: ClassVar[bool]
    # (how often, seconds between) the reader tries again where retrySettings are absent; ignored when it is (0, 0)
    retries: ClassVar[tuple[int, float]]

    def validate_store(self, store: StoreView) -> list[str]:
        """Static rules (no I/O): warnings, or InvalidConfig with the reference's text."""

    def endpoint(self, store: StoreView) -> str:
        """Where calls go (host, region): the unit of the endpoint gate."""

    def identity(self, store: StoreView) -> Mapping[str, Any]:
        """The part of `provider_spec` that makes the login: stores that agree in it, and in the credentials' content,
        share one session."""

    def referent(self, store: StoreView) -> bool:
        """True when the identity depends on the consumer's namespace."""

    def references(self, store: StoreView) -> list[tuple[str, str, str]]:
        """(kind Secret|ConfigMap|ServiceAccount, namespace or "" for the consumer's, name) of every credential source,
        for the reverse index."""

    async def open(self, store: StoreView, credentials: CredentialReader) -> StoreClient:
        """Builds the client and logs in. Raises AuthRejected, Unavailable, InvalidConfig, or the credential reader's
        error."""
