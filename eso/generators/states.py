"""What generators left behind, as GeneratorState objects: written here, cleaned up by `reconcile.generatorstate`.

Neighbours: front.py decides which states are kept. The informer knows every state, so that no list is asked for; it may
be behind by moments, and the next success flags what it did not show.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import orjson

from eso.api.generators import (
    FINALIZER_GENERATOR_STATE,
    GENERATOR_STATES,
    LABEL_OWNER_KEY,
    GeneratorState,
    decode_generator_state,
    owner_key,
)
from eso.api.meta import ObjectMeta, Resource, Undecodable, rfc3339
from eso.api.wellknown import EXTENSIONS_PREFIX
from eso.errors import EsoError
from eso.generators.contract import Json
from eso.kube.catalogue import Phase, Watched
from eso.kube.informer import Informer
from eso.kube.rest import NotFound, Rest

OWNER: Final = "owner key"  # index of the states
MADE_AT: Final = f"{EXTENSIONS_PREFIX}made-at"
"""Annotation of a state: when its values were made, by the operator's clock. The API server's may be another."""
SKEW: Final = timedelta(seconds=5)  # between the two, for a state without that annotation
MOST_BYTES: Final = 64 << 10
"""Of a generator and of what it left behind: they are stored at each refresh, and stay for minutes."""
GRACE: Final = 120.0  # seconds that values stay valid after the ones that replace them
WATCHED_STATES: Final = Watched(GENERATOR_STATES, decode_generator_state, Phase.OBJECTS, rationed=True)
StateRecord = GeneratorState | Undecodable


@dataclass(frozen=True, slots=True)
class Owner:
    """The object that uses a generator."""

    resource: Resource
    meta: ObjectMeta

    def key(self, state_key: str) -> str:
        return owner_key(self.resource.kind, self.meta.namespace, self.meta.name, state_key)


class StateTooLarge(EsoError):
    """The generator, or what its backend gave to remember, is no size to store at each refresh."""


def check_size(*parts: Any) -> None:
    """Raises StateTooLarge."""
    if sum(len(orjson.dumps(part)) for part in parts) > MOST_BYTES:
        raise StateTooLarge(
            f"the generator, and what there is to remember of its values, are more than {MOST_BYTES} bytes",
            fix="make its spec smaller",
        )


class States:
    """`informer` follows all GeneratorStates; `grace` in seconds."""

    def __init__(self, rest: Rest, informer: Informer[StateRecord], grace: float = GRACE) -> None:
        self._rest, self._informer, self.grace = rest, informer, grace
        informer.index(OWNER, lambda record: [owner_of(record)] if owner_of(record) else [])

    async def create(
        self,
        owner: Owner,
        state_key: str,
        resource: Json,
        state: Any,
        now: datetime,
        deadline: datetime | None = None,
    ) -> str:
        """Returns the object's name. `now`: by the clock that says when an object was pushed. It is born with its
        finalizer, so that no deletion can come before. Raises ApiError, StateTooLarge."""
        check_size(resource, state)
        meta = owner.meta
        spec: dict[str, Any] = {"resource": resource, "state": state}
        body = {
            "apiVersion": GENERATOR_STATES.api_version,
            "kind": GENERATOR_STATES.kind,
            "metadata": {
                "generateName": f"gen-{owner.resource.kind.lower()}-{meta.name}-",
                "namespace": meta.namespace,
                "labels": {LABEL_OWNER_KEY: owner.key(state_key)},
                "annotations": {MADE_AT: rfc3339(now)},
                "finalizers": [FINALIZER_GENERATOR_STATE],
                "ownerReferences": [
                    {
                        "apiVersion": owner.resource.api_version,
                        "kind": owner.resource.kind,
                        "name": meta.name,
                        "uid": meta.uid,
                    }
                ],
            },
            "spec": spec | ({"garbageCollectionDeadline": rfc3339(deadline)} if deadline is not None else {}),
            "status": {},
        }
        raw = await self._rest.create(GENERATOR_STATES, meta.namespace, body)
        return decode_generator_state(raw).name

    async def expire(self, namespace: str, name: str, deadline: datetime) -> None:
        """The state is cleaned up at `deadline`. Raises ApiError; one that is gone is fine."""
        body = {"spec": {"garbageCollectionDeadline": rfc3339(deadline)}}
        try:
            await self._rest.patch(GENERATOR_STATES, namespace, name, body)
        except NotFound:
            return

    async def flag(
        self, owner: Owner, state_key: str, now: datetime, made: str = "", in_use_since: datetime | None = None
    ) -> None:
        """Every live state of the entry expires after the grace period, except the one that is `made` now and the
        latest before it: its values may still be in use. So may those of the first one since `in_use_since`. Raises
        ApiError."""
        live = [state for state in self.live(owner, state_key) if state.name != made]
        used = first_since(live, in_use_since)
        for state in superseded(live):
            if state is used:
                continue
            await self.expire(state.namespace, state.name, now + timedelta(seconds=self.grace))

    def live(self, owner: Owner, state_key: str) -> list[GeneratorState]:
        """States of the entry that no deadline ends."""
        found = self._informer.by(OWNER, (owner.meta.namespace, owner.key(state_key)))
        return [
            state
            for state in found
            if isinstance(state, GeneratorState)
            and state.deadline is None
            and state.metadata.deletion_timestamp is None
        ]


def owner_of(record: StateRecord) -> tuple[str, str] | None:
    return (record.namespace, record.owner_key) if isinstance(record, GeneratorState) and record.owner_key else None


def superseded(live: Iterable[GeneratorState]) -> list[GeneratorState]:
    """All but the latest."""
    return sorted(live, key=made_at)[:-1]


def first_since(live: Iterable[GeneratorState], time: datetime | None) -> GeneratorState | None:
    """The state of the pass that began at `time`: states are made after the beginning, and told in whole seconds."""
    if time is None:
        return None
    since = [state for state in live if noted(state) >= time.replace(microsecond=0)]
    return min(since, key=made_at, default=None)


def noted(state: GeneratorState) -> datetime:
    """When the state was made, by the operator's clock as far as that is known."""
    with suppress(KeyError, ValueError):
        time = datetime.fromisoformat(state.metadata.annotations[MADE_AT])
        return time if time.tzinfo is not None else time.replace(tzinfo=UTC)
    return state.metadata.creation_timestamp + SKEW


def made_at(state: GeneratorState) -> tuple[datetime, int]:
    """Within one second the version decides: nothing writes a live state after it was made, and versions grow."""
    version = state.metadata.resource_version
    return state.metadata.creation_timestamp, int(version) if version.isdigit() else 0
