"""ChangeSource: who may tell that remote secrets have changed, and what was told and is not carried out yet.

Neighbours: reconcile.changesource works on these records, notify checks events against `Auth` and drives what is polled
or received, crds/changesource.py and crds/changequeues.py have the schema. An absent member has the value that the
schema gives it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import msgspec

from eso.api.externalsecret import StoreRef
from eso.api.meta import Condition, Object, Record, Resource, Undecodable, decode_or_metadata
from eso.api.wellknown import EXTENSIONS_GROUP
from eso.gocompat.duration import parse_duration

CHANGE_SOURCES: Final = Resource(EXTENSIONS_GROUP, "v1alpha1", "changesources", "ChangeSource")
MOST_STORES: Final = 100
MOST_KEYS: Final = 4  # of one credential: the present one and those that it replaces
MOST_EVENT_BYTES: Final = 128 << 10  # of the keys and versions of one event
# Twice an event: beside keys that wait for long, one more event of any size has room.
MOST_PENDING: Final = 512
MOST_PENDING_BYTES: Final = 2 * MOST_EVENT_BYTES  # they stand in the status
LONGEST_KEY: Final = 1024  # characters of a remote key
LONGEST_VERSION: Final = 256
SHORTEST_INTERVAL: Final = 10.0  # seconds between two probes of a store
QUEUES: Final = ("sqs", "pubsub", "servicebus")
MEMBERS: Final = ("webhook", "poll", *QUEUES)
"""Exactly one of them is in a spec."""

StoreKey = tuple[str, str, str]  # kind, namespace ("" for a ClusterSecretStore), name


@dataclass(frozen=True, slots=True)
class Change:
    """What an event says of one remote secret. `prefix`: all secrets below `key` may have changed; below "" that is
    all. `version` "" where the event names none."""

    key: str
    version: str = ""
    prefix: bool = False

    @property
    def size(self) -> int:
        """Bytes of its names."""
        return len(self.key.encode("utf-8", "replace")) + len(self.version.encode("utf-8", "replace"))


class SecretKeyRef(Record, frozen=True):
    """A key of a Secret in the object's own namespace."""

    name: str = ""
    key: str = ""


class SharedSecret(Record, frozen=True):
    """Any of the values is accepted, so that one can be replaced without a gap."""

    secret_refs: tuple[SecretKeyRef, ...] = ()


class KeySet(Record, frozen=True):
    """A JWKS: from a Secret or from a URL."""

    secret_ref: SecretKeyRef | None = None
    url: str = ""


SENDERS: Final = (
    "appid",
    "azp",
    "cid",
    "client_id",
    "email",
    "job_workflow_ref",
    "namespace_id",
    "namespace_path",
    "oid",
    "organization_id",
    "owner_id",
    "project_id",
    "project_path",
    "repository",
    "repository_id",
    "repository_owner",
    "repository_owner_id",
    "sub",
    "terraform_organization_id",
)
"""Claims that say who sent a token. Most issuers sign for many: whoever may use one chooses the audience freely."""


class Jwt(Record, frozen=True):
    """`claims` must be in the token with these very values."""

    issuer: str = ""
    audience: str = ""
    claims: dict[str, str] = {}  # noqa: RUF012  # msgspec copies it per instance
    jwks: KeySet = KeySet()

    @property
    def names_sender(self) -> bool:
        """Whether another customer of the issuer is kept out. The schema demands it."""
        return any(self.claims.get(name) for name in SENDERS)


class Sns(Record, frozen=True):
    """Every customer of AWS can have a message signed, so the topics are named."""

    topic_arns: tuple[str, ...] = ()


class Auth(Record, frozen=True):
    """Exactly one member is set."""

    hmac: SharedSecret | None = None
    bearer: SharedSecret | None = None
    jwt: Jwt | None = None
    sns: Sns | None = None
    github: SharedSecret | None = None
    gitlab: SharedSecret | None = None
    doppler: SharedSecret | None = None
    infisical: SharedSecret | None = None

    @property
    def secret_refs(self) -> tuple[SecretKeyRef, ...]:
        """Every Secret that the check of an event needs."""
        shared = (self.hmac, self.bearer, self.github, self.gitlab, self.doppler, self.infisical)
        found = [ref for one in shared if one is not None for ref in one.secret_refs]
        if self.jwt is not None and self.jwt.jwks.secret_ref is not None:
            found.append(self.jwt.jwks.secret_ref)
        return tuple(found)


class Webhook(Record, frozen=True):
    auth: Auth = Auth()


class Poll(Record, frozen=True):
    """The operator asks the stores themselves which versions their secrets have."""

    interval: str = "5m"

    @property
    def interval_seconds(self) -> float:
        """Raises DurationError."""
        return parse_duration(self.interval)


