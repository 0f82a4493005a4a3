"""What a provider is: a spec that reads stores, a connector that logs in, a client that makes calls, and a closed set
of errors.

Neighbours: `stores` calls it; each provider package implements it: `spec.py` exports SPEC (a Spec), `connect.py`
exports Connector. A provider never retries, sleeps, caches or reads the cluster on its own. Reading is split in two so
that equal reads can be shared: `request` names the call, `fetch` makes it (waits), `value` and `mapping` take the
asked-for part out of the reply (pure).
"""

from __future__ import annotations

import copy
from collections.abc import AsyncIterator, Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass, field
from enum import Enum, IntEnum
from typing import Any, ClassVar, Final, Protocol, TypeVar

from eso.errors import EsoError, causes


class SecretNotFound(EsoError):
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
    """No connection, 5xx, sealed. `answered`: the server did answer (5xx). Then the cause may lie in one login, so the
    identity's gate closes first; without an answer the endpoint's gate closes. `connected`: there was a connection, and
    no answer came. That is the endpoint's fault only where other logins meet it as well."""

    def __init__(self, message: str, *, answered: bool = False, connected: bool = False, fix: str = "") -> None:
        super().__init__(message, fix=fix)
        self.answered, self.connected = answered, connected


class Timeout(Unavailable):
    """No answer in time."""


class NotYet(EsoError):
    """The server that answered is behind the one that was written to: worth another try, closes no gate."""


class Malformed(EsoError):
    """The backend answered, but not in the form it promises (or the value is not of the form asked for)."""


class InvalidConfig(EsoError):
    """The store or the reference cannot work as written."""


class Busy(EsoError):
    """Another writer changes the same remote entry right now. The key comes back soon; no failure is counted."""


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
    """What `data[].remoteRef` and `dataFrom[].extract` ask a provider for. Empty string = absent. `members`: `mapping`
    will be asked, not `value`, which matters where the two need different calls."""

    key: str
    property: str = ""
    version: str = ""
    metadata_policy: str = ""
    members: bool = False


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


@dataclass(frozen=True, slots=True)
class Unshared:
    """A payload that stands for one that the backend makes anew at each read, new credentials say: whoever reads asks
    for `request` itself, and shares the answer within its own pass at most."""

    request: Hashable


Place = tuple[str, str, str]  # kind (Secret, ConfigMap, ServiceAccount), namespace ("" = the consumer's), name


class Consumer(Enum):
    """How the consumer's namespace enters the login of a store."""

    NONE = "none"  # every consumer uses the same login
    CREDENTIALS = "credentials"  # the credentials are looked up in the consumer's namespace (referent)
    IDENTITY = "identity"  # the login itself names the consumer (session tags, token audiences)


class Quota(Enum):
    """What the backend counts requests by, and so where a 429 and the declared pace belong."""

    LOGIN = "login"  # the account or token that the login speaks for
    ENDPOINT = "endpoint"  # the server: one pace for everything that one ClusterSecretStore asks there


@dataclass(frozen=True, slots=True)
class Retries:
    """`times`: how often a failed read is tried again after the first attempt; `seconds` between two attempts."""

    times: int = 0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Plan:
    """What a spec makes of one store record. Computed once per record.

    `endpoint`: where calls go (host, region); failures of the path belong to it. `login`: JSON-like; stores that agree
    in it, in the endpoint and in the content of `references` share one login. `pace`: requests per second that the
    vendor publishes for `quota`, None when it publishes none.
    """

    endpoint: str
    login: Mapping[str, Any]
    consumer: Consumer = Consumer.NONE
    references: tuple[Place, ...] = ()
    retries: Retries = Retries()
    quota: Quota = Quota.LOGIN
    pace: float | None = None


