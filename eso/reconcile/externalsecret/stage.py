"""Where a pass can fail, and the error that says so.

Neighbours: every module of this room raises `Failed`; report.py has one table with the words and the outcome of each
stage.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

from eso.errors import EsoError


class Stage(Enum):
    """In the order in which a pass comes to them."""

    SPEC = "spec"  # a member that the schema lets through has no meaning
    TARGET = "target"  # generic targets are switched off, or the manifest block is incomplete
    LOOK = "look"  # the live target cannot be read
    FETCH = "fetch"  # a value cannot be read, or not be made of what was read
    RENDER = "render"
    KEEP = "keep"  # the backend is empty and the policy is Delete, but the target is not ours to delete
    OWN = "own"  # another ExternalSecret controls the target
    CLAIM = "claim"  # another kind of controller does
    FREEZE = "freeze"  # the live Secret is immutable and would have to change
    TYPE = "type"  # the live Secret has another type than the template
    ORPHANS = "orphans"  # the targets of an earlier name cannot be listed or deleted
    WRITE = "write"
    DELETE = "delete"
    RACE = "race"  # somebody wrote the target between our read and our write


FINAL: Final = frozenset({Stage.SPEC, Stage.TARGET, Stage.KEEP, Stage.OWN, Stage.CLAIM, Stage.FREEZE})
"""Failures at these stages stay until the object or the target is changed."""


class Failed(EsoError):
    """A pass ended at `stage`; the text is what the Event shows. Where `retryable` is not given, the stage decides."""

    def __init__(self, stage: Stage, message: str, *, fix: str = "", retryable: bool | None = None) -> None:
        super().__init__(message, fix=fix)
        self.stage = stage
        again = stage not in FINAL if retryable is None else retryable
        self.retryable = again  # type: ignore[misc]  # per error, not per class
