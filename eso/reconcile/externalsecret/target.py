"""The two kinds of target, a Secret and any other kind: one protocol, and the words that differ.

Neighbours: targets.py (Secrets) and generic.py (any kind) implement `Target`; desired.py and manifest.py compute the
Change; report.py takes the words.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from eso.api.externalsecret import ExternalSecret
from eso.reconcile.externalsecret.decide import MISSING, Seen
from eso.reconcile.externalsecret.desired import Change, desired
from eso.reconcile.externalsecret.manifest import Left, desired_manifest
from eso.reconcile.externalsecret.stage import Stage
from eso.reconcile.kit.difference import Json
from eso.template.apply import Sources, Terms


@dataclass(frozen=True, slots=True)
class Before:
    """What a Change is computed from, beside data and sources.

    `inputs` is a keyed digest of everything that decides the content; `settled`: the target provably is what these
    inputs led to, so there is nothing to compute. `keep`: what is ours in the live object stays as it is, because the
    template would give something else each time; `rolls`: it rolls dice at all. `left`: what the API server made of our
    last write.
    """

    live: Json | None = field(default=None, repr=False)
    inputs: bytes = b""
    settled: bool = False
    keep: bool = False
    left: Left | None = None
    rolls: bool = False


@dataclass(frozen=True, slots=True)
class Occasion:
    """Why the target is rendered now. `anew`: a template that rolls dice gives new values in this pass; otherwise they
    stay while the inputs are those of the last write, `written_from` (empty: this process has not written yet)."""

    anew: bool = True
    written_from: bytes = b""
    triggered: bool = False

    def keeps(self, inputs: bytes) -> bool:
        """After a restart nothing is known of the inputs: only a trigger tells that they may have changed."""
        return not self.anew and (inputs == self.written_from if self.written_from else not self.triggered)


class Target(Protocol):
    """Reads and writes the targets of one kind. One write per call at most."""

    async def look(self, es: ExternalSecret) -> Seen | None:
        """What is known of the target, None when it is not there."""

    def unwatched(self, es: ExternalSecret) -> str:
        """Why a change of the target would not be noticed; "" when it would."""

    async def label(self, es: ExternalSecret) -> None:
        """Puts our label on a Secret that was there before."""

    async def before(self, es: ExternalSecret, data: Mapping[str, bytes], inputs: bytes, settle: bool) -> Before:
        """Reads the live object where the Change needs it. `settle`: equal inputs need no look."""

    async def delete_orphans(self, es: ExternalSecret) -> list[str]:
        """Deletes targets of an earlier name; returns their names."""

    async def apply(self, es: ExternalSecret, change: Change, before: Before) -> None:
        """Sends the Change. Raises the API's errors."""

    def lost(self, es: ExternalSecret) -> None:
        """What is known of the target proved wrong: read it before the next write."""

    async def delete_owned(self, es: ExternalSecret) -> bool:
        """The ExternalSecret is deleted: deletes the target if its controller reference carries our uid."""


@dataclass(frozen=True, slots=True)
class Words:
    """Reasons, messages and Event texts that differ; `{kind}` and `{name}` stand for the target's."""

    synced: str
    failed: str
    deleted: str
    missing: str
    not_created: str
    did_create: str
    did_update: str
    did_delete: str
    cleaned_up: str  # Event when the target goes with its ExternalSecret, "" for none
    sources_failed: str
    update_failed: str
    said: Mapping[Stage, str] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Kind:
    """`binds`: the status names the target. `desired` is the desk that computes the Change."""

    words: Words
    binds: bool
    desired: Callable[[ExternalSecret, Before, Mapping[str, bytes], Sources, Terms], Change] = field(repr=False)


FETCH_FAILED = "could not get secret data from provider"
UPDATE_FAILED = "could not update secret"
SAID: Mapping[Stage, str] = {
    Stage.SPEC: FETCH_FAILED,
    Stage.TARGET: "invalid generic target",
    Stage.LOOK: "could not get target resource",
    Stage.FETCH: FETCH_FAILED,
    Stage.RENDER: UPDATE_FAILED,
    Stage.KEEP: "could not delete secret",
    Stage.OWN: "target is owned by another ExternalSecret",
    Stage.CLAIM: "failed to take ownership of target secret",
    Stage.FREEZE: "could not update secret, target is immutable",
    Stage.TYPE: UPDATE_FAILED,
    Stage.ORPHANS: "could not delete orphaned secrets",
    Stage.WRITE: UPDATE_FAILED,
    Stage.DELETE: "could not delete secret",
}

SECRET = Kind(
    Words(
        synced="SecretSynced",
        failed="SecretSyncedError",
        deleted="SecretDeleted",
        missing=MISSING[0],
        not_created="secret will not be created due to CreationPolicy=Merge",
        did_create="secret created",
        did_update="secret updated",
        did_delete="secret deleted due to DeletionPolicy=Delete",
        cleaned_up="",
        sources_failed="could not apply template: error fetching templateFrom data: ",
        update_failed="unable to update secret {name}: ",
        said=SAID,
    ),
    binds=True,
    desired=lambda es, before, data, sources, terms: desired(es, before.live, data, sources, terms, keep=before.keep),
)
RESOURCE = Kind(
    Words(
        synced="ResourceSynced",
        failed="ResourceSyncedError",
        deleted="ResourceDeleted",
        missing=MISSING[1],
        not_created="resource will not be created due to CreationPolicy=Merge",
        did_create="Created {kind} {name}",
        did_update="Updated {kind} {name}",
        did_delete="Deleted {kind} {name}",
        cleaned_up="Deleted {kind} {name}",
        sources_failed="error fetching templateFrom data: ",
        update_failed="",
        said={
            **SAID,
            Stage.RENDER: "could not apply template to manifest",
            Stage.KEEP: "could not delete resource",
            Stage.DELETE: "could not delete resource",
        },
    ),
    binds=False,
    desired=lambda es, before, data, sources, terms: desired_manifest(
        es, before.live, data, sources, terms, before.left, keep=before.keep
    ),
)


def kind_of(es: ExternalSecret) -> Kind:
    return SECRET if es.spec.target.manifest is None else RESOURCE


def named(text: str, es: ExternalSecret) -> str:
    """A text of `Words` about the target of `es`."""
    return text.format(kind=kind_name(es), name=es.target_name)


def kind_name(es: ExternalSecret) -> str:
    manifest = es.spec.target.manifest
    return manifest.kind if manifest else "Secret"