class Spec(Protocol):
    """The rules of one backend kind: pure, importable without any SDK, stateless. Used by the controller and by the
    admission webhook."""

    name: ClassVar[str]  # the key below spec.provider
    capability: ClassVar[str]  # ReadOnly, WriteOnly, ReadWrite
    maintained: ClassVar[bool]

    def check(self, store: StoreView) -> list[str]:
        """Static rules of admission: warnings, or InvalidConfig with the reference's text."""

    def plan(self, store: StoreView) -> Plan:
        """Raises InvalidConfig for a store that can never work. An exception of any other type refuses the store as
        well; it never reaches another one."""


@dataclass(frozen=True, slots=True)
class ServiceAccount:
    """What a login may know of a ServiceAccount."""

    name: str
    namespace: str
    uid: str
    annotations: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class SecretObject:
    """A whole Secret that a store refers to. Values never print."""

    data: Mapping[str, bytes] = field(repr=False)
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)


class CredentialReader(Protocol):
    """Reads Secrets, ConfigMaps and tokens for ONE (store, namespace) binding; it cannot name another namespace than
    the rules allow.

    `selector` is the raw SecretKeySelector / ServiceAccountSelector / CAProvider object of the store spec. Errors carry
    the reference's texts (`cannot get Kubernetes secret "<n>" from namespace "<ns>": …`).
    """

    @property
    def namespace(self) -> str:
        """Namespace of the consumer; "" while a ClusterSecretStore is validated."""

    @property
    def trailing(self) -> Sequence[str]:
        """The keys read so far whose value is one line with a line break at its end, as `blame` words them."""

    async def secret(self, selector: Mapping[str, Any], *, default_key: str = "") -> bytes: ...

    async def service_account_token(
        self, selector: Mapping[str, Any], *, audiences: tuple[str, ...] = (), expiration_seconds: int | None = 600
    ) -> str:
        """TokenRequest. `audiences` are used exactly as given (callers merge in the selector's own)."""

    async def legacy_service_account_token(self, selector: Mapping[str, Any]) -> str:
        """The token of the first token Secret that the ServiceAccount lists (clusters before 1.24)."""

    async def service_account(self, selector: Mapping[str, Any]) -> ServiceAccount:
        """The account that `selector` names, for the role that its annotations carry."""

    async def secret_object(self, selector: Mapping[str, Any]) -> SecretObject:
        """All of a Secret, with its labels: for stores that ask for a marked Secret."""

    async def config_map(self, selector: Mapping[str, Any]) -> Mapping[str, str]:
        """The `data` of a ConfigMap."""

    async def own_token(self) -> str:
        """The controller's own mounted ServiceAccount token. Raises InvalidConfig for a SecretStore."""

    def ambient(self) -> Mapping[str, str]:
        """The environment of the process, for a store that uses the operator's own cloud identity. Raises InvalidConfig
        where the operator's flag refuses ambient credentials to this kind of store."""

    async def ca_bundle(self, spec: Mapping[str, Any]) -> bytes | None:
        """PEM from `caBundle` / `caProvider` of `spec`, None when neither is set."""


def blame(error: EsoError, trailing: Sequence[str]) -> None:
    """Names in the fix of a failed login the credentials that end in a line break, unless the failure is none of
    theirs."""
    about = next((one for one in causes(error) if isinstance(one, NONE_OF_THEIRS)), None)
    if trailing and about is None:
        broken = " and ".join(dict.fromkeys(trailing))
        error.fix = f"{broken} ends in a line break: store it without" + (f"; {error.fix}" if error.fix else "")


NONE_OF_THEIRS: Final = (Throttled, Unavailable, SecretNotFound, NotYet)