class ChangeSourceSpec(Record, frozen=True):
    """The blocks of queues stay as they are written: each is read by the module that receives from such a queue."""

    store_refs: tuple[StoreRef, ...] = ()
    webhook: Webhook | None = None
    poll: Poll | None = None
    sqs: dict[str, Any] | None = None
    pubsub: dict[str, Any] | None = None
    servicebus: dict[str, Any] | None = None
    debounce: str = "0s"

    @property
    def debounce_seconds(self) -> float:
        """Raises DurationError: the schema accepts any string."""
        return parse_duration(self.debounce)

    @property
    def members(self) -> tuple[str, ...]:
        """Which of MEMBERS are given: one, where the API server has the schema."""
        return tuple(name for name in MEMBERS if getattr(self, name) is not None)

    @property
    def secret_names(self) -> frozenset[str]:
        """The Secrets of the source's own namespace that its work depends on."""
        found = {ref.name for ref in self.webhook.auth.secret_refs} if self.webhook is not None else set()
        for name in QUEUES:
            found.update(selected(getattr(self, name) or {}))
        return frozenset(found)

    @property
    def account_names(self) -> frozenset[str]:
        """The ServiceAccounts of the source's own namespace that a queue is asked with."""
        return frozenset(account for name in QUEUES for account in accounts_in(getattr(self, name) or {}))


def accounts_in(block: Mapping[str, Any]) -> Iterator[str]:
    """Names of the ServiceAccounts that a block names, at any depth."""
    for name, value in block.items():
        if isinstance(value, Mapping):
            if name == "serviceAccountRef" and isinstance(value.get("name"), str):
                yield value["name"]
            yield from accounts_in(value)


def selected(block: Mapping[str, Any], member: str = "") -> Iterator[str]:
    """Names of the Secrets that selectors in a block name, at any depth. `member`: how the block itself is called."""
    if isinstance(block.get("name"), str) and ("key" in block or member.endswith("SecretRef")):
        yield block["name"]
    for name, value in block.items():
        if isinstance(value, Mapping):
            yield from selected(value, name)


class PendingChange(Record, frozen=True):
    """A change that was told at `time` and that some object has not taken in yet."""

    key: str = ""
    time: datetime | None = None
    version: str = ""
    prefix: bool = False


class ChangeSourceStatus(Record, frozen=True):
    """`source`: the member of the spec that is at work. `seen`: digests of the versions that a poll has found."""

    conditions: tuple[Condition, ...] = ()
    source: str = ""
    pending: tuple[PendingChange, ...] = ()
    last_event: datetime | None = None
    last_accepted: datetime | None = None
    accepted: int = 0
    rejected: dict[str, int] = {}  # noqa: RUF012  # as above
    lag_milliseconds: int | None = None
    seen: tuple[str, ...] = ()


class ChangeSource(Object, frozen=True):
    spec: ChangeSourceSpec = ChangeSourceSpec()
    status: ChangeSourceStatus = ChangeSourceStatus()


_decoder: Final = msgspec.json.Decoder(ChangeSource)


def decode_change_source(raw: bytes | msgspec.Raw) -> ChangeSource | Undecodable:
    """Decodes one object of the API server; Undecodable when its spec or status does not have the schema's form."""
    return decode_or_metadata(_decoder, raw)


@dataclass(frozen=True, slots=True)
class Taken:
    """The changes are queued and written down. `objects`: how many read one of the keys."""

    objects: int


@dataclass(frozen=True, slots=True)
class Full:
    """The source has as many changes pending as it may have; none of these was taken."""


@dataclass(frozen=True, slots=True)
class Unwritten:
    """The changes could not be written down: the sender has to send them again."""


Intake = Taken | Full | Unwritten


@dataclass(frozen=True, slots=True)
class Place:
    """A store whose objects may be woken; `within`: only those of that namespace, "" for all."""

    store: StoreKey
    within: str


@dataclass(frozen=True, slots=True)
class Driven:
    """A source that the operator asks by itself, as it is now. Two that differ in anything are asked anew; `edits`
    counts the changes of the credentials that the spec names."""

    uid: str
    spec: ChangeSourceSpec
    places: tuple[Place, ...]
    edits: int = 0

    @property
    def member(self) -> str:
        return self.spec.members[0]


@dataclass(frozen=True, slots=True)
class Starting:
    """A driven source that has not been answered yet."""


@dataclass(frozen=True, slots=True)
class Working:
    """Its last step succeeded."""


@dataclass(frozen=True, slots=True)
class Failing:
    """Its last step failed; it is tried again."""

    reason: str
    text: str


Health = Starting | Working | Failing
