"""The schema of `UUID.spec`."""

from __future__ import annotations

from eso.api.crds.schema import Schema, obj


def schema() -> Schema:
    return obj("A random UUID.")