@contextmanager
def naming(credentials: CredentialReader) -> Iterator[None]:
    """Around what logs in with them: a failure that a line break may explain says so."""
    try:
        yield
    except EsoError as error:
        blame(error, credentials.trailing)
        raise


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
        much work it is. An Unshared instead: equal requests must not share what follows."""

    def value(self, payload: Any, ref: RemoteRef) -> bytes: ...

    def mapping(self, payload: Any, ref: RemoteRef) -> dict[str, bytes]: ...

    def find(self, find: Find) -> AsyncIterator[Mapping[str, bytes | Unshared]]:
        """Every match, page by page; the caller bounds names and bytes over all pages. A page may be empty."""

    async def validate(self) -> Validation:
        """READY, or UNKNOWN without an error (referent). Raises `ValidationFailed` otherwise."""

    async def close(self) -> None:
        """Log out. Never raises for a backend that is gone."""


class ValidationFailed(EsoError):
    """`validate` failed; `result` says whether the state is UNKNOWN (store stays usable) or ERROR."""

    def __init__(self, message: str, result: Validation = Validation.ERROR, *, fix: str = "") -> None:
        super().__init__(message, fix=fix)
        self.result = result


class Connector(Protocol):
    """Logs in to backends of one kind. One per process, made by the first login with the process's `env.Env`; its
    module may import an SDK and is loaded in a thread."""

    async def open(self, store: StoreView, plan: Plan, credentials: CredentialReader) -> StoreClient:
        """Builds the client and logs in. Raises AuthRejected, Unavailable, InvalidConfig, or the credential reader's
        error."""

    async def close(self) -> None:
        """Lets go of what all logins share."""


class Batches(StoreClient, Protocol):
    """A client whose backend answers several requests in one call."""

    most: ClassVar[int]  # requests per call

    def batch(self, request: Hashable) -> Hashable | None:
        """Requests with equal answers may travel together; None for one that travels alone."""

    async def fetch_many(self, requests: Sequence[Hashable]) -> Mapping[Hashable, Any]:
        """Request → payload or EsoError, for each of `requests`. Raises when the call as a whole failed."""


class Probes(StoreClient, Protocol):
    """A client whose backend tells which version a secret has without showing its value, many in one request."""

    async def probe(self, keys: Sequence[str]) -> Mapping[str, str]:
        """Key as an object writes it → a text that is another one whenever the value of the secret is: a version, a
        time, an ETag. Keys that do not exist, or of which the backend tells no version, are left out. Pages and
        requests are bounded."""


@dataclass(frozen=True, slots=True)
class Remote:
    """The remote entry that a push writes, or a deletion removes. `metadata`: the raw `metadata` of the entry that was
    pushed, where it decides the place (a namespace, say): what went there is looked for and removed there."""

    key: str
    property: str = ""
    metadata: Mapping[str, Any] | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Source:
    """The Secret that is pushed: every value, and what providers may copy of its metadata. Values never print.

    `reader` reads what the push's own metadata refers to, in the namespace of the push; `stores` puts it in.
    """

    data: Mapping[str, bytes] = field(repr=False)
    name: str = ""
    namespace: str = ""
    type: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    reader: CredentialReader | None = field(default=None, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Push:
    """One entry of a PushSecret: `secret_key` of the source goes to `remote`; "" = the whole Secret. `metadata`: the
    raw object of `spec.data[].metadata`, None when absent."""

    remote: Remote
    secret_key: str = ""
    metadata: Mapping[str, Any] | None = None


class Writes(StoreClient, Protocol):
    """A client that can change the backend. Writes are never shared and never repeated by `stores`, except after
    AuthExpired, which says that nothing was written."""

    def place(self, remote: Remote) -> Hashable:
        """What a write to `remote` changes: writes of one login to equal places happen one after the other."""

    async def push(self, entry: Push, source: Source) -> None:
        """Writes the value unless the backend has it already. Raises Busy, Denied, InvalidConfig, Unavailable ..."""

    async def delete(self, remote: Remote) -> None:
        """Removes the entry, if it is there and was pushed by us. An entry that is not there is no error."""

    async def exists(self, remote: Remote) -> bool: ...


def batches(client: StoreClient) -> Batches | None:
    return client if hasattr(client, "fetch_many") else None  # type: ignore[return-value]  # the attribute tells


def writes(client: StoreClient) -> Writes | None:
    return client if hasattr(client, "push") else None  # type: ignore[return-value]  # the attribute tells


def probes(client: StoreClient) -> Probes | None:
    return client if hasattr(client, "probe") else None  # type: ignore[return-value]  # the attribute tells
