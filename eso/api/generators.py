"""GeneratorState as a cache keeps it, and the names that tie one to its owner.

Neighbours: `generators.states` writes these objects, `reconcile.generatorstate` cleans up after them. The snapshot and
the state stay out of the record: they are read when they are needed.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import Final

import msgspec

from eso.api.meta import Object, ObjectMeta, Record, Resource, Undecodable, decode_or_metadata
from eso.api.wellknown import GENERATORS_GROUP

GENERATOR_STATES: Final = Resource(GENERATORS_GROUP, "v1alpha1", "generatorstates", "GeneratorState")
LABEL_OWNER_KEY: Final = f"{GENERATORS_GROUP}/owner-key"
FINALIZER_GENERATOR_STATE: Final = "generatorstate.externalsecrets.io/finalizer"


class StateMeta(ObjectMeta, frozen=True):
    creation_timestamp: datetime = datetime.min.replace(tzinfo=UTC)


class GeneratorStateSpec(Record, frozen=True):
    garbage_collection_deadline: datetime | None = None


class GeneratorState(Object, frozen=True):
    """One set of values that a generator made, as far as its clean-up has to be planned."""

    metadata: StateMeta
    spec: GeneratorStateSpec = GeneratorStateSpec()

    @property
    def owner_key(self) -> str:
        return self.metadata.labels.get(LABEL_OWNER_KEY, "")

    @property
    def deadline(self) -> datetime | None:
        return self.spec.garbage_collection_deadline


_decoder: Final = msgspec.json.Decoder(GeneratorState)


def decode_generator_state(raw: bytes | msgspec.Raw) -> GeneratorState | Undecodable:
    return decode_or_metadata(_decoder, raw)


def owner_key(kind: str, namespace: str, name: str, state_key: str) -> str:
    """Label value of all states of one entry. `state_key`: the index of the `dataFrom` entry, or __pushsecret."""
    return hashlib.sha3_224(f"{kind}-{namespace}-{name}-{state_key}".encode()).hexdigest()
